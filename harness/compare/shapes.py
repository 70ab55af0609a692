"""What a difference is like, as numbers that segments are held together by: where, to which side, how it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.compare.motion import MOST_M, Motion, Road, sizes
from harness.explanation import Cause, Course, Growth

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LATERAL = ("left curve", "right curve", "straight", "lane change")
LONGITUDINAL = ("braking", "accelerating", "steady")
SPEED_STEP_MPS, SPEED_STEPS = 5, 10

# The plan must be so many metres off 2 s ahead, sideways or along, to be noticed alike (the practical sizes of both).
_SIDEWAYS_M, _ALONG_M = 0.04, 0.2
_CURVE_1PM = 0.001  # as the conditions of metrics have it
_PACE_MPS2 = 0.5
_WINDOW_S, _BINS = 3.0, 12
# How much each part weighs in a distance; the profile's own weight is one.
_COURSE, _CAUSE, _RUN, _BROKEN, _LEAD = 0.2, 0.4, 0.4, 1.0, 0.3


@dataclass(frozen=True, slots=True)
class Shape:
    """A segment's difference. `sideways` and `along` (conditions, 2): its energy by condition, signed and unsigned.

    They are shares of the whole energy, signs weighted by size; right and ahead are positive. `speeds` (SPEED_STEPS,)
    is its energy by speed. `vector` is what distances are taken of. `lateral_m` and `longitudinal_m` are the farthest,
    `behind_lead` is the share of the energy while a car ahead is seen.
    """

    name: str
    segment: str
    cause: Cause
    sideways: Floats
    along: Floats
    speeds: Floats
    vector: Floats
    lateral_m: float
    longitudinal_m: float
    broken_frames: int
    behind_lead: float


def find_shape(name: str, segment: str, motion: Motion, road: Road, growth: Growth, cause: Cause) -> Shape:
    """The shape of one segment's difference. One that is scaled has the same vector."""
    told = np.where(motion.broken[:, None], 0.0, motion.plan) / np.array([_SIDEWAYS_M, _ALONG_M])
    energy = told * np.abs(told)
    whole = max(float(np.abs(energy).sum()), np.finfo(float).tiny)
    sideways = _by(lateral_conditions(road), energy[:, 0]) / whole
    along = _by(_longitudinal_conditions(road), energy[:, 1]) / whole
    bands = np.clip((road.speed / SPEED_STEP_MPS).astype(np.intp), 0, SPEED_STEPS - 1)
    speeds = np.zeros(SPEED_STEPS)
    np.add.at(speeds, bands, np.abs(energy).sum(axis=1) / whole)
    lead = float(np.abs(energy[road.behind_lead]).sum() / whole)
    signed = np.concatenate([sideways[:, 0], along[:, 0]])
    vector = np.concatenate(
        [
            np.sign(signed) * np.sqrt(np.abs(signed)),
            _RUN * _run(told, motion.seconds),
            _COURSE * _one_of(tuple(Course), growth.course),
            _CAUSE * (_one_of(tuple(Cause), cause) if cause is not Cause.UNKNOWN else np.zeros(len(Cause))),
            [_BROKEN * float(motion.broken.any()), _LEAD * lead],
        ]
    )
    return Shape(
        name,
        segment,
        cause,
        sideways,
        along,
        speeds,
        vector,
        farthest(motion, 0),
        farthest(motion, 1),
        int(np.count_nonzero(motion.broken)),
        lead,
    )


def farthest(motion: Motion, axis: int) -> float:
    """The greatest difference of the plan, with its sign, over frames in which both have one."""
    plan = np.where(motion.broken, 0.0, motion.plan[:, axis])
    return float(np.clip(plan[int(np.argmax(np.abs(plan)))], -MOST_M, MOST_M)) if len(plan) else 0.0


def lateral_conditions(road: Road) -> Mapping[str, Bools]:
    """(n,) frames of each of LATERAL; every frame is in one."""
    left, right = road.bend <= -_CURVE_1PM, road.bend >= _CURVE_1PM
    free = ~road.changing_lane
    return dict(zip(LATERAL, (left & free, right & free, ~left & ~right & free, road.changing_lane), strict=True))


def _longitudinal_conditions(road: Road) -> Mapping[str, Bools]:
    braking, pulling = road.pace < -_PACE_MPS2, road.pace > _PACE_MPS2
    return dict(zip(LONGITUDINAL, (braking, pulling, ~braking & ~pulling), strict=True))


def _by(conditions: Mapping[str, Bools], energy: Floats) -> Floats:
    return np.array([[energy[mask].sum(), np.abs(energy[mask]).sum()] for mask in conditions.values()])


def _run(told: Floats, seconds: Floats) -> Floats:
    """(2 · _BINS,): both signed curves around the peak, of energy one together."""
    run = np.zeros((_BINS, 2))
    size = sizes(told)
    if size.any():
        away = (seconds - seconds[int(np.argmax(size))] + _WINDOW_S) / (2 * _WINDOW_S) * _BINS
        inside = (away >= 0) & (away < _BINS)
        places = away[inside].astype(np.intp)
        np.add.at(run, places, told[inside])
        run /= np.maximum(np.bincount(places, minlength=_BINS), 1)[:, None]
    energy = np.sqrt(np.sum(run**2))
    flat: Floats = (run / energy if energy else run).ravel()
    return flat


def _one_of(members: tuple[str, ...], value: str) -> Floats:
    row: Floats = np.array([float(member == value) for member in members])
    return row
