"""Claims answered: what is proved, what is not, and in which words."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compare.statistics import (
    Asked,
    Look,
    Pairs,
    Question,
    decide,
    judge_claims,
    judge_intents,
    sum_routes,
)
from harness.intent import Answer, Claim, Expectation, Size
from tests.statistics.simulation import Design, differences, pairs_of

IMPROVE, UNCHANGED, GUARD = Expectation.IMPROVE, Expectation.UNCHANGED, Expectation.GUARD
THREE_PERCENT = Size(0.03, relative=True)
DESIGN = Design(24, 9)


def asked(
    expect: Expectation = IMPROVE, size: Size = THREE_PERCENT, worse: int = 1, metric: str = "lateral_error_2s"
) -> Question:
    return Question(Claim(expect, metric, "all", size), "made", "lateral error at 2 s", "m", worse, size)


def moved(by: float, spread: float = 0.1, design: Design = DESIGN, seed: int = 1) -> Pairs:
    """Pairs around a baseline of 10 m that differ by `by` m, give or take."""
    return pairs_of(design, by + spread * differences(design, 1, np.random.default_rng(seed)))


def sides_swapped(pairs: Pairs) -> Pairs:
    return dataclasses.replace(pairs, candidate=pairs.baseline, baseline=pairs.candidate)


@pytest.mark.parametrize(
    ("expect", "worse", "by", "spread", "answer"),
    [
        (IMPROVE, 1, -1.0, 0.1, Answer.BETTER),
        (IMPROVE, -1, 1.0, 0.1, Answer.BETTER),
        (IMPROVE, 1, 1.0, 0.1, Answer.WORSE),
        (UNCHANGED, 0, 1.0, 0.1, Answer.CHANGED),
        (UNCHANGED, 1, 0.0, 0.1, Answer.EQUIVALENT),
        (UNCHANGED, 1, 0.1, 0.02, Answer.EQUIVALENT),  # it differs, but by nothing that matters
        (UNCHANGED, 1, 0.0, 2.0, Answer.INCONCLUSIVE),
        (GUARD, 1, 0.0, 2.0, Answer.INCONCLUSIVE),
        (GUARD, 1, -0.3, 0.2, Answer.NOT_WORSE),
        (UNCHANGED, 1, -0.27, 0.2, Answer.INCONCLUSIVE),  # the same figures, without a good side
        (GUARD, -1, 0.22, 0.2, Answer.NOT_WORSE),
        (GUARD, -1, -0.27, 0.2, Answer.INCONCLUSIVE),
    ],
)
def test_the_answer(expect: Expectation, worse: int, by: float, spread: float, answer: Answer):
    found = judge_claims(moved(by, spread), [asked(expect, worse=worse)])[0]
    assert found.answer is answer


def test_what_is_sure_and_too_small_is_not_proved():
    found = judge_claims(moved(0.25, 0.08), [asked()])[0]
    assert found.adjusted_p is not None
    assert found.adjusted_p < 0.05
    assert found.answer is Answer.INCONCLUSIVE
    assert "surely differs" in found.words
    assert "would settle it" in found.words


def test_a_decision_by_its_figures():
    question = asked()
    sure = {"adjusted_p": 0.01, "equivalence_p": 0.9, "not_worse_p": 0.9, "alpha": 0.05}
    unsure = sure | {"adjusted_p": 0.06}
    assert decide(question, effect=0.4, size=0.3, **sure) is Answer.WORSE
    assert decide(question, effect=0.3, size=0.3, **sure) is Answer.WORSE  # at the size it matters
    assert decide(question, effect=0.29, size=0.3, **sure) is Answer.INCONCLUSIVE
    assert decide(question, effect=-0.4, size=0.3, **sure) is Answer.BETTER
    assert decide(question, effect=0.4, size=0.3, **unsure) is Answer.INCONCLUSIVE
    assert decide(question, effect=0.0, size=0.0, **sure) is Answer.INCONCLUSIVE
    level = sure | {"adjusted_p": 0.05, "equivalence_p": 0.05}
    assert decide(question, effect=0.4, size=0.3, **level) is Answer.WORSE
    assert decide(question, effect=0.1, size=0.3, **level) is Answer.EQUIVALENT
    nan = dict.fromkeys(("adjusted_p", "equivalence_p", "not_worse_p"), float("nan"))
    assert decide(question, effect=9.0, size=0.3, alpha=0.05, **nan) is Answer.INCONCLUSIVE


def test_what_the_candidate_lost_a_value_of_cannot_be_well():
    pairs = moved(-1.0)
    candidate = pairs.candidate.copy()
    candidate[3] = np.nan
    found = judge_claims(dataclasses.replace(pairs, candidate=candidate), [asked()])[0]
    assert found.answer is Answer.INCONCLUSIVE
    assert found.words.startswith("1 segment lost the value that the baseline has")
    assert found.segments == 23
    equal = judge_claims(dataclasses.replace(moved(0.0), candidate=candidate + 1.0), [asked(UNCHANGED)])[0]
    assert equal.answer is Answer.INCONCLUSIVE
    worse = judge_claims(dataclasses.replace(pairs, candidate=candidate + 2.0), [asked()])[0]
    assert worse.answer is Answer.WORSE  # that much is known all the same
    gained = judge_claims(sides_swapped(dataclasses.replace(pairs, candidate=candidate)), [asked()])[0]
    assert gained.answer is Answer.WORSE


def test_no_value_is_no_answer():
    none = np.full((4, 1), np.nan)
    names = tuple("abcd")
    found = judge_claims(Pairs(names, names, none, none), [asked()])[0]
    assert found.answer is Answer.NO_DATA
    assert found.words == "no segment has a value"
    half = judge_claims(Pairs(names, names, none, np.ones((4, 1))), [asked()])[0]
    assert half.answer is Answer.NO_DATA
    assert "4 only the baseline's" in half.words
    assert judge_claims(Pairs((), (), np.zeros((0, 1)), np.zeros((0, 1))), [asked()])[0].answer is Answer.NO_DATA


def test_three_segments_can_show_nothing():
    design = Design(3, 3)
    for expect in (IMPROVE, UNCHANGED, GUARD):
        for by in (-5.0, 0.0):
            found = judge_claims(pairs_of(design, np.full((3, 1), by)), [asked(expect)])[0]
            assert found.answer is Answer.INCONCLUSIVE
            assert found.interval == (None, None)
            words = {
                IMPROVE: "3 segments of 3 routes can show no difference, however large: at least 6 routes are needed",
                UNCHANGED: "3 segments of 3 routes cannot show that it stays within any margin: at least 5 routes",
                GUARD: "3 segments of 3 routes cannot show that it stays within any margin: at least 5 routes",
            }
            assert found.words.startswith(words[expect])


def test_the_words_a_person_reads():
    found = judge_claims(moved(-0.8, 1.0), [asked()])[0]
    assert found.figures == ("candidate 9.59 m, baseline 10.0 m · −4.1 % (95 % −11 … +3.2), 24 segments of 9 routes")
    assert found.answer is Answer.INCONCLUSIVE
    assert found.words == "could have shown 10 % or more; about 190 more segments would settle 3 %"
    plain = judge_claims(moved(-0.8, 1.0), [asked(size=Size(0.3))])[0]
    assert plain.words == "could have shown 1 m or more; about 190 more segments would settle 0.3 m"
    worse = judge_claims(moved(1.0), [asked()])[0]
    first, newline, most = worse.words.partition("\n")
    assert first == "3 % matters; chance alone would do as much once in 260 times (p 0.0039)"
    assert newline
    assert most.startswith("most in r000")
    assert most.count("m,") == 2
    equal = judge_claims(moved(0.0, 0.01), [asked(UNCHANGED)])[0]
    assert equal.words.startswith("within ±3 %; were it more, it would look like this ")
    assert judge_claims(moved(-1.0), [asked()])[0].words == (
        "3 % or more was asked for; chance alone would do as much once in 260 times (p 0.0039)"
    )


def test_many_questions_make_each_harder():
    pairs = moved(0.6, 0.75)
    alone = judge_claims(pairs, [asked()])[0]
    assert alone.answer is Answer.WORSE
    noise = differences(DESIGN, 30, np.random.default_rng(6))
    many = pairs_of(DESIGN, np.concatenate([pairs.candidate - pairs.baseline, noise], axis=1))
    questions = [asked(metric=f"metric {number}") for number in range(31)]
    for discovery in ("by", "bh"):
        among = judge_claims(many, questions, discovery=discovery)[0]
        assert among.p == alone.p
        assert among.answer is Answer.INCONCLUSIVE
        assert among.smallest is None or among.smallest > (alone.smallest or 0.0)
    by, bh = (judge_claims(many, questions, discovery=name)[0].adjusted_p for name in ("by", "bh"))
    assert by is not None
    assert bh is not None
    assert by >= bh


def test_intents_of_a_run_are_one_family():
    """In one intent or in three, questions are adjusted alike; each answers by its own confidence."""
    moved_by = 0.5 + differences(DESIGN, 6, np.random.default_rng(3))
    pairs = pairs_of(DESIGN, moved_by)
    questions = [asked(metric=f"metric {number}") for number in range(6)]

    def of(*columns: int, confidence: float = 0.95) -> Asked:
        chosen = list(columns)
        part = dataclasses.replace(pairs, candidate=pairs.candidate[:, chosen], baseline=pairs.baseline[:, chosen])
        return Asked(part, tuple(questions[column] for column in columns), confidence)

    together = judge_claims(pairs, questions)
    apart = judge_intents([of(0, 1, 2), of(3, 4), of(5)])
    assert [claim for answers in apart for claim in answers] == list(together)
    again = judge_intents([of(0, 1, 2), of(3, 4), of(5), of(2, 0)])
    assert again[:3] == apart  # what is asked twice is one question
    assert again[3] == (together[2], together[0])
    sure = judge_intents([of(0, 1, 2), of(3, 4, 5, confidence=0.999)])
    assert [claim.adjusted_p for answers in sure for claim in answers] == [claim.adjusted_p for claim in together]
    assert sure[1][0].smallest is None or sure[1][0].smallest > (together[3].smallest or 0.0)


def test_a_baseline_of_nothing_has_no_share():
    pairs = pairs_of(DESIGN, 1.0 + 0.1 * differences(DESIGN, 1, np.random.default_rng(1)), 0.0)
    found = judge_claims(pairs, [asked(size=Size(0.5))])[0]
    assert found.answer is Answer.WORSE
    assert found.share is None
    assert "· +1 m (95 % +0.97 … +1.1)" in found.figures
    relative = judge_claims(pairs, [asked(UNCHANGED)])[0]
    assert relative.size == 0.0


def test_all_looks_count_and_each_route_once():
    design = Design(48, 48)
    pairs = moved(-1.0, 1.5, design)
    sums = sum_routes(pairs)
    halves = [slice(0, 24), slice(24, 48)]
    looks = [Look(*(part[half, 0] for part in (sums.difference, sums.baseline, sums.count))) for half in halves]
    found = judge_claims(pairs, [asked()], looks={0: looks})[0]
    assert found.looks == 2
    assert found.answer is Answer.BETTER
    assert "look 2" in found.words
    low, high = found.interval
    plain = judge_claims(pairs, [asked()])[0].interval
    assert low is not None
    assert high is not None
    assert plain[0] is not None
    assert low < plain[0]
    first = judge_claims(pairs, [asked()], looks={0: looks[:1]})[0]
    assert first.answer is Answer.INCONCLUSIVE
    still = moved(0.0, 0.2, design)
    sums = sum_routes(still)
    series = [Look(sums.difference[:, 0], sums.baseline[:, 0], sums.count[:, 0])]
    assert judge_claims(still, [asked(UNCHANGED)], looks={0: series})[0].answer is Answer.EQUIVALENT
    assert judge_claims(still, [asked(GUARD)], looks={0: series})[0].answer is Answer.EQUIVALENT


_FLIPPED = {Answer.BETTER: Answer.WORSE, Answer.WORSE: Answer.BETTER}


@settings(max_examples=25)
@given(st.floats(-0.6, 0.6), st.integers(0, 1000))
def test_swapping_sides_negates(by: float, seed: int):
    pairs = moved(by, 0.3, seed=seed)
    question = asked(UNCHANGED, Size(0.3))
    ours, theirs = judge_claims(pairs, [question])[0], judge_claims(sides_swapped(pairs), [question])[0]
    assert theirs.answer is _FLIPPED.get(ours.answer, ours.answer)
    assert theirs.effect == pytest.approx(-(ours.effect or 0.0))
    assert theirs.p == pytest.approx(ours.p)
    assert theirs.smallest == pytest.approx(ours.smallest)
    low, high = ours.interval
    assert theirs.interval == pytest.approx((-(high or 0.0), -(low or 0.0)), abs=1e-9)


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_the_order_of_segments_changes_nothing(seed: int):
    pairs = moved(0.2, 0.3, seed=3)
    order = np.random.default_rng(seed).permutation(len(pairs.segments))
    turned = Pairs(
        tuple(pairs.segments[row] for row in order),
        tuple(pairs.routes[row] for row in order),
        pairs.candidate[order],
        pairs.baseline[order],
    )
    assert judge_claims(turned, [asked()]) == judge_claims(pairs, [asked()])
