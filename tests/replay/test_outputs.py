"""Decoding of every head against slow references written out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.replay.layouts import PUBLISHED
from harness.replay.outputs import META_LAYOUTS, decode_heads, hard_brake_predicted

RNG = np.random.default_rng(7)


def rows(width, count=3):
    return (RNG.standard_normal((count, width)) * 3).astype(np.float32)


def test_plain_heads_are_means_then_logarithms_of_spreads():
    raw = rows(528)
    decoded = decode_heads(raw, {"lane_lines": (0, 528)})
    for n in range(3):
        for line in range(4):
            for point in range(33):
                for axis in range(2):
                    k = (line * 33 + point) * 2 + axis
                    assert decoded["lane_lines"][n, line, point, axis] == raw[n, k]
                    expected = math.exp(min(float(raw[n, 264 + k]), 11))
                    assert decoded["lane_lines_stds"][n, line, point, axis] == pytest.approx(expected)


def test_a_spread_cannot_overflow():
    raw = np.full((1, 990), 900.0, np.float32)
    assert decode_heads(raw, {"plan": (0, 990)})["plan_stds"].max() == pytest.approx(math.exp(11))


def test_the_plan_of_five_hypotheses_is_the_heaviest_one():
    raw = rows(4955, count=8)
    decoded = decode_heads(raw, {"plan": (0, 4955)})
    for n in range(8):
        weights = [raw[n, h * 991 + 990] for h in range(5)]
        h = weights.index(max(weights))
        mean = raw[n, h * 991 : h * 991 + 495].reshape(33, 15)
        np.testing.assert_array_equal(decoded["plan"][n], mean)
        std = np.exp(np.minimum(raw[n, h * 991 + 495 : h * 991 + 990], 11).astype(float)).reshape(33, 15)
        np.testing.assert_allclose(decoded["plan_stds"][n], std)


def test_old_leads_choose_one_of_two_hypotheses_for_each_of_three_times():
    raw = rows(102, count=8)
    decoded = decode_heads(raw, {"lead": (0, 102)})
    assert decoded["lead"].shape == (8, 3, 6, 4)
    for n in range(8):
        for selection in range(3):
            weights = [raw[n, h * 51 + 48 + selection] for h in range(2)]
            h = weights.index(max(weights))
            np.testing.assert_array_equal(decoded["lead"][n, selection], raw[n, h * 51 : h * 51 + 24].reshape(6, 4))


def test_new_leads_are_plain():
    raw = rows(144)
    np.testing.assert_array_equal(decode_heads(raw, {"lead": (0, 144)})["lead"][1], raw[1, :72].reshape(3, 6, 4))


@settings(max_examples=50)
@given(st.lists(st.floats(-500, 500, width=32), min_size=8, max_size=8))
def test_softmax_and_sigmoid(values):
    raw = np.array([values], np.float32)
    state = decode_heads(raw, {"desire_state": (0, 8)})["desire_state"][0]
    top = max(values)
    powers = [math.exp(v - top) for v in values]
    np.testing.assert_allclose(state, [p / sum(powers) for p in powers], rtol=1e-9, atol=1e-300)
    probabilities = decode_heads(raw, {"lane_lines_prob": (0, 8)})["lane_lines_prob"][0]
    expected = [1 / (1 + math.exp(-v)) if v > -700 else 0.0 for v in values]
    np.testing.assert_allclose(probabilities, expected, rtol=1e-9)


def test_desire_predictions_are_four_softmaxes():
    predicted = decode_heads(rows(32), {"desire_pred": (0, 32)})["desire_pred"]
    assert predicted.shape == (3, 4, 8)
    np.testing.assert_allclose(predicted.sum(axis=-1), 1.0)


@pytest.mark.parametrize("width", [48, 53, 55])
def test_meta_layouts_use_every_value_once(width):
    used = [0] + [i for cut in META_LAYOUTS[width].values() for i in range(width)[cut]]
    assert sorted(used) == list(range(width))
    horizons = {name: len(range(width)[cut]) for name, cut in META_LAYOUTS[width].items()}
    assert horizons["brakeDisengageProbs"] == 5
    assert horizons["leftBlinkerProbs"] == 6


def test_meta_positions():
    assert list(range(55)[META_LAYOUTS[55]["gasDisengageProbs"]]) == [1, 7, 13, 19, 25]
    assert list(range(55)[META_LAYOUTS[55]["gasPressProbs"]]) == [31, 35, 39, 43, 47, 51]
    assert list(range(55)[META_LAYOUTS[55]["brake5MetersPerSecondSquaredProbs"]]) == [6, 12, 18, 24, 30]
    assert list(range(48)[META_LAYOUTS[48]["gasPressProbs"]]) == [7, 14, 21, 28, 35]
    assert list(range(48)[META_LAYOUTS[48]["leftBlinkerProbs"]]) == [36, 38, 40, 42, 44, 46]
    assert list(range(53)[META_LAYOUTS[53]["brakePressProbs"]]) == [8, 16, 24, 32, 40]


def test_hard_braking_needs_five_frames():
    meta = np.zeros((9, 55))
    five, three = 6, 4
    meta[:, five], meta[:, three] = 0.2, 0.8
    assert hard_brake_predicted(meta).tolist() == [False] * 4 + [True] * 5
    meta[6, three] = 0.6
    assert hard_brake_predicted(meta).tolist() == [False] * 4 + [True, True, False, False, True]
    meta[:, three] = 0.8
    meta[:2, five] = 0.06
    meta[2:, five] = 0.16
    assert hard_brake_predicted(meta)[4]


@pytest.mark.parametrize("layout", PUBLISHED, ids=lambda layout: layout.name.split(" ")[0])
def test_not_a_number_stays_where_it_was(layout):
    heads = layout.slices()
    raw = rows(layout.width, count=4)
    raw[2] = np.nan
    for name, values in decode_heads(raw, heads).items():
        assert np.isnan(values[2]).all(), name
        assert np.isfinite(values[[0, 1, 3]]).all(), name


def test_a_head_nobody_knows_is_kept_as_it_is():
    raw = rows(10)
    np.testing.assert_array_equal(decode_heads(raw, {"new_head": (4, 9)})["new_head"], raw[:, 4:9])
