"""Evidence that may be looked at every morning."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.compare.statistics.sequential import (
    Look,
    above_zero_p,
    always_valid_p,
    confidence_sequence,
    sequence_smallest,
)


def looks_of(*parts: np.ndarray) -> list[Look]:
    return [Look(part, np.full(len(part), 10.0), np.ones(len(part))) for part in parts]


def test_one_look_is_what_the_formula_says():
    values = np.array([1.0, 2.0, 0.5, 1.5, 1.0, 2.5])
    total, squares, alpha = values.sum(), (values**2).sum(), 0.05
    surely = 2 * math.log(1 / alpha)
    scale = 4 * squares / (surely + math.log(1 + surely))
    evidence = math.sqrt(scale / (scale + squares)) * math.exp(total**2 / (2 * (scale + squares)))
    assert always_valid_p(looks_of(values), alpha) == pytest.approx(min(1 / evidence, 1.0))


def test_evidence_once_found_is_not_lost():
    strong, against = np.full(40, 1.0), np.full(40, -1.0)
    first = always_valid_p(looks_of(strong))
    assert first < 0.001
    assert always_valid_p(looks_of(strong, against)) == first
    assert above_zero_p(looks_of(against, strong * 0.5)) == 1.0


def test_the_sequence_holds_what_no_look_ruled_out():
    rng = np.random.default_rng(1)
    series = looks_of(*(rng.normal(0.5, 1.0, 30) for _ in range(5)))
    low, high = confidence_sequence(series)
    assert low < 0.5 < high
    for end, inwards in ((low, 1e-3), (high, -1e-3)):
        assert always_valid_p(series, at=end + inwards) > 0.05
        assert always_valid_p(series, at=end - inwards) <= 0.05 + 1e-9
    earlier = confidence_sequence(series[:2])
    assert earlier[0] <= low
    assert high <= earlier[1]


def test_swapping_sides_negates_the_sequence():
    rng = np.random.default_rng(2)
    parts = [rng.normal(0.3, 1.0, 40) for _ in range(2)]
    low, high = confidence_sequence(looks_of(*parts))
    assert confidence_sequence(looks_of(*(-part for part in parts))) == pytest.approx((-high, -low))


def test_too_little_is_no_bound():
    assert confidence_sequence([]) == (-math.inf, math.inf)
    assert confidence_sequence(looks_of(np.ones(4))) == (-math.inf, math.inf)
    assert sequence_smallest(looks_of(np.array([1.0, -1.2, 0.7])), 0.05) == math.inf
    assert sequence_smallest(looks_of(np.zeros(30)), 0.05) == math.inf


def test_a_margin_is_an_amount_or_a_share_of_the_baseline():
    series = looks_of(np.random.default_rng(3).normal(0.0, 0.2, 60))
    inside = [above_zero_p([look.shifted(sign, 0.0, 0.5) for look in series]) for sign in (1.0, -1.0)]
    assert max(inside) < 0.01
    by_share = [above_zero_p([look.shifted(sign, 0.05, 0.0) for look in series]) for sign in (1.0, -1.0)]
    assert by_share == pytest.approx(inside)
    outside = [above_zero_p([look.shifted(sign, 0.0, 0.001) for look in series]) for sign in (1.0, -1.0)]
    assert max(outside) > 0.2


def test_more_of_the_same_shows_smaller_effects():
    series = looks_of(np.random.default_rng(4).normal(0.0, 1.0, 50))
    effects = [sequence_smallest(series, 0.05, factor) for factor in (1.0, 4.0, 16.0)]
    assert effects[0] > effects[1] > effects[2] > 0
    found = [
        always_valid_p(looks_of(np.random.default_rng(number).normal(effects[0], 1.0, 50))) <= 0.05
        for number in range(60)
    ]
    assert 0.6 < np.mean(found) < 0.98
