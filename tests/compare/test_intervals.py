from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.intervals import MERGE_GAP_FRAMES, Interval, find_intervals


def intervals_of(rows: list[int], score: dict[int, float] | None = None, count: int = 100) -> list[Interval]:
    beyond = np.zeros(count, bool)
    beyond[rows] = True
    scores = beyond.astype(float)
    for row, value in (score or {}).items():
        scores[row] = value
    return find_intervals(beyond, scores, np.arange(count))


def test_small_gaps_are_one_interval_and_larger_ones_are_not():
    assert intervals_of([5, 5 + MERGE_GAP_FRAMES]) == [Interval(5, 5 + MERGE_GAP_FRAMES, 5)]
    apart = 5 + MERGE_GAP_FRAMES + 1
    assert intervals_of([5, apart]) == [Interval(5, 5, 5), Interval(apart, apart, apart)]


def test_gaps_are_measured_in_camera_frames_not_rows():
    beyond = np.array([True, True])
    assert len(find_intervals(beyond, np.ones(2), np.array([0, 100]))) == 2


def test_peak_is_the_earliest_greatest_of_the_frames_beyond():
    # Row 7 scores more but is within tolerance, so it is no peak.
    assert intervals_of([5, 6, 9], {6: 4.0, 9: 4.0, 7: 99.0}) == [Interval(5, 9, 6)]


def test_nothing_beyond_is_no_interval():
    assert intervals_of([]) == []


@given(st.sets(st.integers(0, 99)))
def test_every_row_beyond_lies_in_exactly_one_interval(rows):
    found = intervals_of(sorted(rows))
    for row in rows:
        assert sum(interval.first <= row <= interval.last for interval in found) == 1
    assert {interval.first for interval in found} | {interval.last for interval in found} <= rows
