"""Claims answered: better, equivalent, worse, or inconclusive, and then what could have been shown and what would do.

A difference is PROVED when it is both sure and large enough to matter: the sign-flip p, adjusted for all questions of
the run, is at most α, and the difference is at least the declared size. It is PROVED equivalent when it surely lies
within that size. The tests of equivalence are not adjusted: a run holds only if all of its claims do, and such an
"all" has no more than α of any one of them (intersection-union, Berger 1982).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.compare.statistics.family import Member, adjust_family
from harness.compare.statistics.pairs import Floats, Pairs, Sums, sum_routes
from harness.compare.statistics.questions import Asked, Figures, Question, find_chances, find_figures
from harness.compare.statistics.sequential import Look, sequence_smallest
from harness.compare.statistics.student import segments_needed, smallest_effect, smallest_margin
from harness.compare.statistics.words import claim_words, lost_where, moved_most
from harness.compare.statistics.words import figures as figure_words
from harness.intent import Answer, ClaimResult, Expectation, Range

_WORST_SHOWN = 3


def judge_claims(
    pairs: Pairs,
    questions: Sequence[Question],
    *,
    seed: int = 0,
    confidence: float = 0.95,
    discovery: str = "by",
    looks: Mapping[int, Sequence[Look]] | None = None,
) -> tuple[ClaimResult, ...]:
    """The answers to the questions of one intent, where a run has no other."""
    return judge_intents([Asked(pairs, tuple(questions), confidence, looks)], seed=seed, discovery=discovery)[0]


def judge_intents(
    asked: Sequence[Asked], *, seed: int = 0, discovery: str = "by"
) -> tuple[tuple[ClaimResult, ...], ...]:
    """The answers to the questions of every intent of a run, adjusted for all of them together."""
    sums = [sum_routes(each.pairs) for each in asked]
    chances = [find_chances(each, total, seed) for each, total in zip(asked, sums, strict=True)]
    family = adjust_family([_member(each, p) for each, p in zip(asked, chances, strict=True)], discovery)
    found = []
    for each, total, p, adjusted in zip(asked, sums, chances, family, strict=True):
        figures = find_figures(each, total, p, adjusted, seed)
        columns = range(len(each.questions))
        found.append(tuple(_answered(each, total, figures, column, adjusted.asked) for column in columns))
    return tuple(found)


def _member(asked: Asked, p: Floats) -> Member:
    sequential = asked.looks is not None
    hypotheses = tuple((*question.column, sequential) for question in asked.questions)
    return Member(p, hypotheses, 1.0 - asked.confidence)


def _answered(asked: Asked, sums: Sums, figures: Figures, column: int, in_all: int) -> ClaimResult:
    """The answer to one question, of `in_all` that the run asks."""
    question, confidence, looks = asked.questions[column], asked.confidence, (asked.looks or {}).get(column)
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
        worst=_worst(asked.pairs, column, question.worse) if answer in {Answer.WORSE, Answer.CHANGED} else (),
        looks=len(looks or ()),
    )
    words = claim_words(result, question.size, float(figures.level[column]), lost, in_all) + moved_most(result)
    words += lost_where(_lost(asked.pairs, column))
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


def _lost(pairs: Pairs, column: int) -> list[str]:
    """The segments in which only the baseline has a value."""
    gone = np.isfinite(pairs.baseline[:, column]) & ~np.isfinite(pairs.candidate[:, column])
    return sorted(pairs.segments[row] for row in np.flatnonzero(gone))


def _nothing_words(sums: Sums, column: int) -> str:
    lost, gained = int(sums.lost[column]), int(sums.gained[column])
    if lost or gained:
        return f"no segment has a value on both sides: {lost} only the baseline's, {gained} only the candidate's"
    return "no segment has a value"


def _range(low: float, high: float) -> Range:
    return _known(low), _known(high)


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
