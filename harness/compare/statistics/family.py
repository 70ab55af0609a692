"""The questions of a run as one family: what may close the same gate is adjusted together.

A gate asks whether anything got worse. Were each intent adjusted by itself, a change that changes nothing would be
called a regression twice as often under two intents as under one. A question that two intents ask of the same values
is one hypothesis, and counts once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.compare.statistics.discovery import adjusted_p, level_for_one
from harness.compare.statistics.pairs import Floats


@dataclass(frozen=True, slots=True)
class Member:
    """The questions of one intent: `p` (k,), NaN where there are no data, and by what hypothesis each is known."""

    p: Floats
    hypotheses: tuple[Hashable, ...]
    alpha: float


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Of one member: `p` (k,) as they count in the family, `level` (k,) how small each had to be, of `asked` in all."""

    p: Floats
    level: Floats
    asked: int


def adjust_family(members: Sequence[Member], method: str) -> tuple[Adjusted, ...]:
    """Every member's questions, adjusted for all of them. A hypothesis has the p it has where it is first asked."""
    places: dict[Hashable, int] = {}
    distinct: list[float] = []
    for member in members:
        for p, hypothesis in zip(member.p.tolist(), member.hypotheses, strict=True):
            if hypothesis not in places:
                places[hypothesis] = len(distinct)
                distinct.append(p)
    adjusted = adjusted_p(np.array(distinct, np.float64), method)
    asked = int((~np.isnan(adjusted)).sum())
    found = []
    for member in members:
        rows = [places[hypothesis] for hypothesis in member.hypotheses]
        found.append(Adjusted(adjusted[rows], level_for_one(adjusted, member.alpha, method)[rows], asked))
    return tuple(found)
