"""Whether a difference over segments is more than chance, how large it may be, and what would settle it."""

from harness.compare.statistics.claims import Question, decide, judge_claims
from harness.compare.statistics.pairs import Bools, Pairs, make_pairs, sum_routes
from harness.compare.statistics.sequential import Look

__all__ = ["Bools", "Look", "Pairs", "Question", "decide", "judge_claims", "make_pairs", "sum_routes"]
