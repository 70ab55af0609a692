"""The lane-change desire: when it begins, what holds it off, when it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.replay.desire import DriverInput, LaneChange

CRUISING = DriverInput(v_ego_mps=20.0)
BLINKING = replace(CRUISING, left_blinker=True)
PUSHING = replace(BLINKING, steering_pressed=True, steering_torque=1.5)


def run(machine, *steps):
    """Desires over (input, probability, frames) steps."""
    return [machine.update(driver, probability) for driver, probability, count in steps for _ in range(count)]


def test_a_whole_lane_change_to_the_left():
    desires = run(LaneChange(), (CRUISING, 0, 5), (BLINKING, 0, 3), (PUSHING, 0.0, 1), (BLINKING, 0.9, 40))
    assert desires == [0] * 8 + [3] * 41


def test_to_the_right_the_torque_is_negative():
    right = replace(CRUISING, right_blinker=True, steering_pressed=True, steering_torque=-1.0)
    assert run(LaneChange(), (right, 0.9, 3)) == [0, 4, 4]
    wrong_way = replace(right, steering_torque=1.0)
    assert run(LaneChange(), (wrong_way, 0.9, 30)) == [0] * 30


@pytest.mark.parametrize(
    "hindered",
    [
        replace(PUSHING, v_ego_mps=8.9),
        replace(PUSHING, steering_pressed=False),
        replace(PUSHING, left_blindspot=True),
        replace(PUSHING, right_blinker=True),
        replace(PUSHING, lateral_active=False),
    ],
    ids=["slow", "hands off", "blindspot", "both blinkers", "not engaged"],
)
def test_what_holds_it_off(hindered):
    assert run(LaneChange(), (CRUISING, 0, 1), (hindered, 0.9, 30)) == [0] * 31


def test_a_blindspot_on_the_other_side_does_not_matter():
    assert run(LaneChange(), (replace(PUSHING, right_blindspot=True), 0.9, 2)) == [0, 3]


def test_a_blinker_that_was_on_while_slow_is_no_edge():
    slow = replace(PUSHING, v_ego_mps=5.0)
    assert run(LaneChange(), (slow, 0, 5), (PUSHING, 0, 20)) == [0] * 25


def test_it_is_not_over_before_half_a_second_however_sure_the_model_is():
    begun = [(BLINKING, 0, 1), (PUSHING, 0, 1)]
    # Ten frames to be sure, then a second to fade in, then off.
    desires = run(LaneChange(), *begun, (CRUISING, 0.0, 40))
    assert desires == [0] + [3] * 30 + [0] * 11
    unsure = run(LaneChange(), *begun, (CRUISING, 0.5, 30), (CRUISING, 0.0, 40))
    assert unsure == [0] + [3] * 51 + [0] * 20


def test_it_is_given_up_after_ten_seconds():
    desires = run(LaneChange(), (BLINKING, 0, 1), (PUSHING, 0, 1), (CRUISING, 0.9, 230))
    assert desires.count(3) == 201
    assert desires[-1] == 0


def test_a_second_change_follows_when_the_blinker_stays_on():
    desires = run(LaneChange(), (BLINKING, 0, 1), (PUSHING, 0, 1), (BLINKING, 0.0, 35), (PUSHING, 0.9, 2))
    assert desires == [0] + [3] * 30 + [0] * 6 + [3] * 2


def test_letting_go_of_the_wheel_system_ends_it_at_once():
    assert run(LaneChange(), (BLINKING, 0, 1), (PUSHING, 0, 2), (replace(PUSHING, lateral_active=False), 0, 1)) == [
        0,
        3,
        3,
        0,
    ]
