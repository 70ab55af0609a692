"""The figures of a burn-in, held against other implementations and against what they promise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from statsmodels.stats.proportion import proportion_confint

from harness.closet.burn_in import Round, failure_interval, measure, measure_drift
from harness.errors import ErrorDescription

WRONG = ErrorDescription("DeviceUnhealthyError", "canary answered X")
GONE = ErrorDescription("UnreachableError", "no answer")


@given(st.integers(1, 3000), st.data())
def test_the_interval_is_that_of_two_other_libraries(rounds: int, data: st.DataObject) -> None:
    failures = data.draw(st.integers(0, rounds))
    ours = failure_interval(failures, rounds)
    theirs = binomtest(failures, rounds).proportion_ci(method="exact")
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert ours == pytest.approx(proportion_confint(failures, rounds, method="beta"), abs=1e-9)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2, 0.5])
def test_the_interval_holds_the_true_rate_as_often_as_it_says(rate: float) -> None:
    rounds = 40
    covered = sum(
        float(binom.pmf(failures, rounds, rate))
        for failures in range(rounds + 1)
        if failure_interval(failures, rounds)[0] <= rate <= failure_interval(failures, rounds)[1]
    )
    assert covered >= 0.95


def test_nothing_tried_is_nothing_known() -> None:
    figures = measure([])
    assert (figures.rounds, figures.rate, figures.low, figures.high) == (0, 0.0, 0.0, 1.0)
    assert (figures.temperatures_c, figures.drift, figures.causes) == (None, None, ())


def test_failures_are_counted_by_cause_and_heat_is_kept() -> None:
    rounds = [Round(10.0 * i, 2.0, 40.0 + i, None) for i in range(7)]
    rounds += [Round(70.0, None, None, GONE), Round(80.0, None, None, GONE), Round(90.0, 2.0, 60.0, WRONG)]
    figures = measure(rounds)
    assert (figures.rounds, figures.failures, figures.rate) == (10, 3, 0.3)
    assert figures.causes == (("UnreachableError: no answer", 2), ("DeviceUnhealthyError: canary answered X", 1))
    assert figures.temperatures_c == (40.0, 43.5, 60.0)
    assert figures.elapsed_s == 92.0
    assert figures.low == pytest.approx(0.0667, abs=1e-4), "the textbook's 3 of 10"
    assert figures.high == pytest.approx(0.6525, abs=1e-4)


def test_a_device_that_slows_down_is_seen_through_single_slow_rounds() -> None:
    def took_s(number: int) -> float:
        return 60.0 if number % 10 == 5 else 2.0 + 0.002 * number

    drift = measure_drift([Round(36.0 * number, took_s(number), None, None) for number in range(100)])
    assert drift is not None
    assert drift.per_hour == pytest.approx(0.2 / 2.1, rel=0.05), "0.002 s a round, a hundred rounds an hour"
    assert drift.low <= drift.per_hour <= drift.high


def test_a_steady_device_has_no_drift() -> None:
    drift = measure_drift([Round(10.0 * number, 2.0 + 0.01 * (number % 3), None, None) for number in range(60)])
    assert drift is not None
    assert drift.low <= 0.0 <= drift.high


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_trend_takes_more_than_a_few_rounds(count: int) -> None:
    assert measure_drift([Round(600.0 * number, 2.0, None, None) for number in range(count)]) is None
    assert measure_drift([Round(20.0 * number, 2.0, None, None) for number in range(10)]) is None, "three minutes"
    assert measure_drift([Round(600.0 * number, 2.0, None, WRONG) for number in range(10)]) is None


def test_a_long_burn_in_is_measured_in_bounded_time() -> None:
    figures = measure([Round(2.0 * number, 2.0, None, None) for number in range(9001)])
    assert figures.drift is not None
    assert (figures.median_s, figures.drift.per_hour) == (2.0, 0.0)
