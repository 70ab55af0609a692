"""Lane changes of a driving model's trace: begun, finished, given up.

A change is asked of the model until its own lane-change probability falls under 2 % after half a second or more, and
a second longer; what ends before that was given up: after ten seconds, or because the driver took over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.trace import Trace

_LEFT, _RIGHT = 3, 4  # openpilot's Desire enumeration
_DONE_BELOW = 0.02
_LEAST_ROWS = 10  # a change is asked for at least so long
_FADE_ROWS = 20  # and so long after the model has said that it is over


@dataclass(frozen=True, slots=True)
class LaneChanges:
    """How many were begun, and how many of those given up; one that the segment's end cuts off is not counted."""

    begun: int
    aborted: int


def count_lane_changes(trace: Trace) -> LaneChanges | None:
    """The lane changes of a trace; None where it does not say what was asked of the model and what that thought."""
    asked, thought = trace.channels.get("desire"), trace.channels.get("meta.desireState")
    if asked is None or thought is None or thought.values.ndim != 2 or thought.values.shape[1] <= _RIGHT:
        return None
    changing = np.isin(asked.values, (_LEFT, _RIGHT))
    over = thought.values[:, [_LEFT, _RIGHT]].astype(np.float64).sum(axis=1) < _DONE_BELOW
    edges = np.flatnonzero(np.diff(np.concatenate(([False], changing, [False])).astype(np.int8)))
    begun = aborted = 0
    for first, stop in edges.reshape(-1, 2).tolist():
        done = np.flatnonzero(over[first + _LEAST_ROWS - 1 : stop])
        finished = bool(len(done)) and first + _LEAST_ROWS - 1 + int(done[0]) + _FADE_ROWS < stop
        if stop == len(changing) and not finished:
            continue
        begun += 1
        aborted += not finished
    return LaneChanges(begun, aborted)
