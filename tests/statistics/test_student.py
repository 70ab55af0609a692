"""Tests against a margin, and what can be shown, held against statsmodels and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from harness.compare.statistics.pairs import Pairs, sum_routes
from harness.compare.statistics.student import (
    above_p,
    equivalence_p,
    not_above_p,
    segments_needed,
    smallest_effect,
    smallest_margin,
    standard_error,
)
from tests.statistics.simulation import Design, differences, pairs_of
from tests.statistics.test_signflip import A, B


def _single(candidate: np.ndarray, baseline: np.ndarray) -> Pairs:
    names = tuple(f"r{number:02d}" for number in range(len(candidate)))
    return Pairs(names, names, candidate[:, None], baseline[:, None])


def test_equivalence_has_the_known_answer():
    sums = sum_routes(_single(A, B))
    assert equivalence_p(sums, 10 * sums.count)[0] == pytest.approx(0.037364995, abs=1e-9)


@pytest.mark.parametrize("margin", [0.2, 0.5, 1.0])
def test_equivalence_is_that_of_statsmodels(margin: float):
    rng = np.random.default_rng(4)
    ours, theirs = rng.normal(0.1, 1, 25), rng.normal(0, 1, 25)
    sums = sum_routes(_single(ours, theirs))
    told = ttost_paired(ours, theirs, -margin, margin)
    assert equivalence_p(sums, margin * sums.count)[0] == pytest.approx(float(told[0]))
    upper = ttest_1samp(ours - theirs, margin, alternative="less").pvalue
    assert not_above_p(sums, margin * sums.count)[0] == pytest.approx(float(upper))


def test_a_few_that_happen_to_be_equal_prove_little():
    count = np.ones((3, 1))
    assert above_p(np.full((3, 1), 5.0), count)[0] == 0.125
    assert above_p(np.full((3, 1), -5.0), count)[0] == 1.0
    assert above_p(np.zeros((3, 1)), count)[0] == 1.0
    assert np.isnan(above_p(np.ones((1, 1)), np.ones((1, 1)))[0])


def test_the_spread_of_a_mean_knows_of_routes():
    design = Design(60, 12, shared=1.0)  # the segments of a route are one and the same
    sums = sum_routes(pairs_of(design, differences(design, 400, np.random.default_rng(2))))
    error = standard_error(sums.difference, sums.count)
    spread = sums.mean(sums.difference).std()
    assert np.sqrt((error**2).mean()) == pytest.approx(spread, rel=0.15)
    plain = sum_routes(pairs_of(Design(60, 60), differences(design, 400, np.random.default_rng(2))))
    assert np.median(standard_error(plain.difference, plain.count)) < 0.6 * np.median(error)


def test_the_smallest_effect_is_nearly_the_one_that_statsmodels_would_find():
    for count in (12, 30, 120):
        ours = float(smallest_effect(1.0 / np.sqrt(count), count, 0.05))
        theirs = TTestPower().solve_power(nobs=count, alpha=0.05, power=0.8)
        assert ours == pytest.approx(float(np.squeeze(theirs)), rel=0.03)


def test_too_few_routes_can_show_nothing():
    assert smallest_effect([1.0, 1.0], [5, 6], 0.05).tolist()[0] == np.inf
    assert np.isfinite(smallest_effect(1.0, 6, 0.05))
    assert smallest_effect(1.0, 6, 0.01) == np.inf


def test_so_many_more_segments_would_do():
    def smallest(factor: float) -> float:
        return float(smallest_effect(0.3 / np.sqrt(factor), 20 * factor, 0.05))

    total = segments_needed(60, 0.3, smallest)
    assert total is not None
    factor = total / 60
    assert smallest(factor) <= 0.3 < smallest(factor * 0.98)
    assert segments_needed(60, 0.0, smallest) is None
    assert segments_needed(60, smallest(1.0), smallest) == 60


def test_the_smallest_margin_is_shown_as_often_as_was_said():
    design, size = Design(60, 20), 3000
    moved = differences(design, size, np.random.default_rng(12))
    sums = sum_routes(pairs_of(design, moved))
    error = float(np.sqrt((standard_error(sums.difference, sums.count) ** 2).mean()))
    for both in (True, False):
        margin = float(smallest_margin(error, 20, 0.05, both_sides=both))
        p = (equivalence_p if both else not_above_p)(sums, margin * sums.count)
        assert 0.74 < (p <= 0.05).mean() < 0.9
    assert smallest_margin(1.0, 4, 0.05, both_sides=True) == np.inf
    assert np.isfinite(smallest_margin(1.0, 5, 0.05, both_sides=True))
