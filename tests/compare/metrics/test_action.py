"""What was asked of the car against what it did."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.metrics import segment_metrics
from tests.compare.metrics.made import BEND, plan_of, truth


def test_bias_and_error_in_every_term():
    driven = truth(BEND, 100)
    asked = driven.channels["action.curvature"].values + np.where(np.arange(100) < 25, -0.002, 0.001)
    pull = driven.channels["action.acceleration"].values + np.where(np.arange(100) < 25, 0.4, -0.2)
    found = segment_metrics(plan_of(driven, action__desiredCurvature=asked, action__desiredAcceleration=pull), driven)
    assert found.get("curvature_bias").value == pytest.approx(0.25 * -0.002 + 0.75 * 0.001)
    assert found.get("curvature_error").value == pytest.approx(0.25 * 0.002 + 0.75 * 0.001)
    assert found.get("lateral_acceleration_bias").value == pytest.approx(400 * 0.00025)
    assert found.get("lateral_acceleration_error").value == pytest.approx(400 * 0.00125)
    assert found.get("acceleration_bias").value == pytest.approx(-0.05)
    assert found.get("acceleration_error").value == pytest.approx(0.25)
    assert found.get("curvature_error").human == 0.0


def test_what_was_driven_when_the_action_was_meant_is_what_counts():
    driven = truth(BEND, 50, curvature=np.full(50, 9.0), acceleration=np.full(50, 9.0))
    found = segment_metrics(plan_of(driven), driven)
    assert found.get("curvature_error").value == 0.0
    assert found.get("acceleration_error").value == 0.0


def cost_of_the_challenge(asked: np.ndarray, done: np.ndarray) -> tuple[float, float, float]:
    """comma's controls_challenge, at its 10 Hz: lateral cost, jerk cost, total."""
    lateral = float(np.mean((done - asked) ** 2)) * 100
    jerk = float(np.mean((np.diff(asked) / 0.1) ** 2)) * 100
    return lateral, jerk, lateral * 50 + jerk


def test_the_cost_is_that_of_the_challenge():
    rng = np.random.default_rng(5)
    # Held for two frames each, so that 20 Hz says what 10 Hz says: differences over 0.1 s are between neighbours.
    wiggle = np.repeat(rng.normal(0, 0.001, 60), 2)
    driven = truth(BEND, 120)
    asked = driven.channels["action.curvature"].values + wiggle
    found = segment_metrics(plan_of(driven, action__desiredCurvature=asked), driven)
    lateral, jerk, total = cost_of_the_challenge(400 * asked[::2], np.full(60, 400 * 0.004))
    assert found.get("control_cost_lateral").value == pytest.approx(lateral)
    assert found.get("control_cost_jerk").value == pytest.approx(jerk)
    # The total is over frames that have both parts: the first two have no change yet.
    assert found.get("control_cost").value == pytest.approx(50 * 100 * np.mean((400 * wiggle[2:]) ** 2) + jerk)
    assert found.get("control_cost").value == pytest.approx(total, rel=0.02)
    assert found.get("control_cost").human == pytest.approx(0.0, abs=1e-18)
    assert (found.get("control_cost").frames, found.get("control_cost_lateral").frames) == (118, 120)


def test_the_human_has_a_jerk_too():
    n = 80
    driven = truth(
        BEND, n, action__curvature=0.004 + 0.0001 * (np.arange(n) % 2), action__acceleration=0.02 * np.arange(n)
    )
    trace = plan_of(driven, action__desiredCurvature=np.full(n, 0.004), action__desiredAcceleration=np.zeros(n))
    found = segment_metrics(trace, driven)
    assert found.get("lateral_jerk").value == pytest.approx(0.0, abs=1e-12)
    assert found.get("lateral_jerk").human == pytest.approx(400 * 0.0001 / 0.05)
    assert found.get("longitudinal_jerk").value == 0.0
    assert found.get("longitudinal_jerk").human == pytest.approx(0.4)
    assert found.get("longitudinal_jerk").frames == n - 1


def test_jerk_is_the_root_of_the_mean_square_and_knows_gaps():
    n = 40
    driven = truth(BEND, n, frames=[*range(500, 520), *range(530, 550)])
    pull = np.r_[np.zeros(19), 0.3, np.full(20, 0.3)]
    pull[5] = np.nan
    found = segment_metrics(plan_of(driven, action__desiredAcceleration=pull), driven)
    # 39 neighbours, without the gap's and the two beside the missing number; one of them changes by 0.3 in 0.05 s.
    assert found.get("longitudinal_jerk").frames == 36
    assert found.get("action_not_a_number").value == pytest.approx(1 / n)
    assert found.get("acceleration_error").frames == n - 1
    assert found.get("longitudinal_jerk").value == pytest.approx(6.0 / np.sqrt(36))


@given(st.floats(-0.01, 0.01), st.floats(-3, 3))
def test_a_swap_negates_what_is_signed_and_nothing_else(bend: float, pull: float):
    one, other = truth((20.0, 0.0, 0.0), 10), truth((20.0, bend, pull), 10, vEgo=np.full(10, 20.0))
    there = segment_metrics(
        plan_of(one, action__desiredCurvature=np.full(10, bend), action__desiredAcceleration=np.full(10, pull)), one
    )
    back = segment_metrics(
        plan_of(other, action__desiredCurvature=np.zeros(10), action__desiredAcceleration=np.zeros(10)), other
    )
    for name in ("curvature", "lateral_acceleration", "acceleration"):
        assert there.get(f"{name}_bias").value == pytest.approx(-back.get(f"{name}_bias").value, abs=1e-12)
        assert there.get(f"{name}_error").value == pytest.approx(back.get(f"{name}_error").value, abs=1e-12)


def test_without_a_truth_smoothness_is_still_told():
    driven = truth(BEND, 20)
    trace = plan_of(driven, action__desiredAcceleration=0.05 * np.arange(20))
    found = segment_metrics(trace, None)
    assert found.get("longitudinal_jerk").value == pytest.approx(1.0)
    assert found.get("curvature_error") is None
    assert np.isnan(found.get("longitudinal_jerk").human)
