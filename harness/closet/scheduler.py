"""Who runs what, when: a state machine without I/O. Events in, instructions out; the pool carries them out.

Rules. Longest work first; among works of about that length the one whose blobs the device already holds. One lease a
slot, with an epoch that only grows; an answer under another epoch changes nothing. An error that may be tried elsewhere
is tried on a device that has not had the work yet, as long as one of its kind is alive, otherwise once more where it
was: an infrastructure error deserves that, and a crash that repeats on the only device of a kind is reported as a crash
there. After a crash one further try is allowed beyond the limit when the second one says nothing (a lost device), so
that a crash is confirmed or refuted rather than left open. The first specific cause is what is reported. Every work
ends exactly once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from harness.closet.events import (
    DeviceDown,
    DeviceUp,
    Event,
    Finish,
    Instruction,
    Kill,
    StageAhead,
    Start,
    Stop,
    Tick,
    WorkDone,
    WorkFailed,
)
from harness.closet.work import Work
from harness.domain import Device
from harness.errors import ConfigError, ErrorDescription, ProductCrashError, UnreachableError, from_description
from harness.verdict import NOT_RUN, Attempt

_MARGIN_S = 300.0  # staging and fetching, on top of the work's own deadline
_BAND = 0.75  # works at least this share of the longest count as equally long
_BAND_WORKS = 32
_GENERAL = {"UnreachableError", "LeaseLostError", "DeviceTimeoutError"}


@dataclass(slots=True)
class _Slot:
    """`work_id` is None while idle, and while `draining`: killed, and not yet known to be gone."""

    epoch: int = 0
    work_id: str | None = None
    started_s: float = 0.0
    hard_end_s: float = 0.0
    draining: bool = False

    @property
    def idle(self) -> bool:
        return self.work_id is None and not self.draining


@dataclass(slots=True)
class _Shelf:
    """One device as the scheduler sees it. `up` None: not known yet."""

    device: Device
    slots: list[_Slot]
    up: bool | None = None
    gone: bool = False
    error: ErrorDescription | None = None
    blobs: set[str] = field(default_factory=set)
    ahead: str = ""


@dataclass(slots=True)
class _Item:
    work: Work
    attempts: list[Attempt] = field(default_factory=list)
    finished: bool = False

    @property
    def tried(self) -> set[str]:
        return {attempt.device for attempt in self.attempts}


class Scheduler:
    """Give it events with `handle`; `finished` says when every work has ended."""

    def __init__(self, works: Sequence[Work], devices: Sequence[Device], max_attempts: int = 2) -> None:
        refuse_impossible(works, devices)
        self._items = {work.id: _Item(work) for work in works}
        self._queue = sorted(self._items.values(), key=lambda item: -item.work.cost_s)
        self._shelves = {device.name: _Shelf(device, [_Slot() for _ in range(device.slots)]) for device in devices}
        self._max_attempts = max_attempts
        self._stopped = False
        self._unfinished = len(self._items)

    @property
    def finished(self) -> bool:
        """True when every work has ended and no slot waits for a killed one to be gone."""
        draining = any(slot.draining for shelf in self._shelves.values() for slot in shelf.slots)
        return self._unfinished == 0 and not draining

    def handle(self, event: Event, now_s: float) -> list[Instruction]:
        """What is to be done after `event`, in order."""
        match event:
            case DeviceUp():
                self._device_up(event)
                done: list[Instruction] = []
            case DeviceDown():
                done = self._device_down(event, now_s)
            case WorkDone() | WorkFailed():
                done = self._work_ended(event, now_s)
            case Tick():
                done = self._overdue(now_s)
            case Stop():
                done = self._stop()
        return [*done, *self._give_up(), *self._assign(now_s), *self._stage_ahead()]

    def _device_up(self, event: DeviceUp) -> None:
        shelf = self._shelves[event.device]
        shelf.up, shelf.gone, shelf.error = True, False, None
        shelf.blobs, shelf.ahead = set(event.blobs), ""
        for slot, known in zip(shelf.slots, event.epochs, strict=False):
            slot.epoch = max(slot.epoch, known)

    def _device_down(self, event: DeviceDown, now_s: float) -> list[Instruction]:
        shelf = self._shelves[event.device]
        shelf.up, shelf.gone, shelf.error = False, not event.returns, event.error
        done: list[Instruction] = []
        for slot in shelf.slots:
            slot.draining = False
            if slot.work_id is not None:
                done += self._try_over(shelf, slot, WorkFailed(event.device, 0, slot.epoch, event.error), now_s)
        return done

    def _work_ended(self, event: WorkDone | WorkFailed, now_s: float) -> list[Instruction]:
        shelf = self._shelves[event.device]
        slot = shelf.slots[event.slot]
        if event.epoch != slot.epoch:
            return []
        if slot.draining:
            slot.draining = False
            return []
        return self._try_over(shelf, slot, event, now_s) if slot.work_id is not None else []

    def _try_over(self, shelf: _Shelf, slot: _Slot, event: WorkDone | WorkFailed, now_s: float) -> list[Instruction]:
        """Record the attempt; the work is finished, or goes back to the queue for another."""
        item = self._items[str(slot.work_id)]
        error = event.error if isinstance(event, WorkFailed) else None
        item.attempts.append(
            Attempt("", shelf.device.name, slot.epoch, slot.started_s, now_s, error, event.log_tail, event.measurements)
        )
        slot.work_id = None
        if error is None:
            return [self._finish(item, None)]
        if self._stopped:
            return [self._finish(item, NOT_RUN)]
        if from_description(error).retry_elsewhere and len(item.attempts) < self._limit(item):
            self._queue.append(item)
            self._queue.sort(key=lambda entry: -entry.work.cost_s)
            return []
        return [self._finish(item, reported_error(item.attempts))]

    def _limit(self, item: _Item) -> int:
        crashes = sum(_is_crash(attempt) for attempt in item.attempts)
        return self._max_attempts + (crashes == 1 and self._max_attempts > 1)

    def _overdue(self, now_s: float) -> list[Instruction]:
        """The device's own deadline should have come first: this one is for an answer that never comes."""
        done: list[Instruction] = []
        for shelf in self._shelves.values():
            for number, slot in enumerate(shelf.slots):
                if slot.work_id is not None and now_s > slot.hard_end_s:
                    error = ErrorDescription(
                        "DeviceTimeoutError",
                        f"no answer {now_s - slot.started_s:.0f} s after the start",
                        shelf.device.name,
                        "see whether the device hangs",
                    )
                    done.append(Kill(shelf.device.name, number, slot.epoch))
                    done += self._try_over(shelf, slot, WorkFailed(shelf.device.name, number, slot.epoch, error), now_s)
                    slot.draining = True
        return done

    def _stop(self) -> list[Instruction]:
        if self._stopped:
            return []
        self._stopped = True
        done: list[Instruction] = [self._finish(item, NOT_RUN) for item in self._queue]
        self._queue.clear()
        for shelf in self._shelves.values():
            for number, slot in enumerate(shelf.slots):
                if slot.work_id is not None:
                    done.append(Kill(shelf.device.name, number, slot.epoch))
        return done

    def _give_up(self) -> list[Instruction]:
        """Works for which no device is left that could ever come."""
        done: list[Instruction] = []
        if not any(shelf.gone for shelf in self._shelves.values()):
            return done
        for item in [entry for entry in self._queue if all(shelf.gone for shelf in self._able(entry.work))]:
            self._queue.remove(item)
            lost = [(shelf.device.name, shelf.error) for shelf in self._able(item.work) if shelf.error is not None]
            done.append(self._finish(item, reported_error(item.attempts) or _nobody_left(item.work, lost)))
        return done

    def _assign(self, now_s: float) -> list[Instruction]:
        done: list[Instruction] = []
        while not self._stopped and (choice := self._best_pair()) is not None:
            item, shelf, number = choice
            self._queue.remove(item)
            slot = shelf.slots[number]
            slot.epoch += 1
            slot.work_id, slot.started_s = item.work.id, now_s
            slot.hard_end_s = now_s + item.work.deadline_s + _MARGIN_S
            shelf.blobs |= {blob.sha256 for blob in item.work.blobs}
            done.append(Start(item.work, shelf.device.name, number, slot.epoch, slot.hard_end_s))
        return done

    def _stage_ahead(self) -> list[Instruction]:
        """For each busy device the longest waiting work that it lacks blobs for, one at a time a device.

        Not before every device has answered or failed to: one that is about to come would take the work at once.
        """
        done: list[Instruction] = []
        if self._stopped or any(shelf.up is None for shelf in self._shelves.values()):
            return done
        waiting = {item.work.id for item in self._queue}
        taken = {shelf.ahead for shelf in self._shelves.values()} & waiting
        for shelf in self._shelves.values():
            if not shelf.up or shelf.ahead in waiting or any(slot.idle for slot in shelf.slots):
                continue
            for item in self._queue[:_BAND_WORKS]:
                work = item.work
                if work.id not in taken and self._may_run(item, shelf) and _share_held(work, shelf) < 1.0:
                    shelf.ahead = work.id
                    taken.add(work.id)
                    shelf.blobs |= {blob.sha256 for blob in work.blobs}
                    done.append(StageAhead(work, shelf.device.name))
                    break
        return done

    def _best_pair(self) -> tuple[_Item, _Shelf, int] | None:
        """The longest work that can start now; in its band, the pair with most of its bytes already in place."""
        free = [shelf for shelf in self._shelves.values() if shelf.up and any(slot.idle for slot in shelf.slots)]
        if not free:
            return None
        best: tuple[float, _Item, _Shelf] | None = None
        longest_s, looked_at = 0.0, 0
        for item in self._queue:
            if best is not None and (item.work.cost_s < longest_s * _BAND or looked_at >= _BAND_WORKS):
                break
            for shelf in free:
                if not self._may_run(item, shelf):
                    continue
                score = _share_held(item.work, shelf)
                if best is None:
                    longest_s = item.work.cost_s
                if best is None or score > best[0]:
                    best = (score, item, shelf)
            looked_at += best is not None
        if best is None:
            return None
        _, item, shelf = best
        return item, shelf, next(number for number, slot in enumerate(shelf.slots) if slot.idle)

    def _may_run(self, item: _Item, shelf: _Shelf) -> bool:
        """Able, and not tried yet while there is another living device that was not."""
        if not can_run(item.work, shelf.device):
            return False
        if shelf.device.name not in item.tried:
            return True
        return not any(not other.gone and other.device.name not in item.tried for other in self._able(item.work))

    def _able(self, work: Work) -> Iterable[_Shelf]:
        return [shelf for shelf in self._shelves.values() if can_run(work, shelf.device)]

    def _finish(self, item: _Item, error: ErrorDescription | None) -> Finish:
        item.finished = True
        self._unfinished -= 1
        return Finish(item.work.id, error, tuple(item.attempts))


def can_run(work: Work, device: Device) -> bool:
    """Whether the device is of the kind the work asks for and has all its tags."""
    return device.kind is work.device_kind and set(work.tags) <= set(device.tags) and device.slots > 0


def refuse_impossible(works: Sequence[Work], devices: Sequence[Device]) -> None:
    """ConfigError naming every kind and label that no device has, before anything is leased."""
    wanted = {(work.device_kind, work.tags) for work in works if not any(can_run(work, device) for device in devices)}
    if wanted:
        named = sorted(f"{kind} with tags {', '.join(tags)}" if tags else str(kind) for kind, tags in wanted)
        raise ConfigError(
            f"no device is: {'; '.join(named)}",
            where="devices",
            remedy="add such a device, correct its kind and tags, or ask for others in the suite",
        )
    for what, names in (("work", [work.id for work in works]), ("device", [device.name for device in devices])):
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ConfigError(f"{what} {twice[0]} is there twice", where="devices", remedy="give each its own name")


def _nobody_left(work: Work, lost: list[tuple[str, ErrorDescription]]) -> ErrorDescription:
    """Why no device can do a work: what kept all of them away when it was the same, else that they are unreachable."""
    reasons = "; ".join(f"{name}: {error.problem}" for name, error in lost)
    remedies = {error.kind: error.remedy for _, error in lost}
    kind, remedy = next(iter(remedies.items())) if len(remedies) == 1 else (UnreachableError.__name__, "")
    remedy = remedy or "see whether the devices are up"
    return ErrorDescription(
        kind, f"no {work.device_kind} device is left: {reasons}", remedy=f"{remedy}, then resume the run"
    )


def reported_error(attempts: Sequence[Attempt]) -> ErrorDescription | None:
    """What a work that failed is reported with: a crash first, then the first specific cause, then the first."""
    failed = [attempt for attempt in attempts if attempt.error is not None]
    crashes = [attempt for attempt in failed if _is_crash(attempt)]
    if len(crashes) > 1 and crashes[0].error is not None:
        devices = sorted({attempt.device for attempt in crashes})
        told = (
            f"crashed on {' and on '.join(devices)}"
            if len(devices) > 1
            else f"crashed {len(crashes)} times on {devices[0]}, no other device could tell product from device"
        )
        return replace(crashes[0].error, problem=f"{crashes[0].error.problem}; {told}")
    specific = [attempt for attempt in failed if attempt.error is not None and attempt.error.kind not in _GENERAL]
    return next((attempt.error for attempt in (*crashes, *specific, *failed)), None)


def _is_crash(attempt: Attempt) -> bool:
    return attempt.error is not None and attempt.error.kind == ProductCrashError.__name__


def _share_held(work: Work, shelf: _Shelf) -> float:
    """Share of the work's bytes that the device holds; 1 when it needs none."""
    total = sum(blob.size_bytes for blob in work.blobs)
    held = sum(blob.size_bytes for blob in work.blobs if blob.sha256 in shelf.blobs)
    return held / total if total else 1.0
