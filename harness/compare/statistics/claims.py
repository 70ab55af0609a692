"""Claims answered: better, equivalent, worse, or inconclusive, and then what could have been shown and what would do.

A difference is PROVED when it is both sure and large enough to matter: the sign-flip p, adjusted for all questions of
an intent, is at most α, and the difference is at least the declared size. It is PROVED equivalent when it surely lies
within that size. The tests of equivalence are not adjusted: an intent holds only if all of its claims do, and such an
"all" has no more than α of any one of them (intersection-union, Berger 1982).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.compare.statistics.bootstrap import bootstrap_intervals
from harness.compare.statistics.discovery import adjusted_p, level_for_one
from harness.compare.statistics.pairs import Floats, Pairs, Sums, sum_routes
from harness.compare.statistics.sequential import (
    Look,
    above_zero_p,
    always_valid_p,
    confidence_sequence,
    sequence_smallest,
)
from harness.compare.statistics.signflip import sign_flip_p
from harness.compare.statistics.student import (
    above_p,
    segments_needed,
    smallest_effect,
    smallest_margin,
    standard_error,
)
from harness.compare.statistics.words import claim_words, moved_most
from harness.compare.statistics.words import figures as figure_words
from harness.intent import Answer, Claim, ClaimResult, Expectation, Range, Size

_WORST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Question:
    """A claim with what is known of its metric: `words` name it, `worse` is +1 where more is worse, −1 where less is.

    `worse` is 0 where a metric has no better side; `size` is what matters in practice.
    """

    claim: Claim
    intent: str
    words: str
    unit: str
    worse: int
    size: Size


@dataclass(frozen=True, slots=True)
class _Figures:
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


def judge_claims(
    pairs: Pairs,
    questions: Sequence[Question],
    *,
    seed: int = 0,
    confidence: float = 0.95,
    discovery: str = "by",
    looks: Mapping[int, Sequence[Look]] | None = None,
) -> tuple[ClaimResult, ...]:
    """The answers to `questions`, one a column of `pairs`, adjusted for each other.

    With `looks` (by column) what counts is the evidence of all looks so far, this one included, valid at every look.
    """
    sums = sum_routes(pairs)
    figures = _figures(sums, questions, seed, confidence, discovery)
    if looks is not None:
        figures = _looked(figures, sums, questions, looks, confidence, discovery)
    return tuple(
        _answered(pairs, sums, figures, column, question, confidence, len(questions), (looks or {}).get(column))
        for column, question in enumerate(questions)
    )


def _figures(sums: Sums, questions: Sequence[Question], seed: int, confidence: float, discovery: str) -> _Figures:
    alpha = 1.0 - confidence
    p = np.where(sums.segments > 0, sign_flip_p(sums.difference, seed), np.nan)
    adjusted = adjusted_p(p, discovery)
    spans = bootstrap_intervals(sums, confidence, seed)
    amounts = np.array([0.0 if each.size.relative else each.size.amount for each in questions])
    shares = np.array([each.size.amount if each.size.relative else 0.0 for each in questions])
    towards = np.array([float(each.worse) for each in questions])
    margin = amounts * sums.count + shares * np.sign(sums.baseline.sum(axis=0)) * sums.baseline
    above, below = (above_p(margin + side * sums.difference, sums.count) for side in (1.0, -1.0))
    return _Figures(
        p,
        adjusted,
        level_for_one(adjusted, alpha, discovery),
        spans.low,
        spans.high,
        spans.share_low,
        spans.share_high,
        np.maximum(above, below),
        np.select([towards > 0, towards < 0], [below, above], np.maximum(above, below)),
        standard_error(sums.difference, sums.count),
    )


def _looked(
    figures: _Figures,
    sums: Sums,
    questions: Sequence[Question],
    looks: Mapping[int, Sequence[Look]],
    confidence: float,
    discovery: str,
) -> _Figures:
    """The same figures, of all looks together, valid at each of them."""
    alpha = 1.0 - confidence
    p, low, high, equivalence, not_worse = (np.full(len(questions), np.nan) for _ in range(5))
    share_low, share_high = low.copy(), high.copy()
    baseline = sums.mean(sums.baseline)
    for column, series in looks.items():
        question = questions[column]
        if not any(look.count.any() for look in series):
            continue
        p[column] = always_valid_p(series, alpha)
        low[column], high[column] = confidence_sequence(series, confidence)
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
    adjusted = adjusted_p(p, discovery)
    level = level_for_one(adjusted, alpha, discovery)
    return _Figures(p, adjusted, level, low, high, share_low, share_high, equivalence, not_worse, figures.error)


def _answered(
    pairs: Pairs,
    sums: Sums,
    figures: _Figures,
    column: int,
    question: Question,
    confidence: float,
    asked: int,
    looks: Sequence[Look] | None,
) -> ClaimResult:
    claim, segments, routes = question.claim, int(sums.segments[column]), int(sums.route_count[column])
    found = ClaimResult(
        question.intent,
        question.words,
        claim.expect,
        Answer.NO_DATA,
        _nothing_words(sums, column),
        metric=claim.metric,
        condition=claim.condition,
        unit=question.unit,
        confidence=confidence,
        where=claim.where,
    )
    if not segments:
        return found
    candidate, baseline = (float(sums.mean(side)[column]) for side in (sums.candidate, sums.baseline))
    effect = float(sums.mean(sums.difference)[column])
    size = question.size.of(baseline)
    alpha = 1.0 - confidence
    lost = int(sums.lost[column])
    answer = decide(
        question,
        effect=effect,
        size=size,
        adjusted_p=float(figures.adjusted[column]),
        equivalence_p=float(figures.equivalence[column]),
        not_worse_p=float(figures.not_worse[column]),
        alpha=alpha,
        lost=lost,
    )
    error = float(figures.error[column])
    smallest = _smallest(claim.expect, error, routes, float(figures.level[column]), alpha, looks)
    differs = bool(figures.adjusted[column] <= alpha)
    # What surely differs leaves only open on which side of the size it is.
    needed = segments_needed(segments, size - abs(effect) if differs else size, smallest)
    least = smallest(1.0)
    more = None if needed is None else max(needed - segments, 0)
    over = abs(baseline) if baseline else None
    result = replace(
        found,
        answer=answer,
        words="",
        segments=segments,
        routes=routes,
        candidate=candidate,
        baseline=baseline,
        effect=effect,
        interval=_range(figures.low[column], figures.high[column]),
        share=None if over is None else effect / over,
        share_interval=_range(figures.share_low[column], figures.share_high[column]),
        p=_known(figures.p[column]),
        adjusted_p=_known(figures.adjusted[column]),
        equivalence_p=_known(figures.equivalence[column]),
        size=size,
        size_share=question.size.amount if question.size.relative else None if over is None else size / over,
        smallest=_known(least),
        smallest_share=None if over is None else _known(least / over),
        more_segments=more if answer is Answer.INCONCLUSIVE else None,
        spread=_known(error * math.sqrt(segments)),
        worst=_worst(pairs, column, question.worse) if answer in {Answer.WORSE, Answer.CHANGED} else (),
        looks=len(looks or ()),
    )
    words = claim_words(result, question.size, float(figures.level[column]), lost, asked) + moved_most(result)
    return replace(result, words=words, figures=figure_words(result))


def decide(
    question: Question,
    *,
    effect: float,
    size: float,
    adjusted_p: float,
    equivalence_p: float,
    not_worse_p: float,
    alpha: float,
    lost: int = 0,
) -> Answer:
    """The answer from the figures. What the candidate lost a value of cannot be proved to be well."""
    if adjusted_p <= alpha and abs(effect) >= size and effect != 0.0:
        if not question.worse:
            return Answer.CHANGED
        if effect * question.worse > 0:
            return Answer.WORSE
        return Answer.INCONCLUSIVE if lost else Answer.BETTER
    if lost:
        return Answer.INCONCLUSIVE
    if equivalence_p <= alpha:
        return Answer.EQUIVALENT
    if not_worse_p <= alpha and question.claim.expect is Expectation.GUARD:
        return Answer.NOT_WORSE
    return Answer.INCONCLUSIVE


def _smallest(
    expect: Expectation, error: float, routes: int, level: float, alpha: float, looks: Sequence[Look] | None
) -> Callable[[float], float]:
    """What so many times as many segments would show: a difference at `level`, or that it is within a margin."""
    if looks is not None:
        return lambda factor: sequence_smallest(looks, level if expect is Expectation.IMPROVE else alpha, factor)
    return lambda factor: could_show(expect, error / math.sqrt(factor), routes * factor, level, alpha)


def could_show(expect: Expectation, error: float, routes: float, level: float, alpha: float) -> float:
    """The least that a claim could show with this standard error: an improvement, or how near two sides are."""
    if expect is Expectation.IMPROVE:
        return float(smallest_effect(error, routes, level))
    return float(smallest_margin(error, routes, alpha, both_sides=expect is Expectation.UNCHANGED))


def _worst(pairs: Pairs, column: int, worse: int) -> tuple[tuple[str, float], ...]:
    """The segments that moved farthest to the bad side, or to either where there is no bad one."""
    moved = pairs.candidate[:, column] - pairs.baseline[:, column]
    weight = moved * worse if worse else np.abs(moved)
    known = [row for row in range(len(moved)) if np.isfinite(moved[row]) and weight[row] > 0]
    known.sort(key=lambda row: (-weight[row], pairs.segments[row]))
    return tuple((pairs.segments[row], float(moved[row])) for row in known[:_WORST_SHOWN])


def _nothing_words(sums: Sums, column: int) -> str:
    lost, gained = int(sums.lost[column]), int(sums.gained[column])
    if lost or gained:
        return f"no segment has a value on both sides: {lost} only the baseline's, {gained} only the candidate's"
    return "no segment has a value"


def _range(low: float, high: float) -> Range:
    return _known(low), _known(high)


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
