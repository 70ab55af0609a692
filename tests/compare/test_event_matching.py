"""The pairing of intervals, held against scipy, mir_eval and sed_eval."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from harness.compare.event_matching import match_onsets

times = st.lists(st.integers(0, 400), max_size=14, unique=True).map(sorted)


def total(expected: list[int], observed: list[int], pairs: list[tuple[int, int]]) -> int:
    return sum(abs(expected[e] - observed[o]) for e, o in pairs)


def assigned(expected: list[int], observed: list[int], collar: int) -> tuple[int, int]:
    """How many pairs and how far apart, by the Hungarian method with an unmatched cost above every distance."""
    n, m = len(expected), len(observed)
    unmatched = (collar + 1) * (n + m + 1)
    cost = np.full((n + m, n + m), unmatched, float)
    for i, e in enumerate(expected):
        for j, o in enumerate(observed):
            cost[i, j] = abs(e - o) if abs(e - o) <= collar else 4 * unmatched
    cost[n:, m:] = 0
    rows, columns = linear_sum_assignment(cost)
    pairs = [(i, j) for i, j in zip(rows, columns, strict=True) if i < n and j < m and cost[i, j] <= collar]
    return len(pairs), int(sum(cost[i, j] for i, j in pairs))


@settings(max_examples=400)
@given(times, times, st.integers(0, 60))
def test_as_many_pairs_as_can_be_and_the_least_total_of_them(expected: list[int], observed: list[int], collar: int):
    pairs = match_onsets(expected, observed, collar)
    assert (len(pairs), total(expected, observed, pairs)) == assigned(expected, observed, collar)
    assert len({e for e, _ in pairs}) == len({o for _, o in pairs}) == len(pairs)
    assert all(abs(expected[e] - observed[o]) <= collar for e, o in pairs)
    assert pairs == sorted(pairs)


@given(times, times, st.integers(0, 60))
def test_exchanging_the_sides_exchanges_the_pairs(expected: list[int], observed: list[int], collar: int):
    one, other = match_onsets(expected, observed, collar), match_onsets(observed, expected, collar)
    assert (len(one), total(expected, observed, one)) == (len(other), total(observed, expected, other))


@settings(max_examples=200)
@given(times, times, st.integers(1, 60))
def test_mir_eval_finds_as_many(expected: list[int], observed: list[int], collar: int):
    mir_eval = pytest.importorskip("mir_eval")
    # It works in floats and rounds distances to four digits: thousandths of a second are exact in both.
    theirs = mir_eval.util.match_events(
        np.array(expected, float) / 1000, np.array(observed, float) / 1000, collar / 1000 + 1e-9
    )
    assert len(match_onsets(expected, observed, collar)) == len(theirs)


REFERENCE = [(10.0, 13.0), (40.0, 43.0), (70.0, 73.0)]
ESTIMATE = [(10.1, 13.05), (40.6, 43.6), (90.0, 93.0)]


F_MEASURES = pytest.mark.parametrize(("collar_s", "f_measure"), [(0.2, 1 / 3), (1.0, 2 / 3)])


@F_MEASURES
def test_the_published_example(collar_s: float, f_measure: float):
    ours, theirs = ([round(begin * 1e9) for begin, _ in side] for side in (REFERENCE, ESTIMATE))
    matched = len(match_onsets(ours, theirs, round(collar_s * 1e9)))
    assert 2 * matched / (len(ours) + len(theirs)) == pytest.approx(f_measure)


@F_MEASURES
def test_sed_eval_says_the_same_of_it(collar_s: float, f_measure: float):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own and its dependencies' sources
        sed_eval = pytest.importorskip("sed_eval")
        containers = pytest.importorskip("dcase_util.containers")
        metrics = sed_eval.sound_event.EventBasedMetrics(
            ["event"], t_collar=collar_s, percentage_of_length=0.0, evaluate_offset=True
        )
        lists = (
            containers.MetaDataContainer([{"event_label": "event", "onset": a, "offset": b} for a, b in side])
            for side in (REFERENCE, ESTIMATE)
        )
        metrics.evaluate(*lists)
        assert metrics.results_overall_metrics()["f_measure"]["f_measure"] == pytest.approx(f_measure)


def test_a_collar_is_as_wide_as_it_says():
    assert match_onsets([1_000], [1_200], 200) == [(0, 0)]
    assert match_onsets([1_000], [1_201], 200) == []


def test_the_nearer_partner_wins_when_the_number_is_the_same():
    assert match_onsets([100], [90, 105], 20) == [(0, 1)]


def test_thousands_of_them_take_no_time():
    rng = np.random.default_rng(1)
    expected, observed = (sorted(rng.integers(0, 10**11, 20_000).tolist()) for _ in range(2))
    pairs = match_onsets(expected, observed, 2_000_000)
    assert len(pairs) > 5_000
