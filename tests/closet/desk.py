"""A scheduler with a shelf that grants at once what it is asked for, unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.closet.events import (
    Ask,
    Denied,
    DeviceDown,
    DeviceUp,
    Finish,
    Granted,
    Start,
    Submit,
    WorkDone,
    WorkFailed,
)
from harness.closet.scheduler import Scheduler
from harness.closet.work import Work
from harness.domain import Device
from harness.errors import ErrorDescription
from tests.closet.simulation import WRONG


@dataclass
class Desk:
    """`tell` an event; what it leads to is returned, with asks and their answers. `first`: what coming up led to."""

    scheduler: Scheduler
    busy: set[tuple[str, int]] = field(default_factory=set)
    asked: list[Ask] = field(default_factory=list)
    epochs: dict[tuple[str, int], int] = field(default_factory=dict)
    first: list[Any] = field(default_factory=list)

    def tell(self, event: Any, now_s: float = 0.0) -> list[Any]:
        done: list[Any] = []
        waiting = [event]
        while waiting:
            for instruction in self.scheduler.handle(waiting.pop(0), now_s):
                done.append(instruction)
                if isinstance(instruction, Ask):
                    self.asked.append(instruction)
                    waiting.append(self._answer(instruction))
        return done

    def _answer(self, ask: Ask) -> Granted | Denied:
        place = ask.device, ask.slot
        if place in self.busy:
            return Denied(*place)
        self.epochs[place] = max(self.epochs.get(place, 0), ask.least_epoch) + 1
        return Granted(*place, self.epochs[place])

    def up(self, device: str, now_s: float = 0.0, **more: Any) -> list[Any]:
        return self.tell(DeviceUp(device, **more), now_s)

    def down(self, device: str, error: ErrorDescription, now_s: float = 0.0, *, returns: bool = False) -> list[Any]:
        return self.tell(DeviceDown(device, error, returns), now_s)

    def done(self, device: str, slot: int, epoch: int, now_s: float = 0.0, **more: Any) -> list[Any]:
        return self.tell(WorkDone(device, slot, epoch, **more), now_s)

    def failed(self, device: str, slot: int, epoch: int, error: ErrorDescription, now_s: float = 0.0) -> list[Any]:
        return self.tell(WorkFailed(device, slot, epoch, error, answered=error is WRONG), now_s)


def desk(works: Iterable[Work], devices: Sequence[Device], **options: Any) -> Desk:
    """Works that wait, and devices that have not come yet."""
    made = Desk(Scheduler(devices, **options))
    made.tell(Submit(tuple(works)))
    return made


def starts(instructions: Iterable[Any]) -> list[tuple[str, str, int, int]]:
    return [(i.work.id, i.device, i.slot, i.epoch) for i in instructions if isinstance(i, Start)]


def finishes(instructions: Iterable[Any]) -> dict[str, Finish]:
    return {i.work_id: i for i in instructions if isinstance(i, Finish)}
