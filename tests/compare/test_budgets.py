"""Budgets of events and engagement over a whole run."""

from __future__ import annotations

import pytest

from harness.compare.budgets import Spent, judge_budget, spend
from harness.domain import EventRules
from harness.intent import Answer, Budget, Pooled, Size
from harness.trace import Trace
from tests.compare.made_events import made, soft_disable

SOFT = EventRules(types=("softDisable",))
NEW = Budget("soft disables", rules=SOFT, new=0)
MORE = Budget("soft disables", rules=SOFT, more=Size(0.1, relative=True))
PLAIN = made()


def spent(*counts: tuple[int, int]) -> list[Spent]:
    return [
        Spent(f"r{number}/0", f"r{number}", ours, theirs, max(ours - theirs, 0))
        for number, (ours, theirs) in enumerate(counts)
    ]


def ends(count: int, speed_mps: float = 20.0) -> Trace:
    """A minute that is engaged but for as many moments."""
    states = [(0.0, "enabled")]
    for number in range(count):
        states += [(5.0 + 10 * number, "disabled"), (6.0 + 10 * number, "enabled")]
    return made(states=states, speed_mps=speed_mps)


def test_what_a_segment_costs():
    found = spend(NEW, PLAIN, soft_disable(10, 1), "d/l/0", "d/l")
    assert found is not None
    assert (found.candidate, found.baseline, found.new) == (1, 0, 1)
    moved = spend(NEW, soft_disable(30, 1), soft_disable(10, 1), "d/l/0", "d/l")
    assert moved is not None
    assert (moved.candidate, moved.baseline, moved.new) == (1, 1, 1)  # the same count, and yet a new one
    assert spend(NEW, made(without=("state",)), PLAIN, "d/l/0", "d/l") is None
    other = Budget("x", rules=EventRules(types=("softDisable",), names=("steerSaturated",)), new=0)
    none = spend(other, PLAIN, soft_disable(10, 1), "d/l/0", "d/l")
    assert none is not None
    assert none.new == 0


def test_no_new_one():
    kept = judge_budget(NEW, "made", spent((1, 1), (0, 2)))
    assert kept.answer is Answer.WITHIN_BUDGET
    assert kept.figures == "candidate 1 event, baseline 3 events · −2 events, 2 segments of 2 routes"
    over = judge_budget(NEW, "made", spent((1, 0), (0, 2)))
    assert over.answer is Answer.OVER_BUDGET
    assert over.words == (
        "1 new, at most 0 allowed; in 1 segment only the candidate has any, in 1 only the baseline (McNemar p 1)"
        "\nmost in r0/0 +1 events"
    )
    assert judge_budget(Budget("x", rules=SOFT, new=1), "made", spent((1, 0))).answer is Answer.WITHIN_BUDGET


@pytest.mark.parametrize(
    ("counts", "answer"),
    [
        ([(10, 10)], Answer.WITHIN_BUDGET),
        ([(11, 10)], Answer.WITHIN_BUDGET),
        ([(12, 10)], Answer.INCONCLUSIVE),
        ([(1, 0)], Answer.INCONCLUSIVE),
        ([(9, 0)], Answer.OVER_BUDGET),
        ([(40, 10), (20, 10)], Answer.OVER_BUDGET),
        ([(0, 0)], Answer.WITHIN_BUDGET),
    ],
)
def test_so_much_more_as_a_share(counts: list[tuple[int, int]], answer: Answer):
    found = judge_budget(MORE, "made", spent(*counts))
    assert found.answer is answer
    assert ("not surely" in found.words) is (answer is Answer.INCONCLUSIVE)
    assert ("would settle it" in found.words) is bool(found.more_segments)
    assert found.more_segments is None or answer is Answer.INCONCLUSIVE


def test_what_would_settle_a_share():
    """So many more segments with the same rates, and one step fewer would not."""
    found = judge_budget(MORE, "made", spent((12, 6), (8, 6), (2, 2), (2, 2)))
    assert found.answer is Answer.INCONCLUSIVE
    assert found.more_segments is not None
    times = found.more_segments // 4
    assert f"about {found.more_segments} more segments of the same rates would settle it" in found.words
    once_more = [(12, 6), (8, 6), (2, 2), (2, 2)]
    settled = judge_budget(MORE, "made", spent(*once_more * (times + 2)))
    assert settled.answer is Answer.OVER_BUDGET
    assert judge_budget(MORE, "made", spent(*once_more * times)).answer is Answer.INCONCLUSIVE


def test_so_much_more_as_a_number_is_a_count():
    budget = Budget("aborts", rules=SOFT, more=Size(2))
    assert judge_budget(budget, "made", spent((3, 1))).answer is Answer.WITHIN_BUDGET
    assert judge_budget(budget, "made", spent((4, 1))).answer is Answer.OVER_BUDGET


def test_no_segment_is_no_data():
    for budget in (NEW, MORE, Budget("time engaged", pooled=Pooled.ENGAGED_SHARE, less=Size(0.01))):
        assert judge_budget(budget, "made", []).answer is Answer.NO_DATA


def test_disengagements_are_a_rate_over_what_was_engaged():
    budget = Budget("ends", pooled=Pooled.DISENGAGEMENTS, more=Size(0.1, relative=True))
    pairs = [spend(budget, ends(1), ends(4), f"r{number}/0", f"r{number}") for number in range(6)]
    found = judge_budget(budget, "made", [each for each in pairs if each])
    assert found.answer is Answer.OVER_BUDGET
    assert found.unit == "per 100 km"
    assert found.baseline == pytest.approx(6 / (6 * 59 * 20 / 1e5), rel=0.01)
    assert found.share == pytest.approx(4 * 59 / 56 - 1, rel=0.01)
    slow = [spend(budget, ends(1, 20.0), ends(4, 100.0), f"r{number}/0", f"r{number}") for number in range(6)]
    assert judge_budget(budget, "made", [each for each in slow if each]).answer is Answer.WITHIN_BUDGET
    unknown = spend(budget, ends(1, 0.0), ends(4, 0.0), "r/0", "r")
    assert unknown is not None
    assert judge_budget(budget, "made", [unknown]).answer is Answer.INCONCLUSIVE  # by time, and four are few


def test_only_the_drivers_own_count():
    budget = Budget("ends", pooled=Pooled.DRIVER_DISENGAGEMENTS, more=Size(0.0, relative=True))
    by_hand = made(
        {("userDisable", "buttonCancel"): [(5.0, 5.2)]}, states=[(0.0, "enabled"), (5.0, "disabled"), (6.0, "enabled")]
    )
    found = spend(budget, PLAIN, by_hand, "r/0", "r")
    assert found is not None
    assert (found.candidate, found.baseline) == (1, 0)
    itself = spend(budget, PLAIN, ends(1), "r/0", "r")
    assert itself is not None
    assert itself.candidate == 0


def test_time_engaged():
    half = made(states=[(0.0, "enabled"), (30.0, "disabled")])
    for less, answer in ((0.4, Answer.OVER_BUDGET), (0.6, Answer.WITHIN_BUDGET)):
        budget = Budget("time engaged", pooled=Pooled.ENGAGED_SHARE, less=Size(less, relative=True))
        pair = spend(budget, PLAIN, half, "r/0", "r")
        assert pair is not None
        found = judge_budget(budget, "made", [pair])
        assert found.answer is answer
        assert found.candidate == pytest.approx(0.5, abs=0.01)


def test_events_that_the_candidate_lost_are_not_within_any_budget():
    kept = judge_budget(NEW, "i", spent((0, 0), (0, 1)), lost=2)
    assert kept.answer is Answer.INCONCLUSIVE
    assert "2 segments lost the events that the baseline has" in kept.words
    assert judge_budget(NEW, "i", spent((1, 0)), lost=2).answer is Answer.OVER_BUDGET
