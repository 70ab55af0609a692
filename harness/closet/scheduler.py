"""Who runs what, when: a state machine without I/O. Events in, instructions out; the pool carries them out.

Rules. Longest work first; among works of about that length the one whose files the device already holds; among devices
the least used. A slot is asked of the shelf first, and only what is granted is used, under an epoch that only grows; an
answer under another epoch changes nothing. One work a slot. A device that is unknown or suspect runs its canary before
anything else; after an error that may be its own it is suspect.

An error that may be tried elsewhere is tried on a device that has not had the work yet, at most twice, as long as one
of its kind could come, otherwise once more where it was. After a crash one further try is allowed where the second says
nothing (a lost device), so that a crash is confirmed or refuted. All tries share one deadline. The first specific cause
is what is reported. Every work ends exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from harness.closet.events import (
    CanaryDue,
    Denied,
    DeviceDown,
    DeviceUp,
    Event,
    GiveBack,
    Granted,
    HealthSeen,
    Instruction,
    Kill,
    LeaseLost,
    Reconnect,
    Recovered,
    Start,
    Stop,
    Submit,
    Suspicion,
    Tick,
    WorkDone,
    WorkFailed,
    WorkRuns,
)
from harness.closet.scheduler_asks import asks, stagings
from harness.closet.scheduler_benches import Bench, Slot
from harness.closet.scheduler_canaries import canary_over, doubt, recovery
from harness.closet.scheduler_errors import doubts_device, is_onroad, refuse_twice, why_away
from harness.closet.scheduler_queue import next_for
from harness.closet.scheduler_works import Works
from harness.closet.work import Work
from harness.domain import Device, Want
from harness.errors import ErrorDescription, LeaseLostError

MARGIN_S = 300.0  # staging and fetching, on top of the work's own deadline
_GRANT_S = 30.0  # from asking for a slot until its work starts
_HELD_UP_S = 10.0  # ticks come four times a second
_LEASE_LOST = ErrorDescription(
    LeaseLostError.__name__, "the lease on the slot was lost", remedy="see whether this machine was held up"
)
_NO_CANARIES: Mapping[str, Work] = MappingProxyType({})
_NO_USES: Mapping[str, int] = MappingProxyType({})
_NONE_QUARANTINED: Mapping[str, str] = MappingProxyType({})


class Scheduler:
    """Give it events with `handle`; `finished` says when every work it was given has ended.

    `canaries`, the recoverable ones and `uses` are by device. `quarantined`: recoverable ones that an earlier run put
    in quarantine, with its reasons; each is brought back when works come that it could do.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        *,
        canaries: Mapping[str, Work] = _NO_CANARIES,
        recoverable: frozenset[str] = frozenset(),
        uses: Mapping[str, int] = _NO_USES,
        quarantined: Mapping[str, str] = _NONE_QUARANTINED,
        max_attempts: int = 3,
    ) -> None:
        refuse_twice("device", [device.name for device in devices])
        self._benches = {
            device.name: Bench(
                device, [Slot() for _ in range(device.slots)], canaries.get(device.name), uses.get(device.name, 0)
            )
            for device in devices
        }
        self._recoverable = set(recoverable)
        self._quarantined = set(quarantined)
        for name, reason in quarantined.items():
            self._benches[name].inherit(reason)
        self._works = Works(self._benches, max_attempts)
        self._look_ahead: set[str] = set()
        self._last_s = 0.0
        self._longest_s = max((work.deadline_s for work in canaries.values()), default=0.0)

    @property
    def finished(self) -> bool:
        """True when every work has ended and no slot waits for a killed one to be gone."""
        draining = any(slot.draining for bench in self._benches.values() for slot in bench.slots)
        return self._works.all_ended and not draining

    def wants(self) -> tuple[Want, ...]:
        """How many slots of which devices could be used right now."""
        return () if self._works.stopped else self._works.waiting.wants()

    def handle(self, event: Event, now_s: float) -> list[Instruction]:
        """What is to be done after `event`, in order."""
        held_up_s, self._last_s = now_s - self._last_s, now_s
        if held_up_s > _HELD_UP_S:  # answers that wait here already are not late
            for bench in self._benches.values():
                bench.forgive(held_up_s)
        done = [*self._take(event, now_s), *self._works.give_up()]
        if self._works.stopped:
            return done
        done += asks(self._benches, self._works.waiting, now_s, self._longest_s + MARGIN_S + _GRANT_S)
        if all(bench.up is not None or bench.hopeless or bench.blocked for bench in self._benches.values()):
            # Not before every device has answered or failed to: one that is about to come would take the work at once.
            look, self._look_ahead = self._look_ahead, set()
            done += stagings(self._benches, self._works.waiting, look)
        return done

    def _take(self, event: Event, now_s: float) -> list[Instruction]:
        match event:
            case Submit(works):
                return self._submit(works)
            case DeviceUp() | DeviceDown() | HealthSeen() | Suspicion() | CanaryDue() | Recovered():
                return self._of_device(self._benches[event.device], event, now_s)
            case Granted() | Denied() | LeaseLost() | WorkRuns() | WorkDone() | WorkFailed():
                bench = self._benches[event.device]
                return self._of_slot(bench, bench.slots[event.slot], event, now_s)
            case Tick():
                return self._overdue(now_s)
            case Stop():
                return self._stop()

    def _of_device(
        self, bench: Bench, event: DeviceUp | DeviceDown | HealthSeen | Suspicion | CanaryDue | Recovered, now_s: float
    ) -> list[Instruction]:
        self._works.devices_changed()
        match event:
            case DeviceUp(_, epochs, blobs, proved):
                bench.came_up(epochs, blobs, proved=proved)
            case DeviceDown(_, error, returns):
                return self._device_down(bench, error, now_s, returns=returns)
            case HealthSeen(_, state, reason):
                bench.seen(state, reason)
            case Suspicion(_, reason):
                return doubt(bench, reason)
            case CanaryDue():
                bench.due()
            case Recovered(_, error) if bench.brought_back(error):
                return [Reconnect(bench.name)]
        return []

    def _of_slot(
        self,
        bench: Bench,
        slot: Slot,
        event: Granted | Denied | LeaseLost | WorkRuns | WorkDone | WorkFailed,
        now_s: float,
    ) -> list[Instruction]:
        match event:
            case Granted():
                return self._granted(bench, event, now_s)
            case Denied():
                self._works.no_longer_asked(slot)
                bench.denied(slot, now_s)
            case LeaseLost(_, number, epoch):
                slot.lost_epoch = max(slot.lost_epoch, epoch)
                if not slot.held or slot.epoch != epoch:
                    return []
                slot.held = False
                if slot.work is not None:
                    return self._cut_off(bench, number, _LEASE_LOST, now_s)
            case WorkRuns(_, _, epoch) if slot.work is not None and slot.epoch == epoch:
                slot.runs_since_s = now_s
            case WorkDone(_, _, epoch) | WorkFailed(_, _, epoch) if slot.epoch == epoch:
                return self._work_ended(bench, slot, event, now_s)
        return []

    def _submit(self, works: tuple[Work, ...]) -> list[Instruction]:
        done = self._works.submit(works)
        self._longest_s = max((self._longest_s, *(work.deadline_s for work in works)))
        self._look_ahead |= self._benches.keys()
        return [*done, *self._bring_back()]

    def _bring_back(self) -> list[Instruction]:
        """What an earlier run left in quarantine and could be used now: that run may have ended before its hook did."""
        done: list[Instruction] = []
        for name in sorted(self._quarantined):
            bench = self._benches[name]
            if bench.recovering and next(self._works.waiting.items((bench,)), None) is not None:
                self._quarantined.remove(name)
                bench.recovering = False  # it may have been released meanwhile
                done += recovery(bench, self._recoverable)
        return done

    def _device_down(self, bench: Bench, error: ErrorDescription, now_s: float, *, returns: bool) -> list[Instruction]:
        # Once may be an accident of the first moment; one that does not come at all is not to be taken for healthy.
        doubtful = doubts_device(error) and (bench.up is not None or not returns)
        done = doubt(bench, why_away(error)) if doubtful else []
        bench.up, bench.lost, bench.error = False, not returns, error
        for number, slot in enumerate(bench.slots):
            if slot.work is not None:
                done += self._try_over(bench, slot, WorkFailed(bench.name, number, slot.epoch, error), now_s)
            slot.draining = False
            done += self._give_back(bench, number, error.kind)
        return done

    def _granted(self, bench: Bench, event: Granted, now_s: float) -> list[Instruction]:
        slot, earmark = bench.slots[event.slot], bench.slots[event.slot].earmark
        self._works.no_longer_asked(slot)
        slot.epoch, slot.held, bench.pause_s = event.epoch, True, 0.0
        if event.epoch <= slot.lost_epoch:  # this machine was held up, and heard of the loss first
            bench.denied(slot, now_s)
            return self._give_back(bench, event.slot, "lost")
        if not bench.usable:
            return self._give_back(bench, event.slot, "not used")
        if bench.must_prove and bench.canary is not None:
            alone = event.slot == 0 and all(other is slot or other.idle for other in bench.slots)
            if not alone or next(self._works.waiting.items((bench,)), None) is None:
                return self._give_back(bench, event.slot, "not used")
            return [self._start(bench, event.slot, bench.canary, bench.canary.deadline_s, now_s)]
        item = next_for(self._works.waiting, bench, earmark)
        if item is None:
            return self._give_back(bench, event.slot, "not used")
        self._works.waiting.remove(item)
        bench.blobs |= {blob.sha256 for blob in item.work.blobs}
        return [self._start(bench, event.slot, item.work, item.left_s, now_s)]

    def _start(self, bench: Bench, number: int, work: Work, deadline_s: float, now_s: float) -> Start:
        slot = bench.slots[number]
        slot.work, slot.started_s, slot.runs_since_s = work, now_s, None
        slot.hard_end_s = now_s + deadline_s + MARGIN_S
        bench.uses += 1
        self._look_ahead.add(bench.name)
        return Start(work, bench.name, number, slot.epoch, deadline_s, slot.hard_end_s)

    def _give_back(self, bench: Bench, number: int, outcome: str) -> list[Instruction]:
        slot = bench.slots[number]
        if not slot.held:
            return []
        slot.held = False
        return [GiveBack(bench.name, number, slot.epoch, outcome)]

    def _cut_off(self, bench: Bench, number: int, error: ErrorDescription, now_s: float) -> list[Instruction]:
        """End what runs on a slot without waiting for its answer; the slot is used again when that has come."""
        slot = bench.slots[number]
        done: list[Instruction] = [Kill(bench.name, number, slot.epoch)]
        done += self._try_over(bench, slot, WorkFailed(bench.name, number, slot.epoch, error), now_s)
        slot.draining = True
        return done

    def _work_ended(self, bench: Bench, slot: Slot, event: WorkDone | WorkFailed, now_s: float) -> list[Instruction]:
        done = self._try_over(bench, slot, event, now_s) if slot.work is not None else []
        slot.draining = False
        error = event.error if isinstance(event, WorkFailed) else None
        done += self._give_back(bench, event.slot, "done" if error is None else error.kind)
        if isinstance(event, WorkFailed):
            slot.epoch = max(slot.epoch, event.known_epoch)
        return done

    def _try_over(self, bench: Bench, slot: Slot, event: WorkDone | WorkFailed, now_s: float) -> list[Instruction]:
        """Record the attempt; the work is finished, or goes back to the queue for another."""
        work, slot.work = slot.work, None
        error = event.error if isinstance(event, WorkFailed) else None
        if is_onroad(error):
            bench.busy_driving(now_s)
        if work is None or work.canary:
            if self._works.stopped:
                return []
            self._works.devices_changed()
            if error is not None and is_onroad(error):
                bench.driven_away(error)
                return []
            return canary_over(bench, event, self._recoverable)
        return self._works.try_over(work, bench, slot, event, now_s)

    def _overdue(self, now_s: float) -> list[Instruction]:
        """The device's own deadline should have come first: this one is for an answer that never comes."""
        return [
            instruction
            for bench in self._benches.values()
            for number, slot in enumerate(bench.slots)
            if slot.work is not None and now_s > slot.hard_end_s
            for instruction in self._cut_off(bench, number, bench.silence(slot, now_s), now_s)
        ]

    def _stop(self) -> list[Instruction]:
        if self._works.stopped:
            return []
        running = [
            Kill(bench.name, number, slot.epoch)
            for bench in self._benches.values()
            for number, slot in enumerate(bench.slots)
            if slot.work is not None
        ]
        return [*self._works.stop(), *running]
