"""Which segments come next: laws of the choice."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.pipeline.picking import GREATEST_WEIGHT, Candidate, pick, weigh

DAY_S = 86_400.0
NOW_S = 1e9


def test_never_replayed_comes_first_and_the_riskier_of_them_before():
    candidates = [
        Candidate("old", 0.0),
        Candidate("new", None),
        Candidate("new and risky", None, disables=2),
        Candidate("yesterday", NOW_S - DAY_S),
    ]
    assert [entry.segment for entry in pick(candidates, 3, now_s=NOW_S)] == ["new and risky", "new", "old"]


def test_risk_brings_a_segment_sooner_but_not_before_one_unseen_for_much_longer():
    calm, risky = Candidate("calm", NOW_S - 3 * DAY_S), Candidate("risky", NOW_S - DAY_S, disables=4)
    assert pick([calm, risky], 1, now_s=NOW_S)[0].segment == "risky"
    assert pick([replace(calm, last_s=NOW_S - 6 * DAY_S), risky], 1, now_s=NOW_S)[0].segment == "calm"


def test_a_rare_car_weighs_more_an_unknown_one_does_not():
    assert weigh(Candidate("s", None, car="RARE"), 0.01) > weigh(Candidate("s", None, car="COMMON"), 0.5) == 1.0
    assert weigh(Candidate("s", None, car=""), 0.0) == 1.0
    assert weigh(Candidate("s", None, disables=10_000, car="RARE"), 0.001) <= GREATEST_WEIGHT


def test_a_clock_that_went_back_makes_no_segment_negative():
    (entry,) = pick([Candidate("s", NOW_S + DAY_S)], 1, now_s=NOW_S)
    assert entry.age_s == 0.0


def test_what_devices_failed_comes_again_first_in_half_of_the_places():
    candidates = [Candidate("new", None), *(Candidate(name, NOW_S) for name in ("a", "b", "c"))]
    chosen = pick(candidates, 4, now_s=NOW_S, again=("c", "b", "a", "gone"))
    assert [(entry.segment, entry.again) for entry in chosen] == [
        ("a", True),
        ("b", True),
        ("new", False),
        ("c", False),
    ]
    assert [entry.segment for entry in pick(candidates, 1, now_s=NOW_S, again=("c",))] == ["c"]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["", "A", "B"])), min_size=1, max_size=30),
    st.integers(1, 4),
)
def test_every_segment_has_its_turn(kinds, count):
    """Round after round of `count`: none waits longer than GREATEST_WEIGHT passes over all, whatever the risks."""
    last: dict[str, float | None] = {str(number): None for number in range(len(kinds))}
    now_s = NOW_S
    bound = int(GREATEST_WEIGHT + 1) * -(-len(kinds) // count) + 2
    waited = dict.fromkeys(last, 0)
    for _ in range(4 * bound):
        now_s += DAY_S
        candidates = [Candidate(str(n), last[str(n)], disables, car) for n, (disables, car) in enumerate(kinds)]
        chosen = {entry.segment for entry in pick(candidates, count, now_s=now_s)}
        assert len(chosen) == min(count, len(kinds))
        for name in last:
            waited[name] = 0 if name in chosen else waited[name] + 1
            if name in chosen:
                last[name] = now_s
        assert max(waited.values()) <= bound
