"""Random closets end every job exactly once, whatever happens. `CLOSET_SIMULATIONS=20000` tries as many."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.closet.simulation import World

_CHUNK = 500
_CLOSETS = int(os.environ.get("CLOSET_SIMULATIONS", "3000"))


def simulate(seed: int) -> World:
    try:
        world = World(seed).play()
        for run in world.runs:
            assert run.finished.keys() == run.works.keys(), "a work has no end"
    except AssertionError as error:
        raise AssertionError(f"closet {seed}: {error}") from error
    return world


@pytest.mark.parametrize("first", range(0, _CLOSETS, _CHUNK))
def test_random_closets_keep_their_promises(first: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(first, min(first + _CHUNK, _CLOSETS)):
        counts.update(simulate(seed).counts)
    # What was to be tried was tried: a world in which nothing goes wrong proves nothing.
    for what in ("ok", "failed", "retried", "late", "lost", "canary", "quarantined"):
        assert counts[what] > 50, counts


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(min_value=10**6, max_value=10**9))
def test_the_same_events_give_the_same_instructions(seed: int) -> None:
    first, second = simulate(seed), simulate(seed)
    assert [run.finished for run in first.runs] == [run.finished for run in second.runs]
    assert first.now_s == second.now_s
