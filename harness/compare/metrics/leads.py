"""The car ahead: how far, how fast, and whether it is there, against what the radar measured."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from harness.compare.metrics.tally import Forecasts, Series
from harness.compare.metrics.values import Direction, Metric
from harness.compare.metrics.view import FRAME_S, View

Floats = npt.NDArray[np.float64]

RADAR_TO_CAMERA_M = 1.52
"""The radar's distances begin so far before the camera (openpilot radard)."""
_OFFSETS_S = (0, 2, 4)  # for which the model says how sure it is of a lead
_SURE = 0.5

_RADAR = "radarState.leadOne, where it was measured by radar"
METRICS = (
    Metric(
        "lead_distance_error", "m", Direction.LOWER, 0.5, "distance of the lead against the radar's", _RADAR, "lead",
        headline=True,
    ),
    Metric("lead_distance_bias", "m", Direction.NONE, 0.5, "lead seen too far (too near negative)", _RADAR, "lead"),
    Metric("lead_speed_error", "m/s", Direction.LOWER, 0.2, "speed of the lead against the radar's", _RADAR, "lead"),
    *(
        Metric(
            f"lead_brier_{offset}s", "", Direction.LOWER, 0.01,
            f"squared error of the probability that there is a lead in {offset} s (Brier score)", _RADAR, "lead",
            headline=offset == 0,
        )
        for offset in _OFFSETS_S
    ),
    Metric(
        "lead_calibration_error", "", Direction.LOWER, 0.02,
        "how far the probability of a lead is from how often there is one (ECE, 10 bins)", _RADAR, "lead",
    ),
)  # fmt: skip


def lead_series(seen: View) -> Iterator[Series | Forecasts]:
    """Every metric of this family; nothing where the trace has no leads or the log no radar."""
    probabilities, known = seen.of_trace("leadsV3.prob"), seen.of_truth("leadOne.known")
    if probabilities is None or known is None or probabilities.ndim != 2:
        return
    known, present = known.astype(bool), seen.flags("leadOne.present")
    offsets = _OFFSETS_S[: probabilities.shape[1]]
    said, came = np.full((len(seen), len(offsets)), np.nan), np.zeros((len(seen), len(offsets)), bool)
    for place, offset in enumerate(offsets):
        later = _later(seen, offset)
        there = later >= 0
        there[there] &= known[later[there]]
        said[there, place] = probabilities[there, place]
        came[there, place] = present[later[there]]
        yield Series(f"lead_brier_{offset}s", (said[:, place] - came[:, place]) ** 2)
    yield Forecasts("lead_calibration_error", said, came)
    yield from _against_radar(seen, known & present & (probabilities[:, 0] > _SURE))


def _against_radar(seen: View, both: npt.NDArray[np.bool_]) -> Iterator[Series]:
    """Where the radar and the model see one, by the model's first lead now."""
    x, speed = seen.of_trace("leadsV3.x"), seen.of_trace("leadsV3.v")
    if x is None or speed is None or x.ndim != 3 or speed.ndim != 3:
        return
    measured, moving = seen.of_truth("leadOne.dRel"), seen.of_truth("leadOne.vLead")
    if measured is None or moving is None:
        return
    off = np.where(both, x[:, 0, 0].astype(np.float64) - RADAR_TO_CAMERA_M - measured, np.nan)
    yield Series("lead_distance_error", np.abs(off))
    yield Series("lead_distance_bias", off)
    yield Series("lead_speed_error", np.abs(np.where(both, speed[:, 0, 0].astype(np.float64) - moving, np.nan)))


def _later(seen: View, seconds: float) -> npt.NDArray[np.int64]:
    """(n,): the row so many seconds after each; −1 where there is none."""
    step = round(seconds / FRAME_S)
    rows = np.full(len(seen), -1, np.int64)
    if step == 0:
        return np.arange(len(seen), dtype=np.int64)
    if len(seen) > step:
        rows[:-step] = np.where(seen.follows(step), np.arange(step, len(seen)), -1)
    return rows
