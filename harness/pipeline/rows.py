"""What was measured of many segments, as two tables: a row a segment, a column a metric under a condition.

Measurements are put in as they come and let go of: thousands of segments are a few hundred megabytes, not gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from harness.compare.metrics import ALL, CONDITIONS, METRICS, SegmentMetrics
from harness.compare.statistics import Bools, Pairs
from harness.pipeline.drives import Column, Drive, Drives
from harness.pipeline.truth import Measured

Singles = npt.NDArray[np.float32]

_NO_TAGS: Mapping[str, frozenset[str]] = MappingProxyType({})
_ENOUGH = 0.8  # share of the baseline's frames that the candidate must answer for its value to count


@dataclass(frozen=True, slots=True)
class Rows:
    """`candidate` and `baseline` (n, metrics · conditions), NaN where there is no value; `remark` is what is amiss.

    `metrics` are those there are, and after them a person's own; so with `conditions`. `drives` say, for columns that
    were asked for, what the recorded drives score.

    In single precision: a difference of less than a ten-millionth is none that anybody asks for.
    """

    segments: tuple[str, ...]
    routes: tuple[str, ...]
    candidate: Singles
    baseline: Singles
    remark: str = ""
    metrics: tuple[str, ...] = tuple(METRICS)
    conditions: tuple[str, ...] = tuple(CONDITIONS)
    drives: Mapping[Column, Drive] = field(default_factory=dict)

    def pairs(self, columns: Sequence[Column]) -> Pairs:
        """The values of some columns, held together."""
        places = [self.place(column) for column in columns]
        sides = (side[:, places].astype(np.float64) for side in (self.candidate, self.baseline))
        return Pairs(self.segments, self.routes, *sides)

    def place(self, column: Column) -> int:
        """Where a column stands."""
        metric, condition = column
        return self.metrics.index(metric) * len(self.conditions) + self.conditions.index(condition)

    def answered(self) -> list[Column]:
        """The columns in which any segment has a value."""
        known: Bools = np.any(np.isfinite(self.candidate), axis=0)
        columns = [(metric, condition) for metric in self.metrics for condition in self.conditions]
        return [columns[place] for place in np.flatnonzero(known)]


def collect_rows(
    measured: Iterable[Measured],
    routes: Mapping[str, str],
    own: Sequence[str] = (),
    *,
    tags: Mapping[str, frozenset[str]] = _NO_TAGS,
    asked: Sequence[Column] = (),
) -> Rows:
    """A row a segment, in the order of their names; one that several kinds of device replayed has their mean.

    `routes` says which route a segment is of, `own` are the names of a person's own metrics, `tags` conditions that
    hold for whole segments, and for which. What the candidate has no trace of on any kind it has no value of. What the
    recorded drive scores is told for the columns that are `asked`.
    """
    metrics, conditions = (*METRICS, *own), (*CONDITIONS, *tags)
    columns = _Columns(metrics, conditions, tags)
    drives = Drives(asked)
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
        drives.add(segment, each.candidate, each.baseline)
        candidate, baseline = _sides(each, columns)
        if segment in totals:
            before, below = totals[segment]
            candidate, baseline = (
                _together(old, new, counts[segment]) for old, new in ((before, candidate), (below, baseline))
            )
        totals[segment] = candidate, baseline
        counts[segment] = counts.get(segment, 0) + 1
    names = tuple(sorted(totals))
    shape = (len(names), len(metrics) * len(conditions))
    sides = [np.empty(shape, np.float32) for _ in (0, 1)]
    for row, name in enumerate(names):
        for side, values in zip(sides, totals.pop(name), strict=True):
            side[row] = values
        if name in lost:
            _lose(sides[0][row], sides[1][row], len(conditions))
    remark = _remark(failed, noted, done)
    of = tuple(routes[name] for name in names)
    return Rows(names, of, sides[0], sides[1], remark, metrics, conditions, drives.found())


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a table that is being made, and what is known of whole segments."""

    metrics: tuple[str, ...]
    conditions: tuple[str, ...]
    tags: Mapping[str, frozenset[str]]


def _lose(candidate: Singles, baseline: Singles, conditions: int) -> None:
    """Take all values from a candidate's row, those of the pair too: where the baseline has any, they are missed."""
    candidate[:] = np.nan
    by_metric = baseline.reshape(-1, conditions)
    by_metric[_of_pair(len(by_metric))[:, None] & np.isfinite(by_metric).any(axis=0)] = 0.0


def _of_pair(count: int) -> Bools:
    """(count,) which metrics are of the pair. A person's own never are."""
    found = np.zeros(count, bool)
    found[: len(METRICS)] = [metric.of_pair for metric in METRICS.values()]
    return found


def _sides(measured: Measured, columns: _Columns) -> tuple[Singles, Singles]:
    """Both sides' values. What is of the pair is held against nothing: a baseline is not far from itself.

    Where the candidate answers far fewer frames than the baseline (no number, or a lane it is not sure to see) its
    value is lost: the mean over the frames that are left would make it look better.
    """
    segment = measured.measure.segment
    (candidate, answered), (baseline, asked) = (
        _table(each, segment, columns) for each in (measured.candidate, measured.baseline)
    )
    candidate[answered < _ENOUGH * asked] = np.nan
    of_pair, _ = _table(measured.pair, segment, columns)
    paired = np.repeat(_of_pair(len(columns.metrics)), len(columns.conditions))
    candidate = np.where(paired, of_pair, candidate)
    return candidate, np.where(paired, of_pair * np.float32(0.0), baseline)


def _table(found: SegmentMetrics | None, segment: str, columns: _Columns) -> tuple[Singles, Singles]:
    """(metrics · conditions,) values, and of how many frames; a tagged segment's frames are all of its condition."""
    shape = (len(columns.metrics), len(columns.conditions))
    table = np.full(shape, np.nan, np.float32)
    frames = np.zeros(shape, np.float32)
    if found is not None:
        places = {name: row for row, name in enumerate(columns.metrics)}
        ours = {name: place for place, name in enumerate(CONDITIONS)}
        rows = [row for row, name in enumerate(found.metrics) if name in places]
        cut = [column for column, name in enumerate(found.conditions) if name in ours]
        cells = found.table[np.ix_(rows, cut)]
        into = np.ix_([places[found.metrics[row]] for row in rows], [ours[found.conditions[at]] for at in cut])
        table[into] = np.where((cells[..., 1] > 0) & np.isfinite(cells[..., 0]), cells[..., 0], np.nan)
        frames[into] = cells[..., 1]
        for place, tag in enumerate(columns.tags, len(ours)):
            if segment in columns.tags[tag]:
                table[:, place], frames[:, place] = table[:, ours[ALL]], frames[:, ours[ALL]]
    return table.ravel(), frames.ravel()


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
