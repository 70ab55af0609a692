"""What was measured of many segments, as two tables: a row a segment, a column a metric under a condition.

Measurements are put in as they come and let go of: thousands of segments are a few hundred megabytes, not gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.compare.metrics import CONDITIONS, METRICS, SegmentMetrics
from harness.compare.statistics import Bools, Pairs
from harness.pipeline.truth import Measured

Column = tuple[str, str]
Singles = npt.NDArray[np.float32]

_METRICS = {name: place for place, name in enumerate(METRICS)}
_CONDITIONS = {name: place for place, name in enumerate(CONDITIONS)}
_COLUMNS = [(metric, condition) for metric in _METRICS for condition in _CONDITIONS]
_OF_PAIR = np.array([metric.of_pair for metric in METRICS.values()])


@dataclass(frozen=True, slots=True)
class Rows:
    """`candidate` and `baseline` (n, metrics · conditions), NaN where there is no value; `remark` is what is amiss.

    In single precision: a difference of less than a ten-millionth is none that anybody asks for.
    """

    segments: tuple[str, ...]
    routes: tuple[str, ...]
    candidate: Singles
    baseline: Singles
    remark: str = ""

    def pairs(self, columns: Sequence[Column]) -> Pairs:
        """The values of some columns, held together."""
        places = [_METRICS[metric] * len(_CONDITIONS) + _CONDITIONS[condition] for metric, condition in columns]
        sides = (side[:, places].astype(np.float64) for side in (self.candidate, self.baseline))
        return Pairs(self.segments, self.routes, *sides)

    def answered(self) -> list[Column]:
        """The columns in which any segment has a value."""
        known: Bools = np.any(np.isfinite(self.candidate), axis=0)
        return [_COLUMNS[place] for place in np.flatnonzero(known)]


def collect_rows(measured: Iterable[Measured], routes: Mapping[str, str]) -> Rows:
    """A row a segment, in the order of their names; one that several kinds of device replayed has their mean.

    `routes` says which route a segment is of. What the candidate has no trace of on any kind it has no value of.
    """
    totals: dict[str, tuple[Singles, Singles]] = {}
    counts: dict[str, int] = {}
    failed: dict[str, str] = {}
    noted: dict[str, str] = {}
    lost: set[str] = set()
    done = 0
    for each in measured:
        segment = each.measure.segment
        done += 1
        if not each.measure.candidate:
            lost.add(segment)
        if each.error is not None:
            failed[segment] = each.error.problem
        if each.candidate is not None and each.candidate.notes:
            noted[segment] = each.candidate.notes[0]
        candidate, baseline = _sides(each)
        if segment in totals:
            before, below = totals[segment]
            candidate, baseline = (
                _together(old, new, counts[segment]) for old, new in ((before, candidate), (below, baseline))
            )
        totals[segment] = candidate, baseline
        counts[segment] = counts.get(segment, 0) + 1
    names = tuple(sorted(totals))
    shape = (len(names), len(_METRICS) * len(_CONDITIONS))
    sides = [np.empty(shape, np.float32) for _ in (0, 1)]
    for row, name in enumerate(names):
        for side, values in zip(sides, totals.pop(name), strict=True):
            side[row] = values
        if name in lost:
            _lose(sides[0][row], sides[1][row])
    return Rows(names, tuple(routes[name] for name in names), sides[0], sides[1], _remark(failed, noted, done))


def _lose(candidate: Singles, baseline: Singles) -> None:
    """Take all values from a candidate's row, those of the pair too: where the baseline has any, they are missed."""
    candidate[:] = np.nan
    by_metric = baseline.reshape(len(_METRICS), len(_CONDITIONS))
    by_metric[_OF_PAIR[:, None] & np.isfinite(by_metric).any(axis=0)] = 0.0


def _sides(measured: Measured) -> tuple[Singles, Singles]:
    """Both sides' values. What is of the pair is held against nothing: a baseline is not far from itself."""
    candidate, baseline, of_pair = (_table(each) for each in (measured.candidate, measured.baseline, measured.pair))
    paired = np.repeat(_OF_PAIR, len(_CONDITIONS))
    candidate = np.where(paired, of_pair, candidate)
    return candidate, np.where(paired, of_pair * np.float32(0.0), baseline)


def _table(metrics: SegmentMetrics | None) -> Singles:
    """(metrics · conditions,) values; a condition that is no metric's own (a tag) is left out."""
    table = np.full((len(_METRICS), len(_CONDITIONS)), np.nan, np.float32)
    if metrics is not None:
        rows = [row for row, name in enumerate(metrics.metrics) if name in _METRICS]
        columns = [column for column, name in enumerate(metrics.conditions) if name in _CONDITIONS]
        cells = metrics.table[np.ix_(rows, columns)]
        places = np.ix_(
            [_METRICS[metrics.metrics[row]] for row in rows], [_CONDITIONS[metrics.conditions[at]] for at in columns]
        )
        table[places] = np.where((cells[..., 1] > 0) & np.isfinite(cells[..., 0]), cells[..., 0], np.nan)
    return table.ravel()


def _together(old: Singles, new: Singles, count: int) -> Singles:
    """The mean of what `count` kinds of device found and what one more did; a value that only some have is theirs."""
    mean: Singles = np.where(np.isnan(old), new, np.where(np.isnan(new), old, (old * count + new) / (count + 1)))
    return mean


def _remark(failed: Mapping[str, str], noted: Mapping[str, str], done: int) -> str:
    """What could not be measured, and why, as a line of its own; empty where all could."""
    if failed:
        first = min(failed)
        count = "1 segment was" if len(failed) == 1 else f"{len(failed)} segments were"
        return f"\n{count} not measured: {first}: {failed[first]}"
    if noted:
        first = min(noted)
        return f"\nof {len(noted)} of {done} segments less is known: {first}: {noted[first]}"
    return ""
