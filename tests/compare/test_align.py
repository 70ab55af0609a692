from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.align import align, frame_runs
from harness.errors import DataError


def test_equal_frames_are_not_copied(make_trace):
    trace = make_trace({"a": np.arange(5.0)})
    aligned = align(trace, make_trace({"a": np.arange(5.0)}))
    assert aligned.of_expected(trace.channels["a"].values) is trace.channels["a"].values
    assert not len(aligned.missing)
    assert not len(aligned.extra)


ID_SETS = st.sets(st.integers(0, 30))


@given(ID_SETS, ID_SETS)
def test_rows_of_both_sides_meet_by_id(ours, theirs):
    from tests.compare.conftest import make  # noqa: PLC0415 hypothesis takes no function-scoped fixture

    e_ids, o_ids = sorted(ours), sorted(theirs)
    expected = make({"id": np.array(e_ids, float)}, frame_ids=np.array(e_ids, np.int64))
    observed = make({"id": np.array(o_ids, float)}, frame_ids=np.array(o_ids, np.int64))
    aligned = align(expected, observed)
    common = sorted(ours & theirs)
    assert aligned.frame_ids.tolist() == common
    assert aligned.of_expected(expected.channels["id"].values).tolist() == common
    assert aligned.of_observed(observed.channels["id"].values).tolist() == common
    assert aligned.missing.tolist() == sorted(ours - theirs)
    assert aligned.extra.tolist() == sorted(theirs - ours)


@pytest.mark.parametrize("ids", [[0, 2, 1], [0, 0, 1]])
def test_ids_must_rise(make_trace, ids):
    good = make_trace({"a": np.zeros(3)})
    bad = make_trace({"a": np.zeros(3)}, frame_ids=ids)
    with pytest.raises(DataError, match="expected trace"):
        align(bad, good)
    with pytest.raises(DataError, match="observed trace"):
        align(good, bad)


def test_seconds_count_from_the_first_expected_frame(make_trace):
    expected = make_trace({"a": np.zeros(10)}, first_frame=100)
    observed = make_trace({"a": np.zeros(5)}, first_frame=105)
    assert align(expected, observed).seconds(0) == pytest.approx(0.25)


def test_runs_are_neighbours_in_the_trace_that_has_them():
    among = np.array([10, 11, 12, 14, 15, 20])
    # 12 and 14 are neighbours: the camera itself skipped 13.
    assert frame_runs(np.array([11, 12, 14, 20]), among) == [(11, 14), (20, 20)]
    assert frame_runs(np.array([], np.int64), among) == []
