"""The sign-flip test of paired differences: had neither side been better, each route could as well be the other way.

Nothing is supposed of the differences but that: heavy tails, unequal spreads and minutes that are alike within a route
are all the same to it. It is `scipy.stats.permutation_test(permutation_type="samples")` over the sums of routes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.compare.statistics.pairs import Floats

EXACT_UP_TO = 16
"""With this many routes or fewer all 2¹⁶ ways are tried."""
FIRST_DRAWS, MORE_DRAWS = 4_999, 49_999
_LOOK_CLOSER = 0.01
_ROWS_AT_ONCE, _COLUMNS_AT_ONCE = 512, 64
_NEAR = 1e-9  # sums that are equal but for rounding are equal: the order of adding is not ours to choose


def sign_flip_p(sums: Floats, seed: int) -> Floats:
    """(k,) two-sided p that the mean difference is zero, from (g, k) sums of routes; NaN where g is 0.

    Exact with up to EXACT_UP_TO routes that differ at all. Above that, by seeded draws, of which what was observed is
    one (Phipson and Smyth 2010): never zero, and never too small. What seems small is drawn anew, and more often. What
    lies far beyond any draw has Hoeffding's bound of the same probability, 2·exp(−t²/2Σs²).
    """
    sums = np.asarray(sums, np.float64)
    p = np.full(sums.shape[1], np.nan)
    if not len(sums):
        return p
    differing = (sums != 0.0).sum(axis=0)
    few = differing <= EXACT_UP_TO
    for count in np.unique(differing[few]):
        columns = np.flatnonzero(few & (differing == count))
        for first in range(0, len(columns), _COLUMNS_AT_ONCE):
            some = columns[first : first + _COLUMNS_AT_ONCE]
            compact = np.stack([sums[sums[:, column] != 0.0, column] for column in some], axis=1)
            p[some] = _exact(compact)
    bound = _hoeffding(sums)
    beyond = ~few & (bound <= 1.0 / (FIRST_DRAWS + 1))
    p[beyond] = bound[beyond]
    drawn = np.flatnonzero(~few & ~beyond)
    p[drawn] = _drawn(sums[:, drawn], FIRST_DRAWS, np.random.default_rng([seed, 1]))
    small = drawn[p[drawn] < _LOOK_CLOSER]
    p[small] = _drawn(sums[:, small], MORE_DRAWS, np.random.default_rng([seed, 2]))
    return p


def least_p(routes: npt.ArrayLike) -> Floats:
    """The smallest two-sided p that so many routes can give: all of them one way."""
    return np.minimum(2.0 ** (1.0 - np.asarray(routes, np.float64)), 1.0)


def routes_needed(alpha: float, *, sides: int = 2) -> int:
    """How many routes it takes until a test of so many sides can reach `alpha`: all of them one way."""
    return max(int(np.ceil(np.log2(sides) - np.log2(alpha) - 1e-9)), 1)


def _exact(sums: Floats) -> Floats:
    """(k,) p over all ways to flip (m, k) sums. The first sign stays: the other half mirrors this one."""
    rest = max(len(sums) - 1, 0)
    bits = np.arange(2**rest)[:, None] >> np.arange(rest)[None, :] & 1
    flipped = np.abs(sums[:1].sum(axis=0) + (1.0 - 2.0 * bits) @ sums[1:])
    share: Floats = (flipped >= _reached(sums)).mean(axis=0)
    return share


def _drawn(sums: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """(k,) p over seeded draws of signs, which all columns share."""
    exceeded = np.zeros(sums.shape[1])
    reached = _reached(sums)
    for first in range(0, draws if sums.shape[1] else 0, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, draws - first)
        bits = np.unpackbits(rng.integers(0, 256, rows * -(-len(sums) // 8), np.uint8).reshape(rows, -1), axis=1)
        signs = 1.0 - 2.0 * bits[:, : len(sums)]
        exceeded += (np.abs(signs @ sums) >= reached).sum(axis=0)
    p: Floats = (exceeded + 1.0) / (draws + 1.0)
    return p


def _reached(sums: Floats) -> Floats:
    """(k,) what a flipped sum must reach to be as far out as the observed one."""
    reached: Floats = np.abs(sums.sum(axis=0)) - _NEAR * np.abs(sums).sum(axis=0)
    return reached


def _hoeffding(sums: Floats) -> Floats:
    squares = (sums**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        bound = 2.0 * np.exp(-(sums.sum(axis=0) ** 2) / (2.0 * squares))
    return np.where(squares > 0.0, np.minimum(bound, 1.0), 1.0)
