"""Whether a suite's segments can answer what an intent asks: the smallest effect that so many of them would show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from harness.compare.statistics import Question
from harness.compare.statistics.claims import could_show
from harness.compare.statistics.discovery import level_for_one
from harness.compare.statistics.student import segments_needed
from harness.compare.statistics.words import about, amount, counted, shown, too_few
from harness.errors import ConfigError, ConfigMistakesError
from harness.intent import Expectation, Intent, Size
from harness.pipeline.intents import MEASURED, Declared
from harness.pipeline.spreads import Spread, spread_key

_NO_TAGS: Mapping[str, tuple[int, int]] = MappingProxyType({})
_FORCE = "add segments, ask for more, or --force-intent"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a suite can show of one claim, in words; `enough` is None where nobody knows."""

    intent: str
    name: str
    words: str
    enough: bool | None
    where: str


@dataclass(frozen=True, slots=True)
class _Runs:
    """What is there to be replayed, and what earlier runs have shown."""

    segments: int
    routes: int
    spreads: Mapping[str, Spread]
    tagged: Mapping[str, tuple[int, int]]

    def of(self, condition: str, known: Spread | None) -> tuple[int, int, float]:
        """Segments and routes that will have a value, and the share that has: told by a tag, or by earlier runs."""
        if condition in self.tagged:
            segments, routes = self.tagged[condition]
            return segments, routes, max(segments, 1) / max(self.segments, 1)
        share = min(known.answered, 1.0) if known else 1.0
        return max(round(self.segments * share), 1), max(round(self.routes * share), 1), share


@dataclass(frozen=True, slots=True)
class _Family:
    """All questions of a run, each once: they are adjusted for each other."""

    questions: tuple[Question, ...]
    discovery: str

    def level(self, alpha: float) -> float:
        """How small p must be for what is to improve, where all that is to improve does."""
        wanted = sum(question.claim.expect is Expectation.IMPROVE for question in self.questions)
        p = np.ones(max(len(self.questions), 1))
        p[: max(wanted - 1, 0)] = 0.0
        return float(level_for_one(p, alpha, self.discovery)[-1])


def foresee(
    declared: Declared,
    segments: int,
    routes: int,
    spreads: Mapping[str, Spread],
    tagged: Mapping[str, tuple[int, int]] = _NO_TAGS,
) -> tuple[Outlook, ...]:
    """An outlook for each claim that is asked by name, on so many segments of so many routes.

    `tagged` says of how many segments and routes a suite's own conditions hold.
    """
    runs = _Runs(segments, routes, spreads, tagged)
    family = {each.column: each for questions in declared.questions for each in questions}
    asked = _Family(tuple(family.values()), declared.discovery)
    return tuple(
        _outlook(intent, question, asked, runs)
        for intent, questions in zip(declared.intents, declared.questions, strict=True)
        for question in questions
        if question.claim in intent.claims
    )


def refuse(outlooks: Sequence[Outlook]) -> None:
    """ConfigMistakesError naming every claim that the segments cannot answer."""
    errors = [
        ConfigError(f"{each.name}: {each.words}", where=each.where, remedy=_FORCE)
        for each in outlooks
        if each.enough is False
    ]
    if errors:
        raise ConfigMistakesError(tuple(errors))


def _outlook(intent: Intent, question: Question, asked: _Family, runs: _Runs) -> Outlook:
    claim, known = question.claim, runs.spreads.get(spread_key(*question.column))
    count, places, answered = runs.of(claim.condition, known)
    alpha = 1.0 - intent.confidence
    level = asked.level(alpha)
    few = f"{counted(count, 'segment')} of {counted(places, 'route')}"

    def outlook(words: str, enough: bool | None) -> Outlook:
        return Outlook(intent.name, question.words, words, enough, claim.where)

    if not count:
        return outlook(f"the suite has no segment of `{claim.condition}`", False)
    if not runs.segments:
        return outlook(f"the suite has no segment for {MEASURED}", False)
    if not math.isfinite(could_show(claim.expect, 1.0, places, level, alpha)):
        return outlook(too_few(claim.expect, count, places, level, alpha), False)
    size, spread = question.size, _spread(question, known)
    if spread is None:
        return outlook(f"{few}; nothing is known of its spread yet: `spread:` can say what is thought", None)
    asked_for = _alike(size, spread, known)
    if asked_for is None:
        return outlook(f"{few}; its mean is not known yet, to say what {_words(size, question)} is", None)
    error = spread.amount / math.sqrt(count)

    def smallest(factor: float) -> float:
        return could_show(claim.expect, error / math.sqrt(factor), places * factor, level, alpha)

    least = smallest(1.0)
    can = f"{few} can show {shown(claim.expect, _least(least, size, spread, known, question))}"
    if least <= asked_for * (1 + 1e-9):
        return outlook(f"{can}; {_words(size, question)} is asked for", True)
    total = segments_needed(count, asked_for, smallest)
    more = "" if total is None else f": {about(math.ceil((total - count) / answered))} more segments would"
    return outlook(f"{can}, not {_words(size, question)}{more}", False)


def _spread(question: Question, known: Spread | None) -> Size | None:
    """What an intent declares goes before what runs have shown: it may know more of what will be replayed."""
    if question.claim.spread is not None:
        return question.claim.spread
    return None if known is None or known.deviation is None else Size(known.deviation)


def _alike(size: Size, spread: Size, known: Spread | None) -> float | None:
    """`size` in what `spread` is in; None where that takes a mean which nobody knows."""
    if size.relative == spread.relative:
        return size.amount
    if known is None or not known.baseline:
        return None
    return size.of(known.baseline) if size.relative else size.amount / abs(known.baseline)


def _least(least: float, size: Size, spread: Size, known: Spread | None, question: Question) -> str:
    """The smallest effect in the words of what is asked for."""
    if size.relative != spread.relative and known is not None:
        least = least / abs(known.baseline) if size.relative else least * abs(known.baseline)
    return amount(least, question.unit, share=size.relative)


def _words(size: Size, question: Question) -> str:
    return amount(size.amount, question.unit, share=size.relative)
