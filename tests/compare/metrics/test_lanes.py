"""Lines held against themselves along the driven path, and the plan between them."""

from __future__ import annotations

import numpy as np
import pytest

from harness.compare.metrics import segment_metrics
from harness.compare.metrics.horizon import PLAN_T_S
from tests.compare.metrics.made import BEND, CRUISE, lanes, plan_of, truth

DRIVES = [CRUISE, BEND, (20.0, -0.006, 0.0)]


@pytest.mark.parametrize("drive", DRIVES)
def test_lines_of_a_real_road_stay_where_they_are(drive: tuple[float, float, float]):
    driven = truth(drive)
    found = segment_metrics(plan_of(driven, **lanes(driven)), driven)
    for name in ("lane_line", "road_edge"):
        for ahead in (1, 2):
            value = found.get(f"{name}_consistency_{ahead}s")
            assert value.value < 0.03, "what is left is the straight piece between two points of a line"
            assert value.frames == 240 - 20 * ahead


def test_lines_of_a_turned_frame_are_compared_across_the_road():
    """The car weaves between straight lines: in its own axes they turn, on the road they do not move."""
    n = 240
    at = np.arange(n) * 0.05
    angle, aside = 0.05 * np.sin(at), np.concatenate([[0.0], np.cumsum(20 * np.sin(0.05 * np.sin(at)) * 0.05)])[:n]
    along = np.cumsum(20 * np.cos(angle) * 0.05)
    x, y, heading = (np.zeros((n, 33)) for _ in range(3))
    fine = np.arange(0, n * 0.05 + 11, 0.005)
    fine_angle = 0.05 * np.sin(fine)
    north = np.concatenate([[0.0], np.cumsum(20 * np.cos(fine_angle[:-1]) * 0.005)])
    east = np.concatenate([[0.0], np.cumsum(20 * np.sin(fine_angle[:-1]) * 0.005)])
    for i in range(n):
        later = at[i] + PLAN_T_S
        dx = np.interp(later, fine, north) - np.interp(at[i], fine, north)
        dy = np.interp(later, fine, east) - np.interp(at[i], fine, east)
        here = 0.05 * np.sin(at[i])
        x[i], y[i] = np.cos(here) * dx + np.sin(here) * dy, np.cos(here) * dy - np.sin(here) * dx
        heading[i] = 0.05 * np.sin(later) - here
        aside[i], along[i] = np.interp(at[i], fine, east), np.interp(at[i], fine, north)
    driven = truth(CRUISE, n, path__x=x, path__y=y, path__heading=heading)
    ahead = 192.0 * (np.arange(33) / 32.0) ** 2
    here = 0.05 * np.sin(at)[:, None, None]
    places = np.array([-5.4, -1.8, 1.8, 5.4])[None, :, None] - aside[:, None, None]
    # A straight line at `place` to the right of the car, seen turned by the car's own angle.
    lines = places / np.cos(here) - np.tan(here) * ahead
    trace = plan_of(driven, laneLines__y=lines, laneLineProbs=np.full((n, 4), 0.9))
    found = segment_metrics(trace, driven)
    assert found.get("lane_line_consistency_2s").value < 0.01


def test_lines_that_jitter_are_told_by_how_much():
    driven = truth(CRUISE)
    road = lanes(driven)
    road["laneLines__y"] = road["laneLines__y"] + 0.2 * ((np.arange(240) // 20) % 2)[:, None, None]
    road["roadEdges__y"] = road["roadEdges__y"] + 0.6 * ((np.arange(240) // 20) % 2)[:, None, None]
    found = segment_metrics(plan_of(driven, **road), driven)
    assert found.get("lane_line_consistency_1s").value == pytest.approx(0.2)
    assert found.get("lane_line_consistency_2s").value == pytest.approx(0.0, abs=1e-9)
    assert found.get("road_edge_consistency_1s").value == pytest.approx(0.6)


def test_only_lines_that_are_sure_in_both_frames_are_asked():
    driven = truth(CRUISE, 100)
    road = lanes(driven)
    road["laneLines__y"] = road["laneLines__y"].copy()
    road["laneLines__y"][:, [0, 3]] += np.random.default_rng(0).normal(0, 1, (100, 2, 1))
    road["laneLines__y"][:, 1] += (np.arange(100) % 7)[:, None]  # the left one jumps about, and is not sure
    road["laneLineProbs"] = np.tile([0.9, 0.49, 0.51, 0.9], (100, 1))
    road["laneLineProbs"][50:60, 2] = 0.3
    found = segment_metrics(plan_of(driven, **road), driven).get("lane_line_consistency_1s")
    assert found.value == pytest.approx(0.0, abs=1e-9)
    assert found.frames == 80 - 20
    road["roadEdgeStds"] = np.full((100, 2), 1.1)
    assert segment_metrics(plan_of(driven, **road), driven).get("road_edge_consistency_1s") is None


def test_lines_change_their_names_in_a_lane_change():
    n = 200
    blinking = (np.arange(n) >= 80) & (np.arange(n) < 120)
    driven = truth(CRUISE, n, blinker=blinking.astype(np.int8))
    road = lanes(driven)
    # At frame 100 the car crosses a line: from then on the next lane's lines are the own ones.
    road["laneLines__y"] = road["laneLines__y"] + np.where(np.arange(n) < 100, 0.0, 3.6)[:, None, None]
    found = segment_metrics(plan_of(driven, **road), driven)
    assert found.get("lane_line_consistency_1s").value == pytest.approx(0.0, abs=1e-9)
    assert found.get("lane_line_consistency_1s").frames == n - 20 - 60
    assert found.get("road_edge_consistency_1s").frames == n - 20, "edges keep theirs"
    silent = truth(CRUISE, n)
    unsaid = segment_metrics(plan_of(silent, **road), silent).get("lane_line_consistency_1s")
    assert unsaid.value == pytest.approx(3.6 * 20 / 180)


def test_lines_that_are_no_numbers_are_not_lines():
    driven = truth(CRUISE, 60)
    road = lanes(driven)
    road["laneLines__y"] = road["laneLines__y"].copy()
    road["laneLines__y"][5, 1:3, 7] = np.nan
    found = segment_metrics(plan_of(driven, **road), driven)
    assert found.get("lane_line_consistency_1s").frames == 39
    assert found.get("lane_line_consistency_1s").value == pytest.approx(0.0, abs=1e-9)
    assert found.get("lane_offset_2s").frames == 59


@pytest.mark.parametrize("drive", DRIVES)
def test_the_offset_is_from_the_middle_of_the_lane(drive: tuple[float, float, float]):
    driven = truth(drive)
    for middle in (0.0, 0.3, -0.6):
        found = segment_metrics(plan_of(driven, **lanes(driven, middle_m=middle)), driven)
        assert found.get("lane_offset_2s").value == pytest.approx(abs(middle), abs=0.05)
        assert found.get("lane_offset_2s").human == pytest.approx(abs(middle), abs=0.05)


def off_for(frames: int, by_m: float, *, first: int = 60, gap: int | None = None) -> np.ndarray:
    y = np.zeros((240, 33))
    y[first : first + frames] = by_m
    if gap is not None:
        y[gap] = 0.0
    return y


@pytest.mark.parametrize(
    ("off", "share"),
    [
        (off_for(42, 0.6), 42 / 240),
        (off_for(41, 0.6), 0.0),  # the first to the last is two seconds, not longer
        (off_for(42, 0.49), 0.0),
        (off_for(42, -0.6), 42 / 240),
        (off_for(80, 0.6, gap=95), 44 / 240),
        (off_for(180, 0.6), 180 / 240),
    ],
    ids=["long", "two seconds", "near", "left", "interrupted", "to the end"],
)
def test_a_lane_is_left_by_more_than_half_a_metre_for_more_than_two_seconds(off: np.ndarray, share: float):
    driven = truth(CRUISE)
    found = segment_metrics(plan_of(driven, position__y=off, **lanes(driven)), driven).get("lane_keeping")
    assert found.value == pytest.approx(1 - share)
    assert (found.frames, found.human, found.excused) == (240, 1.0, 0)


def test_a_lane_that_the_human_left_too_is_excused():
    y = off_for(100, 0.7)
    driven = truth(CRUISE, path__y=y)
    found = segment_metrics(plan_of(driven, **lanes(driven)), driven).get("lane_keeping")
    assert (found.value, found.human, found.excused) == pytest.approx((1.0, 140 / 240, 100))
    wider = segment_metrics(plan_of(driven, position__y=off_for(150, 0.7), **lanes(driven)), driven)
    assert wider.get("lane_keeping").value == pytest.approx(1 - 50 / 240)


def test_changing_lanes_is_not_leaving_one():
    driven = truth(CRUISE, blinker=np.r_[np.zeros(60), np.ones(100), np.zeros(80)].astype(np.int8))
    trace = plan_of(driven, position__y=off_for(100, 0.9), **lanes(driven))
    found = segment_metrics(trace, driven).get("lane_keeping")
    assert (found.value, found.frames) == (1.0, 140)


def test_missing_frames_end_a_stretch():
    ids = [*range(500, 560), *range(580, 760)]
    driven = truth(CRUISE, frames=ids)
    trace = plan_of(driven, position__y=off_for(60, 0.9, first=30), **lanes(driven))
    assert segment_metrics(trace, driven).get("lane_keeping").value == 1.0
