"""A segment's table: conditions, the distance of a pair, what is kept, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.metrics import (
    ALL,
    CONDITIONS,
    METRICS,
    Direction,
    SegmentMetrics,
    Value,
    decode_metrics,
    encode_metrics,
    execution_values,
    pair_metrics,
    segment_metrics,
)
from harness.compare.metrics.conditions import condition_masks
from harness.compare.metrics.tally import Series, tabulate
from harness.compare.metrics.view import view
from harness.domain import Check, DeviceKind, EventRules, Tolerance
from harness.errors import DataError
from harness.trace import Channel, Exactness
from harness.verdict import ExecutionTime
from tests.compare.metrics.made import BEND, CRUISE, FIRST_ID, lanes, plan_of, truth

NEAR = (Check("plan", ("position.*",), Tolerance(absolute=0.1)), Check("all", ("*",), Tolerance(absolute=1.0)))


def masks(driven, **channels):  # type: ignore[no-untyped-def]
    return condition_masks(view(plan_of(driven, **channels), driven))


@pytest.mark.parametrize(
    ("speed", "band"),
    [(0.0, "speed_0_10"), (9.99, "speed_0_10"), (10.0, "speed_10_20"), (19.99, "speed_10_20"), (20.0, "speed_20_30"),
     (29.99, "speed_20_30"), (30.0, "speed_30_up"), (45.0, "speed_30_up")],
)  # fmt: skip
def test_speed_bands_meet_without_gap_or_overlap(speed: float, band: str):
    found = masks(truth((speed, 0.0, 0.0), 3))
    assert [name for name, mask in found.items() if name.startswith("speed") and mask.all()] == [band]
    assert [name for name, mask in found.items() if name.startswith("speed") and mask.any()] == [band]


@pytest.mark.parametrize(
    ("curvature", "names"),
    [(0.0, {"straight"}), (0.00099, {"straight"}), (0.00101, {"curve", "curve_gentle"}),
     (-0.00299, {"curve", "curve_gentle"}), (0.00301, {"curve", "curve_sharp"}), (-0.02, {"curve", "curve_sharp"})],
)  # fmt: skip
def test_curves_are_told_by_the_way_that_was_driven(curvature: float, names: set[str]):
    found = masks(truth((15.0, curvature, 0.0), 3))
    shapes = ("straight", "curve", "curve_gentle", "curve_sharp")
    assert {name for name in shapes if found[name].all()} == names
    assert {name for name in shapes if found[name].any()} == names


def test_a_lane_change_or_a_stop_is_neither_straight_nor_a_curve():
    n = 30
    driven = truth(BEND, n, blinker=np.repeat([0, 1, 0], 10), laneChange=np.repeat([0, 0, -1], 10))
    found = masks(driven)
    assert found["curve"].tolist() == [True] * 10 + [False] * 20
    assert found["blinker"].tolist() == [False] * 10 + [True] * 20
    assert not masks(truth((0.0, 0.0, 0.0), 3, standstill=np.ones(3, bool)))["straight"].any()
    assert not masks(truth((2.0, 0.0, 0.0), 3))["straight"].any(), "four metres ahead tell of no curve"
    unknown = truth(BEND, 3, valid=np.zeros((3, 33), bool))
    assert not any(masks(unknown)[name].any() for name in ("straight", "curve"))


def test_who_drives_and_what_is_known_of_the_whole_segment():
    n = 8
    driven = truth(
        CRUISE,
        n,
        engaged=np.arange(n) >= 2,
        overriding=np.arange(n) >= 6,
        standstill=np.arange(n) == 7,
        leadOne__known=np.arange(n) >= 1,
        leadOne__present=np.arange(n) >= 4,
        conditions__night=np.zeros(n, bool),
        conditions__rain=np.ones(n, bool),
    )
    found = masks(driven)
    assert set(found) - set(CONDITIONS) == {"rain"}
    rows = {name: np.flatnonzero(mask).tolist() for name, mask in found.items()}
    assert rows["disengaged"] == [0, 1]
    assert rows["engaged"] == [2, 3, 4, 5]
    assert rows["overriding"] == [6, 7]
    assert rows["standstill"] == [7]
    assert rows["moving"] == list(range(7))
    assert rows["lead"] == [4, 5, 6, 7]
    assert rows["no_lead"] == [1, 2, 3]
    assert rows["rain"] == list(range(n))
    assert rows["night"] == []


def test_conditions_add_up_to_the_whole():
    n = 240
    side = np.where(np.arange(n) % 3 == 0, 0.6, 0.0)[:, None] * np.ones(33)
    driven = truth(CRUISE, n, engaged=np.arange(n) < 80)
    found = segment_metrics(plan_of(driven, position__y=side), driven)
    whole, one, other = (found.get("lateral_error_2s", name) for name in (ALL, "engaged", "disengaged"))
    assert whole.frames == one.frames + other.frames
    assert whole.value == pytest.approx((one.value * one.frames + other.value * other.frames) / whole.frames)
    assert found.get("lateral_error_2s", "curve") is None
    assert found.get("no such", ALL) is None


def test_frames_are_known_by_their_ids():
    driven = truth(CRUISE, 100)
    shifted = plan_of(truth(CRUISE, 100, frames=np.arange(100) + FIRST_ID + 30))
    found = segment_metrics(shifted, driven)
    assert found.get("ade_2s").frames == 70
    assert "30 frames are not in the log's own list of frames" in found.notes[0]


def test_without_a_truth_a_plan_tells_of_itself():
    found = segment_metrics(plan_of(truth(CRUISE)), None)
    assert found.get("comfort").value == 1.0
    assert found.get("consistency").frames == 239
    assert found.get("ade_2s") is None
    assert found.get("comfort", "speed_20_30").frames == 240
    assert found.notes == ("no truth: only what a plan says of itself is told",)


def test_a_truth_that_knows_no_path_says_so():
    driven = truth(CRUISE, 40, valid=np.zeros((40, 33), bool))
    found = segment_metrics(plan_of(driven), replace(driven, provenance={"source": "none"}))
    assert found.get("ade_1s") is None
    assert found.get("truth_known").value == 0.0
    assert found.notes == ("the driven path is not known (source: none)",)
    wheels = segment_metrics(plan_of(truth(CRUISE)), replace(truth(CRUISE), provenance={"source": "wheel speed"}))
    assert "wheel speed" in wheels.notes[0]


def test_traces_of_other_replayers_or_segments():
    driven = truth(CRUISE, 20)
    bare = replace(plan_of(driven), replayer="panda_safety", channels={})
    found = segment_metrics(bare, driven)
    assert found.metrics == ("truth_known",)
    with pytest.raises(DataError, match="different segments"):
        segment_metrics(replace(plan_of(driven), segment="another"), driven)
    with pytest.raises(DataError, match="do not rise"):
        segment_metrics(replace(plan_of(driven), frame_ids=driven.frame_ids[::-1]), driven)


def test_no_frames_at_all_are_no_answer_and_no_crash():
    driven = truth(CRUISE, 60)
    trace = plan_of(driven, **lanes(driven))
    nowhere = replace(trace, frame_ids=trace.frame_ids + 10_000)
    assert segment_metrics(nowhere, driven).values == {}
    assert pair_metrics(nowhere, trace, driven, NEAR).values == {}
    one = segment_metrics(plan_of(truth(CRUISE, 1)), truth(CRUISE, 1))
    assert one.get("ade_2s").frames == 1


def test_a_candidate_that_is_its_baseline_is_nowhere_off():
    driven = truth(BEND)
    trace = plan_of(driven)
    found = pair_metrics(trace, trace, driven, NEAR)
    assert {metric for metric, _ in found.values} == {
        name for name, metric in METRICS.items() if metric.of_pair and name != "divergence_first"
    }
    for (metric, _), value in found.values.items():
        assert value.value == pytest.approx(0.0, abs=1e-9), metric


def test_divergence_is_the_error_in_tolerances():
    driven = truth(CRUISE)
    y = np.zeros((240, 33))
    y[100:124, 9] = 0.25
    y[110, 3] = -0.4
    base, moved = plan_of(driven), plan_of(driven, position__y=y)
    found = pair_metrics(base, moved, driven, NEAR)
    assert found.get("divergence").value == pytest.approx((23 * 2.5 + 4.0) / 240)
    assert found.get("divergence_worst").value == pytest.approx(4.0)
    assert found.get("divergence_share").value == pytest.approx(24 / 240)
    assert found.get("divergence_first").value == pytest.approx(5.0)
    assert found.get("divergence_worst", "speed_20_30").value == pytest.approx(4.0)
    # The second check names everything: what a first one named keeps its tolerance.
    faster = plan_of(driven, velocity__x=driven.channels["path.speed"].values + 0.5)
    assert pair_metrics(base, faster, driven, NEAR).get("divergence_worst").value == pytest.approx(0.5)
    assert pair_metrics(base, faster, driven, NEAR).get("divergence_share").value == 0.0
    assert pair_metrics(base, faster, driven, NEAR).get("divergence_first") is None


def test_divergence_of_what_has_no_measure_is_endless():
    driven = truth(CRUISE, 20)
    base = plan_of(driven, state=np.zeros(20, np.int64), extra=np.zeros(20))
    nan = np.zeros(20)
    nan[4] = np.nan
    state = np.zeros(20, np.int64)
    state[7] = 1
    assert base.channels["state"].exactness is Exactness.EXACT
    for changed in (
        plan_of(driven, state=np.zeros(20, np.int64), extra=nan),
        plan_of(driven, state=state, extra=np.zeros(20)),
    ):
        found = pair_metrics(base, changed, driven, NEAR)
        assert found.get("divergence_share").value == pytest.approx(1 / 20)
        assert found.get("divergence_worst").value == 1e9
    lost = pair_metrics(base, plan_of(driven), driven, NEAR)
    assert lost.get("divergence_share").value == 1.0
    shown = [
        replace(base, channels={**base.channels, "extra": Channel("extra", "", values, Exactness.INFORMATIVE)})
        for values in (np.zeros(20), nan)
    ]
    assert pair_metrics(*shown, driven, NEAR).get("divergence_worst").value == 0.0, "what is only shown is not judged"
    events = (Check("events", ("*",), events=EventRules()),)
    assert pair_metrics(base, plan_of(driven, state=state), driven, events).get("divergence") is None


def test_where_the_plan_moved_to():
    driven = truth(CRUISE)
    base = plan_of(driven)
    right = plan_of(driven, position__y=np.full((240, 33), 0.3), orientation__z=np.full((240, 33), 0.02))
    found = pair_metrics(base, right, driven, NEAR)
    back = pair_metrics(right, base, driven, NEAR)
    for h in (1, 2, 3, 5, 8):
        assert found.get(f"plan_moved_{h}s").value == pytest.approx(0.3)
        assert found.get(f"plan_moved_right_{h}s").value == pytest.approx(0.3)
        assert found.get(f"plan_moved_on_{h}s").value == pytest.approx(0.0, abs=1e-9)
        assert back.get(f"plan_moved_{h}s").value == pytest.approx(0.3)
    assert found.get("plan_turned_2s").value == pytest.approx(0.02)
    assert back.get("plan_turned_2s").value == pytest.approx(-0.02)
    ahead = plan_of(driven, position__x=driven.channels["path.x"].values + 1.0)
    assert pair_metrics(base, ahead, driven, NEAR).get("plan_moved_on_2s").value == pytest.approx(1.0)
    without = pair_metrics(base, right, None, NEAR)
    assert without.get("plan_moved_right_2s").value == pytest.approx(0.3)


tables = st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), min_size=24, max_size=24)


@given(tables, st.text(max_size=20), st.lists(st.text(max_size=30), max_size=3))
def test_what_is_kept_comes_back(numbers: list[float], segment: str, notes: list[str]):
    table = np.array(numbers).reshape(2, 3, 4)
    table[..., 1] = np.abs(np.nan_to_num(table[..., 1])) % 1000 // 1
    table[..., 3] = 2.0
    kept = SegmentMetrics(
        segment, "driving_model", ("ade_2s", "comfort"), ("all", "curve", "night"), table, tuple(notes)
    )
    back = decode_metrics(encode_metrics(kept))
    assert (back.segment, back.metrics, back.conditions, back.notes) == (
        segment,
        kept.metrics,
        kept.conditions,
        kept.notes,
    )
    assert np.array_equal(back.table, table, equal_nan=True)
    assert back.values.keys() == kept.values.keys()


def test_what_was_damaged_or_blown_up_is_refused():
    kept = encode_metrics(segment_metrics(plan_of(truth(CRUISE)), truth(CRUISE)))
    assert len(kept) < 20_000
    for content in (kept[:-9], b"", b"nonsense", kept[:40] + b"x" + kept[41:]):
        with pytest.raises(DataError, match="not readable as a segment's metrics"):
            decode_metrics(content)


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_a_mean_over_a_condition_is_a_plain_mean(n: int, seed: int):
    rng = np.random.default_rng(seed)
    values, human = rng.normal(size=(2, n))
    values[rng.random(n) < 0.3] = np.nan
    human[rng.random(n) < 0.3] = np.nan
    excused = rng.random(n) < 0.5
    chosen = rng.random((3, n)) < 0.6
    plain, squared = tabulate(
        [Series("a", values, human, excused), Series("b", values**2, human**2, squared=True)], chosen
    )
    for mask, row, root in zip(chosen, plain, squared, strict=True):
        there = mask & np.isfinite(values)
        assert row[1] == there.sum()
        assert row[3] == (excused & there).sum()
        if there.any():
            assert row[0] == pytest.approx(values[there].mean(), abs=1e-12)
            assert root[0] == pytest.approx(np.sqrt(np.mean(values[there] ** 2)))
        else:
            assert np.isnan(row[0])
        both = there & np.isfinite(human)
        assert (np.isnan(row[2]) and not both.any()) or row[2] == pytest.approx(human[both].mean(), abs=1e-12)


def test_execution_time_is_held_against_a_budget_on_real_devices():
    found = execution_values(ExecutionTime(27.0, 51.0, 1200), "driving_model", DeviceKind.TIZI)
    assert found["model_execution_mean"] == Value(27.0, 1200)
    assert (found["model_execution_worst"].value, found["model_execution_over"].value) == (51.0, 1.0)
    emulated = execution_values(ExecutionTime(27.0, 51.0, 1200), "driving_model", DeviceKind.EMULATED)
    assert emulated.keys() == {"model_execution_mean", "model_execution_worst"}
    within = ExecutionTime(27.0, 50.0, 1200)
    assert execution_values(within, "driving_model", DeviceKind.MICI)["model_execution_over"].value == 0.0
    assert execution_values(within, "driver_monitoring", DeviceKind.MICI)["model_execution_over"].value == 1.0
    assert "model_execution_over" not in execution_values(within, "panda_safety", DeviceKind.MICI)
    assert METRICS["model_execution_mean"].direction is Direction.LOWER
