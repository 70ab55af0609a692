"""Measurements of many segments as two tables."""

from __future__ import annotations

import numpy as np
import pytest

from harness.compare.metrics import SegmentMetrics
from harness.compare.statistics import sum_routes
from harness.errors import ErrorDescription
from harness.pipeline.drives import Drive
from harness.pipeline.rows import collect_rows
from harness.pipeline.truth import Measure, Measured

NAN = float("nan")


def metrics(notes: tuple[str, ...] = (), **values: float) -> SegmentMetrics:
    """Values of `metric__condition`; what is NaN has no frames."""
    names = tuple(dict.fromkeys(key.split("__")[0] for key in values))
    conditions = tuple(dict.fromkeys(key.split("__")[1] for key in values))
    table = np.full((len(names), len(conditions), 4), NAN)
    table[..., 1] = 0
    for key, value in values.items():
        metric, condition = key.split("__")
        table[names.index(metric), conditions.index(condition)] = (value, 0 if np.isnan(value) else 10, NAN, 0)
    return SegmentMetrics("s", "driving_model", names, conditions, table, notes)


def measured(segment: str, candidate: float = NAN, baseline: float = NAN, pair: float = NAN, **rest) -> Measured:
    return Measured(
        Measure(segment, "a", "b"),
        metrics(lateral_error_2s__all=candidate, lateral_error_2s__rain=5.0, ade_5s__curve=candidate),
        metrics(lateral_error_2s__all=baseline),
        metrics(plan_moved_2s__all=pair),
        **rest,
    )


def test_a_row_a_segment_in_the_order_of_their_names():
    rows = collect_rows([measured("r/1", 2.0, 1.0), measured("r/0", 4.0, 3.0)], {"r/0": "r", "r/1": "r"})
    assert (rows.segments, rows.routes) == (("r/0", "r/1"), ("r", "r"))
    pairs = rows.pairs([("lateral_error_2s", "all"), ("ade_5s", "curve"), ("comfort", "all")])
    assert pairs.candidate == pytest.approx(np.array([[4.0, 4.0, NAN], [2.0, 2.0, NAN]]), nan_ok=True)
    assert pairs.baseline == pytest.approx(np.array([[3.0, NAN, NAN], [1.0, NAN, NAN]]), nan_ok=True)
    assert rows.answered() == [("lateral_error_2s", "all"), ("ade_5s", "curve")]
    assert rows.remark == ""


def test_what_is_of_the_pair_is_held_against_nothing():
    rows = collect_rows([measured("r/0", 1.0, 1.0, 0.3), measured("r/1", 1.0, 1.0)], {"r/0": "r", "r/1": "r"})
    pairs = rows.pairs([("plan_moved_2s", "all")])
    assert pairs.candidate == pytest.approx(np.array([[0.3], [NAN]]), rel=1e-6, nan_ok=True)
    assert pairs.baseline == pytest.approx(np.array([[0.0], [NAN]]), nan_ok=True)


def test_kinds_of_devices_are_one_segment():
    three = [measured("r/0", 1.0, 2.0), measured("r/0", 4.0), measured("r/0", 7.0, 8.0)]
    pairs = collect_rows(three, {"r/0": "r"}).pairs([("lateral_error_2s", "all")])
    assert pairs.candidate.tolist() == [[4.0]]
    assert 2.0 < pairs.baseline[0, 0] < 8.0


def test_what_could_not_be_measured_is_said():
    lost = Measured(Measure("r/1", "a", "b"), error=ErrorDescription("DataError", "no frames"))
    rows = collect_rows([measured("r/0", 1.0, 1.0), lost], {"r/0": "r", "r/1": "r"})
    assert rows.remark == "\n1 segment was not measured: r/1: no frames"
    assert np.isnan(rows.pairs([("lateral_error_2s", "all")]).candidate[1]).all()
    noted = Measured(Measure("r/2", "a"), metrics(("no truth",), lateral_error_2s__all=1.0))
    assert collect_rows([noted], {"r/2": "r"}).remark == "\nof 1 of 1 segments less is known: r/2: no truth"


def test_nothing_measured_is_no_row():
    assert collect_rows([], {}).pairs([("lateral_error_2s", "all")]).candidate.shape == (0, 1)


def test_where_the_candidate_has_no_trace_it_has_lost_all_values():
    """A candidate that crashes where it is bad must not look better for it, nor where another kind got through."""
    crashed = Measured(Measure("r/0", "", "b"), None, metrics(lateral_error_2s__all=5.0))
    rows = collect_rows(
        [measured("r/0", 1.0, 1.0, 0.3), crashed, measured("r/1", 1.0, 1.0, 0.3)], dict.fromkeys(["r/0", "r/1"], "r")
    )
    pairs = rows.pairs([("lateral_error_2s", "all"), ("plan_moved_2s", "all"), ("plan_moved_2s", "curve")])
    assert np.isnan(pairs.candidate[0]).all()
    assert pairs.baseline[0] == pytest.approx([3.0, 0.0, NAN], nan_ok=True)
    assert sum_routes(pairs).lost.tolist() == [1, 1, 0]


@pytest.mark.parametrize(("frames", "counts"), [(10, True), (8, True), (7, False), (0, False)])
def test_a_candidate_that_answers_far_fewer_frames_has_lost_the_value(frames: int, counts: bool):
    """The frames it leaves out may be those it is bad at: the mean of the others is no better model."""
    found = measured("r/0", 1.0, 2.0)
    found.candidate.table[..., 1] = np.where(found.candidate.table[..., 1] > 0, frames, 0)
    pairs = collect_rows([found], {"r/0": "r"}).pairs([("lateral_error_2s", "all")])
    assert bool(np.isfinite(pairs.candidate[0, 0])) is counts
    assert pairs.baseline[0, 0] == 2.0


def test_the_recorded_drives_are_told_of_what_is_asked():
    def of(segment: str, human: float, excused: int, frames: int = 10) -> SegmentMetrics:
        table = np.array([[[0.5, frames, human, excused]]])
        return SegmentMetrics(segment, "driving_model", ("comfort",), ("all",), table)

    both = [
        Measured(Measure("r/0", "a", "b"), of("r/0", 0.9, 3), of("r/0", 0.1, 2)),
        Measured(Measure("r/0", "a", "b"), of("r/0", 0.2, 9), of("r/0", 0.2, 9)),  # another kind: one drove
        Measured(Measure("r/1", "a", "b"), of("r/1", 0.7, 0), of("r/1", 0.7, 1)),
        Measured(Measure("r/2", "a", "b"), of("r/2", 0.0, 5), of("r/2", 0.0, 5, frames=0)),  # the baseline says nothing
        Measured(Measure("r/3", "a", "b"), of("r/3", NAN, 1), of("r/3", 0.3, 0)),
        Measured(Measure("r/4", "", "b"), None, of("r/4", 0.3, 7)),
    ]
    column = ("comfort", "all")
    routes = {each.measure.segment: "r" for each in both}
    rows = collect_rows(both, routes, asked=[column, ("comfort", "curve"), ("lane_keeping", "all"), column])
    assert rows.drives == {column: Drive(pytest.approx(0.8), 4, 2, 3)}
    assert collect_rows(both, routes).drives == {}


def test_tags_are_conditions_of_whole_segments():
    tags = {"rain": frozenset({"r/0"}), "snow": frozenset[str]()}
    rows = collect_rows(
        [measured("r/0", 2.0, 1.0, 0.3), measured("r/1", 4.0, 3.0)], dict.fromkeys(["r/0", "r/1"], "r"), tags=tags
    )
    pairs = rows.pairs([("lateral_error_2s", "rain"), ("plan_moved_2s", "rain"), ("lateral_error_2s", "snow")])
    assert pairs.candidate == pytest.approx(np.array([[2.0, 0.3, NAN], [NAN, NAN, NAN]]), nan_ok=True, rel=1e-6)
    assert pairs.baseline[0] == pytest.approx([1.0, 0.0, NAN], nan_ok=True)
    assert ("lateral_error_2s", "rain") in rows.answered()
