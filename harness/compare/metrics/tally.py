"""From one value a frame to one value a condition: means over the frames that have an answer, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 10
"""Of a calibration error: as many equal steps of probability."""


@dataclass(frozen=True, slots=True)
class Series:
    """A metric over n frames: `values` (n,), NaN where a frame has no answer; its mean is the segment's number.

    `human` (n,) is the recorded drive's, or None where that makes no sense. `excused` (n,) are frames that were failed
    by both. With `squared` the values are squares, and the root of their mean is told.
    """

    metric: str
    values: Floats
    human: Floats | None = None
    excused: Bools | None = None
    squared: bool = False


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Probabilities (n, k) and whether it came true (n, k); NaN probabilities have no answer.

    Its number is the expected calibration error: over BINS equal bins of probability, how far the mean probability is
    from the rate at which it came true, weighted by how many forecasts are in the bin.
    """

    metric: str
    probabilities: Floats
    came_true: Bools


def check_series(metric: str, kept: Bools, passed: Bools, answered: Bools, human_kept: Bools, known: Bools) -> Series:
    """A check a frame, (n,) each: its share of frames that `passed`; those that passed without being kept are excused.

    `answered` are frames that can be told, `known` those in which the recorded drive can be.
    """
    return Series(
        metric,
        np.where(answered, passed.astype(np.float64), np.nan),
        np.where(known, human_kept.astype(np.float64), np.nan),
        answered & passed & ~kept,
    )


def tabulate(series: Sequence[Series], masks: Bools) -> Floats:
    """(series, conditions, 4): value, frames, human, excused; `masks` (conditions, n) say which frames count."""
    count = len(series)
    table = np.full((count, len(masks), 4), np.nan)
    if not count:
        return table
    values = np.stack([each.values for each in series], 1)
    nothing = np.full(len(values), np.nan)
    human = np.stack([nothing if each.human is None else each.human for each in series], 1)
    spared = np.zeros(len(values), bool)
    excused = np.stack([spared if each.excused is None else each.excused for each in series], 1)
    there = np.isfinite(values)
    human_there = there & np.isfinite(human)
    weights = masks.astype(np.float64)
    frames, total = weights @ there, weights @ np.where(there, values, 0.0)
    human_frames, human_total = weights @ human_there, weights @ np.where(human_there, human, 0.0)
    with np.errstate(invalid="ignore"):
        mean, human_mean = total / frames, human_total / human_frames
    squared = [each.squared for each in series]
    for told in (mean, human_mean):
        told[:, squared] = np.sqrt(told[:, squared])
    table[..., 0] = mean.T
    table[..., 1] = frames.T
    table[..., 2] = human_mean.T
    table[..., 3] = (weights @ (excused & there)).T
    return table


def calibrate(forecasts: Sequence[Forecasts], masks: Bools) -> Floats:
    """(forecasts, conditions, 4), as `tabulate`; frames are those with any answer, human and excused do not apply."""
    table = np.full((len(forecasts), len(masks), 4), np.nan)
    table[..., 3] = 0.0
    weights = masks.astype(np.float64)
    for row, each in enumerate(forecasts):
        there = np.isfinite(each.probabilities)
        probability = np.where(there, each.probabilities, 0.0)
        bins = np.clip((probability * BINS).astype(np.int64), 0, BINS - 1)
        inside = (bins[..., None] == np.arange(BINS)) & there[..., None]
        counts = weights @ inside.sum(axis=1)
        said = weights @ (inside * probability[..., None]).sum(axis=1)
        true = weights @ (inside & each.came_true[..., None]).sum(axis=1)
        with np.errstate(invalid="ignore"):
            table[row, :, 0] = np.abs(said - true).sum(axis=1) / counts.sum(axis=1)
        table[row, :, 1] = weights @ there.any(axis=1)
    return table
