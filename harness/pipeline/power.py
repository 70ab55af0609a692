"""Whether a suite's segments can answer what an intent asks: the smallest effect that so many of them would show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.compare.statistics import Question
from harness.compare.statistics.discovery import level_for_one
from harness.compare.statistics.signflip import routes_needed
from harness.compare.statistics.student import segments_needed, smallest_effect
from harness.compare.statistics.words import about, amount, counted
from harness.errors import ConfigError, ConfigMistakesError
from harness.intent import Intent, Size
from harness.pipeline.intents import Declared
from harness.pipeline.spreads import Spread, spread_key

_FORCE = "add segments, ask for more, or --force-intent"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a suite can show of one claim, in words; `enough` is None where nobody knows."""

    intent: str
    name: str
    words: str
    enough: bool | None
    where: str


def foresee(declared: Declared, segments: int, routes: int, spreads: Mapping[str, Spread]) -> tuple[Outlook, ...]:
    """An outlook for each claim that is asked by name, on so many segments of so many routes."""
    return tuple(
        _outlook(intent, question, len(questions), segments, routes, spreads)
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


def _outlook(
    intent: Intent, question: Question, asked: int, segments: int, routes: int, spreads: Mapping[str, Spread]
) -> Outlook:
    known = spreads.get(spread_key(question.claim.metric, question.claim.condition))
    answered = min(known.answered, 1.0) if known else 1.0
    count, places = max(round(segments * answered), 1), max(round(routes * answered), 1)
    level = float(level_for_one(np.ones(max(asked, 1)), 1.0 - intent.confidence, intent.discovery)[0])
    few = f"{counted(count, 'segment')} of {counted(places, 'route')}"

    def outlook(words: str, enough: bool | None) -> Outlook:
        return Outlook(intent.name, question.words, words, enough, question.claim.where)

    if places < (needed := routes_needed(level)):
        return outlook(f"{few} can show nothing, however large: at least {needed} routes are needed", False)
    size, spread = question.size, _spread(question, known)
    if spread is None:
        return outlook(f"{few}; nothing is known of its spread yet: `spread:` can say what is thought", None)
    asked_for = _alike(size, spread, known)
    if asked_for is None:
        return outlook(f"{few}; its mean is not known yet, to say what {_words(size, question)} is", None)
    error = spread.amount / math.sqrt(count)

    def smallest(factor: float) -> float:
        return float(smallest_effect(error / math.sqrt(factor), places * factor, level))

    least = smallest(1.0)
    shown = f"{few} can show {_least(least, size, spread, known, question)} or more"
    if least <= asked_for * (1 + 1e-9):
        return outlook(f"{shown}; {_words(size, question)} is asked for", True)
    total = segments_needed(count, asked_for, smallest)
    more = "" if total is None else f": {about(math.ceil((total - count) / answered))} more segments would"
    return outlook(f"{shown}, not {_words(size, question)}{more}", False)


def _spread(question: Question, known: Spread | None) -> Size | None:
    """What an intent declares goes before what runs have shown: it may know more of what will be replayed."""
    if question.claim.spread is not None:
        return question.claim.spread
    return None if known is None else Size(known.deviation)


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
