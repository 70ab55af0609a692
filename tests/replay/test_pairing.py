"""Pairing of the two cameras and the figures of frame drops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.replay.pairing import CameraFrame, frame_drop_percent, pair_frames

FRAME_NS = 50_000_000


def frames(ids, late_ns=0):
    return [CameraFrame(i, row, i * FRAME_NS + late_ns, i * FRAME_NS + late_ns + 9) for row, i in enumerate(ids)]


def ids(pairs):
    return [(pair.narrow.frame_id, pair.wide.frame_id if pair.wide else None) for pair in pairs]


def test_synchronous_cameras_pair_by_time():
    assert ids(pair_frames(frames(range(5)), frames(range(5), 4_000_000))) == [(i, i) for i in range(5)]


def test_one_camera_pairs_with_nothing():
    assert ids(pair_frames(frames(range(3)), None)) == [(0, None), (1, None), (2, None)]


def test_a_gap_in_the_narrow_camera_skips_wide_frames():
    assert ids(pair_frames(frames([0, 1, 4, 5]), frames(range(6)))) == [(0, 0), (1, 1), (4, 4), (5, 5)]


def test_a_gap_in_the_wide_camera_takes_the_next_one_and_skips_a_narrow_frame():
    assert ids(pair_frames(frames(range(6)), frames([0, 1, 3, 4, 5]))) == [(0, 0), (1, 1), (2, 3), (4, 4), (5, 5)]


def test_pairing_ends_with_either_camera():
    assert ids(pair_frames(frames(range(9)), frames(range(3)))) == [(0, 0), (1, 1), (2, 2)]
    assert ids(pair_frames(frames(range(3)), frames(range(9)))) == [(0, 0), (1, 1), (2, 2)]


def naive_pairs(narrow, wide):
    """The model process as a loop over two queues."""
    pairs, n, w = [], 0, 0
    main, extra = None, None
    while True:
        while main is None or (extra is not None and main.sof_ns < extra.sof_ns + 25_000_000):
            if n == len(narrow):
                return pairs
            main, n = narrow[n], n + 1
        while True:
            if w == len(wide):
                return pairs
            extra, w = wide[w], w + 1
            if main.sof_ns < extra.sof_ns + 25_000_000:
                break
        pairs.append((main.frame_id, extra.frame_id))


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)), st.integers(-24_000_000, 24_000_000))
def test_pairing_equals_the_loop_over_two_queues(narrow, wide, late_ns):
    first, second = frames(sorted(narrow)), frames(sorted(wide), late_ns)
    assert ids(pair_frames(first, second)) == naive_pairs(first, second)


def with_gap(lost, count=1200, at=100):
    numbers = np.arange(count)
    numbers[at:] += lost
    return frame_drop_percent(numbers.astype(np.int64))


@pytest.mark.parametrize(
    ("lost", "peak", "above"),
    [(1, 0.495, 0), (2, 0.985, 0), (3, 1.47, 79), (5, 2.43, 181), (10, 4.74, 320), (50, 4.74, 320)],
)
def test_published_figures_of_a_single_gap(lost, peak, above):
    percent = with_gap(lost)
    assert percent.max() == pytest.approx(peak, abs=0.006)
    assert int((percent > 1.0).sum()) == pytest.approx(above, abs=1 if lost > 3 else 0)
    assert not percent[:100].any()


def test_the_first_ten_runs_are_silent():
    assert not with_gap(5, at=9).any()
    assert with_gap(5, at=10).any()


def test_no_frame_no_drop():
    assert frame_drop_percent(np.zeros(0, np.int64)).shape == (0,)
