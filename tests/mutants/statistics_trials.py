"""Trials whose answers tell the statistics and the gate's policy from ones that were tampered with.

Run as a program it prints each trial's answer as JSON, by whichever `harness` is found first.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator

import numpy as np

from harness.compare import compare_traces
from harness.compare.budgets import Spent, judge_budget
from harness.compare.statistics import Look, Pairs, Question, judge_claims, sum_routes
from harness.compare.statistics.bootstrap import bca_ends, bootstrap_intervals
from harness.compare.statistics.discovery import adjusted_p, level_for_one
from harness.compare.statistics.family import Member, adjust_family
from harness.compare.statistics.rates import mcnemar_p, rate_above_p
from harness.compare.statistics.sequential import above_zero_p, always_valid_p, confidence_sequence
from harness.compare.statistics.signflip import sign_flip_p
from harness.compare.statistics.student import equivalence_p, smallest_effect, smallest_margin, standard_error
from harness.domain import Check, EventRules
from harness.intent import (
    PR_POLICY,
    RELEASE_POLICY,
    Action,
    Answer,
    Budget,
    Claim,
    ClaimResult,
    Expectation,
    GatePolicy,
    Size,
)
from harness.verdict import RunRecord, gate, judge
from tests.mutants.comparison_trials import values
from tests.statistics.simulation import Design, differences, pairs_of
from tests.test_verdict import Verdict, record_of

IMPROVE, UNCHANGED, GUARD, BUDGET = Expectation
A = np.array([125, 115, 130, 140, 140, 115, 140, 125, 140, 135.0])
B = np.array([110, 122, 125, 120, 140, 124, 123, 137, 135, 145.0])
Trial = tuple[str, str, Callable[[], object]]  # name, the answer, how it is found


def _single(candidate: np.ndarray, baseline: np.ndarray) -> Pairs:
    names = tuple(f"r{number:02d}" for number in range(len(candidate)))
    return Pairs(names, names, candidate[:, None], baseline[:, None])


def _asked(expect: Expectation = IMPROVE, size: Size | None = None, worse: int = 1, metric: str = "m") -> Question:
    size = size or Size(0.03, relative=True)
    return Question(Claim(expect, metric, "all", size), "made", "error", "m", worse, size)


def _moved(by: float, spread: float = 0.1, seed: int = 1) -> Pairs:
    design = Design(24, 9)
    return pairs_of(design, by + spread * differences(design, 1, np.random.default_rng(seed)))


def _answer(pairs: Pairs, *questions: Question, **rest: object) -> str:
    return judge_claims(pairs, questions or [_asked()], **rest)[0].answer.value  # type: ignore[arg-type]


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6


def trials() -> Iterator[Trial]:
    """All of them; each answer is what untampered statistics say."""
    yield from _tests()
    yield from _intervals()
    yield from _looks()
    yield from _answers()
    yield from _policies()


def _tests() -> Iterator[Trial]:
    known = sum_routes(_single(A, B))
    yield "sign flip, known", "0.542968750", lambda: f"{sign_flip_p(known.difference, 0)[0]:.9f}"
    yield "equivalence, known", "0.037364995", lambda: f"{equivalence_p(known, 10 * known.count)[0]:.9f}"
    yield "six one way", "0.03125", lambda: sign_flip_p(np.ones((6, 1)), 0)[0]
    yield "nothing differs", "1.0", lambda: sign_flip_p(np.zeros((30, 1)), 0)[0]
    yield "far beyond", "True", lambda: 0 < sign_flip_p(np.full((60, 1), 2.0), 0)[0] < 1e-12
    hardly = np.concatenate([np.ones(38), -np.ones(12)])[:, None]
    yield "drawn, never nothing", "True", lambda: 2e-5 <= sign_flip_p(hardly, 0)[0] < 1e-3
    yield (
        "drawn, one side is not enough",
        "True",
        lambda: 0.4 < sign_flip_p(np.concatenate([np.ones(22), -np.ones(18)])[:, None], 0)[0] < 0.9,
    )
    even = np.concatenate([np.ones(22), -np.ones(18)])[:, None]
    yield "what was seen is one of those drawn", "True", lambda: _is_whole(sign_flip_p(even, 0)[0] * 5000)
    near = np.array([0.04, 0.041, 0.042, 0.05])
    yield "BH of near ones", "0.05 0.05 0.05 0.05", lambda: " ".join(f"{each:.2f}" for each in adjusted_p(near, "bh"))
    yield "McNemar", "0.0625", lambda: mcnemar_p(5, 0)
    yield "a rate above", "0.0105", lambda: f"{rate_above_p(12, 3, 1.0, 0.9):.4f}"
    p = np.array([0.001, 0.01, 0.04, 0.2])
    yield "BY", "0.0083 0.0417 0.1111 0.4167", lambda: " ".join(f"{each:.4f}" for each in adjusted_p(p))
    yield "BH", "0.0040 0.0200 0.0533 0.2000", lambda: " ".join(f"{each:.4f}" for each in adjusted_p(p, "bh"))
    yield "the level of one", "0.0180", lambda: f"{level_for_one(adjusted_p(p), 0.05)[3]:.4f}"
    yield (
        "three equal segments",
        "0.125",
        lambda: equivalence_p(sums := sum_routes(_single(A[:3], A[:3])), sums.count)[0],
    )
    members = [Member(p[:2], ("a", "b"), 0.05), Member(p[[2, 3, 0]], ("c", "d", "a"), 0.01)]
    family = adjust_family(members, "by")
    yield (
        "two intents are one family",
        "0.0083 0.0417 | 0.1111 0.4167 0.0083 of 4",
        lambda: " | ".join(" ".join(f"{each:.4f}" for each in part.p) for part in family) + f" of {family[0].asked}",
    )
    yield (
        "levels in a family",
        "0.0120 0.0120 | 0.0024 0.0024 0.0012",
        lambda: " | ".join(" ".join(f"{each:.4f}" for each in part.level) for part in family),
    )
    clustered = sum_routes(pairs_of(Design(12, 3, 1.0), np.repeat([1.0, 2.0, 4.0], 4)[:, None]))
    yield "the spread of routes", "0.8819", lambda: f"{standard_error(clustered.difference, clustered.count)[0]:.4f}"


def _intervals() -> Iterator[Trial]:
    sums = sum_routes(_moved(1.0, 0.5))

    def ends() -> str:
        spans = bootstrap_intervals(sums, 0.95, 1)
        return " ".join(f"{each[0]:.2f}" for each in (spans.low, spans.high, spans.share_low, spans.share_high))

    yield "an interval", "0.83 1.56 0.08 0.16", ends
    values = np.random.default_rng(1).exponential(size=40)
    rng = np.random.default_rng(2)
    drawn = rng.multinomial(40, np.full(40, 1 / 40), 4000) @ values / 40
    left_out = (values.sum() - values) / 39
    yield (
        "BCa leans",
        "0.94 2.00",
        lambda: " ".join(f"{each:.2f}" for each in bca_ends(drawn, left_out, float(values.mean()), 0.95)),
    )
    few = sum_routes(pairs_of(Design(10, 5), np.arange(10.0)[:, None]))
    yield "five routes have none", "nan", lambda: bootstrap_intervals(few, 0.95, 1).low[0]
    yield "the smallest effect", "0.5219", lambda: f"{smallest_effect(0.18, 30, 0.05):.4f}"
    yield "of five routes", "inf", lambda: smallest_effect(0.18, 5, 0.05)
    yield "the smallest margin", "0.5419", lambda: f"{smallest_margin(0.18, 30, 0.05, both_sides=True):.4f}"


def _looks() -> Iterator[Trial]:
    def look(values: np.ndarray) -> Look:
        return Look(values, np.full(len(values), 10.0), np.ones(len(values)))

    strong, noise = np.full(25, 1.0), np.random.default_rng(1).normal(0.4, 1.0, 40)
    yield "evidence", "True", lambda: 1e-5 < always_valid_p([look(strong)]) < 1e-3
    yield "found once", "True", lambda: always_valid_p([look(strong), look(-strong)]) == always_valid_p([look(strong)])
    yield "below is not above", "1.0", lambda: above_zero_p([look(-strong)])
    ends = confidence_sequence([look(noise)])
    yield "a sequence", "-0.16 0.96", lambda: " ".join(f"{end:.2f}" for end in ends)

    def ever() -> int:
        moved = np.random.default_rng(3).standard_t(3, (400, 120))
        return sum(
            always_valid_p([look(row[first : first + 6]) for first in range(0, 120, 6)]) <= 0.05 for row in moved
        )

    yield "twenty looks at nothing", "True", lambda: ever() <= 20
    yield "a look is power too", "True", lambda: always_valid_p([look(noise[:20] + 0.3), look(noise[20:] + 0.3)]) < 0.01


def _answers() -> Iterator[Trial]:
    yield "better", "PROVED better", lambda: _answer(_moved(-1.0))
    yield "worse", "PROVED worse", lambda: _answer(_moved(1.0))
    yield "more is better", "PROVED better", lambda: _answer(_moved(1.0), _asked(worse=-1))
    yield "no better side", "PROVED changed", lambda: _answer(_moved(1.0), _asked(UNCHANGED, worse=0))
    yield "sure and too small", "INCONCLUSIVE", lambda: _answer(_moved(0.25, 0.08))
    yield "sure and immaterial", "PROVED equivalent", lambda: _answer(_moved(0.1, 0.02), _asked(UNCHANGED))
    yield "unsure", "INCONCLUSIVE", lambda: _answer(_moved(0.4, 2.0))
    yield "a guard", "PROVED not worse", lambda: _answer(_moved(-0.3, 0.2), _asked(GUARD))
    yield (
        "a guard of what should be more",
        "PROVED not worse",
        lambda: _answer(_moved(0.22, 0.2), _asked(GUARD, worse=-1)),
    )
    yield "not worse is not unchanged", "INCONCLUSIVE", lambda: _answer(_moved(-0.27, 0.2), _asked(UNCHANGED))
    yield "an amount", "PROVED worse", lambda: _answer(_moved(0.2, 0.05), _asked(size=Size(0.15)))
    yield "less than the amount", "PROVED equivalent", lambda: _answer(_moved(0.1, 0.02), _asked(size=Size(0.15)))
    three = Design(3, 3)
    yield "three segments", "INCONCLUSIVE", lambda: _answer(pairs_of(three, np.full((3, 1), -5.0)))
    yield "three equal ones", "INCONCLUSIVE", lambda: _answer(pairs_of(three, np.zeros((3, 1))), _asked(UNCHANGED))

    def lost(by: float, *questions: Question) -> str:
        pairs = _moved(by)
        candidate = pairs.candidate.copy()
        candidate[3] = np.nan
        return _answer(dataclasses.replace(pairs, candidate=candidate), *questions)

    yield "a lost value", "INCONCLUSIVE", lambda: lost(-1.0)
    yield "a lost value of a twin", "INCONCLUSIVE", lambda: lost(0.0, _asked(UNCHANGED))
    yield "worse all the same", "PROVED worse", lambda: lost(1.0)
    none = np.full((8, 1), np.nan)
    yield "no value", "NO DATA", lambda: _answer(Pairs(tuple("abcdefgh"), tuple("abcdefgh"), none, none))
    noise = differences(Design(24, 9), 30, np.random.default_rng(6))
    moved = _moved(0.6, 0.75)
    many = pairs_of(Design(24, 9), np.concatenate([moved.candidate - moved.baseline, noise], axis=1))
    yield "among many", "INCONCLUSIVE", lambda: _answer(many, *(_asked(metric=f"m{number}") for number in range(31)))
    yield "on its own", "PROVED worse", lambda: _answer(moved)
    alike = pairs_of(Design(60, 5, 1.0), np.repeat([0.4, 0.5, 0.6, 0.5, 0.4], 12)[:, None])
    yield "minutes of five drives", "INCONCLUSIVE", lambda: _answer(alike)
    soft = EventRules(types=("softDisable",))

    def spent(budget: Budget, *counts: tuple[int, int, int]) -> str:
        found = [Spent(f"r{at}/0", f"r{at}", *each) for at, each in enumerate(counts)]
        return judge_budget(budget, "made", found).answer.value

    new = Budget("x", rules=soft, new=0)
    more = Budget("x", rules=soft, more=Size(0.1, relative=True))
    yield "a new one", "OVER BUDGET", lambda: spent(new, (1, 1, 1))
    yield "none new", "WITHIN BUDGET", lambda: spent(new, (1, 2, 0))
    yield "a few more", "INCONCLUSIVE", lambda: spent(more, (12, 10, 2))
    yield "many more", "OVER BUDGET", lambda: spent(more, (40, 10, 30))
    yield "within the share", "WITHIN BUDGET", lambda: spent(more, (11, 10, 1))
    yield "no segment", "NO DATA", lambda: spent(more)


def _policies() -> Iterator[Trial]:
    def claim(expect: Expectation, answer: Answer) -> ClaimResult:
        return ClaimResult("made", "one", expect, answer, "words")

    def decided(policy: GatePolicy, *claims: ClaimResult, **rest: object) -> str:
        record: RunRecord = record_of(Verdict.PASS, claims=claims, gate_policy=policy, **rest)
        found = gate(record)
        return f"{int(found.exit_code)}{' warned' if found.warnings else ''}"

    for expect, answer, pr, release in (
        (IMPROVE, Answer.BETTER, "0", "0"),
        (IMPROVE, Answer.EQUIVALENT, "0 warned", "1"),
        (IMPROVE, Answer.WORSE, "1", "1"),
        (IMPROVE, Answer.INCONCLUSIVE, "0 warned", "3"),
        (IMPROVE, Answer.NO_DATA, "3", "3"),
        (UNCHANGED, Answer.EQUIVALENT, "0", "0"),
        (UNCHANGED, Answer.BETTER, "0 warned", "1"),
        (UNCHANGED, Answer.CHANGED, "1", "1"),
        (GUARD, Answer.NOT_WORSE, "0", "0"),
        (GUARD, Answer.EQUIVALENT, "0", "0"),
        (GUARD, Answer.WORSE, "1", "1"),
        (BUDGET, Answer.WITHIN_BUDGET, "0", "0"),
        (BUDGET, Answer.OVER_BUDGET, "1", "1"),
        (BUDGET, Answer.NO_DATA, "3", "3"),
    ):
        for policy, code in ((PR_POLICY, pr), (RELEASE_POLICY, release)):
            name = f"{policy.name}: {expect.value}, {answer.value}"
            yield name, code, lambda policy=policy, expect=expect, answer=answer: decided(policy, claim(expect, answer))
    check = Check("plan", ("value",), replaced=True)
    much = [0.5 * (frame % 40 == 10) for frame in range(400)]
    for name, said, numbers in (
        ("replaced, moved", "PASS", [0.0, 0.5]),
        ("replaced, no number", "FAIL", [0.0, np.nan]),
        ("replaced, infinite", "FAIL", [0.0, np.inf]),
        ("replaced, infinite at last", "FAIL", [*much, 0.0, np.inf]),
    ):
        sides = values(*[0.0] * len(numbers)), values(*numbers)
        yield name, said, lambda sides=sides: judge(compare_traces(*sides, (check,)), None).value
    yield "a claim that vanished", "3", lambda: decided(PR_POLICY, planned_claims=("made: one",))
    lax = GatePolicy("lax", *[Action.WARN] * 4)
    yield "no data under any policy", "3", lambda: decided(lax, claim(IMPROVE, Answer.NO_DATA))
    yield "the stricter of two", "3", lambda: decided(lax.stricter(RELEASE_POLICY), claim(IMPROVE, Answer.INCONCLUSIVE))
    both = (claim(IMPROVE, Answer.WORSE), claim(GUARD, Answer.INCONCLUSIVE))
    yield "worse goes first", "1", lambda: decided(RELEASE_POLICY, *both)


def found() -> dict[str, str]:
    """What each trial says now; an error is an answer too."""
    said = {}
    for name, _, how in trials():
        try:
            said[name] = str(how())
        except Exception as error:  # noqa: BLE001 a mutant may break anything
            said[name] = type(error).__name__
    return said


if __name__ == "__main__":
    print(json.dumps(found()))  # noqa: T201 the program's output
