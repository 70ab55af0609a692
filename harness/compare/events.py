"""Two traces' events held against each other: which are new, gone, moved, longer, shorter, or ended another way.

A stream of events is intervals, never a list to zip: openpilot publishes events on change, so one more of them would
shift everything after it. Intervals of one kind and name are matched one to one (`event_matching`), what has no
partner is NEW or GONE, and each pair can have MOVED, be LONGER or SHORTER, and have another OUTCOME.
"""

from __future__ import annotations

from collections import Counter
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
_COUNTS = "blocked."  # channels of panda_safety that are there only when something was blocked
_WILD = set("*?[")
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
    expected: Trace, observed: Trace, check: Check, rules: EventRules, structural: Sequence[Finding], frames: int
) -> CheckResult:
    """Judge the events of `observed` against those of `expected`.

    `structural` are findings that the frames gave, `frames` is how many both sides have.
    """
    channels = _Channels.of(expected, observed, rules)
    nothing = channels.nothing_to_compare()
    if nothing:
        finding = Finding(FindingKind.MISSING_CHANNEL, Severity.NOTE, "", f"{nothing}: nothing was compared")
        return CheckResult(check.name, Closeness.NOTHING, (finding,))
    changes = find_changes(expected, observed, rules)
    severity = Severity.BLOCK if check.blocks else Severity.NOTE
    clock = Clock(int(expected.t_ns[0]) if len(expected.t_ns) else 0)
    findings = [*structural, *channels.one_sided(severity), *_told(changes, rules, check, clock, expected, observed)]
    closeness = Closeness.BEYOND if findings else Closeness.WITHIN if changes else Closeness.EXACT
    totals = measure_engagement(expected), measure_engagement(observed)
    if findings and totals[0] is not None and totals[1] is not None and totals[0] != totals[1]:
        words = engagement_words(totals[0], totals[1])
        findings.append(Finding(FindingKind.EVENT, Severity.NOTE, "engagement", words))
    return CheckResult(
        check.name, closeness if frames else Closeness.NOTHING, tuple(findings), channels.compared, frames
    )


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
    if e is None or o is None:  # a side without engagement states: told as a missing channel
        return False
    if e.effect is not o.effect:
        return True
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


@dataclass(frozen=True, slots=True)
class _Channels:
    """The channels a check asks for: those both sides have, one side only, and those asked for that neither has.

    A trace names only events that occur and addresses that were blocked: where one is absent it did not happen. A
    state or flag that is absent is missing.
    """

    compared: int
    only_expected: tuple[str, ...]
    only_observed: tuple[str, ...]
    nowhere: tuple[str, ...]

    @classmethod
    def of(cls, expected: Trace, observed: Trace, rules: EventRules) -> _Channels:
        flags = {*flag_channels(expected, rules.channels), *flag_channels(observed, rules.channels)}
        wanted = flags | ({STATE} if rules.types or rules.states else set())
        both = {name for name in wanted if name in expected.channels and name in observed.channels}
        counts = {name for name in flags if name.startswith(_COUNTS)}
        events = {name for trace in (expected, observed) for name, _ in event_channels(trace)} if rules.types else set()
        single = sorted(wanted - both - counts)
        nowhere = [name for name in rules.channels if not (_WILD & set(name) or name.startswith(_COUNTS))]
        return cls(
            len(both | counts | events),
            tuple(name for name in single if name in expected.channels),
            tuple(name for name in single if name in observed.channels),
            tuple(name for name in nowhere if name not in flags),
        )

    def nothing_to_compare(self) -> str:
        """Why this check would say nothing, or too little; empty when there is something."""
        if self.nowhere:
            return f"neither trace has {', '.join(self.nowhere)}"
        if not self.compared and not self.only_expected and not self.only_observed:
            return "neither trace has events, states or flags as this check asks for"
        return ""

    def one_sided(self, severity: Severity) -> list[Finding]:
        """A finding for each channel that only one side has."""
        kinds = (
            (self.only_expected, FindingKind.MISSING_CHANNEL, "channel is missing from the observed trace"),
            (self.only_observed, FindingKind.EXTRA_CHANNEL, "channel is not in the expected trace"),
        )
        return [Finding(kind, severity, name, words) for names, kind, words in kinds for name in names]


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
    findings.sort(key=lambda found: found.severity is not Severity.BLOCK)
    shown, hidden = findings[:MAX_EVENT_FINDINGS], findings[MAX_EVENT_FINDINGS:]
    if hidden:
        counts = Counter(found.words.split(" ", 1)[0] for found in hidden)
        words = "and " + ", ".join(f"{count} more {name}" for name, count in sorted(counts.items()))
        shown.append(Finding(FindingKind.EVENT, hidden[0].severity, "", words))
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
