"""Excessive actuation: the car accelerates or turns harder than it was ever asked to, plausibly and for long enough.

As openpilot's excessive actuation check (2025): forward acceleration and yaw rate of the device, turned into the
calibrated frame, against limits; one counter of consecutive frames for both directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.domain import Json
from harness.replay.selfdrive.inputs import Bools, Floats, Inputs, Int64s
from harness.replay.selfdrive.rules import Rules
from harness.replay.selfdrive.thresholds import GRAVITY_MPS2

EVENT = "excessiveActuation"
_RPY, _XYZ = 3, "xyz"


@dataclass(frozen=True, slots=True)
class Actuation:
    """Per row (n,): the two signals (NaN where the log cannot tell), which one is in excess, how long it held.

    `excessive` (n,) is the event, latched for the rest of the segment.
    """

    longitudinal_mps2: Floats
    lateral_mps2: Floats
    over_longitudinal: Bools
    over_lateral: Bools
    plausible: Bools
    held_frames: Int64s
    excessive: Bools


def measure_actuation(inputs: Inputs, rules: Rules) -> Actuation:
    """The check over all rows. Without device motion, calibration or carControl nothing is ever in excess."""
    n = len(inputs)
    forward, yaw_rate = _calibrated(inputs)
    car, control = inputs.car, inputs.control
    roll = inputs.sample("vehicleParameters", ("valid", "roll"))
    roll_rad = np.zeros(n) if roll is None else roll["roll"].astype(np.float64)
    lateral = car["vEgo"].astype(np.float64) * yaw_rate - np.sin(roll_rad) * GRAVITY_MPS2
    off = np.zeros(n, np.bool_)
    long_active, lat_active = (off, off) if control is None else (control["longActive"], control["latActive"])
    over_long = long_active & (
        (forward > rules["longitudinal_accel_max"]) | (forward < rules["longitudinal_accel_min"])
    )
    settled = run_lengths(lat_active & ~car["steeringPressed"]) > rules["lateral_settled_frames"]
    over_lat = settled & (np.abs(lateral) > rules["lateral_accel_max"])
    plausible = np.abs(car["aEgo"].astype(np.float64) - forward) < rules["accel_plausible_difference"]
    held = run_lengths(plausible & (over_long | over_lat))
    excessive = np.logical_or.accumulate(held > rules["actuation_hold_frames"])
    return Actuation(forward, lateral, over_long, over_lat, plausible, held, excessive)


def find_excesses(actuation: Actuation, rules: Rules, t_ns: Int64s) -> list[dict[str, Json]]:
    """Every excess that held: its frames, the signal and the limit it was past, at the worst. For a person to read."""
    held = actuation.held_frames
    ends = np.flatnonzero((held > rules["actuation_hold_frames"]) & (np.append(held[1:], 0) == 0))
    found: list[dict[str, Json]] = []
    for end in ends.tolist():
        first = end - int(held[end]) + 1
        rows = slice(first, end + 1)
        lateral = bool(actuation.over_lateral[rows].sum() > actuation.over_longitudinal[rows].sum())
        values = (actuation.lateral_mps2 if lateral else actuation.longitudinal_mps2)[rows]
        peak = first + int(np.nanargmax(np.abs(values)))
        value = float(values[peak - first])
        fired = first + int(rules["actuation_hold_frames"])
        found.append(
            {
                "signal": "lateral" if lateral else "longitudinal",
                "limit": _limit(rules, lateral=lateral, positive=value > 0),
                "unit": "m/s²",
                "first_frame": first,
                "fired_frame": fired,
                "last_frame": end,
                "peak_frame": peak,
                "peak": value,
                "fired_t_ns": int(t_ns[fired]),
            }
        )
    return found


def limits_at(actuation: Actuation, rules: Rules) -> tuple[Floats, Floats]:
    """(n,) the longitudinal limit on the side of the signal, and the lateral one."""
    forward = actuation.longitudinal_mps2
    longitudinal = np.where(forward < 0, rules["longitudinal_accel_min"], rules["longitudinal_accel_max"])
    return longitudinal, np.copysign(np.full(len(forward), rules["lateral_accel_max"]), actuation.lateral_mps2)


def run_lengths(flags: Bools) -> Int64s:
    """(n,) how many rows in a row have been true, this one included."""
    places = np.arange(1, len(flags) + 1)
    return places - np.maximum.accumulate(np.where(flags, 0, places))


def _limit(rules: Rules, *, lateral: bool, positive: bool) -> float:
    if lateral:
        return rules["lateral_accel_max"]
    return rules["longitudinal_accel_max" if positive else "longitudinal_accel_min"]


def _calibrated(inputs: Inputs) -> tuple[Floats, Floats]:
    """(n,) forward acceleration m/s² and yaw rate rad/s in the calibrated frame; NaN where the log cannot tell."""
    motion, calibration = inputs.motion, inputs.calibration
    if motion is None:
        nothing = np.full(len(inputs), np.nan)
        return nothing, nothing
    to_calibrated = _rotations(inputs) if calibration is not None else np.tile(np.eye(3), (len(inputs), 1, 1))
    vectors = [
        np.stack([motion[f"{name}.{axis}"].astype(np.float64) for axis in _XYZ], axis=1)
        for name in ("accelerationDevice", "angularVelocityDevice")
    ]
    forward = (to_calibrated[:, 0] * vectors[0]).sum(axis=1)
    yaw_rate = (to_calibrated[:, 2] * vectors[1]).sum(axis=1)
    return forward, yaw_rate


def _rotations(inputs: Inputs) -> npt.NDArray[np.float64]:
    """(n, 3, 3) from the device to the calibrated frame: the transpose of Rz(yaw)·Ry(pitch)·Rx(roll)."""
    calibration = inputs.calibration
    if calibration is None or calibration.columns["rpyCalib"].shape[1:] != (_RPY,):
        return np.tile(np.eye(3), (len(inputs), 1, 1))
    rpy = np.nan_to_num(calibration.columns["rpyCalib"].astype(np.float64))
    (sr, sp, sy), (cr, cp, cy) = np.sin(rpy).T, np.cos(rpy).T
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    device_from_calibrated = np.moveaxis(np.array(rows), 2, 0)
    turned: npt.NDArray[np.float64] = device_from_calibrated.transpose(0, 2, 1)[calibration.at]
    return turned
