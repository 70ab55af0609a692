"""Why two traces or channels are not equal, as a comparison says it: where one leaves and comes back, by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.compare import compare_traces
from harness.domain import Check
from harness.errors import ClosetError
from harness.report.trials import columns, distinct
from harness.trace import Channel, Trace

_COLUMN = 24
_ALL = (Check("all", ("*",)),)
_ROW_NS = 50_000_000  # a camera frame, for rows of which nothing better is known


def explain(left: object, right: object, traces: Sequence[Trace]) -> list[str] | None:
    """The lines of an assertion `left == right` of traces or channels; None for anything else.

    `right` is what was expected. `traces` are those whose frames may be told of a channel.
    """
    if isinstance(left, Trace) and isinstance(right, Trace):
        return [f"{_named(left)} == {_named(right)}", *_differences(expected=right, observed=left)]
    if isinstance(left, Channel) and isinstance(right, Channel):
        observed, expected = _alone(left, traces), _alone(right, traces)
        if right.name != left.name:
            return [f"{left.name} == {right.name}", "  channels of different names"]
        return [f"{left.name} == {right.name}", *_differences(expected=expected, observed=observed)]
    return None


def _differences(*, expected: Trace, observed: Trace) -> list[str]:
    try:
        (result,) = compare_traces(expected, observed, _ALL)
    except ClosetError as error:
        return [f"  {error.problem}"]
    lines = [
        line
        for found in distinct([result])
        for line in columns(found.channel or found.kind.value, found.words, _COLUMN)
    ]
    return lines or ["  they differ only in what is never judged: times, or channels that are informative"]


def _named(trace: Trace) -> str:
    return f"{trace.replayer} on {trace.segment}"


def _alone(channel: Channel, traces: Sequence[Trace]) -> Trace:
    """A trace of one channel, over the frames of the trace it is of; over its rows where that is not known."""
    for trace in traces:
        if trace.channels.get(channel.name) is channel:
            return replace(trace, replayer="", segment="", channels={channel.name: channel}, provenance={})
    rows = np.arange(len(channel.values), dtype=np.int64)
    return Trace("", "", rows, rows * _ROW_NS, {channel.name: channel}, {})
