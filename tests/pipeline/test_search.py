"""Bisection, with answers that are always right and with answers that are not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.pipeline.search import Search


def exact(count: int) -> Search:
    return Search(count, miss=1e-3, false_alarm=1e-3, sure=0.9)


def carry_out(search: Search, first_bad: int, limit: int = 1000) -> list[int]:
    asked = []
    while (number := search.ask()) is not None and len(asked) < limit:
        asked.append(number)
        search.answer(number, is_bad=number >= first_bad)
    return asked


@given(st.integers(2, 200), st.data())
def test_with_right_answers_it_is_a_plain_bisection(count, data):
    first_bad = data.draw(st.integers(1, count - 1))
    search = exact(count)
    asked = carry_out(search, first_bad)
    assert search.first_bad == first_bad
    assert search.suspects == (first_bad,)
    assert len(asked) == len(set(asked)), "nothing is tried twice"
    assert all(0 < number < count - 1 for number in asked), "the ends are known"
    assert len(asked) <= (count - 2).bit_length()


def test_sixty_four_models_take_seven_replays():
    """The good one, which the others are held against; those asked; and the last, when it was not asked itself."""
    for first_bad in range(1, 64):
        asked = carry_out(search := exact(64), first_bad)
        assert 1 + len(asked) + (first_bad == 63) <= 7
        assert search.first_bad == first_bad


@pytest.mark.parametrize("miss", [0.1, 0.3])
def test_with_answers_that_miss_it_asks_again_until_it_is_sure(miss):
    random.seed(7)
    right, asked_most = 0, 0
    for trial in range(200):
        first_bad = 1 + trial % 31
        search = Search(32, miss=miss, false_alarm=1e-3, sure=0.95)
        asked = 0
        while (number := search.ask()) is not None:
            asked += 1
            assert asked < 500
            search.answer(number, is_bad=number >= first_bad and random.random() >= miss)
        right += search.first_bad == first_bad
        asked_most = max(asked_most, asked)
    assert right >= 184, "0.95 sure means right in about 190 of 200"
    assert asked_most > 5


def test_what_cannot_be_tried_is_gone_around():
    search = exact(9)
    asked = []
    while (number := search.ask()) is not None:
        asked.append(number)
        if number in {4, 5}:
            search.skip(number)
        else:
            search.answer(number, is_bad=number >= 5)
    assert {4, 5} & set(asked)
    assert set(search.suspects) == {4, 5, 6}, "6 is bad and 3 is good, and between them nothing could be tried"


def test_a_miss_seen_later_makes_it_ask_more():
    patient, trusting = exact(64), exact(64)
    patient.expect_misses(0.3)
    assert len(carry_out(patient, 20)) > len(carry_out(trusting, 20))
    assert patient.first_bad == 20
