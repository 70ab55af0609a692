"""Whether a difference over segments is more than chance, how large it may be, and what would settle it."""

from harness.compare.statistics.claims import decide, judge_claims, judge_intents
from harness.compare.statistics.pairs import Bools, Pairs, make_pairs, sum_routes
from harness.compare.statistics.questions import Asked, Question
from harness.compare.statistics.sequential import Look

__all__ = [
    "Asked",
    "Bools",
    "Look",
    "Pairs",
    "Question",
    "decide",
    "judge_claims",
    "judge_intents",
    "make_pairs",
    "sum_routes",
]
