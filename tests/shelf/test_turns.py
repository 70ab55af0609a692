"""Whose turn a slot is: laws of the policy, and simulations of closets that live by it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from harness.domain import Priority
from harness.shelf import AGEING_S, Claim, whose_turn

PROMPT, NIGHTLY = Priority.PROMPT, Priority.NIGHTLY
_CLAIMS = st.lists(
    st.builds(
        Claim,
        holder=st.sampled_from("abcdefgh"),
        priority=st.sampled_from(Priority),
        held=st.integers(0, 4),
        waiting_s=st.floats(0, 2 * AGEING_S, allow_nan=False),
    ),
    min_size=1,
    unique_by=lambda claim: claim.holder,
)


def test_nobody_wants_it() -> None:
    assert whose_turn([]) is None


def test_table() -> None:
    """Claims in the order in which they are served, the ones before gone."""
    served = [
        Claim("aged nightly", NIGHTLY, 9, AGEING_S + 2),
        Claim("aged prompt", PROMPT, 0, AGEING_S),
        Claim("prompt, has none, waits long", PROMPT, 0, 100.0),
        Claim("prompt, has none", PROMPT, 0, 99.0),
        Claim("prompt, has one", PROMPT, 1, 1000.0),
        Claim("prompt, has many", PROMPT, 7, AGEING_S - 1),
        Claim("nightly, has none", NIGHTLY, 0, AGEING_S - 1),
        Claim("nightly, has one", NIGHTLY, 1, AGEING_S - 1),
    ]
    for first, claim in enumerate(served):
        assert whose_turn(reversed(served[first:])) == claim.holder


@given(_CLAIMS)
def test_it_is_one_of_them_whatever_their_order(claims: list[Claim]) -> None:
    turn = whose_turn(claims)
    assert turn in {claim.holder for claim in claims}
    assert whose_turn(claims[::-1]) == turn


@given(_CLAIMS, st.floats(0, 1e6), st.integers(1, 3))
def test_waiting_longer_or_holding_less_never_loses_a_turn(claims: list[Claim], longer_s: float, fewer: int) -> None:
    turn = whose_turn(claims)
    for change in (
        lambda claim: replace(claim, waiting_s=claim.waiting_s + longer_s),
        lambda claim: replace(claim, held=max(0, claim.held - fewer)),
        lambda claim: replace(claim, priority=PROMPT),
    ):
        assert whose_turn([change(claim) if claim.holder == turn else claim for claim in claims]) == turn


@given(_CLAIMS)
def test_others_that_leave_do_not_take_a_turn_away(claims: list[Claim]) -> None:
    turn = whose_turn(claims)
    for gone in claims:
        if gone.holder != turn:
            assert whose_turn([claim for claim in claims if claim is not gone]) == turn


@dataclass
class _Run:
    name: str
    priority: Priority
    job_s: float
    left: int
    since_s: float
    held: int = 0
    longest_wait_s: float = 0.0


@dataclass
class _Shelf:
    """Slots that are given out as they get free; each run asks for as many as it has jobs left."""

    runs: list[_Run]
    slots: int
    ageing_s: float

    def live(self, until_s: float) -> None:
        free_at = [(0.0, slot, "") for slot in range(self.slots)]
        by_name = {run.name: run for run in self.runs}
        while free_at and free_at[0][0] < until_s:
            now_s, slot, holder = heapq.heappop(free_at)
            if holder:
                by_name[holder].held -= 1
            claims = [
                Claim(run.name, run.priority, run.held, now_s - run.since_s)
                for run in self.runs
                if run.left and run.since_s <= now_s
            ]
            turn = whose_turn(claims, self.ageing_s)
            if turn is None:
                later = min((run.since_s for run in self.runs if run.left and run.since_s > now_s), default=None)
                if later is not None:
                    heapq.heappush(free_at, (later, slot, ""))
                continue
            run = by_name[turn]
            run.longest_wait_s = max(run.longest_wait_s, now_s - run.since_s)
            run.held, run.left, run.since_s = run.held + 1, run.left - 1, now_s
            heapq.heappush(free_at, (now_s + run.job_s, slot, turn))


_JOB_S = st.floats(1, 300)


@given(
    st.lists(st.tuples(st.sampled_from(Priority), _JOB_S, st.floats(0, 5000)), min_size=2, max_size=8),
    st.integers(1, 3),
    st.sampled_from([100.0, AGEING_S]),
)
def test_nobody_starves(described: list[tuple[Priority, float, float]], slots: int, ageing_s: float) -> None:
    """Every run has jobs for ever. A claim that has aged is only behind claims that are older, each served once, and
    then it waits for one slot: so nobody ever waits longer than its age and one job for each of the others and itself.
    """
    runs = [
        _Run(f"run {number}", priority, job_s, 10**9, begins_s)
        for number, (priority, job_s, begins_s) in enumerate(described)
    ]
    until_s = 20_000.0
    _Shelf(runs, slots, ageing_s).live(until_s)
    longest_s = ageing_s + (len(runs) + 1) * max(run.job_s for run in runs)
    for run in runs:
        assert max(run.longest_wait_s, until_s - run.since_s) <= longest_s


def test_a_nightly_run_gets_a_slot_now_and_then_and_no_more() -> None:
    prompt = _Run("prompt", PROMPT, 60.0, 10**9, 0.0)
    nightly = _Run("nightly", NIGHTLY, 60.0, 10**9, 0.0)
    _Shelf([prompt, nightly], 2, AGEING_S).live(10 * AGEING_S + 500)
    assert 10**9 - nightly.left == 10
    assert nightly.longest_wait_s < AGEING_S + 61


def test_equal_runs_get_equal_shares_whatever_they_ask_for() -> None:
    runs = [_Run(name, PROMPT, 60.0, left, 0.0) for name, left in (("a", 10**6), ("b", 10**9), ("c", 10**9))]
    _Shelf(runs, 6, AGEING_S).live(6000.0)
    served = [10**6 - runs[0].left, 10**9 - runs[1].left, 10**9 - runs[2].left]
    assert sum(served) == 600
    assert max(served) - min(served) <= 2
