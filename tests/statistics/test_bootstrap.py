"""Intervals against scipy's bootstrap, and the laws they keep."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, t

from harness.compare.statistics.bootstrap import LEAST_ROUTES, bca_ends, bootstrap_intervals
from harness.compare.statistics.pairs import Pairs, sum_routes
from tests.statistics.simulation import Design, differences, pairs_of


def _ends(pairs: Pairs, draws: int = 499) -> np.ndarray:
    spans = bootstrap_intervals(sum_routes(pairs), 0.95, 1, draws=draws)
    return np.stack([spans.low, spans.high, spans.share_low, spans.share_high])


def test_the_ends_are_those_of_scipy_where_routes_are_single_segments():
    rng = np.random.default_rng(1)
    values = rng.exponential(size=40)
    told = bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=rng)
    weights = rng.multinomial(40, np.full(40, 1 / 40), 20_000)
    left_out = (values.sum() - values) / 39
    low, high = bca_ends(weights @ values / 40, left_out, values.mean(), 0.95)
    assert low == pytest.approx(told.confidence_interval.low, abs=0.02)
    assert high == pytest.approx(told.confidence_interval.high, abs=0.02)


def test_an_end_is_the_outer_of_both():
    """What leans is followed where it leans to, and Student's end is kept where it does not."""
    rng = np.random.default_rng(2)
    values = rng.exponential(size=(30, 1)) ** 2
    low, high = _ends(pairs_of(Design(30, 30), values, 0.0))[:2, 0]
    student = t.interval(0.95, 29, values.mean(), values.std(ddof=1) / np.sqrt(30))
    assert low == pytest.approx(student[0])
    assert high > student[1] * 1.05


def test_few_routes_have_no_interval():
    design = Design(20, LEAST_ROUTES - 1)
    assert np.isnan(_ends(pairs_of(design, differences(design, 3, np.random.default_rng(0))))).all()
    enough = Design(20, LEAST_ROUTES)
    assert np.isfinite(_ends(pairs_of(enough, differences(enough, 3, np.random.default_rng(0))))).all()


def test_routes_are_drawn_whole():
    design = Design(60, 10, shared=1.0)
    moved = differences(design, 20, np.random.default_rng(3))
    whole = _ends(pairs_of(design, moved))
    apart = _ends(pairs_of(Design(60, 60), moved))
    assert np.median((whole[1] - whole[0]) / (apart[1] - apart[0])) > 1.8


def test_a_share_is_of_the_baseline():
    design = Design(24, 12)
    moved = differences(design, 5, np.random.default_rng(8))
    ends = _ends(pairs_of(design, moved, 20.0))
    assert ends[2:] == pytest.approx(ends[:2] / 20.0)


def test_swapping_sides_negates():
    design = Design(24, 9)
    pairs = pairs_of(design, differences(design, 6, np.random.default_rng(5)) + 0.3)
    swapped = dataclasses.replace(pairs, candidate=pairs.baseline, baseline=pairs.candidate)
    assert _ends(swapped)[:2] == pytest.approx(-_ends(pairs)[:2][::-1], abs=1e-9)


def test_the_order_of_segments_changes_nothing():
    design = Design(24, 9)
    pairs = pairs_of(design, differences(design, 4, np.random.default_rng(6)))
    order = np.random.default_rng(1).permutation(24)
    turned = Pairs(
        tuple(pairs.segments[row] for row in order),
        tuple(pairs.routes[row] for row in order),
        pairs.candidate[order],
        pairs.baseline[order],
    )
    assert np.array_equal(_ends(turned), _ends(pairs))


@settings(max_examples=20)
@given(st.floats(-50, 50))
def test_adding_a_constant_shifts_the_interval(constant: float):
    design = Design(20, 10)
    moved = differences(design, 2, np.random.default_rng(4))
    shifted = _ends(pairs_of(design, moved + constant, 0.0), 199)[:2]
    assert shifted == pytest.approx(_ends(pairs_of(design, moved, 0.0), 199)[:2] + constant, abs=1e-6)


def test_a_claim_that_lacks_routes_is_as_if_they_were_not_there():
    design = Design(24, 12)
    pairs = pairs_of(design, differences(design, 2, np.random.default_rng(9)))
    candidate = pairs.candidate.copy()
    candidate[:6, 1] = np.nan
    holed = _ends(dataclasses.replace(pairs, candidate=candidate))
    short = _ends(Pairs(pairs.segments[6:], pairs.routes[6:], pairs.candidate[6:], pairs.baseline[6:]))
    assert holed[:, 1] == pytest.approx(short[:, 1])
    assert holed[:, 0] == pytest.approx(_ends(pairs)[:, 0])


def test_what_never_differs_has_a_point():
    design = Design(12, 12)
    assert _ends(pairs_of(design, np.zeros((12, 1))))[:2].tolist() == [[0.0], [0.0]]
