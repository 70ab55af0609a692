from __future__ import annotations

import numpy as np
import pytest

from harness.compare.intervals import Interval
from harness.compare.lag import MAX_LAG_FRAMES, lag_frames, lag_words

T = np.arange(400) * 0.05
SIGNAL = np.sin(T) + 0.3 * np.sin(2.7 * T)
INSIDE = Interval(100, 299, 200)
IDS = np.arange(400)


def shifted(lag: int) -> np.ndarray:
    observed = SIGNAL.copy()
    observed[100:300] = SIGNAL[100 - lag : 300 - lag]
    return observed


@pytest.mark.parametrize("lag", [1, 3, 11, MAX_LAG_FRAMES, -1, -5, -MAX_LAG_FRAMES])
def test_a_pure_delay_is_named_with_its_sign(lag):
    assert lag_frames(SIGNAL, shifted(lag), IDS, INSIDE) == lag


def test_a_delay_under_noise_is_still_named():
    noise = np.random.default_rng(1).normal(scale=0.002, size=400)
    assert lag_frames(SIGNAL, shifted(4) + noise, IDS, INSIDE) == 4


@pytest.mark.parametrize(
    "observed",
    [
        SIGNAL + 0.2,
        SIGNAL * 1.5,
        -SIGNAL,
        np.random.default_rng(2).normal(size=400),
        shifted(MAX_LAG_FRAMES + 15),
        np.where(T > 10, np.nan, SIGNAL),
    ],
    ids=["offset", "scale", "mirrored", "noise", "too long a delay", "NaN"],
)
def test_what_a_delay_does_not_explain_is_not_called_one(observed):
    assert lag_frames(SIGNAL, observed, IDS, INSIDE) is None


def test_an_offset_on_a_ramp_is_not_called_a_delay():
    # Shifting a straight line by 4 frames and lowering it by 0.2 are the same thing.
    assert lag_frames(T, T - 0.2, IDS, INSIDE) is None


def test_a_constant_has_no_delay():
    assert lag_frames(np.ones(400), np.ones(400) * 2, IDS, INSIDE) is None


def test_too_short_or_with_frames_missing_is_unclear():
    assert lag_frames(SIGNAL, shifted(3), IDS, Interval(100, 105, 103)) is None
    gap = IDS.copy()
    gap[200:] += 1
    assert lag_frames(SIGNAL, shifted(3), gap, INSIDE) is None


def test_words():
    assert lag_words(3, 0.05) == "lags by 3 frames (150 ms)"
    assert lag_words(-1, 0.05) == "leads by 1 frame (50 ms)"
