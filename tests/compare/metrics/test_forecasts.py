"""Probabilities against what happened: leads, take-overs, pedals, blinkers, lane changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.compare.metrics import segment_metrics
from harness.compare.metrics.tally import BINS, Forecasts, calibrate
from tests.compare.metrics.made import CRUISE, plan_of, truth

N = 240
AT = np.arange(N) * 0.05
SAID = "meta__disengagePredictions__"


def until(begin_s: float) -> np.ndarray:
    return np.where(begin_s >= AT, begin_s - AT, np.inf)


def test_a_forecast_within_a_horizon_is_answered_by_what_came():
    driven = truth(CRUISE, next__brakeDisengage=until(6.0))
    told = np.tile([0.1, 0.2, 0.4, 0.7, 0.9], (N, 1))
    found = segment_metrics(plan_of(driven, **{SAID + "brakeDisengageProbs": told}), driven)
    known = driven.channels["next.known"].values
    for place, h in enumerate((2, 4, 6, 8, 10)):
        came = until(6.0) <= h
        answered = came | (known >= h)
        wanted = np.mean((told[answered, place] - came[answered]) ** 2)
        value = found.get(f"brake_disengage_brier_{h}s")
        assert value.value == pytest.approx(wanted)
        assert value.frames == answered.sum()


def test_taking_over_is_only_asked_while_engaged():
    driven = truth(CRUISE, engaged=AT >= 2.0)
    told = {SAID + name: np.full((N, 5), 0.3) for name in ("gasDisengageProbs", "steerOverrideProbs")}
    told[SAID + "brake3MetersPerSecondSquaredProbs"] = np.full((N, 5), 0.3)
    found = segment_metrics(plan_of(driven, **told), driven)
    left = driven.channels["next.known"].values
    assert found.get("gas_disengage_brier_2s").frames == ((AT >= 2.0) & (left >= 2.0)).sum()
    assert found.get("steer_override_brier_2s").frames == ((AT >= 2.0) & (left >= 2.0)).sum()
    assert found.get("hard_brake_brier_2s").frames == (left >= 2.0).sum()
    assert found.get("hard_brake_brier_2s").value == pytest.approx(0.09)


def test_pedals_have_a_horizon_of_now_where_the_model_has_it():
    driven = truth(CRUISE, next__gasPress=until(1.0))
    six = segment_metrics(plan_of(driven, **{SAID + "gasPressProbs": np.full((N, 6), 0.5)}), driven)
    assert six.get("gas_press_brier_0s").value == pytest.approx(0.25)
    certain = np.tile([0.0, 1.0, 1.0, 1.0, 1.0, 1.0], (N, 1))
    early = segment_metrics(plan_of(driven, **{SAID + "gasPressProbs": certain}), driven)
    # Now: it came true in the one frame at 1.0 s. Within 2 s: wrong from there on.
    assert early.get("gas_press_brier_0s").value == pytest.approx(1 / N)
    answered = (until(1.0) <= 2) | (driven.channels["next.known"].values >= 2)
    assert early.get("gas_press_brier_2s").value == pytest.approx(np.mean(AT[answered] > 1.0))
    five = segment_metrics(plan_of(driven, **{SAID + "gasPressProbs": certain[:, 1:]}), driven)
    assert five.get("gas_press_brier_0s") is None, "older models do not tell of now"
    assert five.get("gas_press_brier_2s").value == early.get("gas_press_brier_2s").value


def test_blinkers_count_both_sides():
    driven = truth(CRUISE, next__leftBlinker=until(20.0), next__rightBlinker=np.zeros(N))
    told = {SAID + "leftBlinkerProbs": np.full((N, 6), 0.2), SAID + "rightBlinkerProbs": np.full((N, 6), 0.6)}
    found = segment_metrics(plan_of(driven, **told), driven)
    assert found.get("blinker_brier_0s").value == pytest.approx((0.2**2 + 0.4**2) / 2)


def test_desires_now_and_later():
    change = np.where((AT >= 4) & (AT < 6), -1, np.where((AT >= 8) & (AT < 9), 1, 0)).astype(np.int8)
    driven = truth(CRUISE, laneChange=change)
    now, coming = np.zeros((N, 8)), np.zeros((N, 4, 8))
    now[:, 3], now[:, 4] = 0.8 * (change == -1), 0.6 * (change == 1)
    for place, h in enumerate((2, 4, 6, 8)):
        later = np.r_[change[20 * h :], np.zeros(20 * h)]
        coming[:, place, 3], coming[:, place, 4] = later == -1, 0.5 * (later == 1)
    found = segment_metrics(plan_of(driven, meta__desireState=now, meta__desirePrediction=coming), driven)
    left, right = np.mean(change[:-1] == -1), np.mean(change[:-1] == 1)
    assert found.get("desire_brier_0s").value == pytest.approx((0.04 * left + 0.16 * right) / 2)
    assert found.get("desire_brier_0s").frames == N - 1, "in the last frame nothing is left to answer from"
    value = found.get("desire_brier_2s")
    assert value.frames == N - 40 - 1
    assert value.value == pytest.approx(0.25 * np.sum(change[40:-1] == 1) / 2 / value.frames)
    swapped = now.copy()
    swapped[:, [3, 4]] = now[:, [4, 3]]
    wrong = segment_metrics(plan_of(driven, meta__desireState=swapped), driven)
    assert wrong.get("desire_brier_0s").value > found.get("desire_brier_0s").value


def test_engagement_as_foretold():
    driven = truth(CRUISE, engaged=AT < 6)
    found = segment_metrics(plan_of(driven, meta__engagedProb=np.where(AT < 3, 1.0, 0.75)), driven)
    share = [np.mean(each[:-1]) for each in (AT < 3, (AT >= 3) & (AT < 6), AT >= 6)]
    assert found.get("engaged_brier").value == pytest.approx(0.0625 * share[1] + 0.5625 * share[2])


def lead_channels(probability: np.ndarray, x_m: np.ndarray, v_mps: np.ndarray) -> dict[str, np.ndarray]:
    places, speeds = np.zeros((N, 3, 6)), np.zeros((N, 3, 6))
    places[:, 0, 0], speeds[:, 0, 0] = x_m, v_mps
    return {"leadsV3__prob": probability, "leadsV3__x": places, "leadsV3__v": speeds}


def test_leads_against_the_radar():
    present = AT >= 4
    driven = truth(
        CRUISE,
        leadOne__known=AT < 10,
        leadOne__present=present & (AT < 10),
        leadOne__dRel=np.where(present, 30.0, np.nan),
        leadOne__vLead=np.where(present, 18.0, np.nan),
    )
    sure = np.where((AT >= 5)[:, None], [0.9, 0.6, 0.6], [0.1, 0.2, 0.2])
    trace = plan_of(driven, **lead_channels(sure, np.where(AT < 7, 33.52, 29.52), np.full(N, 17.5)))
    found = segment_metrics(trace, driven)
    # Both see it from 5 s to 10 s; from the camera the lead is 1.52 m farther than from the radar.
    assert found.get("lead_distance_error").frames == 100
    assert found.get("lead_distance_error").value == pytest.approx((40 * 2.0 + 60 * 2.0) / 100)
    assert found.get("lead_distance_bias").value == pytest.approx((40 * 2.0 - 60 * 2.0) / 100)
    assert found.get("lead_speed_error").value == pytest.approx(0.5)
    assert found.get("lead_brier_0s").frames == 200
    assert found.get("lead_brier_0s").value == pytest.approx((80 * 0.01 + 20 * 0.81 + 100 * 0.01) / 200)
    # In two seconds: frames whose later frame is known; there is a lead from 4 s on.
    later = AT + 2
    known = later < 10
    wrong = np.where(AT >= 5, 0.6, 0.2) - (later >= 4 - 1e-9)
    assert found.get("lead_brier_2s").frames == known.sum()
    assert found.get("lead_brier_2s").value == pytest.approx(np.mean(wrong[known] ** 2))
    assert found.get("lead_brier_0s", "lead").frames == 120
    assert found.get("lead_brier_0s", "no_lead").frames == 80


def test_without_a_radar_nothing_is_said_of_leads():
    driven = truth(CRUISE)
    found = segment_metrics(plan_of(driven, **lead_channels(np.full((N, 3), 0.5), np.zeros(N), np.zeros(N))), driven)
    assert found.get("lead_brier_0s") is None
    assert found.get("lead_distance_error") is None
    assert found.get("lead_calibration_error") is None


def naive_calibration(said: np.ndarray, came: np.ndarray) -> float:
    """Expected calibration error, bin by bin."""
    total, off = 0, 0.0
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        inside = (said >= low) & ((said < high) | ((number == BINS - 1) & (said <= 1.0)))
        if inside.any():
            off += inside.sum() * abs(said[inside].mean() - came[inside].mean())
            total += inside.sum()
    return off / total


@given(
    hnp.arrays(np.float64, (30, 3), elements=st.floats(0.001, 0.999)),
    hnp.arrays(bool, (30, 3)),
    hnp.arrays(bool, (30, 3)),
    hnp.arrays(bool, 30),
)
def test_calibration_is_that_of_a_plain_loop(said, came, asked, mask):
    mask[0] = asked[0, 0] = True
    told = np.where(asked, said, np.nan)
    table = calibrate([Forecasts("x", told, came)], np.stack([mask, ~mask]))
    rows = asked & mask[:, None]
    assert table[0, 0, 0] == pytest.approx(naive_calibration(said[rows], came[rows]), abs=1e-12)
    assert table[0, 0, 1] == rows.any(axis=1).sum()
    if not (asked & ~mask[:, None]).any():
        assert np.isnan(table[0, 1, 0])


def test_a_forecaster_that_is_right_is_calibrated_and_one_that_is_sure_is_not():
    rng = np.random.default_rng(0)
    said = rng.random((20_000, 1))
    came = rng.random((20_000, 1)) < said
    mask = np.ones((1, 20_000), bool)
    assert calibrate([Forecasts("x", said, came)], mask)[0, 0, 0] < 0.02
    bold = np.where(said > 0.5, 1.0, 0.0)
    assert calibrate([Forecasts("x", bold, came)], mask)[0, 0, 0] == pytest.approx(0.25, abs=0.01)


def test_what_can_be_no_probability_has_no_answer():
    driven = truth(CRUISE)
    told = np.full(N, 0.5)
    told[3], told[4], told[5] = np.nan, 1.5, -0.1
    found = segment_metrics(plan_of(driven, meta__engagedProb=told), driven)
    assert found.get("engaged_brier").frames == N - 1 - 3
    assert found.get("engaged_brier").value == pytest.approx(0.25)
