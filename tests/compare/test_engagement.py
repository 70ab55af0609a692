from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.compare import measure_engagement, poisson_interval, pool_engagements
from tests.compare.made_events import made, soft_disable


def test_totals_of_a_drive():
    states = [(0.0, "disabled"), (10.0, "enabled"), (20.0, "overriding"), (25.0, "enabled"), (40.0, "disabled")]
    trace = made({("userDisable", "pedalPressed"): [(40.0, 40.5)]}, states=states, speed_mps=30.0)
    totals = measure_engagement(trace)
    assert totals is not None
    assert totals.state_s == pytest.approx({"disabled": 29.99, "enabled": 25.0, "overriding": 5.0})
    assert (totals.engaged_s, totals.engaged_m, totals.total_s) == pytest.approx((30.0, 900.0, 59.99))
    assert (totals.disengagements, totals.by_driver) == (1, 1)
    rate, low, high = totals.per_100_km() or (math.nan,) * 3
    assert (rate, low, high) == pytest.approx((111.1, 2.813, 619.1), rel=1e-3)


def test_a_kernel_is_engaged_while_controls_are_allowed():
    trace = made(flags={"controlsAllowed": [(1.0, 51.0)]}, without=("state", "vEgo"))
    totals = measure_engagement(trace)
    assert totals is not None
    assert (totals.engaged_s, totals.engaged_m, totals.disengagements) == (pytest.approx(50.0), None, 1)
    assert totals.per_100_km() is None


def test_a_trace_of_something_else_has_no_totals():
    assert measure_engagement(made(without=("state",))) is None


def test_an_empty_trace_has_totals_of_nothing():
    totals = measure_engagement(made(keep=slice(0, 0)))
    assert totals is not None
    assert (totals.total_s, totals.engaged_s, totals.disengagements) == (0.0, 0.0, 0)


def test_not_a_number_is_no_distance():
    speed = np.full(6000, 20.0)
    speed[:3000] = np.nan
    totals = measure_engagement(made(extra={"vEgo": speed}))
    assert totals is not None
    assert totals.engaged_m == pytest.approx(599.8)


def test_several_traces_add_up_and_an_unknown_distance_stays_unknown():
    parts = [measure_engagement(trace) for trace in (made(), soft_disable(12.0, 3.5))]
    known = [part for part in parts if part is not None]
    together = pool_engagements(known)
    assert together.disengagements == 1
    assert together.engaged_s == pytest.approx(59.99 + 15.0)
    assert together.engaged_m == pytest.approx(20 * (59.99 + 15.0))
    unknown = measure_engagement(made(without=("vEgo",)))
    assert unknown is not None
    assert pool_engagements([*known, unknown]).engaged_m is None
    assert pool_engagements([]).per_100_km() is None


@given(st.integers(0, 3000), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_is_the_exact_one_of_the_chi_square_distribution(count: int, confidence: float):
    tail = (1 - confidence) / 2
    low = stats.chi2.ppf(tail, 2 * count) / 2 if count else 0.0
    high = stats.chi2.ppf(1 - tail, 2 * count + 2) / 2
    assert poisson_interval(count, confidence) == pytest.approx((low, high), rel=1e-9)
