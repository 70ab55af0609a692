"""A trace's channels as intervals: events by type and name, engagement states, and flags that are up.

A row holds from its own time until the next row's; what holds at the last row is open at the end.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from harness.domain import ENGAGEMENT_STATES, EVENT_TYPES, EventRules
from harness.trace import Exactness, Trace

EVENTS = "events."
STATE = "state"
CHANNEL = "channel"

DISABLED = ENGAGEMENT_STATES.index("disabled")
SOFT_DISABLING = ENGAGEMENT_STATES.index("softDisabling")
_DISENGAGING = ("userDisable", "immediateDisable")

Bools: TypeAlias = npt.NDArray[np.bool_]
StreamKey: TypeAlias = tuple[str, str]  # kind (an event type, `state` or `channel`) and name


class Effect(StrEnum):
    """What a disabling event did to the engagement."""

    RECOVERED = "recovered"
    RAN_OUT = "ran out"
    CUT_SHORT = "disengaged by another event"
    DISENGAGED = "disengaged"
    UNFINISHED = "unfinished"
    NONE = "without effect"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An effect, and how long after its begin a soft disable came to its end."""

    effect: Effect
    after_ns: int = 0


@dataclass(frozen=True, slots=True)
class EventInterval:
    """Rows `first_row`…`last_row` of one trace in which something holds, as times of the log's clock.

    `open_start`: it held from the first row on. `open_end`: it held to the last.
    """

    kind: str
    name: str
    channel: str
    first_row: int
    last_row: int
    start_ns: int
    end_ns: int
    open_start: bool
    open_end: bool
    outcome: Outcome | None = None

    @property
    def length_ns(self) -> int:
        """How long it holds."""
        return self.end_ns - self.start_ns


def find_streams(trace: Trace, rules: EventRules) -> dict[StreamKey, list[EventInterval]]:
    """The intervals of `trace` that `rules` pick, by kind and name, each list in time order."""
    streams: dict[StreamKey, list[EventInterval]] = {}
    outcomes = _Outcomes(trace)

    def add(kind: str, name: str, channel: str, holds: Bools) -> None:
        found = [
            EventInterval(kind, name, channel, first, last, *_times(trace, first, last), outcomes.of(kind, first, last))
            for first, last in _runs(holds, trace, round(rules.merge_s * 1e9))
        ]
        if found:
            streams[kind, name] = found

    for channel, name in event_channels(trace):
        if not _matches(name, rules.names):
            continue
        mask = trace.channels[channel].values
        for kind in rules.types:
            add(kind, name, channel, (mask >> EVENT_TYPES.index(kind)) & 1 != 0)
    if rules.states and STATE in trace.channels:
        states = trace.channels[STATE].values
        for value, name in enumerate(ENGAGEMENT_STATES):
            if _matches(name, rules.states):
                add(STATE, name, STATE, states == value)
    for channel in flag_channels(trace, rules.channels):
        add(CHANNEL, channel, channel, trace.channels[channel].values != 0)
    return streams


def event_channels(trace: Trace) -> list[tuple[str, str]]:
    """The channels that hold event masks, each with the event's name."""
    return [
        (channel, channel.removeprefix(EVENTS))
        for channel in sorted(trace.channels)
        if channel.startswith(EVENTS) and trace.channels[channel].values.dtype.kind in "iu"
    ]


def flag_channels(trace: Trace, patterns: Iterable[str]) -> list[str]:
    """The channels that `patterns` name and that are judged."""
    wanted = tuple(patterns)
    return [
        name
        for name, channel in sorted(trace.channels.items())
        if _matches(name, wanted)
        and channel.values.ndim == 1
        and channel.values.dtype.kind in "biu"
        and channel.exactness is not Exactness.INFORMATIVE
    ]


class _Outcomes:
    """What became of disabling events, seen from the engagement state of the same trace."""

    def __init__(self, trace: Trace) -> None:
        self._t_ns = trace.t_ns
        self._state = trace.channels[STATE].values if STATE in trace.channels else None
        self._disengaging: Bools = np.zeros(len(trace.t_ns), bool)
        bits = sum(1 << EVENT_TYPES.index(kind) for kind in _DISENGAGING)
        for channel, _ in event_channels(trace):
            self._disengaging |= trace.channels[channel].values & bits != 0

    def of(self, kind: str, first: int, last: int) -> Outcome | None:
        """The outcome of an event of that type in rows `first`…`last`; None where the trace or the type has none."""
        if self._state is None:
            return None
        if kind == "softDisable":
            return self._soft(first, last)
        return self._immediate(first) if kind in _DISENGAGING else None

    def _soft(self, first: int, last: int) -> Outcome:
        assert self._state is not None  # noqa: S101 `of` asks only then
        stop = min(last + 2, len(self._state))
        soft = np.flatnonzero(self._state[first:stop] == SOFT_DISABLING)
        if not len(soft):
            return Outcome(Effect.NONE)
        begin = end = first + int(soft[0])
        while begin and self._state[begin - 1] == SOFT_DISABLING:
            begin -= 1
        while end < len(self._state) and self._state[end] == SOFT_DISABLING:
            end += 1
        if end == len(self._state):
            return Outcome(Effect.UNFINISHED, int(self._t_ns[-1] - self._t_ns[begin]))
        after_ns = int(self._t_ns[end] - self._t_ns[begin])
        if self._state[end] != DISABLED:
            return Outcome(Effect.RECOVERED, after_ns)
        return Outcome(Effect.CUT_SHORT if self._disengaging[end] else Effect.RAN_OUT, after_ns)

    def _immediate(self, first: int) -> Outcome:
        assert self._state is not None  # noqa: S101 `of` asks only then
        engaged_before = first > 0 and self._state[first - 1] != DISABLED
        return Outcome(Effect.DISENGAGED if engaged_before and self._state[first] == DISABLED else Effect.NONE)


def _runs(holds: Bools, trace: Trace, merge_ns: int) -> list[tuple[int, int]]:
    """First and last rows of every stretch of true rows (n,); those at most `merge_ns` apart are one."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], holds, [False])).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for first, after in edges.reshape(-1, 2).tolist():
        if runs and merge_ns and trace.t_ns[first] - trace.t_ns[runs[-1][1] + 1] <= merge_ns:
            runs[-1] = (runs[-1][0], after - 1)
        else:
            runs.append((first, after - 1))
    return runs


def _times(trace: Trace, first: int, last: int) -> tuple[int, int, bool, bool]:
    """Begin and end of rows `first`…`last` (ns), and whether either is only that of the trace."""
    rows = len(trace.t_ns)
    open_end = last + 1 == rows
    end_ns = int(trace.t_ns[last]) if open_end else int(trace.t_ns[last + 1])
    return int(trace.t_ns[first]), end_ns, first == 0, open_end


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def all_keys(*streams: Mapping[StreamKey, list[EventInterval]]) -> list[StreamKey]:
    """Every kind and name that any of the sides has, sorted."""
    return sorted(set().union(*(side.keys() for side in streams)))
