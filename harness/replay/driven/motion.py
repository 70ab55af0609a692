"""How the car moved, as the log knows it: velocity and turning rates in the car's own axes, with what they are worth.

Axes: x forward, y right, z down, of the calibrated frame that the model's plan is told in too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.recording.log import Columns, Log
from harness.recording.migration import calibration_status, device_motion
from harness.replay.drive import first_calibration

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_AXES = ("x", "y", "z")
_VECTORS = ("velocityDevice", "angularVelocityDevice")
_HEALTH = ("inputsOK", "posenetOK", "sensorsOK")
# openpilot's ExtrinsicsCalibration.Status; while it recalibrates it still has a calibration.
_CALIBRATED, _RECALIBRATING = 1, 3


class Source(StrEnum):
    """Where the motion comes from."""

    DEVICE_MOTION = "deviceMotion"
    LIVE_LOCATION = "liveLocationKalman"
    WHEEL_SPEED = "wheel speed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Motion:
    """Samples in time order: `t_ns`, `ok` (m,); `velocity_mps`, `rate_radps` (m, 3) in the car's axes.

    `velocity_std_mps`, `rate_std_radps` (m,) are the spread of a component as the log tells it, NaN where it does not.
    What is not `ok` is zero, never NaN. `rpy` is the mounting that was taken out, `calibrated` whether it was known.
    """

    source: Source
    t_ns: Int64s
    velocity_mps: Floats
    rate_radps: Floats
    velocity_std_mps: Floats
    rate_std_radps: Floats
    ok: Bools
    rpy: tuple[float, float, float]
    calibrated: bool


def load_motion(log: Log, *, wheel_speed: bool = False) -> Motion:
    """The best motion in the log; from wheel speed and steering only where that is allowed and nothing else is there.

    A log without any gives `Source.NONE` and no samples.
    """
    fields = [f"{vector}.{axis}{part}" for vector in _VECTORS for axis in _AXES for part in ("", "Std")]
    fields += [f"{vector}.valid" for vector in _VECTORS] + list(_HEALTH)
    modern = bool(len(log.rows("deviceMotion")))
    told = device_motion(log, [*fields, "timestamp"] if modern else fields)
    if told is not None:
        return _of_pose(log, told, Source.DEVICE_MOTION if modern else Source.LIVE_LOCATION)
    if wheel_speed and len(log.rows("carState")) and len(log.rows("controlsState")):
        return _of_wheels(log)
    nothing = np.zeros((0, 3))
    return _motion(Source.NONE, np.zeros(0, np.int64), nothing, nothing, nothing, nothing, np.zeros(0, bool))


def rotation_of_rpy(roll: float, pitch: float, yaw: float) -> Floats:
    """(3, 3): R = Rz(yaw) · Ry(pitch) · Rx(roll), which turns car axes into device axes for a calibration's angles."""
    (cr, cp, cy), (sr, sp, sy) = np.cos([roll, pitch, yaw]), np.sin([roll, pitch, yaw])
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def _of_pose(log: Log, told: Columns, source: Source) -> Motion:
    rpy, calibrated = _calibration(log)
    t_ns = told.t_ns
    if "timestamp" in told.values:
        measured = told["timestamp"].astype(np.int64)
        t_ns = np.where(measured > 0, measured, t_ns)  # older ones were stamped when sent (openpilot's log migration)
    ok: Bools = told.valid.copy()
    for flag in (*(f"{vector}.valid" for vector in _VECTORS), *_HEALTH):
        ok &= told[flag].astype(bool)
    car_from_device = rotation_of_rpy(*rpy).T
    velocity, rate = (_vector(told, vector, "") @ car_from_device.T for vector in _VECTORS)
    velocity_std, rate_std = (_vector(told, vector, "Std") for vector in _VECTORS)
    return _motion(source, t_ns, velocity, rate, velocity_std, rate_std, ok, rpy, calibrated=calibrated)


def _of_wheels(log: Log) -> Motion:
    """Forward speed by the wheels, yaw rate by the curvature that openpilot read from the steering."""
    car = log.columns("carState", ("vEgo",))
    controls = log.columns("controlsState", ("curvature",))
    speed = car["vEgo"].astype(np.float64)
    curvature = np.interp(car.t_ns, controls.t_ns, controls["curvature"].astype(np.float64))
    zero = np.zeros_like(speed)
    velocity = np.stack([speed, zero, zero], 1)
    rate = np.stack([zero, zero, speed * curvature], 1)
    unknown = np.full((len(speed), 3), np.nan)
    return _motion(Source.WHEEL_SPEED, car.t_ns, velocity, rate, unknown, unknown, car.valid)


def _motion(
    source: Source,
    t_ns: Int64s,
    velocity: Floats,
    rate: Floats,
    velocity_std: Floats,
    rate_std: Floats,
    ok: Bools,
    rpy: tuple[float, float, float] = (0.0, 0.0, 0.0),
    *,
    calibrated: bool = True,
) -> Motion:
    """Samples sorted, equal times once, and numbers everywhere."""
    t_ns, first = np.unique(t_ns, return_index=True)
    velocity, rate, velocity_std, rate_std = (each[first] for each in (velocity, rate, velocity_std, rate_std))
    ok = ok[first] & np.isfinite(velocity).all(axis=1) & np.isfinite(rate).all(axis=1)
    return Motion(
        source,
        t_ns,
        np.where(ok[:, None], velocity, 0.0),
        np.where(ok[:, None], rate, 0.0),
        _spread(velocity_std),
        _spread(rate_std),
        ok,
        rpy,
        calibrated,
    )


def _spread(stds: Floats) -> Floats:
    """(m,): the root mean square over the axes; NaN where the log gives none, or a zero, which says as little."""
    spread: Floats = np.sqrt(np.mean(stds**2, axis=1))
    return np.where(spread > 0, spread, np.nan)


def _vector(told: Columns, name: str, part: str) -> Floats:
    axes: Sequence[npt.NDArray[Any]] = [told[f"{name}.{axis}{part}"] for axis in _AXES]
    return np.stack(axes, 1).astype(np.float64)


def _calibration(log: Log) -> tuple[tuple[float, float, float], bool]:
    """The first calibration of the log, which is the one a replay warps with, and whether it was one already."""
    status = calibration_status(log)
    try:
        rpy = first_calibration(log)
    except DataError:
        return (0.0, 0.0, 0.0), False
    known = status is not None and bool(np.isin(status["calStatus"], (_CALIBRATED, _RECALIBRATING)).any())
    return rpy, known
