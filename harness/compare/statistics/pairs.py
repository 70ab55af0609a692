"""Paired values of many claims over segments, and their sums over routes: what every test and interval starts from.

The minutes of one drive are alike (one driver, road, weather, calibration), so that a route is one observation made of
several segments. All that follows works on its sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_COLUMNS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Pairs:
    """`candidate` and `baseline` (n, k): a row a segment, a column a claim; NaN where a side has no value.

    `segments` and `routes` (n,) name the rows.
    """

    segments: tuple[str, ...]
    routes: tuple[str, ...]
    candidate: Floats
    baseline: Floats


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the segments of each route, (g, k) each: the difference, both sides, and how many segments.

    Routes stand in the order of their names, so that the order of segments changes nothing. `lost` (k,) counts
    segments in which only the baseline has a value, `gained` those in which only the candidate has.
    """

    routes: tuple[str, ...]
    difference: Floats
    candidate: Floats
    baseline: Floats
    count: Floats
    lost: npt.NDArray[np.int64]
    gained: npt.NDArray[np.int64]

    @property
    def segments(self) -> Floats:
        """(k,) segments with a value on both sides."""
        total: Floats = self.count.sum(axis=0)
        return total

    @property
    def present(self) -> Bools:
        """(g, k) whether a route has a segment that counts."""
        return self.count > 0

    @property
    def route_count(self) -> npt.NDArray[np.int64]:
        """(k,) routes that have a segment that counts."""
        routes: npt.NDArray[np.int64] = self.present.sum(axis=0)
        return routes

    def mean(self, total: Floats) -> Floats:
        """(k,) a sum a segment; NaN without any."""
        with np.errstate(invalid="ignore"):
            mean: Floats = total.sum(axis=0) / self.segments
        return mean


def sum_routes(pairs: Pairs) -> Sums:
    """The sums of every column. Rows are put in the order of their names first: adding up depends on the order."""
    order = sorted(range(len(pairs.segments)), key=lambda row: (pairs.routes[row], pairs.segments[row]))
    names = tuple(dict.fromkeys(pairs.routes[row] for row in order))
    columns = pairs.candidate.shape[1]
    if not order:
        none = np.zeros((0, columns))
        nothing = np.zeros(columns, np.int64)
        return Sums((), none, none, none, none, nothing, nothing)
    starts = [i for i, row in enumerate(order) if i == 0 or pairs.routes[row] != pairs.routes[order[i - 1]]]
    sums = tuple(np.empty((len(names), columns)) for _ in range(4))
    lost, gained = np.empty(columns, np.int64), np.empty(columns, np.int64)
    for first in range(0, columns, _COLUMNS_AT_ONCE):
        cut = slice(first, first + _COLUMNS_AT_ONCE)
        candidate, baseline = pairs.candidate[order, cut], pairs.baseline[order, cut]
        ours, theirs = np.isfinite(candidate), np.isfinite(baseline)
        both = ours & theirs
        lost[cut], gained[cut] = (theirs & ~ours).sum(axis=0), (ours & ~theirs).sum(axis=0)
        candidate, baseline = np.where(both, candidate, 0.0), np.where(both, baseline, 0.0)
        for total, values in zip(sums, (candidate - baseline, candidate, baseline, both), strict=True):
            total[:, cut] = np.add.reduceat(values.astype(np.float64), starts, axis=0)
    difference, of_candidate, of_baseline, count = sums
    return Sums(names, difference, of_candidate, of_baseline, count, lost, gained)


def make_pairs(rows: Sequence[tuple[str, str, Floats, Floats]], columns: int) -> Pairs:
    """Pairs of rows (segment, route, candidate (k,), baseline (k,))."""
    shape = (len(rows), columns)
    return Pairs(
        tuple(row[0] for row in rows),
        tuple(row[1] for row in rows),
        np.array([row[2] for row in rows], np.float64).reshape(shape),
        np.array([row[3] for row in rows], np.float64).reshape(shape),
    )
