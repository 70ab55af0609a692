"""What the tests say of every question of an intent, before anything is decided: p, intervals, equivalence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.compare.statistics.bootstrap import bootstrap_intervals
from harness.compare.statistics.family import Adjusted
from harness.compare.statistics.pairs import Floats, Pairs, Sums
from harness.compare.statistics.sequential import Look, above_zero_p, always_valid_p, confidence_sequence
from harness.compare.statistics.signflip import sign_flip_p
from harness.compare.statistics.student import above_p, standard_error
from harness.intent import Claim, Size


@dataclass(frozen=True, slots=True)
class Question:
    """A claim with what is known of its metric: `words` name it, `worse` is +1 where more is worse, −1 where less is.

    `worse` is 0 where a metric has no better side; `size` is what matters in practice. `measured` is what its values
    are kept as where that is not the metric's own name.
    """

    claim: Claim
    intent: str
    words: str
    unit: str
    worse: int
    size: Size
    measured: str = ""

    @property
    def column(self) -> tuple[str, str]:
        """Metric and condition whose values it is about."""
        return self.measured or self.claim.metric, self.claim.condition


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions of one intent, one a column of `pairs`.

    With `looks` (by column) what counts is the evidence of all looks so far, this one included, valid at every look.
    """

    pairs: Pairs
    questions: tuple[Question, ...]
    confidence: float = 0.95
    looks: Mapping[int, Sequence[Look]] | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What the tests say, one value a question (k,). `level` is how small its p had to be."""

    p: Floats
    adjusted: Floats
    level: Floats
    low: Floats
    high: Floats
    share_low: Floats
    share_high: Floats
    equivalence: Floats
    not_worse: Floats
    error: Floats


def find_chances(asked: Asked, sums: Sums, seed: int) -> Floats:
    """(k,) how often chance alone would do as much; NaN without data."""
    if asked.looks is None:
        return np.where(sums.segments > 0, sign_flip_p(sums.difference, seed), np.nan)
    p = np.full(len(asked.questions), np.nan)
    for column, series in _with_data(asked):
        p[column] = always_valid_p(series, 1.0 - asked.confidence)
    return p


def _with_data(asked: Asked) -> list[tuple[int, Sequence[Look]]]:
    """The columns that any look has data of."""
    looks = (asked.looks or {}).items()
    return [(column, series) for column, series in looks if any(look.count.any() for look in series)]


def find_figures(asked: Asked, sums: Sums, p: Floats, adjusted: Adjusted, seed: int) -> Figures:
    """All figures of an intent's questions, from their p and what those are in the family of the run."""
    questions = asked.questions
    spans = bootstrap_intervals(sums, asked.confidence, seed)
    amounts = np.array([0.0 if each.size.relative else each.size.amount for each in questions])
    shares = np.array([each.size.amount if each.size.relative else 0.0 for each in questions])
    towards = np.array([float(each.worse) for each in questions])
    margin = amounts * sums.count + shares * np.sign(sums.baseline.sum(axis=0)) * sums.baseline
    above, below = (above_p(margin + side * sums.difference, sums.count) for side in (1.0, -1.0))
    figures = Figures(
        p,
        adjusted.p,
        adjusted.level,
        spans.low,
        spans.high,
        spans.share_low,
        spans.share_high,
        np.maximum(above, below),
        np.select([towards > 0, towards < 0], [below, above], np.maximum(above, below)),
        standard_error(sums.difference, sums.count),
    )
    return figures if asked.looks is None else _with_looks(figures, asked, sums)


def _with_looks(figures: Figures, asked: Asked, sums: Sums) -> Figures:
    """The same figures, of all looks together, valid at each of them."""
    alpha = 1.0 - asked.confidence
    low, high, equivalence, not_worse = (np.full(len(asked.questions), np.nan) for _ in range(4))
    share_low, share_high = low.copy(), high.copy()
    baseline = sums.mean(sums.baseline)
    for column, series in _with_data(asked):
        question = asked.questions[column]
        low[column], high[column] = confidence_sequence(series, asked.confidence)
        sign = float(np.sign(baseline[column])) or 1.0
        size = question.size
        share, plain = (sign * size.amount, 0.0) if size.relative else (0.0, size.amount)
        below, above = (
            above_zero_p([look.shifted(side, share, plain) for look in series], alpha) for side in (-1.0, 1.0)
        )
        equivalence[column] = max(below, above)
        not_worse[column] = (equivalence[column], below, above)[question.worse]
        if baseline[column]:
            share_low[column], share_high[column] = (end[column] / abs(baseline[column]) for end in (low, high))
    return replace(
        figures,
        low=low,
        high=high,
        share_low=share_low,
        share_high=share_high,
        equivalence=equivalence,
        not_worse=not_worse,
    )
