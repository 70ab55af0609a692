"""Counts: which of two sides has more of something, and how sure that is."""

from __future__ import annotations

import math

import scipy


def mcnemar_p(only_candidate: int, only_baseline: int) -> float:
    """Exact two-sided p (McNemar) that segments with an event on one side alone fall to either side alike.

    Six, all one way, are the fewest that come below 5 %.
    """
    discordant = only_candidate + only_baseline
    if not discordant:
        return 1.0
    return min(2.0 * float(scipy.special.bdtr(min(only_candidate, only_baseline), discordant, 0.5)), 1.0)


def proportion_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact (Clopper–Pearson) interval of a proportion."""
    tail = (1.0 - confidence) / 2
    low = 0.0 if count == 0 else float(scipy.special.betaincinv(count, total - count + 1, tail))
    high = 1.0 if count == total else float(scipy.special.betaincinv(count + 1, total - count, 1.0 - tail))
    return low, high


def rate_ratio_interval(
    candidate: int, baseline: int, exposure_ratio: float = 1.0, confidence: float = 0.95
) -> tuple[float, float]:
    """Ends of the ratio of two Poisson rates, the candidate's over the baseline's.

    Given their sum, the candidate's count is binomial (Przyborowski and Wilenski 1940). `exposure_ratio` is how much
    more the candidate was exposed than the baseline.
    """
    if candidate + baseline == 0:
        return 0.0, math.inf
    low, high = proportion_interval(candidate, candidate + baseline, confidence)
    return low / (1.0 - low) / exposure_ratio if low < 1.0 else math.inf, (
        high / (1.0 - high) / exposure_ratio if high < 1.0 else math.inf
    )


def rate_above_p(candidate: int, baseline: int, allowed_ratio: float, exposure_ratio: float = 1.0) -> float:
    """One-sided exact p that the candidate's rate is not above `allowed_ratio` times the baseline's."""
    if candidate == 0:
        return 1.0
    odds = allowed_ratio * exposure_ratio
    return float(scipy.special.bdtrc(candidate - 1, candidate + baseline, odds / (1.0 + odds)))
