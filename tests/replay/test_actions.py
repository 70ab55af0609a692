"""Curvature and acceleration from a plan, by hand and on plans with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.replay.actions import (
    T_IDXS,
    acceleration_from_plan,
    action_times,
    curvature_from_plan,
    drive_actions,
    smooth,
)


def test_the_plan_s_times():
    assert T_IDXS[[0, 1, 2, 32]].tolist() == pytest.approx([0, 0.009766, 0.039063, 10.0], abs=1e-6)


def test_action_times_add_the_delays():
    assert action_times(0.2, 0.15) == pytest.approx((0.275, 0.525))


@given(st.floats(0.3, 5), st.floats(-3, 3), st.floats(0, 40))
def test_constant_acceleration_is_found_again(action_t, acceleration, speed):
    found = acceleration_from_plan(speed + acceleration * T_IDXS, np.full(33, acceleration), action_t)
    assert found == pytest.approx(acceleration, abs=1e-9)


@given(st.floats(0.05, 5), st.floats(-0.05, 0.05), st.floats(1.0, 40))
def test_constant_curvature_is_found_again(action_t, curvature, speed):
    rate = curvature * speed
    assert curvature_from_plan(rate * T_IDXS, np.full(33, rate), speed, action_t) == pytest.approx(curvature, abs=1e-9)


def test_below_a_third_of_a_second_the_plan_is_read_at_it_and_scaled():
    speeds, accelerations = 10 + T_IDXS**2, np.zeros(33)
    at_least = float(np.interp(0.3, T_IDXS, speeds))
    expected = 2 * ((at_least - 10) * 0.1 / 0.3) / 0.1
    assert acceleration_from_plan(speeds, accelerations, 0.1) == pytest.approx(expected)
    yaws = T_IDXS**2
    expected = 2 * float(np.interp(0.3, T_IDXS, yaws)) * (0.1 / 0.3) / (10 * 0.1) - 0.5 / 10
    assert curvature_from_plan(yaws, np.full(33, 0.5), 10.0, 0.1) == pytest.approx(expected)


def test_at_walking_pace_the_speed_counts_as_one():
    assert curvature_from_plan(0.1 * T_IDXS, np.full(33, 0.1), 0.2, 0.5) == pytest.approx(0.1)


def plans(count, speed=10.0, acceleration=1.0, yaw_rate=0.1):
    plan = np.zeros((count, 33, 15))
    plan[:, :, 3] = speed + acceleration * T_IDXS
    plan[:, :, 6] = acceleration
    plan[:, :, 11] = yaw_rate * T_IDXS
    plan[:, :, 14] = yaw_rate
    return plan


def test_acceleration_is_smoothed_and_curvature_is_not():
    actions = drive_actions({"plan": plans(40)}, np.full(40, 10.0), np.full((40, 2), 0.5))
    alpha = 1 - math.exp(-0.05 / 0.3)
    expected = [1 - (1 - alpha) ** (i + 1) for i in range(40)]
    np.testing.assert_allclose(actions.acceleration, expected, rtol=1e-6)
    np.testing.assert_allclose(actions.curvature, 0.01, rtol=1e-6)
    assert smooth(3.0, 1.0, 0.0) == 3.0


def test_standing_holds_the_curvature_and_stops():
    plan = plans(4)
    plan[2:, :, 11], plan[2:, :, 14] = 0.3 * T_IDXS, 0.3
    plan[2:, :, 6], plan[2:, :, 3] = 0.05, 0.05 * T_IDXS
    speeds = np.array([10.0, 10.0, 0.29, 0.3])
    actions = drive_actions({"plan": plan}, speeds, np.full((4, 2), 0.5))
    assert actions.curvature[2] == actions.curvature[1]
    assert actions.curvature[3] == pytest.approx(0.3)
    assert actions.should_stop.tolist() == [False, False, True, False]


def test_the_model_s_own_action_goes_first():
    own = np.array([[4.0, 0.5]])
    actions = drive_actions({"plan": plans(1), "action": own}, np.array([20.0]), np.full((1, 2), 0.5))
    assert actions.curvature[0] == pytest.approx(0.01)
    assert actions.acceleration[0] == pytest.approx(0.5 * (1 - math.exp(-0.05 / 0.3)))
    slow = drive_actions({"plan": plans(1), "action": own}, np.array([0.5]), np.full((1, 2), 0.5))
    assert slow.curvature[0] == pytest.approx(4.0)


def test_a_desired_curvature_head_goes_before_the_plan():
    decoded = {"plan": plans(1), "desired_curvature": np.array([[0.02]])}
    assert drive_actions(decoded, np.array([20.0]), np.full((1, 2), 0.5)).curvature[0] == pytest.approx(0.02)


def test_not_a_number_stays_in_the_filter_as_it_would_in_the_car():
    plan = plans(5)
    plan[2] = np.nan
    actions = drive_actions({"plan": plan}, np.full(5, 10.0), np.full((5, 2), 0.5))
    assert np.isnan(actions.acceleration).tolist() == [False, False, True, True, True]
    assert np.isnan(actions.curvature).tolist() == [False, False, True, False, False]
