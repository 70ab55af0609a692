"""What the car is asked to do against what it did: curvature and acceleration, their smoothness, the cost of both.

The asked action is meant for the moment at which the actuators have answered; it is held against what the car did at
that moment. Curvatures count in terms of lateral acceleration too, κ·v².
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from harness.compare.metrics.tally import Series
from harness.compare.metrics.values import Direction, Metric
from harness.compare.metrics.view import FRAME_S, View

Floats = npt.NDArray[np.float64]

_ACTION, _COST = "openpilot modelV2.action", "comma controls_challenge"
_COST_STEP = 2  # controls_challenge counts at 10 Hz
_LATERAL_WEIGHT, _SCALE = 50.0, 100.0

_LOWER, _NONE = Direction.LOWER, Direction.NONE
METRICS = (
    Metric(
        "action_not_a_number", "share of frames", _LOWER, 0.001,
        "frames whose asked curvature or acceleration is no number, or absurd", _ACTION, "answers", headline=True,
    ),
    Metric("curvature_error", "1/m", _LOWER, 1e-4, "difference of asked and driven curvature", _ACTION, "action"),
    Metric(
        "curvature_bias", "1/m", _NONE, 1e-4, "asked minus driven curvature, to the right positive", _ACTION, "action"
    ),
    Metric(
        "lateral_acceleration_error", "m/s²", _LOWER, 0.05,
        "difference of asked and driven curvature, as lateral acceleration", _ACTION, "action", headline=True,
    ),
    Metric(
        "lateral_acceleration_bias", "m/s²", _NONE, 0.05,
        "asked minus driven lateral acceleration, to the right positive", _ACTION, "action",
    ),
    Metric(
        "acceleration_error", "m/s²", _LOWER, 0.05, "difference of asked and driven acceleration", _ACTION, "action",
        headline=True,
    ),
    Metric("acceleration_bias", "m/s²", _NONE, 0.05, "asked minus driven acceleration", _ACTION, "action"),
    Metric(
        "lateral_jerk", "m/s³", _LOWER, 0.1, "how fast the asked lateral acceleration changes, RMS", _ACTION, "action",
        headline=True,
    ),
    Metric(
        "longitudinal_jerk", "m/s³", _LOWER, 0.1, "how fast the asked acceleration changes, RMS", _ACTION, "action",
        headline=True,
    ),
    Metric(
        "control_cost", "", _LOWER, 1.0, "50 · lateral cost + jerk cost: tracking against smoothness", _COST, "action",
        headline=True,
    ),
    Metric(
        "control_cost_lateral", "", _LOWER, 0.1,
        "mean square difference of asked and driven lateral acceleration × 100", _COST, "action",
    ),
    Metric(
        "control_cost_jerk", "", _LOWER, 1.0, "mean square change of lateral acceleration per 0.1 s × 100", _COST,
        "action",
    ),
)  # fmt: skip


def action_series(seen: View) -> Iterator[Series]:
    """Every metric of this family; nothing where the trace asks for no action."""
    parts = [_column(seen.of_trace(f"action.desired{name}")) for name in ("Curvature", "Acceleration")]
    curvature, acceleration = parts
    speed = _column(seen.of_trace("vEgo"))
    if curvature is None or acceleration is None or speed is None:
        return
    # Whatever multiplies a huge or missing number is no answer.
    curvature, acceleration = (np.where(np.abs(each) < 1e3, each, np.nan) for each in (curvature, acceleration))
    # Left out below, such frames must not make what is left look better without a word.
    yield Series("action_not_a_number", (~np.isfinite(curvature + acceleration)).astype(np.float64))
    unknown = np.full(len(seen), np.nan)
    driven = [_column(seen.of_truth(f"action.{name}")) for name in ("curvature", "acceleration")]
    driven_curvature, driven_acceleration = (unknown if each is None else each for each in driven)
    square = speed**2
    lateral, driven_lateral = curvature * square, driven_curvature * square
    zero = np.zeros(len(seen))
    for name, asked, done in (
        ("curvature", curvature, driven_curvature),
        ("lateral_acceleration", lateral, driven_lateral),
        ("acceleration", acceleration, driven_acceleration),
    ):
        yield Series(f"{name}_error", np.abs(asked - done), zero)
        yield Series(f"{name}_bias", asked - done, zero)
    for name, asked, done in (
        ("lateral_jerk", lateral, driven_lateral),
        ("longitudinal_jerk", acceleration, driven_acceleration),
    ):
        yield Series(name, _change(seen, asked) ** 2, _change(seen, done) ** 2, squared=True)
    off = _SCALE * (lateral - driven_lateral) ** 2
    rough, human_rough = (_SCALE * _change(seen, each, _COST_STEP) ** 2 for each in (lateral, driven_lateral))
    yield Series("control_cost_lateral", off, zero)
    yield Series("control_cost_jerk", rough, human_rough)
    yield Series("control_cost", _LATERAL_WEIGHT * off + rough, human_rough)


def _change(seen: View, values: Floats, step: int = 1) -> Floats:
    """(n,): change per second from the frame `step` frames before; NaN where that one is missing."""
    change = np.full(len(values), np.nan)
    if len(values) > step:
        change[step:] = np.where(seen.follows(step), (values[step:] - values[:-step]) / (step * FRAME_S), np.nan)
    return change


def _column(values: npt.NDArray[np.generic] | None) -> Floats | None:
    return None if values is None or values.ndim != 1 else values.astype(np.float64)
