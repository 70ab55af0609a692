"""The works of a run that have not ended: each ends exactly once, with all its tries. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from harness.closet.events import Finish, Instruction, WorkDone, WorkFailed
from harness.closet.scheduler_benches import MOST_TURNED_AWAY, Bench, Slot
from harness.closet.scheduler_canaries import doubt
from harness.closet.scheduler_errors import (
    doubts_device,
    is_crash,
    is_onroad,
    nobody_left,
    refuse_twice,
    reported_error,
)
from harness.closet.scheduler_queue import Item, Waiting
from harness.closet.work import Work
from harness.errors import ErrorDescription, from_description
from harness.verdict import NOT_RUN, Attempt


class Works:
    """Over the devices of the closet, by name; each work is tried at most `max_attempts` times.

    `waiting` are those that no slot has yet. Once `stopped`, nothing is tried any more.
    """

    def __init__(self, benches: Mapping[str, Bench], max_attempts: int) -> None:
        self._benches, self._max_attempts = benches, max_attempts
        self._items: dict[str, Item] = {}
        self._look_for_hopeless = False
        self.waiting = Waiting(tuple(benches.values()))
        self.stopped = False

    @property
    def all_ended(self) -> bool:
        """True when every work that was submitted has ended."""
        return not self._items

    def submit(self, works: tuple[Work, ...]) -> list[Finish]:
        """They wait from now on; too late, they end as not run."""
        refuse_twice("work", [*self._items, *(work.id for work in works)])
        ended: list[Finish] = []
        for work in works:
            item = self._items[work.id] = self.waiting.item(work)
            if self.stopped:
                ended.append(self._finish(item, NOT_RUN))
            else:
                self._wait(item)
        return ended

    def no_longer_asked(self, slot: Slot) -> None:
        """The shelf has answered for the slot: no work is meant for it any more."""
        if (item := self._items.get(slot.earmark)) is not None:
            item.earmarked = False
        slot.asked, slot.earmark = False, ""

    def try_over(
        self, work: Work, bench: Bench, slot: Slot, event: WorkDone | WorkFailed, now_s: float
    ) -> list[Instruction]:
        """Record the attempt; the work is finished, or waits for another."""
        item, error = self._items[work.id], event.error if isinstance(event, WorkFailed) else None
        item.spent_s += 0.0 if slot.runs_since_s is None else now_s - slot.runs_since_s
        if is_onroad(error) and not self.stopped and item.turned_away < MOST_TURNED_AWAY:
            item.turned_away += 1
            self._wait(item)
            return []
        item.attempts.append(
            Attempt("", bench.name, slot.epoch, slot.started_s, now_s, error, event.log_tail, event.measurements)
        )
        if error is None:
            return [self._finish(item, None), *self._crashed_alone(item, bench)]
        if self.stopped:
            return [self._finish(item, NOT_RUN)]
        done = doubt(bench, error.problem) if doubts_device(error) else []
        if from_description(error).retry_elsewhere and item.another_try(self._max_attempts):
            self._wait(item)
            return done
        return [*done, self._finish(item, reported_error(item.attempts))]

    def devices_changed(self) -> None:
        """One came, went or is trusted no more: what waits may have become hopeless."""
        self._look_for_hopeless = True

    def give_up(self) -> list[Finish]:
        """Works for which no device is left that could ever come."""
        if not self._look_for_hopeless:
            return []
        self._look_for_hopeless = False
        ended: list[Finish] = []
        for item in self.waiting.hopeless():
            self.waiting.remove(item)
            reasons = [(bench.name, bench.why_not) for bench in item.able]
            ended.append(self._finish(item, reported_error(item.attempts, nobody_left(item.work, reasons))))
        return ended

    def stop(self) -> list[Finish]:
        """What waits ends as not run; what runs is for the caller to end."""
        self.stopped = True
        ended: list[Finish] = []
        for item in self.waiting.everything():
            self.waiting.remove(item)
            ended.append(self._finish(item, NOT_RUN))
        return ended

    def _wait(self, item: Item) -> None:
        self.waiting.add(item)
        self._look_for_hopeless = True

    def _crashed_alone(self, item: Item, bench: Bench) -> list[Instruction]:
        """A device on which crashed what ran elsewhere is the one to doubt."""
        reason = f"a job crashed here that ran on {bench.name}"
        crashed = sorted({attempt.device for attempt in item.attempts if is_crash(attempt)} - {bench.name})
        return [told for name in crashed for told in doubt(self._benches[name], reason)]

    def _finish(self, item: Item, error: ErrorDescription | None) -> Finish:
        del self._items[item.work.id]
        return Finish(item.work.id, error, tuple(item.attempts))
