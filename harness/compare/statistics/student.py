"""Student's part: the spread of a mean over routes, tests against a margin, and what so many segments can show.

The sums of routes u_g = Σd − mean·n_g have the mean's variance G/(G−1)·Σu²/N² with G − 1 degrees of freedom (the
cluster-robust CR1). With one segment a route it is the paired t-test to the letter.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy

from harness.compare.statistics.pairs import Floats, Sums

POWER = 0.8
"""How surely an effect shall be found that is called "could have been shown"."""
_ROUNDS = 60
_FARTHEST = 1e7


def standard_error(values: Floats, count: Floats, over: Floats | None = None) -> Floats:
    """(k,) of the mean a segment, from sums (g, k) and counts (g, k) of routes; NaN with fewer than two routes.

    With `over` (g, k), sums of something else, it is that of the ratio to it.
    """
    present = count > 0
    routes = present.sum(axis=0).astype(np.float64)
    below = count if over is None else over
    total = below.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = values.sum(axis=0) / total
        left = np.where(present, values - mean * below, 0.0)
        variance = routes / (routes - 1.0) * (left**2).sum(axis=0) / total**2
        error: Floats = np.sqrt(np.where(routes > 1, variance, np.nan))
    return error


def above_p(values: Floats, count: Floats) -> Floats:
    """(k,) one-sided p that the mean is not above zero: small where it surely is.

    Never surer than that many routes all on one side would be: a few that happen to be equal have no spread to go by.
    """
    routes = (count > 0).sum(axis=0).astype(np.float64)
    error = standard_error(values, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = values.sum(axis=0) / count.sum(axis=0)
        t = np.where(error > 0.0, mean / error, np.sign(mean) * np.inf)
        p = np.where((error == 0.0) & (mean == 0.0), 1.0, scipy.special.stdtr(np.maximum(routes - 1.0, 1.0), -t))
    return np.where(routes > 1, np.maximum(p, 0.5**routes), np.nan)


def equivalence_p(sums: Sums, margin: Floats) -> Floats:
    """(k,) two one-sided tests (Schuirmann 1987): small where the mean surely lies within ±margin.

    `margin` is sums over routes, (g, k): the same share of each segment's baseline, or the same amount a segment.
    """
    inside: Floats = np.maximum(
        above_p(margin + sums.difference, sums.count), above_p(margin - sums.difference, sums.count)
    )
    return inside


def not_above_p(sums: Sums, margin: Floats) -> Floats:
    """(k,) non-inferiority: small where the mean surely lies below +margin."""
    return above_p(margin - sums.difference, sums.count)


def smallest_effect(error: npt.ArrayLike, routes: npt.ArrayLike, alpha: npt.ArrayLike) -> Floats:
    """The least true difference that a two-sided test at `alpha` finds in POWER of all cases.

    Infinite where so few routes cannot reach `alpha` whatever they show: at best they are all one way, p = 2/2^g.
    """
    routes = np.asarray(routes, np.float64)
    alpha = np.asarray(alpha, np.float64)
    freedom = np.maximum(routes - 1.0, 1.0)
    with np.errstate(invalid="ignore"):
        errors = scipy.special.stdtrit(freedom, 1.0 - alpha / 2) + scipy.special.stdtrit(freedom, POWER)
        found = errors * np.asarray(error, np.float64)
    reachable = (routes > 1) & (2.0 ** (1.0 - routes) <= alpha)
    return np.where(reachable, found, np.inf)


def smallest_margin(error: npt.ArrayLike, routes: npt.ArrayLike, alpha: float, *, both_sides: bool) -> Floats:
    """The narrowest margin that would be shown in POWER of all cases where there is no true difference at all.

    With `both_sides` a margin of equivalence, else one of non-inferiority. Infinite where so few routes prove nothing.
    """
    routes = np.asarray(routes, np.float64)
    freedom = np.maximum(routes - 1.0, 1.0)
    surely = (1.0 + POWER) / 2 if both_sides else POWER
    with np.errstate(invalid="ignore"):
        errors = scipy.special.stdtrit(freedom, 1.0 - alpha) + scipy.special.stdtrit(freedom, surely)
        found = errors * np.asarray(error, np.float64)
    return np.where((routes > 1) & (0.5**routes <= alpha), found, np.inf)


def segments_needed(segments: int, size: float, smallest: Callable[[float], float]) -> int | None:
    """How many segments like these would show a difference of `size`; None where no number would.

    `smallest` says what `factor` times as many would show.
    """
    if not size > 0.0 or not smallest(_FARTHEST) <= size:
        return None
    low, high = 0.0, _FARTHEST
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (low, middle) if smallest(middle) <= size else (middle, high)
    return math.ceil(segments * high - 1e-6)
