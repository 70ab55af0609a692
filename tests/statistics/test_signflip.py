"""The sign-flip test against scipy's, and the laws it keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test, wilcoxon

from harness.compare.statistics.rates import mcnemar_p
from harness.compare.statistics.signflip import (
    EXACT_UP_TO,
    FIRST_DRAWS,
    MORE_DRAWS,
    least_p,
    routes_needed,
    sign_flip_p,
)

A = np.array([125, 115, 130, 140, 140, 115, 140, 125, 140, 135.0])
B = np.array([110, 122, 125, 120, 140, 124, 123, 137, 135, 145.0])


def test_the_known_answer():
    assert sign_flip_p((A - B)[:, None], 0)[0] == 0.54296875
    told = wilcoxon(A, B, method="approx", correction=False)  # the oracle itself is the one that was meant
    assert told.statistic == 18


@pytest.mark.parametrize("count", [2, 5, 8, 11])
def test_all_ways_are_tried_as_scipy_tries_them(count: int):
    rng = np.random.default_rng(count)
    sums = rng.normal(0.3, 1.0, (count, 3))
    ours = sign_flip_p(sums, 0)
    for column in range(3):
        theirs = permutation_test(
            (sums[:, column],),
            lambda values, axis: values.sum(axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        )
        assert ours[column] == pytest.approx(theirs.pvalue, abs=1e-12)


def test_sixteen_routes_are_counted_and_seventeen_are_drawn():
    one_way = np.ones((EXACT_UP_TO, 1))
    assert sign_flip_p(one_way, 0)[0] == 2.0 ** (1 - EXACT_UP_TO)
    rng = np.random.default_rng(3)
    drawn = sign_flip_p(rng.normal(size=(EXACT_UP_TO + 1, 1)), 0)[0]
    assert drawn * (FIRST_DRAWS + 1) == pytest.approx(round(drawn * (FIRST_DRAWS + 1)), abs=1e-6)


def test_drawn_p_are_near_those_of_scipy():
    rng = np.random.default_rng(5)
    sums = rng.normal(0.25, 1.0, (40, 8))
    ours = sign_flip_p(sums, 1)
    theirs = [
        permutation_test(
            (sums[:, column],),
            np.sum,
            permutation_type="samples",
            n_resamples=20_000,
            rng=rng,
            batch=500,
            vectorized=True,
        ).pvalue
        for column in range(8)
    ]
    assert ours == pytest.approx(theirs, abs=0.02)


def test_what_is_small_is_drawn_more_often_and_what_is_tiny_is_bounded():
    clear = np.concatenate([np.ones(23), -np.ones(7)])[:, None]
    p = float(sign_flip_p(clear, 0)[0])
    assert p < 0.01
    assert p * (MORE_DRAWS + 1) == pytest.approx(round(p * (MORE_DRAWS + 1)), abs=1e-6)
    assert p * (FIRST_DRAWS + 1) != pytest.approx(round(p * (FIRST_DRAWS + 1)), abs=1e-6)
    tiny = float(sign_flip_p(np.ones((60, 1)), 0)[0])
    assert tiny == pytest.approx(2 * np.exp(-30.0))
    assert tiny >= 2.0**-59  # never surer than all the ways there are


def test_a_drawn_p_is_never_nothing_and_nothing_differs_is_one():
    assert sign_flip_p(np.zeros((40, 2)), 0).tolist() == [1.0, 1.0]
    assert np.isnan(sign_flip_p(np.zeros((0, 1)), 0)).all()
    many = sign_flip_p(np.random.default_rng(1).normal(0, 1, (50, 200)), 0)
    assert many.min() > 0


def test_segments_with_an_event_or_none_give_what_mcnemar_gives():
    for ours, theirs in ((6, 0), (7, 2), (3, 9), (5, 5)):
        flips = np.concatenate([np.ones(ours), -np.ones(theirs), np.zeros(4)])[:, None]
        assert sign_flip_p(flips, 0)[0] == pytest.approx(mcnemar_p(ours, theirs), abs=1e-12)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9), st.integers(0, 5))
def test_swapping_sides_and_order_change_nothing(values: list[float], turn: int):
    sums = np.array(values)[:, None]
    p = sign_flip_p(sums, 0)[0]
    assert sign_flip_p(-sums, 0)[0] == p
    assert sign_flip_p(np.roll(sums, turn, axis=0), 0)[0] == pytest.approx(p)
    assert sign_flip_p(sums * 7.0, 0)[0] == pytest.approx(p)


def test_so_many_routes_are_needed():
    assert least_p([1, 5, 6]).tolist() == [1.0, 0.0625, 0.03125]
    assert routes_needed(0.05) == 6
    assert routes_needed(0.0625) == 5
    assert routes_needed(0.05, sides=1) == 5
    assert routes_needed(1.0) == 1
