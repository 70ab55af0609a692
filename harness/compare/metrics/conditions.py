"""Circumstances that metrics are told apart by: which frames of a segment were straight, fast, behind somebody."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from harness.compare.metrics.horizon import last_point
from harness.compare.metrics.values import ALL
from harness.compare.metrics.view import View, driven_path

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_BANDS_MPS = ((0, 10), (10, 20), (20, 30))
_CURVE_1PM, _SHARP_1PM = 0.001, 0.003
_AHEAD_S = 2.0
_LEAST_AHEAD_M = 5.0
_OWN = "conditions."

CONDITIONS = MappingProxyType({
    ALL: "every frame",
    "moving": "the car is not at a standstill",
    "standstill": "the car stands",
    **{f"speed_{low}_{high}": f"speed from {low} to under {high} m/s" for low, high in _BANDS_MPS},
    "speed_30_up": "speed of 30 m/s or more",
    "straight": "the next 2 s bend by less than 0.001 1/m (radius above 1 km), no lane change",
    "curve": "the next 2 s bend by 0.001 1/m or more, no lane change",
    "curve_gentle": "a curve of less than 0.003 1/m (radius above 330 m)",
    "curve_sharp": "a curve of 0.003 1/m or more",
    "blinker": "a blinker is on, or a lane change is under way",
    "lead": "the radar sees a car ahead",
    "no_lead": "the radar sees no car ahead",
    "engaged": "openpilot drove, the driver let it",
    "overriding": "openpilot was engaged and the driver took part",
    "disengaged": "the driver drove",
    "day": "by the sun, or the clock where the place is not known",
    "night": "by the sun, or the clock where the place is not known",
})  # fmt: skip
"""In words. Tags that the truth has as `conditions.<tag>` (weather, say) are conditions of their own beside these."""


def condition_masks(seen: View) -> dict[str, Bools]:
    """(n,) frames of each condition that can be told from the truth; `all` always."""
    masks = {ALL: np.ones(len(seen), bool)}
    masks.update(_by_speed(seen))
    if seen.truth is None:
        return masks
    standing = seen.flags("standstill")
    masks |= {"moving": ~standing, "standstill": standing}
    blinking = (seen.flags("blinker")) | (seen.flags("laneChange"))
    masks |= dict(_by_curvature(seen, ~blinking & ~standing))
    known, present = seen.flags("leadOne.known"), seen.flags("leadOne.present")
    engaged, overriding = seen.flags("engaged"), seen.flags("overriding")
    masks |= {
        "blinker": blinking,
        "lead": known & present,
        "no_lead": known & ~present,
        "engaged": engaged & ~overriding,
        "overriding": overriding,
        "disengaged": ~engaged,
    }
    for name in sorted(seen.truth.channels):
        if name.startswith(_OWN):
            masks[name.removeprefix(_OWN)] = seen.flags(name)
    return masks


def _by_speed(seen: View) -> Iterator[tuple[str, Bools]]:
    speed = seen.of_trace("vEgo") if seen.truth is None else _driven_speed(seen)
    if speed is None:
        return
    for low, high in _BANDS_MPS:
        yield f"speed_{low}_{high}", (speed >= low) & (speed < high)
    yield "speed_30_up", np.asarray(speed >= _BANDS_MPS[-1][1], bool)


def _driven_speed(seen: View) -> Floats | None:
    """The driven speed (NaN where it is not known), else the speedometer's."""
    path, meter = driven_path(seen), seen.of_truth("vEgo")
    if path is None:
        return meter
    fallback = np.full(len(seen), np.nan) if meter is None else meter
    return np.where(path.valid[:, 0], path.speed[:, 0], fallback)


def _by_curvature(seen: View, counted: Bools) -> Iterator[tuple[str, Bools]]:
    """By the mean curvature of the path driven in the next two seconds, where it is known and long enough."""
    path = driven_path(seen)
    if path is None:
        return
    point = last_point(_AHEAD_S)
    length_m = np.hypot(np.diff(path.x[:, : point + 1]), np.diff(path.y[:, : point + 1])).sum(axis=1)
    counted = counted & path.known(_AHEAD_S) & (length_m >= _LEAST_AHEAD_M)
    bend = np.abs(path.heading[:, point]) / np.maximum(length_m, _LEAST_AHEAD_M)
    yield "straight", counted & (bend < _CURVE_1PM)
    yield "curve", counted & (bend >= _CURVE_1PM)
    yield "curve_gentle", counted & (bend >= _CURVE_1PM) & (bend < _SHARP_1PM)
    yield "curve_sharp", counted & (bend >= _SHARP_1PM)
