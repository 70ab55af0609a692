"""Differences of events in the words of a safety engineer."""

from __future__ import annotations

from dataclasses import dataclass

from harness.compare.event_intervals import CHANNEL, STATE, Effect, EventInterval, Outcome


@dataclass(frozen=True, slots=True)
class Clock:
    """Times of the log as seconds since the expected trace began."""

    start_ns: int

    def seconds(self, t_ns: int) -> float:
        """Seconds since the beginning."""
        return (t_ns - self.start_ns) / 1e9

    def span(self, interval: EventInterval) -> str:
        """`23.41–24.10 s`, or to the end of the log."""
        start = f"{self.seconds(interval.start_ns):.2f}"
        return (
            f"{start} s to the end of the log"
            if interval.open_end
            else f"{start}–{self.seconds(interval.end_ns):.2f} s"
        )


def subject(interval: EventInterval) -> str:
    """`softDisable steerSaturated`, `state overriding`, `controlsAllowed`."""
    return interval.name if interval.kind == CHANNEL else f"{interval.kind} {interval.name}"


def new_words(found: EventInterval, clock: Clock, other: EventInterval | None, collar_s: float) -> str:
    """An interval that only the candidate has; `other` is the nearest of the baseline that has no partner either."""
    return f"NEW {subject(found)} {clock.span(found)}{_outcome_suffix(found)}" + _nearest(
        found, other, clock, collar_s, "the baseline"
    )


def gone_words(lost: EventInterval, clock: Clock, other: EventInterval | None, collar_s: float) -> str:
    """An interval that only the baseline has."""
    return f"GONE {subject(lost)} {clock.span(lost)}{_outcome_suffix(lost)}" + _nearest(
        lost, other, clock, collar_s, "the candidate"
    )


def moved_words(expected: EventInterval, observed: EventInterval, clock: Clock) -> str:
    """The same interval, begun at another time."""
    apart_s = (observed.start_ns - expected.start_ns) / 1e9
    side = "later" if apart_s > 0 else "earlier"
    return (
        f"MOVED {subject(observed)} {clock.span(observed)}, {abs(apart_s):.2f} s {side} "
        f"than the baseline's {clock.span(expected)}"
    )


def length_words(expected: EventInterval, observed: EventInterval, clock: Clock) -> str:
    """The same interval, of another length."""
    change_s = (observed.length_ns - expected.length_ns) / 1e9
    return (
        f"{'LONGER' if change_s > 0 else 'SHORTER'} {subject(observed)} {clock.span(observed)}, "
        f"{_length(observed)} instead of {_length(expected)} ({change_s:+.2f} s)"
    )


def outcome_words(expected: EventInterval, observed: EventInterval, clock: Clock) -> str:
    """The same interval, which ended another way."""
    return (
        f"OUTCOME {subject(observed)} {clock.span(observed)} {_outcome(observed.outcome)}; "
        f"the baseline {_outcome(expected.outcome)}"
    )


def interval_text(interval: EventInterval | None, clock: Clock) -> str:
    """An interval as the value of a finding."""
    return "absent" if interval is None else f"{clock.span(interval)}{_outcome_suffix(interval)}"


def _length(interval: EventInterval) -> str:
    at_least = "at least " if interval.open_end or interval.open_start else ""
    return f"{at_least}{interval.length_ns / 1e9:.2f} s"


def _outcome_suffix(interval: EventInterval) -> str:
    return f", {_outcome(interval.outcome)}" if interval.outcome is not None else ""


def _outcome(outcome: Outcome | None) -> str:
    if outcome is None:
        return "has no engagement state"
    after = f"{outcome.after_ns / 1e9:.2f} s"
    match outcome.effect:
        case Effect.RECOVERED:
            return f"recovered after {after}"
        case Effect.RAN_OUT:
            return f"ran out after {after} and disengaged"
        case Effect.CUT_SHORT:
            return f"disengaged by another event after {after}"
        case Effect.UNFINISHED:
            return f"still soft disabling when the log ends, after {after}"
        case Effect.DISENGAGED:
            return "disengaged"
        case Effect.NONE:
            return "had no effect on the engagement"


def _nearest(one: EventInterval, other: EventInterval | None, clock: Clock, collar_s: float, whose: str) -> str:
    if other is None or one.kind in (STATE, CHANNEL):
        return ""
    apart_s = abs(one.start_ns - other.start_ns) / 1e9
    return (
        f"\n{whose} has one at {clock.seconds(other.start_ns):.2f} s, {apart_s:.2f} s "
        f"{'earlier' if other.start_ns < one.start_ns else 'later'}, beyond the collar of {collar_s:g} s"
    )
