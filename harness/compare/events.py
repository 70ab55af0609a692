"""Two traces' events held against each other: which are new, gone, moved, longer, shorter, or ended another way.

A stream of events is intervals, never a list to zip: openpilot publishes events on change, so one more of them would
shift everything after it. Intervals of one kind and name are matched one to one (`event_matching`), what has no
partner is NEW or GONE, and each pair can have MOVED, be LONGER or SHORTER, and have another OUTCOME.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.compare.engagement import engagement_words, measure_engagement
from harness.compare.event_intervals import (
    CHANNEL,
    STATE,
    Effect,
    EventInterval,
    all_keys,
    event_channels,
    find_streams,
    flag_channels,
)
from harness.compare.event_matching import match_onsets
from harness.compare.event_words import (
    Clock,
    gone_words,
    interval_text,
    length_words,
    moved_words,
    new_words,
    outcome_words,
    subject,
)
from harness.domain import Check, EventRules
from harness.trace import Trace
from harness.verdict import CheckResult, Closeness, Finding, FindingKind, Severity

MAX_EVENT_FINDINGS = 40  # of one check; the rest is counted

_IGNORE = "IGNORE"
# Driving support that ends, or warns that it will, where it did not before; and any change of what a kernel allows.
_BLOCKING = {
    *((kind, change) for kind in ("softDisable", "immediateDisable") for change in ("NEW", "LONGER", "OUTCOME")),
    (STATE, "NEW"),
    *((CHANNEL, change) for change in ("NEW", "GONE", "LONGER", "SHORTER")),
}


@dataclass(frozen=True, slots=True)
class EventChange:
    """One difference: its class (one of EVENT_CLASSES), and the interval of either side; None where there is none."""

    change: str
    expected: EventInterval | None
    observed: EventInterval | None

    @property
    def interval(self) -> EventInterval:
        """The candidate's interval, or the baseline's where only that has it."""
        found = self.observed or self.expected
        assert found is not None  # noqa: S101 a difference has at least one side
        return found


def compare_events(
    expected: Trace, observed: Trace, check: Check, rules: EventRules, structural: Sequence[Finding]
) -> CheckResult:
    """Judge the events of `observed` against those of `expected`; `structural` are findings that frames gave."""
    compared, missing = _compared(expected, observed, check, rules)
    if not compared and not missing:
        words = "neither trace has a channel of events, state or flags that this check asks for: nothing was compared"
        return CheckResult(
            check.name, Closeness.NOTHING, (Finding(FindingKind.MISSING_CHANNEL, Severity.NOTE, "", words),)
        )
    changes = [change for change in find_changes(expected, observed, rules) if _severity(change, rules) is not None]
    clock = Clock(int(expected.t_ns[0]) if len(expected.t_ns) else 0)
    findings = [*structural, *missing, *_told(changes, rules, check, clock, expected, observed)]
    if findings:
        totals = measure_engagement(expected), measure_engagement(observed)
        if totals[0] is not None and totals[1] is not None and totals[0] != totals[1]:
            words = engagement_words(totals[0], totals[1])
            findings.append(Finding(FindingKind.EVENT, Severity.NOTE, "engagement", words))
    frames = min(len(expected.t_ns), len(observed.t_ns))
    closeness = Closeness.BEYOND if findings else Closeness.EXACT
    if not frames:
        closeness = Closeness.NOTHING
    return CheckResult(check.name, closeness, tuple(findings), compared, frames)


def find_changes(expected: Trace, observed: Trace, rules: EventRules) -> list[EventChange]:
    """Every difference of the streams that `rules` pick, in time order."""
    before, after = find_streams(expected, rules), find_streams(observed, rules)
    changes = [
        change
        for key in all_keys(before, after)
        for change in _stream_changes(before.get(key, []), after.get(key, []), rules)
    ]
    return sorted(changes, key=lambda found: (found.interval.start_ns, found.interval.kind, found.interval.name))


def _stream_changes(
    expected: Sequence[EventInterval], observed: Sequence[EventInterval], rules: EventRules
) -> Iterator[EventChange]:
    pairs = match_onsets(
        [entry.start_ns for entry in expected],
        [entry.start_ns for entry in observed],
        round(rules.collar_s * 1e9),
    )
    matched_expected, matched_observed = {e for e, _ in pairs}, {o for _, o in pairs}
    yield from (EventChange("GONE", e, None) for i, e in enumerate(expected) if i not in matched_expected)
    yield from (EventChange("NEW", None, o) for i, o in enumerate(observed) if i not in matched_observed)
    tolerance_ns = round(rules.tolerance_s * 1e9)
    for e, o in ((expected[i], observed[j]) for i, j in pairs):
        if abs(o.start_ns - e.start_ns) > tolerance_ns:
            yield EventChange("MOVED", e, o)
        longer_ns = o.length_ns - e.length_ns
        if abs(longer_ns) > tolerance_ns:
            yield EventChange("LONGER" if longer_ns > 0 else "SHORTER", e, o)
        if _other_outcome(e, o, tolerance_ns):
            yield EventChange("OUTCOME", e, o)


def _other_outcome(expected: EventInterval, observed: EventInterval, tolerance_ns: int) -> bool:
    """Another effect; or both ran out, but not after the same time: then the driver is given more or less of it."""
    e, o = expected.outcome, observed.outcome
    if e is None or o is None or e.effect is not o.effect:
        return (e is None) != (o is None) or e is not o
    return e.effect is Effect.RAN_OUT and abs(e.after_ns - o.after_ns) > tolerance_ns


def _severity(change: EventChange, rules: EventRules) -> Severity | None:
    """What the suite says about such a change, most special first, or else the default; None to ignore it."""
    interval = change.interval
    said = {(what, name): severity for what, name, severity in rules.severities}
    for what in (interval.name, interval.kind, ""):
        severity = said.get((what, change.change))
        if severity is not None:
            return None if severity == _IGNORE else Severity(severity)
    return Severity.BLOCK if (interval.kind, change.change) in _BLOCKING else Severity.NOTE


def _compared(expected: Trace, observed: Trace, check: Check, rules: EventRules) -> tuple[int, list[Finding]]:
    """How many channels both sides have for this check, and a finding for each that only one has.

    A trace names only events that occur, so an absent event channel is no event; an absent state or flag is a channel
    that is missing.
    """
    severity = Severity.BLOCK if check.blocks else Severity.NOTE
    wanted = {STATE} if rules.types or rules.states else set()
    wanted |= {*flag_channels(expected, rules.channels), *flag_channels(observed, rules.channels)}
    there = [{name for name in wanted if name in trace.channels} for trace in (expected, observed)]
    counts = {name for name in wanted if name.startswith("blocked.")}
    missing = [
        _missing(name, severity, from_observed=name in there[0]) for name in sorted((there[0] ^ there[1]) - counts)
    ]
    unmatched = [name for name in rules.channels if not set("*?[") & set(name) and name not in wanted]
    missing += [
        Finding(FindingKind.MISSING_CHANNEL, severity, name, "channel is in neither trace") for name in unmatched
    ]
    events = {name for trace in (expected, observed) for name, _ in event_channels(trace)} if rules.types else set()
    return len((there[0] & there[1]) | counts | events), missing


def _missing(name: str, severity: Severity, *, from_observed: bool) -> Finding:
    if from_observed:
        return Finding(FindingKind.MISSING_CHANNEL, severity, name, "channel is missing from the observed trace")
    return Finding(FindingKind.EXTRA_CHANNEL, severity, name, "channel is not in the expected trace")


def _told(
    changes: Sequence[EventChange],
    rules: EventRules,
    check: Check,
    clock: Clock,
    expected: Trace,
    observed: Trace,
) -> list[Finding]:
    findings = []
    for change in changes:
        severity = _severity(change, rules)
        if severity is not None:
            severity = severity if check.blocks else Severity.NOTE
            findings.append(_finding(change, severity, rules, clock, changes, expected, observed))
    shown = sorted(findings, key=lambda found: found.severity is not Severity.BLOCK)[:MAX_EVENT_FINDINGS]
    hidden = [found for found in findings if found not in shown]
    if hidden:
        severity = Severity.BLOCK if any(found.severity is Severity.BLOCK for found in hidden) else Severity.NOTE
        counts: dict[str, int] = {}
        for found in hidden:
            name = found.words.split(" ", 1)[0]
            counts[name] = counts.get(name, 0) + 1
        words = "and " + ", ".join(f"{count} more {name}" for name, count in sorted(counts.items()))
        shown.append(Finding(FindingKind.EVENT, severity, "", words))
    return shown


def _finding(
    change: EventChange,
    severity: Severity,
    rules: EventRules,
    clock: Clock,
    changes: Sequence[EventChange],
    expected: Trace,
    observed: Trace,
) -> Finding:
    interval = change.interval
    trace = expected if change.observed is None else observed
    return Finding(
        FindingKind.EVENT,
        severity,
        interval.channel,
        _words(change, rules, clock, changes),
        first_frame=int(trace.frame_ids[interval.first_row]),
        last_frame=int(trace.frame_ids[interval.last_row]),
        first_s=clock.seconds(interval.start_ns),
        last_s=clock.seconds(interval.end_ns),
        expected=interval_text(change.expected, clock),
        observed=interval_text(change.observed, clock),
    )


def _words(change: EventChange, rules: EventRules, clock: Clock, changes: Sequence[EventChange]) -> str:
    e, o = change.expected, change.observed
    if e is None or o is None:
        other = _nearest(change, changes)
        if o is not None:
            return new_words(o, clock, other, rules.collar_s)
        return gone_words(change.interval, clock, other, rules.collar_s)
    if change.change == "MOVED":
        return moved_words(e, o, clock)
    return outcome_words(e, o, clock) if change.change == "OUTCOME" else length_words(e, o, clock)


def _nearest(change: EventChange, changes: Sequence[EventChange]) -> EventInterval | None:
    """The nearest interval of the same name that the other side has for itself."""
    opposite: Mapping[str, str] = {"NEW": "GONE", "GONE": "NEW"}
    others = [
        found.interval
        for found in changes
        if found.change == opposite[change.change] and subject(found.interval) == subject(change.interval)
    ]
    return min(others, key=lambda other: abs(other.start_ns - change.interval.start_ns), default=None)
