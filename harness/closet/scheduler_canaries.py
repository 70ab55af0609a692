"""What a canary's end and a doubt lead to, for one device. Pure."""

from __future__ import annotations

from harness.closet.events import Instruction, Recover, SetHealth, WorkDone, WorkFailed
from harness.closet.scheduler_benches import Bench
from harness.domain import Health


def doubt(bench: Bench, reason: str) -> list[Instruction]:
    """The device proves itself before its next job; told to the shelf when that is news."""
    return [SetHealth(bench.name, Health.SUSPECT, reason)] if bench.doubt(reason) else []


def canary_over(bench: Bench, event: WorkDone | WorkFailed, recoverable: set[str]) -> list[Instruction]:
    """Its canary ended: healthy, or quarantined and, once a run, brought back by its hook if it is `recoverable`."""
    if bench.blocked:
        return []
    if isinstance(event, WorkDone):
        return _proved(bench)
    if not bench.failed_canary(event.error, answered=event.answered):
        return []
    return [SetHealth(bench.name, bench.health, bench.reason), *recovery(bench, recoverable)]


def recovery(bench: Bench, recoverable: set[str]) -> list[Instruction]:
    """Its hook is run, once a run, while it is in quarantine."""
    if bench.name not in recoverable or not bench.blocked:
        return []
    recoverable.remove(bench.name)
    bench.recovering = True
    return [Recover(bench.name, bench.reason)]


def _proved(bench: Bench) -> list[Instruction]:
    """The judge of the canary has told the shelf already; that a quarantine is over, it leaves to be said."""
    told = SetHealth(bench.name, Health.HEALTHY, "recovered, and its canary is right", bench.recovered)
    bench.proved()
    return [told] if told.recovered else []
