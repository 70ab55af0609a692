"""What the car is asked to do, from a decoded model output: curvature, acceleration, whether to stop.

Formulas of openpilot's modeld: the plan read at the time the actuators will have answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

T_IDXS: Floats = 10.0 * (np.arange(33) / 32.0) ** 2  # seconds of the plan's points

_FRAME_S = 0.05
_LEAST_ACTION_T_S = 0.3
_LONGITUDINAL_SMOOTH_S = 0.3
_LATERAL_SMOOTH_S = 0.0
_STANDING_MPS = 0.3
_STOP_BELOW_MPS2 = 0.1
_FRAME_DELAY_S = 0.05
_HALF_FRAME_S = 0.025


@dataclass(frozen=True, slots=True)
class Actions:
    """Over frames: curvature 1/m, acceleration m/s², and whether the car should stop."""

    curvature: npt.NDArray[np.float32]
    acceleration: npt.NDArray[np.float32]
    should_stop: npt.NDArray[np.bool_]


def action_times(lateral_delay_s: float, longitudinal_actuator_delay_s: float) -> tuple[float, float]:
    """Seconds ahead at which the plan is read, (lateral, longitudinal)."""
    return (
        lateral_delay_s + _LATERAL_SMOOTH_S + _FRAME_DELAY_S + _HALF_FRAME_S,
        longitudinal_actuator_delay_s + _LONGITUDINAL_SMOOTH_S + _FRAME_DELAY_S + _HALF_FRAME_S,
    )


def acceleration_from_plan(speeds: Floats, accelerations: Floats, action_t_s: float) -> float:
    """Acceleration (m/s²) that reaches the plan's speed at `action_t_s`; `speeds`, `accelerations` (33,) at T_IDXS."""
    now = float(speeds[0])
    later = float(np.interp(max(action_t_s, _LEAST_ACTION_T_S), T_IDXS, speeds))
    if action_t_s < _LEAST_ACTION_T_S:
        later = now + (later - now) * action_t_s / _LEAST_ACTION_T_S
    return 2.0 * (later - now) / action_t_s - float(accelerations[0])


def curvature_from_plan(yaws: Floats, yaw_rates: Floats, v_ego_mps: float, action_t_s: float) -> float:
    """Curvature (1/m) that reaches the plan's heading at `action_t_s`; `yaws`, `yaw_rates` (33,) at T_IDXS."""
    yaw = float(np.interp(max(action_t_s, _LEAST_ACTION_T_S), T_IDXS, yaws))
    if action_t_s < _LEAST_ACTION_T_S:
        yaw *= action_t_s / _LEAST_ACTION_T_S
    speed = max(v_ego_mps, 1.0)
    return 2.0 * yaw / (speed * action_t_s) - float(yaw_rates[0]) / speed


def smooth(value: float, previous: float, time_constant_s: float) -> float:
    """One step of a first-order filter at the frame rate; a time constant of zero passes the value through."""
    if time_constant_s == 0.0:
        return value
    weight = 1.0 - float(np.exp(-_FRAME_S / time_constant_s))
    return weight * value + (1.0 - weight) * previous


def drive_actions(decoded: Mapping[str, npt.NDArray[Any]], v_ego_mps: Floats, action_t_s: Floats) -> Actions:
    """Actions of every frame. `v_ego_mps` (n,), `action_t_s` (n, 2); `decoded` as from `outputs.decode_heads`.

    The model's own word goes first: an `action` head, then a `desired_curvature` head (0.9.7 to 0.10.0), else the plan.
    Below 0.3 m/s the last curvature is held. One frame that is not a number spoils the accelerations of all that
    follow, through the filter, as it would in the car.
    """
    count = len(v_ego_mps)
    plan = np.asarray(decoded["plan"], np.float64)
    own_action, own_curvature = decoded.get("action"), decoded.get("desired_curvature")
    curvature = np.zeros(count)
    acceleration = np.zeros(count)
    should_stop = np.zeros(count, np.bool_)
    last_curvature = last_acceleration = 0.0
    for i in range(count):
        v = float(v_ego_mps[i])
        lateral_t, longitudinal_t = float(action_t_s[i, 0]), float(action_t_s[i, 1])
        if own_action is not None:
            wanted = float(own_action[i, 0]) / max(1.0, v) ** 2
            pull = float(own_action[i, 1])
        else:
            wanted = (
                float(own_curvature[i, 0])
                if own_curvature is not None
                else curvature_from_plan(plan[i, :, 11], plan[i, :, 14], v, lateral_t)
            )
            pull = acceleration_from_plan(plan[i, :, 3], plan[i, :, 6], longitudinal_t)
        should_stop[i] = v < _STANDING_MPS and pull < _STOP_BELOW_MPS2
        acceleration[i] = last_acceleration = smooth(pull, last_acceleration, _LONGITUDINAL_SMOOTH_S)
        if v >= _STANDING_MPS:
            last_curvature = smooth(wanted, last_curvature, _LATERAL_SMOOTH_S)
        curvature[i] = last_curvature
    return Actions(curvature.astype(np.float32), acceleration.astype(np.float32), should_stop)
