"""Evidence that may be looked at every morning: it is valid at each look, however many there are and whenever they end.

Alpha spending (O'Brien and Fleming, Lan and DeMets) needs to know how much evidence there will be in the end. A nightly
does not: routes are added, suites grow, a candidate is withdrawn. So an always-valid test is used. Under "no
difference" each route could as well be the other way, so that for any λ the product of exp(λs − λ²s²/2) over routes is
a supermartingale whatever the tails (de la Peña 1999), and its mixture over λ ~ N(0, 1/ρ) is

    E = √(ρ/(ρ+V)) · exp(S²/(2(ρ+V))),   S = Σs, V = Σs²,

which exceeds 1/α at any look ever with at most probability α (Ville). So 1/E is a p-value, and the means that keep
E < 1/α are a confidence sequence. ρ may be taken from the sizes of the first look's sums: the signs know nothing of
them. It is set where the sequence is narrowest at a few times the first look.

A route counts once: as it was at the first look that had it. Later minutes of it would be flipped with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.compare.statistics.pairs import Floats

_SHARPEST_AT = 4.0  # times the first look's evidence
_BISECTIONS = 80
_POWER_REACH = 0.8416212335729143  # the normal quantile of 80 %


@dataclass(frozen=True, slots=True)
class Look:
    """What one look added, as sums over its new routes (g,): the difference, the baseline, how many segments."""

    difference: Floats
    baseline: Floats
    count: Floats

    def shifted(self, sign: float, share: float, amount: float) -> Look:
        """`sign` times the difference, plus a share of each segment's baseline and an amount a segment."""
        moved = sign * self.difference + share * self.baseline + amount * self.count
        return Look(moved, self.baseline, self.count)


def always_valid_p(looks: Sequence[Look], alpha: float = 0.05, *, at: float = 0.0) -> float:
    """The two-sided p-value of "the mean difference is `at`" over all looks so far; it never rises."""
    return float(np.exp(-_most_evidence(looks, at, alpha)))


def above_zero_p(looks: Sequence[Look], alpha: float = 0.05) -> float:
    """One-sided p that the mean is not above zero: only looks at which it was above count. Small where it surely is."""
    return float(np.exp(-_most_evidence(looks, 0.0, alpha, only_above=True)))


def confidence_sequence(looks: Sequence[Look], confidence: float = 0.95) -> tuple[float, float]:
    """All mean differences that no look so far has ruled out; infinite where too little is known."""
    alpha = 1.0 - confidence
    segments = sum(float(look.count.sum()) for look in looks)
    if not segments:
        return -math.inf, math.inf
    mean = sum(float(look.difference.sum()) for look in looks) / segments
    if not any(look.difference.any() for look in looks):
        return -math.inf, math.inf
    return _end(looks, mean, -1.0, alpha), _end(looks, mean, 1.0, alpha)


def sequence_smallest(looks: Sequence[Look], alpha: float, factor: float = 1.0) -> float:
    """The least mean difference that would have been shown, had there been `factor` times as much of the same.

    It must lie so far beyond the bound that chance seldom brings it back: one standard error of 0.84, for 80 %.
    """
    now = sum(float(look.count.sum()) for look in looks)
    mean = sum(float(look.difference.sum()) for look in looks) / now if now else 0.0
    each = [float(((look.difference - mean * look.count) ** 2).sum()) for look in looks]
    first, squares, segments = each[0], sum(each) * factor, now * factor
    routes = sum(float((look.count > 0).sum()) for look in looks) * factor
    if squares <= 0.0 or first <= 0.0 or routes <= 0.0:
        return math.inf
    scale = _scale(_SHARPEST_AT * first, alpha)
    bound = math.sqrt(2.0 * (scale + squares) * (math.log(1.0 / alpha) + 0.5 * math.log1p(squares / scale)))
    reachable = math.sqrt(squares * routes)  # all routes one way, and all of one size
    return (bound + _POWER_REACH * math.sqrt(squares)) / segments if bound <= reachable else math.inf


def _end(looks: Sequence[Look], mean: float, side: float, alpha: float) -> float:
    inside, outside = 0.0, max(abs(mean), 1e-12)
    farthest = 1e12 * outside
    while always_valid_p(looks, alpha, at=mean + side * outside) > alpha:
        inside, outside = outside, outside * 4.0
        if outside > farthest:
            return side * math.inf
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2
        if always_valid_p(looks, alpha, at=mean + side * middle) > alpha:
            inside = middle
        else:
            outside = middle
    return mean + side * outside


def _most_evidence(looks: Sequence[Look], at: float, alpha: float, *, only_above: bool = False) -> float:
    """The most that any look so far had against `at`, as a logarithm; never less than none."""
    total = squares = most = scale = 0.0
    for look in looks:
        left = look.difference - at * look.count
        total += float(left.sum())
        squares += float((left**2).sum())
        if squares <= 0.0:
            continue
        scale = scale or _scale(_SHARPEST_AT * squares, alpha)
        evidence = 0.5 * math.log(scale / (scale + squares)) + total**2 / (2.0 * (scale + squares))
        if total > 0.0 or not only_above:
            most = max(most, evidence)
    return most


def _scale(squares: float, alpha: float) -> float:
    """The ρ with which the bound is lowest when Σs² is `squares` (Howard et al. 2021, proposition 3)."""
    surely = 2.0 * math.log(1.0 / alpha)
    return squares / (surely + math.log1p(surely))
