"""Whose turn a free slot is. Pure: the shelf decides by it, and simulations of the scheduler too.

Somebody waits for a prompt run, nobody for the nightly: prompt goes first. Nothing is ever taken from a holder; a
nightly run just gets no new slot. Among equals the one with the fewest slots goes first, then the one that has waited
longest. A claim that has aged goes before all of that, the oldest first, so that nothing starves: being served makes it
young again, so at worst it waits for its age and for once each of the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.domain import Priority

AGEING_S = 1800.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A holder that could use the slot. `held`: slots it has, anywhere. `waiting_s`: since it was last served so."""

    holder: str
    priority: Priority
    held: int
    waiting_s: float


def whose_turn(claims: Iterable[Claim], ageing_s: float = AGEING_S) -> str | None:
    """The holder that gets the slot; None when nobody wants it."""
    return min((_rank(claim, ageing_s), claim.holder) for claim in claims)[1] if (claims := tuple(claims)) else None


def _rank(claim: Claim, ageing_s: float) -> tuple[int, int, int, float]:
    """Smallest first."""
    if claim.waiting_s >= ageing_s:
        return (0, 0, 0, -claim.waiting_s)
    return (1, -claim.priority, claim.held, -claim.waiting_s)
