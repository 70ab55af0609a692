"""The timeline of a trial and of the drive: findings, states, events and flags as spans of time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.compare.event_intervals import CHANNEL, STATE, EventInterval, all_keys, find_streams
from harness.compare.events import find_changes
from harness.domain import ENGAGEMENT_STATES, Check, EventRules
from harness.report.page.values import Lane, Side, Span
from harness.trace import Trace
from harness.verdict import FIRST_TO_MOVE, Finding, JobResult, Severity

MOST_LANES = 16
_FLAGS = ("controlsAllowed", "relayMalfunction", "tickInvalid", "excessiveActuation*", "enabled")
_TYPES = ("immediateDisable", "softDisable", "userDisable", "noEntry", "overrideLateral", "overrideLongitudinal")
_STATE_TONES = {
    "disabled": "off",
    "preEnabled": "ready",
    "enabled": "on",
    "softDisabling": "alarm",
    "overriding": "human",
}
_COMMON = "noEntry"  # half of all events: only worth a lane where one side alone has it
_DRIVE_TONES = {"engaged": "on", "overriding": "human", "standstill": "off", "blinker": "note"}
_TYPE_TONES = {"immediateDisable": "alarm", "softDisable": "alarm", "overrideLateral": "human"}


def finding_lanes(result: JobResult, seconds_of: dict[int, float], last_s: float) -> tuple[Lane, ...]:
    """What was found, from its first frame to its last: what closes the gate in one lane, what is noted in another."""
    lanes = []
    for severity, title, tone in ((Severity.BLOCK, "closes the gate", "block"), (Severity.NOTE, "noted", "note")):
        spans = [
            _found_span(found, seconds_of, last_s, tone)
            for check in result.checks
            for found in check.findings
            if found.severity is severity and found.first_frame is not None and found.channel != FIRST_TO_MOVE
        ]
        if spans:
            lanes.append(
                Lane(title, "found", tuple(sorted(dict.fromkeys(spans), key=lambda span: span.start_s)), differs=True)
            )
    return tuple(lanes)


def _found_span(found: Finding, seconds_of: dict[int, float], last_s: float, tone: str) -> Span:
    start_s = seconds_of.get(found.first_frame or 0, found.first_s or 0.0)
    end_s = seconds_of.get(found.last_frame or -1, last_s if found.last_s is None else found.last_s)
    what = found.channel or found.kind.value
    words = f"{what}: {found.words.splitlines()[0] if found.words else found.kind.value}"
    return Span(start_s, max(end_s, start_s + 0.05), words, tone, found.first_frame)


def event_lanes(baseline: Trace, candidate: Trace, checks: Sequence[Check], start_ns: int) -> tuple[Lane, ...]:
    """States, events and flags of both sides, a lane each a side; those that differ come first."""
    rules = _rules(checks)
    before, after = find_streams(baseline, rules), find_streams(candidate, rules)
    changed = {(found.interval.kind, found.interval.name) for found in find_changes(baseline, candidate, rules)}
    lanes: list[tuple[bool, str, Lane]] = []
    if STATE in baseline.channels and STATE in candidate.channels:
        differs = any(kind == STATE for kind, _ in changed)
        for side, streams in ((Side.BASELINE, before), (Side.CANDIDATE, after)):
            entries = [(name, entry) for (kind, name), found in streams.items() if kind == STATE for entry in found]
            spans = [_span(entry, name, _STATE_TONES[name], candidate, start_ns) for name, entry in entries]
            ordered = tuple(sorted(spans, key=lambda span: span.start_s))
            lanes.append((False, "", Lane("state", side.value, ordered, differs)))
    for kind, name in all_keys(before, after):
        if kind == STATE:
            continue
        differs = (kind, name) in changed
        if kind == _COMMON and not differs:
            continue
        title = name if kind == CHANNEL else f"{name} · {kind}"
        for side, streams in ((Side.BASELINE, before), (Side.CANDIDATE, after)):
            tone = _TYPE_TONES.get(kind, "on")
            spans = [_span(entry, title, tone, candidate, start_ns) for entry in streams.get((kind, name), [])]
            lanes.append((not differs, title, Lane(title, side.value, tuple(spans), differs)))
    lanes.sort(key=lambda entry: (entry[1] != "", entry[0]))
    return tuple(lane for _, _, lane in lanes[:MOST_LANES])


def _rules(checks: Sequence[Check]) -> EventRules:
    """All that is worth seeing, with the tolerances of the check that judges it, where there is one."""
    judged = next((check.events for check in checks if check.events is not None), EventRules())
    return EventRules(
        tuple(dict.fromkeys((*judged.types, *_TYPES))),
        ("*",),
        ENGAGEMENT_STATES,
        tuple(dict.fromkeys((*judged.channels, *_FLAGS))),
        judged.collar_s,
        judged.tolerance_s,
        judged.merge_s,
    )


def _span(entry: EventInterval, words: str, tone: str, trace: Trace, start_ns: int) -> Span:
    start_s, end_s = ((at_ns - start_ns) / 1e9 for at_ns in (entry.start_ns, entry.end_ns))
    row = min(int(np.searchsorted(trace.t_ns, entry.start_ns)), len(trace.t_ns) - 1)
    told = f"{words}, {end_s - start_s:.2f} s"
    if entry.outcome is not None:
        told += f", {entry.outcome.effect.value}"
    return Span(start_s, end_s, told, tone, int(trace.frame_ids[row]))


def drive_lanes(driven: Trace, start_ns: int) -> tuple[Lane, ...]:
    """What the recorded drive itself did: engaged, the driver overriding, standing, blinking."""
    streams = find_streams(driven, EventRules((), (), (), tuple(_DRIVE_TONES)))
    return tuple(
        Lane(
            name,
            Side.DRIVEN.value,
            tuple(_span(entry, name, tone, driven, start_ns) for entry in streams[CHANNEL, name]),
        )
        for name, tone in _DRIVE_TONES.items()
        if (CHANNEL, name) in streams
    )
