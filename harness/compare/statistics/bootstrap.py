"""Intervals of a mean difference, and of its share of the baseline, by resampling whole routes.

Bias-corrected and accelerated (Efron 1987): it leans the way the differences do. With few routes, or heavy tails, it is
too narrow, because it divides by n where n − 1 is meant and takes the worst that was seen for the worst there is.
Student's interval is not, and cannot lean. Each end is the outer of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from harness.compare.statistics.pairs import Bools, Floats, Sums
from harness.compare.statistics.student import standard_error

DRAWS = 1_999
LEAST_ROUTES = 6
"""Below this the sign-flip test cannot reach 5 % either: nothing is known of the spread, and no interval is given."""
_MANY_ROUTES = 200  # where a claim that lacks some of the routes may share the draws of all of them
_ROWS_AT_ONCE = 256
_COLUMNS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Intervals:
    """Ends (k,) of the mean difference and of its share of the baseline's mean; NaN where nothing can be said."""

    low: Floats
    high: Floats
    share_low: Floats
    share_high: Floats


def bootstrap_intervals(sums: Sums, confidence: float, seed: int, draws: int = DRAWS) -> Intervals:
    """Intervals of every column."""
    ends = np.full((4, sums.difference.shape[1]), np.nan)
    present, routes = sums.present, sums.route_count
    shared = (routes >= _MANY_ROUTES) | (routes == len(sums.routes))
    groups: dict[bytes, list[int]] = {}
    for column in np.flatnonzero(routes >= LEAST_ROUTES):
        groups.setdefault(b"" if shared[column] else np.packbits(present[:, column]).tobytes(), []).append(int(column))
    for columns in groups.values():
        kept: Bools = np.ones(len(sums.routes), bool)
        if not shared[columns[0]]:
            kept = present[:, columns[0]]
        for first in range(0, len(columns), _COLUMNS_AT_ONCE):
            some = columns[first : first + _COLUMNS_AT_ONCE]
            ends[:, some] = _of_group(sums, kept, some, confidence, np.random.default_rng([seed, 3]), draws)
    low, high, share_low, share_high = np.where(np.isnan(ends), np.nan, _outer(ends, _student(sums, confidence)))
    return Intervals(low, high, share_low, share_high)


def _outer(one: Floats, other: Floats) -> Floats:
    """(4, k) the outer ends of two."""
    return np.where([[True], [False], [True], [False]], np.fmin(one, other), np.fmax(one, other))


def _student(sums: Sums, confidence: float) -> Floats:
    """(4, k) Student's ends of the mean and of its share."""
    quantile = scipy.special.stdtrit(np.maximum(sums.route_count - 1.0, 1.0), (1.0 + confidence) / 2)
    baseline = sums.baseline * np.where(sums.baseline.sum(axis=0) < 0.0, -1.0, 1.0)
    ends = []
    for over in (sums.count, baseline):
        with np.errstate(invalid="ignore", divide="ignore"):
            centre = sums.difference.sum(axis=0) / over.sum(axis=0)
            reach = quantile * standard_error(sums.difference, sums.count, over)
        ends += [centre - reach, centre + reach]
    return np.stack(ends)


def _of_group(
    sums: Sums, kept: Bools, columns: list[int], confidence: float, rng: np.random.Generator, draws: int
) -> Floats:
    """(4, k) ends for columns that share their routes, and so their draws."""
    parts = [total[kept][:, columns] for total in (sums.difference, sums.count, sums.baseline)]
    width, routes = len(columns), int(kept.sum())
    drawn = [np.empty((draws, width)) for _ in parts]
    together = np.concatenate(parts, axis=1)
    for first in range(0, draws, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, draws - first)
        chosen = rng.integers(0, routes, (rows, routes)) + np.arange(rows)[:, None] * routes
        weights = np.bincount(chosen.ravel(), minlength=rows * routes).reshape(rows, routes).astype(np.float64)
        product = weights @ together
        for number, into in enumerate(drawn):
            into[first : first + rows] = product[:, number * width : (number + 1) * width]
    ends = np.full((4, width), np.nan)
    totals = [part.sum(axis=0) for part in parts]
    left_out = [total - part for total, part in zip(totals, parts, strict=True)]
    for column in range(width):
        here = parts[1][:, column] > 0
        for number, below in ((0, 1), (2, 2)):  # the difference a segment; the difference a unit of the baseline
            with np.errstate(invalid="ignore", divide="ignore"):
                estimate, replicates, without = (
                    side[0][..., column] / np.abs(side[below][..., column]) for side in (totals, drawn, left_out)
                )
            if np.isfinite(estimate):
                ends[number : number + 2, column] = bca_ends(replicates, without[here], float(estimate), confidence)
    return ends


def bca_ends(replicates: Floats, left_out: Floats, estimate: float, confidence: float) -> tuple[float, float]:
    """The ends of one interval, from replicates (b,) and the estimates with one route left out each (g,)."""
    replicates = replicates[np.isfinite(replicates)]
    left_out = left_out[np.isfinite(left_out)]
    routes = len(left_out)
    if routes < 2 or not len(replicates):
        return float("nan"), float("nan")
    near = 1e-12 * float(np.abs(replicates).max())
    below = float((replicates < estimate - near).mean() + (replicates <= estimate + near).mean()) / 2
    if not 0.0 < below < 1.0 or float(np.ptp(replicates)) <= 2 * near:
        return float(replicates.min()), float(replicates.max())
    shift = float(scipy.special.ndtri(below))
    apart = left_out.mean() - left_out
    spread = float((apart**2).sum())
    bend = float((apart**3).sum()) / (6.0 * spread**1.5) if spread > 0.0 else 0.0
    reach = float(scipy.special.ndtri((1.0 + confidence) / 2))
    levels = []
    for side in (-reach, reach):
        moved = shift + side
        squeezed = 1.0 - bend * moved
        # Past its pole the correction would turn the interval round: then the end is the outermost replicate.
        levels.append(float(scipy.special.ndtr(shift + moved / squeezed)) if squeezed > 0.0 else float(side > 0))
    low, high = np.quantile(replicates, levels)
    return float(low), float(high)
