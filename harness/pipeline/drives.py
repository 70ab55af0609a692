"""What the recorded drives score themselves, and what was excused because they fail it too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from harness.compare.metrics import SegmentMetrics

Column = tuple[str, str]
Floats = npt.NDArray[np.float64]

_FRAMES, _HUMAN, _EXCUSED = 1, 2, 3  # of a cell


@dataclass(frozen=True, slots=True)
class Drive:
    """Of one metric under one condition, over the segments in which both sides have a value.

    `score` is the mean of what the recorded drives score, None where a metric says nothing of them. In `excused` frames
    of `segments` segments the candidate failed a check that the driver failed too: they count as passed. So did the
    baseline in `baseline_excused` frames.
    """

    score: float | None
    excused: int
    segments: int
    baseline_excused: int


class Drives:
    """Takes the metrics of segment after segment and tells the drives' part of the columns that are asked for."""

    def __init__(self, asked: Sequence[Column]) -> None:
        self._asked = tuple(dict.fromkeys(asked))
        self._seen: set[str] = set()
        self._scores, self._scored, self._excused, self._theirs, self._segments = np.zeros((5, len(self._asked)))

    def add(self, segment: str, candidate: SegmentMetrics | None, baseline: SegmentMetrics | None) -> None:
        """One segment, as far as both sides have it. Of several kinds of device the first is told: one drove."""
        if not self._asked or candidate is None or baseline is None or segment in self._seen:
            return
        self._seen.add(segment)
        ours, theirs = (_cells(found, self._asked) for found in (candidate, baseline))
        both = (ours[:, _FRAMES] > 0) & (theirs[:, _FRAMES] > 0)
        scored = both & np.isfinite(ours[:, _HUMAN])
        self._scored += scored
        self._scores += np.where(scored, ours[:, _HUMAN], 0.0)
        excused = np.where(both, ours[:, _EXCUSED], 0.0)
        self._excused += excused
        self._segments += excused > 0
        self._theirs += np.where(both, theirs[:, _EXCUSED], 0.0)

    def found(self) -> dict[Column, Drive]:
        """By column, where there is anything to tell."""
        return {
            column: Drive(
                float(self._scores[place] / self._scored[place]) if self._scored[place] else None,
                int(self._excused[place]),
                int(self._segments[place]),
                int(self._theirs[place]),
            )
            for place, column in enumerate(self._asked)
            if self._scored[place] or self._excused[place] or self._theirs[place]
        }


def _cells(found: SegmentMetrics, columns: tuple[Column, ...]) -> Floats:
    """(k, 4) the cells of columns; those that a table has not are without frames."""
    rows, cuts, there = _places(found.metrics, found.conditions, columns)
    cells = np.zeros((len(columns), 4))
    cells[there] = found.table[rows, cuts]
    return cells


@lru_cache(maxsize=8)
def _places(
    metrics: tuple[str, ...], conditions: tuple[str, ...], columns: tuple[Column, ...]
) -> tuple[list[int], list[int], list[int]]:
    there = [place for place, (name, condition) in enumerate(columns) if name in metrics and condition in conditions]
    rows = [metrics.index(columns[place][0]) for place in there]
    return rows, [conditions.index(columns[place][1]) for place in there], there
