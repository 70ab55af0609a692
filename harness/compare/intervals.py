"""Frames beyond tolerance gathered into the stretches a person would speak of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.compare.align import Int64s
from harness.compare.diff import Bools, Floats

MERGE_GAP_FRAMES = 10  # half a second at 20 Hz: a difference that dips under tolerance for less is still the same one


@dataclass(frozen=True, slots=True)
class Interval:
    """Rows `first`…`last` (both beyond tolerance) and `peak`, the earliest row of the greatest score between them."""

    first: int
    last: int
    peak: int


def find_intervals(beyond: Bools, score: Floats, frame_ids: Int64s) -> list[Interval]:
    """Stretches of `beyond` (n,) rows; those at most MERGE_GAP_FRAMES camera frames apart are one."""
    rows = np.flatnonzero(beyond)
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(frame_ids[rows]) > MERGE_GAP_FRAMES) + 1
    return [Interval(int(run[0]), int(run[-1]), int(run[np.argmax(score[run])])) for run in np.split(rows, breaks)]
