"""Counts against scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.rates import test_poisson_2indep as poisson_oracle

from harness.compare.statistics.discovery import adjusted_p, level_for_one
from harness.compare.statistics.rates import mcnemar_p, proportion_interval, rate_above_p, rate_ratio_interval


def test_six_all_one_way_are_needed():
    assert mcnemar_p(6, 0) == 0.03125
    assert mcnemar_p(5, 0) == 0.0625
    assert mcnemar_p(0, 1) == 1.0  # 20 of 20 against 19 of 20
    assert mcnemar_p(0, 0) == 1.0


@pytest.mark.parametrize(("ours", "theirs"), [(0, 3), (2, 9), (5, 5), (14, 3)])
def test_mcnemar_is_that_of_statsmodels(ours: int, theirs: int):
    told = mcnemar([[4, ours], [theirs, 4]], exact=True).pvalue
    assert mcnemar_p(ours, theirs) == pytest.approx(float(told))


def test_intervals_of_a_proportion_are_exact():
    assert proportion_interval(24, 24) == pytest.approx((0.858, 1.0), abs=5e-4)
    told = binomtest(7, 30).proportion_ci(0.9, "exact")
    assert proportion_interval(7, 30, 0.9) == pytest.approx((told.low, told.high))
    assert proportion_interval(0, 10)[0] == 0.0


def test_a_rate_is_above_what_is_allowed():
    assert rate_above_p(0, 5, 1.1) == 1.0
    for ours, theirs, ratio, exposure in ((12, 3, 1.1, 1.0), (5, 5, 1.0, 2.0)):
        told = poisson_oracle(
            ours, exposure, theirs, 1.0, value=ratio, method="exact-cond", compare="ratio", alternative="larger"
        )
        assert rate_above_p(ours, theirs, ratio, exposure) == pytest.approx(float(told.pvalue))
    low, high = rate_ratio_interval(12, 3)
    assert rate_above_p(12, 3, low) == pytest.approx(0.025)
    assert 1 < low < 4 < high
    assert rate_ratio_interval(2, 0)[1] == np.inf
    assert rate_ratio_interval(0, 0) == (0.0, np.inf)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.sampled_from(["by", "bh"]))
def test_discoveries_are_those_of_scipy(p: list[float], method: str):
    assert adjusted_p(np.array(p), method) == pytest.approx(false_discovery_control(p, method=method))  # type: ignore[call-overload]


def test_what_is_unknown_is_no_question():
    p = np.array([0.01, np.nan, 0.04])
    adjusted = adjusted_p(p, "bh")
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2]] == pytest.approx(false_discovery_control(p[[0, 2]]))
    assert np.isnan(adjusted_p(np.array([np.nan]))).all()
    with pytest.raises(ValueError, match="none of by, bh"):
        adjusted_p(p, "bonferroni")


@pytest.mark.parametrize("method", ["by", "bh"])
def test_the_level_of_one_claim_is_where_it_would_have_been_found(method: str):
    p = np.array([0.001, 0.2, 0.6, 0.9])
    level = level_for_one(adjusted_p(p, method), 0.05, method)
    for column in range(1, 4):
        for just, found in ((0.999, True), (1.01, False)):
            tried = p.copy()
            tried[column] = level[column] * just
            assert (adjusted_p(tried, method)[column] <= 0.05) is np.bool_(found)
