"""Events from the model, the planner and the steering (selfdrived's steps 1, 3, 9 and 16)."""

from __future__ import annotations

import numpy as np

from harness.replay.selfdrive.car_events import rows_since
from harness.replay.selfdrive.inputs import Bools, Inputs
from harness.replay.selfdrive.rules import Rules
from harness.replay.selfdrive.thresholds import ACTUAL_ACCEL_OFFSET_MPS2, STEERING_SPEED_MIN_MPS, STEP_S

_PRE_LANE_CHANGE, _STARTING, _FINISHING = 1, 2, 3
_LEFT, _RIGHT = 1, 2


def special_mode_events(inputs: Inputs) -> dict[str, Bools]:
    """Joystick, manoeuvres: once such a message came, for good."""
    events: dict[str, Bools] = {}
    if inputs.lateral:
        events["joystickDebug"] = inputs.lateral["isDebug"]
    for event, service in (("lateralManeuver", "lateralManeuverPlan"), ("longitudinalManeuver", "alertDebug")):
        if len(inputs.log.rows(service)):
            first = int(inputs.log.columns(service, ()).t_ns[0])
            events[event] = inputs.t_ns >= first
    return events


def bookmark_events(inputs: Inputs) -> dict[str, Bools]:
    """userBookmark, in the row in which it came."""
    bookmark = inputs.sample("userBookmark", ())
    return {} if bookmark is None else {"userBookmark": bookmark.updated}


def lane_change_events(inputs: Inputs) -> dict[str, Bools]:
    """What is shown before, during and instead of a lane change."""
    state, direction = (inputs.model.get(name) for name in ("laneChangeState", "laneChangeDirection"))
    if state is None or direction is None:
        return {}
    car, waiting = inputs.car, state == _PRE_LANE_CHANGE
    left, right = waiting & (direction == _LEFT), waiting & (direction == _RIGHT)
    blocked = (left & car["leftBlindspot"]) | (right & car["rightBlindspot"])
    return {
        "laneChangeBlocked": blocked,
        "preLaneChangeLeft": left & ~blocked,
        "preLaneChangeRight": waiting & ~left & ~blocked,
        "laneChange": (state == _STARTING) | (state == _FINISHING),
    }


def lane_departure_events(inputs: Inputs) -> dict[str, Bools]:
    """ldw, where the driver switched it on."""
    fields = ("leftLaneDeparture", "rightLaneDeparture")
    departure = inputs.sample("driverAssistance", fields)
    if departure is None or inputs.params.get("IsLdwEnabled") != b"1":
        return {}
    return {"ldw": departure[fields[0]] | departure[fields[1]]}


def model_events(inputs: Inputs, rules: Rules) -> dict[str, Bools]:
    """Event modeldLagging: the model is given too few of its frames."""
    dropped = inputs.model.get("frameDropPerc")
    return {} if dropped is None else {"modeldLagging": dropped > rules["frame_drop_max_percent"]}


def saturation_events(inputs: Inputs, rules: Rules) -> dict[str, Bools]:
    """steerSaturated: the steering is at its limit, turns too little for what is wanted, and nobody helps it."""
    lateral, wanted = inputs.lateral, inputs.model.get("desiredCurvature")
    if not lateral or wanted is None or inputs.facts.is_not_a_car:
        return {}
    speed = np.maximum(inputs.car["vEgo"].astype(np.float64), STEERING_SPEED_MIN_MPS)
    desired, actual = wanted * speed**2, lateral["curvature"] * speed**2
    short = np.abs(desired) / np.abs(ACTUAL_ACCEL_OFFSET_MPS2 + actual) > rules["saturated_undershoot_ratio"]
    turning = np.abs(desired) > rules["saturated_lateral_accel_min"]
    touched = rows_since(inputs.car["steeringPressed"]) * STEP_S < rules["steering_touch_memory_s"]
    return {"steerSaturated": lateral["active"] & lateral["saturated"] & short & turning & ~touched}


def personality_events(inputs: Inputs) -> dict[str, Bools]:
    """personalityChanged: the gap button let go, where openpilot drives the speed."""
    if not inputs.facts.openpilot_longitudinal:
        return {}
    return {"personalityChanged": inputs.buttons["gapAdjustCruise"][1]}


def collision_events(inputs: Inputs, rules: Rules, enabled_before: Bools) -> dict[str, Bools]:
    """fcw: of the planner while enabled, or of the model unless somebody brakes already."""
    planned, car = inputs.sample("longitudinalPlan", ("fcw",)), inputs.car
    warned = np.zeros(len(inputs), np.bool_)
    if planned is not None:
        warned |= planned["fcw"] & enabled_before
    brakes = inputs.model.get("hardBrakePredicted")
    if brakes is not None:
        stock = enabled_before & (not inputs.facts.openpilot_longitudinal)
        stock &= car["aEgo"] < rules["stock_braking_accel"]
        warned |= brakes.astype(np.bool_) & ~car["brakePressed"] & ~stock
    return {"fcw": warned}
