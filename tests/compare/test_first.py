from __future__ import annotations

import numpy as np

from harness.compare.align import align
from harness.compare.first import first_to_move

ALL = {
    "pictures.narrow.digest": np.arange(50, dtype=np.uint64),
    "features": np.zeros((50, 4), np.float32),
    "action.desiredCurvature": np.zeros(50),
}


def moved(make_trace, changes: dict[str, int], base=ALL):
    """What `first_to_move` says when the named channels differ from a row on."""
    arrays = {name: values.copy() for name, values in base.items()}
    for name, row in changes.items():
        arrays[name][row:] += 1
    expected, observed = make_trace(base), make_trace(arrays)
    return first_to_move(expected, observed, align(expected, observed))


def test_pixels_first(make_trace):
    row, words = moved(make_trace, {"pictures.narrow.digest": 10, "features": 10, "action.desiredCurvature": 12})
    assert row == 10
    assert words.startswith("different pictures at frame 10 (0.50 s)")


def test_features_first_with_the_same_pictures(make_trace):
    row, words = moved(make_trace, {"features": 11, "action.desiredCurvature": 12})
    assert (row, words) == (11, "vision features at frame 11 (0.55 s) (same pictures); the policy follows")


def test_features_first_and_pictures_later(make_trace):
    _, words = moved(make_trace, {"features": 11, "pictures.narrow.digest": 30})
    assert "the policy does not follow" in words
    assert words.endswith("the pictures differ from frame 30")


def test_policy_alone(make_trace):
    row, words = moved(make_trace, {"action.desiredCurvature": 12})
    assert (row, words) == (12, "the policy at frame 12 (0.60 s) (same pictures, same features)")


def test_without_digests_nothing_is_claimed_about_pictures(make_trace):
    base = {name: values for name, values in ALL.items() if not name.startswith("pictures")}
    _, words = moved(make_trace, {"features": 3}, base)
    assert "pictures not recorded" in words


def test_nothing_moved_though_nan_is_there(make_trace):
    base = ALL | {"position.x": np.full(50, np.nan)}
    assert moved(make_trace, {}, base) is None


def test_a_channel_of_another_shape_is_passed_over(make_trace):
    expected = make_trace(ALL)
    observed = make_trace(ALL | {"features": np.zeros((50, 5), np.float32)})
    assert first_to_move(expected, observed, align(expected, observed)) is None
