"""Many questions at once: of all that is called a difference, at most so large a share may be chance."""

from __future__ import annotations

import numpy as np

from harness.compare.statistics.pairs import Floats

METHODS = ("by", "bh")


def adjusted_p(p: Floats, method: str = "by") -> Floats:
    """(k,) p as they count among each other; NaN stays NaN and is no question.

    `bh` (Benjamini and Hochberg 1995) is right where metrics go up and down together, `by` (Benjamini and Yekutieli
    2001) always, and so the default: metrics of one plan are dependent in ways that nobody has worked out.
    """
    asked = np.flatnonzero(~np.isnan(p))
    adjusted = np.full(p.shape, np.nan)
    if not len(asked):
        return adjusted
    order = asked[np.argsort(p[asked], kind="stable")]
    scaled = p[order] * len(asked) * _price(len(asked), method) / np.arange(1, len(asked) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def level_for_one(adjusted: Floats, alpha: float, method: str = "by") -> Floats:
    """(k,) how small each p had to be, given all the others, to count as found at `alpha`."""
    asked = int((~np.isnan(adjusted)).sum())
    found = adjusted <= alpha
    others = found.sum() - found
    level: Floats = alpha * (others + 1.0) / (max(asked, 1) * _price(max(asked, 1), method))
    return level


def _price(questions: int, method: str) -> float:
    if method not in METHODS:
        raise ValueError(f"{method} is none of {', '.join(METHODS)}")
    return float((1.0 / np.arange(1, questions + 1)).sum()) if method == "by" else 1.0
