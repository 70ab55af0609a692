"""The element rule against a slow restatement of it, over everything a float can be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.compare.diff import diff_values
from harness.domain import Tolerance

SPECIAL = [0.0, -0.0, 1.0, -1.0, 1.5, 1e-30, 1e30, math.inf, -math.inf, math.nan, 0.1, 0.1000001]
FLOATS = st.one_of(st.sampled_from(SPECIAL), st.floats(width=32))
PAIRS = st.tuples(st.integers(0, 4), st.integers(1, 3)).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.float32, shape, elements=FLOATS) for _ in range(2)])
)
TOLERANCES = st.builds(
    Tolerance, absolute=st.sampled_from([0.0, 1e-6, 0.5, 1e31]), relative=st.sampled_from([0.0, 1e-6, 0.25])
)


def element_rule(e: float, o: float, tolerance: Tolerance) -> str:
    """equal, within, beyond or nan, from the definition and nothing else."""
    if math.isnan(e) or math.isnan(o):
        return "equal" if math.isnan(e) and math.isnan(o) else "nan"
    if e == o:
        return "equal"
    if math.isinf(e) or math.isinf(o):
        return "beyond"
    limit = max(tolerance.absolute, tolerance.relative * max(abs(e), abs(o)))
    return "within" if abs(e - o) <= limit else "beyond"


@settings(max_examples=400, deadline=None)
@given(PAIRS, TOLERANCES)
def test_rule_holds_for_every_float(pair, tolerance):
    expected, observed = pair
    diff = diff_values(expected, observed, tolerance)
    for row in range(len(expected)):
        kinds = [element_rule(float(e), float(o), tolerance) for e, o in zip(expected[row], observed[row], strict=True)]
        assert diff.differs[row] == any(kind != "equal" for kind in kinds)
        assert diff.beyond[row] == ("beyond" in kinds)
        assert diff.nan_mismatch[row] == ("nan" in kinds)
        if diff.beyond[row]:
            assert kinds[diff.worst[row]] == "beyond"
            assert diff.score[row] > (0.0 if tolerance.is_exact else 1.0)
        elif not tolerance.is_exact:
            assert diff.score[row] <= 1.0


@settings(max_examples=200, deadline=None)
@given(PAIRS, TOLERANCES)
def test_sides_can_be_exchanged(pair, tolerance):
    expected, observed = pair
    there, back = diff_values(expected, observed, tolerance), diff_values(observed, expected, tolerance)
    for name in ("differs", "beyond", "nan_mismatch", "score", "worst"):
        np.testing.assert_array_equal(getattr(there, name), getattr(back, name))


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_anything_equals_itself(pair):
    diff = diff_values(pair[0], pair[0].copy(), Tolerance())
    assert not diff.differs.any()
    assert not diff.beyond.any()
    assert not diff.nan_mismatch.any()


def test_excess_is_error_over_tolerance_at_the_worst_element():
    diff = diff_values(np.array([[1.0, 10.0]]), np.array([[1.3, 10.8]]), Tolerance(absolute=0.1))
    assert diff.worst[0] == 1
    assert diff.score[0] == pytest.approx(8.0)


def test_relative_tolerance_is_of_the_greater_side():
    # 0.25 of 4 is exactly the error; 0.25 of 3 would not be enough.
    assert not diff_values(np.array([3.0]), np.array([4.0]), Tolerance(relative=0.25)).beyond[0]
    assert not diff_values(np.array([4.0]), np.array([3.0]), Tolerance(relative=0.25)).beyond[0]
    assert diff_values(np.array([3.0]), np.array([4.01]), Tolerance(relative=0.25)).beyond[0]


def test_great_integers_do_not_become_equal():
    for kind in (np.int64, np.uint64):
        e, o = np.array([2**60], kind), np.array([2**60 + 1], kind)
        assert diff_values(e, o, Tolerance()).beyond[0]
        assert diff_values(e, o, Tolerance(absolute=0.5)).beyond[0]
        assert not diff_values(e, o, Tolerance(absolute=1.0)).beyond[0]


def test_integers_at_the_ends_of_their_range():
    e, o = np.array([np.iinfo(np.int64).min]), np.array([np.iinfo(np.int64).max])
    diff = diff_values(e, o, Tolerance(absolute=1e18))
    assert diff.beyond[0]
    assert diff.score[0] == pytest.approx((2**64 - 1) / 1e18)


@pytest.mark.parametrize("values", [([True, False], [True, True]), (["off", "on"], ["off", "off"])])
def test_truth_and_text_are_equal_or_not_whatever_the_tolerance(values):
    diff = diff_values(np.array(values[0]), np.array(values[1]), Tolerance(absolute=100.0))
    assert diff.beyond.tolist() == [False, True]


def test_text_never_equals_a_number():
    assert diff_values(np.array(["1"]), np.array([1.0]), Tolerance(absolute=9.0)).beyond.all()


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0)])
def test_nothing_to_compare_differs_in_nothing(shape):
    diff = diff_values(np.zeros(shape), np.ones(shape), Tolerance())
    assert len(diff.differs) == shape[0]
    assert not diff.differs.any()


def test_other_precision_is_compared_by_value():
    half, single = np.array([0.1], np.float16), np.array([0.1], np.float32)
    assert diff_values(half, single, Tolerance()).beyond[0]
    assert not diff_values(half, single, Tolerance(absolute=1e-4)).beyond[0]
