"""Why two traces or channels are not equal, as a comparison says it: where one leaves and comes back, by how much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.compare import compare_traces
from harness.domain import Check
from harness.errors import ClosetError
from harness.report.trials import columns, distinct
from harness.trace import Channel, Trace
from harness.verdict import FIRST_TO_MOVE

_COLUMN = 24
_ROW_NS = 50_000_000  # a camera frame, for rows of which nothing better is known


def explain(left: object, right: object, traces: Sequence[Trace]) -> list[str] | None:
    """The lines of an assertion `left == right` of traces or channels; None for anything else.

    `right` is what was expected. `traces` are those whose frames may be told of a channel.
    """
    if isinstance(left, Trace) and isinstance(right, Trace):
        return [f"{_named(left)} == {_named(right)}", *_differences(right, left, "*")]
    if isinstance(left, Channel) and isinstance(right, Channel):
        words = f"{left.name} == {right.name}"
        if right.name != left.name:
            return [words, "  channels of different names"]
        expected, observed = _trace_of(right, traces), _trace_of(left, traces)
        if expected is None or observed is None:
            expected, observed = _rows(right), _rows(left)
        return [words, *_differences(expected, observed, left.name)]
    return None


def _differences(expected: Trace, observed: Trace, pattern: str) -> list[str]:
    try:
        (result,) = compare_traces(expected, observed, (Check("equal", (pattern,)),))
    except ClosetError as error:
        return [f"  {error.problem}"]
    lines = [
        line
        for found in distinct([result])
        for line in columns(found.channel or found.kind.value, found.words, _COLUMN)
        if expected.replayer or found.channel != FIRST_TO_MOVE  # of one channel alone nobody can tell
    ]
    return lines or ["  they differ only in what is never judged: times, or channels that are informative"]


def _named(trace: Trace) -> str:
    return f"{trace.replayer} on {trace.segment}"


def _trace_of(channel: Channel, traces: Sequence[Trace]) -> Trace | None:
    """The trace that a channel is of, which knows its frames and what else was going on; None where it is none."""
    return next((trace for trace in traces if trace.channels.get(channel.name) is channel), None)


def _rows(channel: Channel) -> Trace:
    """A trace of one channel over its rows, told as frames."""
    rows = np.arange(len(channel.values), dtype=np.int64)
    return Trace("", "", rows, rows * _ROW_NS, {channel.name: channel}, {})
