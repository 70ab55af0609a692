"""How far a driven path may be off, from the spreads that the log gives or else from what else measured the motion.

Errors of a filter's velocity and turning rate hold on for a while: they are taken as an Ornstein-Uhlenbeck process of
standard deviation σ and correlation time τ, whose integral over T has the variance 2σ²τ(T − τ(1 − e^(−T/τ))).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.recording.log import Log
from harness.replay.actions import T_IDXS
from harness.replay.driven.motion import Motion
from harness.replay.driven.path import Paths

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

_CORRELATION_S = 1.0
_LEAST_MOVING_MPS = 5.0
_LEAST_SAMPLES = 40  # two seconds at 20 Hz
_ROBUST = 1.4826  # median absolute deviation to the standard deviation of a normal distribution


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of forward or sideways velocity and of the yaw rate, (m,) each, and who says so."""

    velocity_mps: Floats
    rate_radps: Floats
    origin: str


def estimate_spread(log: Log, motion: Motion) -> Spread:
    """The log's own spreads; where it has none, the distance of the motion from wheel speed and steering angle.

    NaN where neither is known.
    """
    count = len(motion.t_ns)
    if np.isfinite(motion.velocity_std_mps).any() and np.isfinite(motion.rate_std_radps).any():
        return Spread(_filled(motion.velocity_std_mps), _filled(motion.rate_std_radps), "spreads of the log")
    velocity, rate = _from_wheels(log, motion)
    known = np.isfinite(velocity) and np.isfinite(rate)
    origin = "distance from wheel speed and steering angle" if known else "unknown"
    return Spread(np.full(count, velocity), np.full(count, rate), origin)


def path_error_m(spread: Spread, motion: Motion, paths: Paths, frame_t_ns: Int64s) -> Floats:
    """(n, 33): one standard deviation of the place at T_IDXS, both axes together; NaN where nothing tells.

    Heading errors move a place by about speed · T · σ_heading / √3, as the integral of a random walk does.
    """
    if not len(motion.t_ns):
        return np.full(paths.x.shape, np.nan)
    at = np.clip(np.searchsorted(motion.t_ns, frame_t_ns), 0, len(motion.t_ns) - 1)
    grown_s = np.sqrt(2 * _CORRELATION_S * (T_IDXS - _CORRELATION_S * (1 - np.exp(-T_IDXS / _CORRELATION_S))))
    by_velocity = spread.velocity_mps[at, None] * grown_s
    driven_m = np.hypot(paths.x, paths.y)
    by_heading = driven_m * spread.rate_radps[at, None] * grown_s / np.sqrt(3)
    error: Floats = np.sqrt(2 * by_velocity**2 + by_heading**2)
    return error


def _from_wheels(log: Log, motion: Motion) -> tuple[float, float]:
    """σ of velocity against the wheels, and of yaw rate against the steering angle; NaN where too little was driven.

    The wheels' circumference and the steering's ratio and offset are fitted: only what they do not explain is error.
    """
    if not len(log.rows("carState")):
        return np.nan, np.nan
    car = log.columns("carState", ("vEgo", "steeringAngleDeg"))
    speed = np.interp(motion.t_ns, car.t_ns, car["vEgo"].astype(np.float64))
    angle = np.interp(motion.t_ns, car.t_ns, np.radians(car["steeringAngleDeg"].astype(np.float64)))
    forward, sideways, rate = motion.velocity_mps[:, 0], motion.velocity_mps[:, 1], motion.rate_radps[:, 2]
    moving = motion.ok & (speed > _LEAST_MOVING_MPS) & (forward > _LEAST_MOVING_MPS)
    if np.count_nonzero(moving) < _LEAST_SAMPLES:
        return np.nan, np.nan
    scale = float(np.median(forward[moving] / speed[moving]))
    off = max(_robust_std(forward[moving] - scale * speed[moving]), _robust_std(sideways[moving]))
    columns = np.stack([speed[moving] * angle[moving], speed[moving]], 1)
    fit, *_ = np.linalg.lstsq(columns, rate[moving], rcond=None)
    return off, _robust_std(rate[moving] - columns @ fit)


def _robust_std(values: Floats) -> float:
    return float(_ROBUST * np.median(np.abs(values - np.median(values))))


def _filled(spread: Floats) -> Floats:
    """Gaps with the middle of what is there."""
    known = np.isfinite(spread)
    return np.where(known, spread, np.median(spread[known]))
