"""Which segments are replayed next when replaying never ends: the longest unseen first, sooner where risk is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

# A segment of the greatest risk comes about this many times as often as one of none.
GREATEST_WEIGHT = 8.0
_DISABLE_WEIGHT = 1.0
_MOST_DISABLES = 4
_RARE_WEIGHT = 3.0
_RARE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """A segment that could be replayed. `last_s` is the unix time of its last replay, None if there was none.

    `disables` counts soft and immediate disables while engaged, `car` is its fingerprint ("" unknown).
    """

    segment: str
    last_s: float | None
    disables: int = 0
    car: str = ""


@dataclass(frozen=True, slots=True)
class Picked:
    """A segment to replay now, and why: its weight, and how long ago it was replayed (None: never).

    `again`: devices failed it a round ago.
    """

    segment: str
    weight: float
    age_s: float | None
    again: bool = False


def pick(candidates: Sequence[Candidate], count: int, *, now_s: float, again: Sequence[str] = ()) -> tuple[Picked, ...]:
    """The `count` most urgent: never replayed first, then by age times weight.

    Weights are bounded, so that however risky the others are, every segment's turn comes. Those that are due `again`
    come before them, in half of the places at most (but one, if there are any).
    """
    cars = Counter(candidate.car for candidate in candidates if candidate.car)
    urgent = sorted(
        (
            Picked(
                candidate.segment,
                weigh(candidate, cars[candidate.car] / len(candidates)),
                None if candidate.last_s is None else max(0.0, now_s - candidate.last_s),
            )
            for candidate in candidates
        ),
        key=lambda entry: (
            entry.age_s is not None,
            -(entry.age_s or 0.0) * entry.weight,
            -entry.weight,
            entry.segment,
        ),
    )
    due = set(again)
    first = [replace(entry, again=True) for entry in urgent if entry.segment in due][: max(1, count // 2)]
    taken = {entry.segment for entry in first}
    return tuple([*first, *(entry for entry in urgent if entry.segment not in taken)][:count])


def weigh(candidate: Candidate, car_share: float) -> float:
    """How much sooner than an ordinary segment it comes: 1 to GREATEST_WEIGHT."""
    disables = _DISABLE_WEIGHT * min(candidate.disables, _MOST_DISABLES)
    rare = _RARE_WEIGHT if candidate.car and car_share < _RARE_SHARE else 0.0
    return min(GREATEST_WEIGHT, 1.0 + disables + rare)
