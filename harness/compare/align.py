"""Two traces brought onto the frames both have. A frame is known by its id, never by its place in a list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.trace import Array, Trace

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Alignment:
    """The frames of two traces.

    `frame_ids` and `t_ns` (k,) are those of the common frames, by the expected trace's clock. `expected_rows` and
    `observed_rows` (k,) index either trace; None means all of them in order. `missing` and `extra` are frame ids.
    """

    frame_ids: Int64s
    t_ns: Int64s
    start_ns: int
    expected_rows: npt.NDArray[np.intp] | None
    observed_rows: npt.NDArray[np.intp] | None
    missing: Int64s
    extra: Int64s

    def of_expected(self, values: Array) -> Array:
        """The rows of an expected channel that belong to common frames, without a copy where possible."""
        return values if self.expected_rows is None else values[self.expected_rows]

    def of_observed(self, values: Array) -> Array:
        """The rows of an observed channel that belong to common frames, without a copy where possible."""
        return values if self.observed_rows is None else values[self.observed_rows]

    def seconds(self, row: int) -> float:
        """Seconds from the first frame of the expected trace to common frame `row`."""
        return float(int(self.t_ns[row]) - self.start_ns) / 1e9


def align(expected: Trace, observed: Trace) -> Alignment:
    """Match frames by id; DataError when the ids of a trace do not rise."""
    for side, trace in (("expected", expected), ("observed", observed)):
        if np.any(np.diff(trace.frame_ids) <= 0):
            raise DataError(
                "frame ids do not rise", where=f"{side} trace of {trace.segment}", remedy="replay the segment again"
            )
    start_ns = int(expected.t_ns[0]) if len(expected.t_ns) else 0
    nothing: Int64s = np.empty(0, np.int64)
    if np.array_equal(expected.frame_ids, observed.frame_ids):
        return Alignment(expected.frame_ids, expected.t_ns, start_ns, None, None, nothing, nothing)
    common, expected_rows, observed_rows = np.intersect1d(
        expected.frame_ids, observed.frame_ids, assume_unique=True, return_indices=True
    )
    return Alignment(
        common,
        expected.t_ns[expected_rows],
        start_ns,
        expected_rows,
        observed_rows,
        np.setdiff1d(expected.frame_ids, common, assume_unique=True),
        np.setdiff1d(observed.frame_ids, common, assume_unique=True),
    )


def frame_runs(frame_ids: Int64s, among: Int64s) -> list[tuple[int, int]]:
    """`frame_ids` as (first, last) runs of neighbours in `among`, the rising ids of the trace that has them."""
    if not len(frame_ids):
        return []
    places = np.searchsorted(among, frame_ids)
    breaks = np.flatnonzero(np.diff(places) > 1) + 1
    return [(int(run[0]), int(run[-1])) for run in np.split(frame_ids, breaks)]
