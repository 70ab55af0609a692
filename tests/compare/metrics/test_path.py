"""Plans against driven paths: figures that are known, laws that must hold, other libraries' answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import similaritymeasures
from evo.core import metrics as evo_metrics
from evo.core import sync
from evo.core.trajectory import PoseTrajectory3D
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.metrics import METRICS, Direction, segment_metrics
from harness.compare.metrics.horizon import HORIZONS_S, PLAN_T_S, grid, known_at, last_point, operator, read_at
from harness.compare.metrics.path import MISS_M, along_and_beside, displacements
from harness.compare.metrics.view import Path
from tests.compare.metrics.made import BEND, CRUISE, one_path, plan_of, truth

H = np.array([HORIZONS_S], np.float64)


def test_the_straight_road_of_the_reference():
    """At 10 m/s, 101 points: a delay of 0.1 s is 1.0 m off, a sine of 0.3 m is 0.189 m off and 0 at its end."""
    straight, late = one_path(10.0), one_path(10.0, late_s=0.1)
    off = displacements(late, straight, 10.0)
    assert off.shape == (1, 101)
    assert off.mean() == pytest.approx(1.0)
    assert off[0, -1] == pytest.approx(1.0)
    swung = replace(straight, y=0.3 * np.sin(2 * np.pi * PLAN_T_S / 10.0)[None])
    off = displacements(swung, straight, 10.0)
    assert off.mean() == pytest.approx(0.189, abs=1e-3)
    assert off[0, -1] == pytest.approx(0.0, abs=1e-9)
    # Fréchet distances of the same curves by similaritymeasures, over all 101 points.
    t = grid(10.0)
    road, delayed = (np.stack([10.0 * each, np.zeros_like(t)], 1) for each in (t, t - 0.1))
    sine = np.stack([10.0 * t, 0.3 * np.sin(2 * np.pi * t / 10.0)], 1)
    assert similaritymeasures.frechet_dist(delayed, road) == pytest.approx(1.0)
    assert similaritymeasures.frechet_dist(sine, road) == pytest.approx(0.3, abs=1e-3)
    assert np.hypot(*(sine - road).T).mean() == pytest.approx(off.mean(), abs=1e-3)


def test_a_delay_is_no_error_beside_the_road():
    for drive in ((10.0, 0.0, 0.0), (20.0, 0.004, 0.0), (20.0, -0.01, 0.0), (15.0, 0.005, 1.0)):
        exact, late = one_path(*drive), one_path(*drive, late_s=0.3)
        along, beside = along_and_beside(late, exact, H)
        assert np.abs(beside).max() < 3e-3, drive
        way = drive[0] * H + drive[2] * H**2 / 2
        lost = way - (drive[0] * (H - 0.3) + drive[2] * (H - 0.3) ** 2 / 2)
        assert np.allclose(along, -lost, atol=0.01), drive
        assert displacements(late, exact, 8.0)[0, -1] == pytest.approx(lost[0, -1], abs=0.05)


@pytest.mark.parametrize("drive", [CRUISE, BEND, (25.0, -0.008, -0.5)])
@pytest.mark.parametrize("right_m", [0.4, -1.0])
def test_a_plan_beside_the_road_is_beside_it_and_nothing_else(drive: tuple[float, float, float], right_m: float):
    exact = one_path(*drive)
    aside = replace(exact, x=exact.x - right_m * np.sin(exact.heading), y=exact.y + right_m * np.cos(exact.heading))
    along, beside = along_and_beside(aside, exact, H)
    assert np.allclose(beside, right_m, atol=2e-3)
    assert np.abs(along).max() < 0.02


def test_beyond_the_known_end_the_road_goes_on_straight():
    exact = one_path(10.0)
    short = replace(exact, valid=(PLAN_T_S <= 5.1)[None])
    fast = replace(exact, x=exact.x * 1.5, y=exact.y + 0.2)
    along, beside = along_and_beside(fast, short, np.array([[5.0]]))
    assert along == pytest.approx(25.0)
    assert beside == pytest.approx(0.2)


def test_a_car_that_stands_has_its_error_in_its_own_frame():
    still = one_path(0.0)
    off = replace(still, x=still.x + 3.0, y=still.y - 0.5)
    along, beside = along_and_beside(off, still, H)
    assert np.allclose(along, 3.0)
    assert np.allclose(beside, -0.5)


numbers = st.floats(-5, 5)


@st.composite
def paths(draw: st.DrawFn) -> Path:
    """A smooth path: speed and curvature that change with time."""
    speed, gain, bend = draw(st.floats(5, 30)), draw(st.floats(-0.4, 1.0)), draw(st.floats(-0.006, 0.006))
    swing = draw(st.floats(-0.05, 0.05))
    t = PLAN_T_S
    way = speed * t + gain * t**2 / 2
    heading = bend * way + swing * np.sin(t)
    fine = np.linspace(0, 10, 2001)
    fine_way = speed * fine + gain * fine**2 / 2
    pace, angle = speed + gain * fine, bend * fine_way + swing * np.sin(fine)
    x, y = (
        np.concatenate([[0.0], np.cumsum((each[1:] + each[:-1]) / 2) * 0.005])
        for each in (pace * np.cos(angle), pace * np.sin(angle))
    )
    values = (np.interp(t, fine, x), np.interp(t, fine, y), heading, speed + gain * t)
    return Path(*(each[None] for each in values), np.ones((1, 33), bool))


@given(paths(), paths())
def test_laws_of_displacement(one: Path, other: Path):
    assert not displacements(one, one, 8.0).any(), "a path is nowhere off itself"
    along, beside = along_and_beside(one, one, H)
    assert np.abs(along).max() < 1e-9
    assert np.abs(beside).max() < 1e-9
    off = displacements(one, other, 8.0)
    assert np.array_equal(off, displacements(other, one, 8.0)), "the same both ways"
    mean = np.cumsum(off, axis=1) / np.arange(1, off.shape[1] + 1)
    assert (mean <= np.maximum.accumulate(off, axis=1) + 1e-12).all()


@given(paths(), paths(), st.floats(-np.pi, np.pi), numbers, numbers)
def test_nothing_depends_on_where_the_axes_lie(one: Path, other: Path, turn: float, east: float, north: float):
    moved = [rigid(each, turn, east, north) for each in (one, other)]
    assert np.allclose(displacements(*moved, 8.0), displacements(one, other, 8.0), atol=1e-9)
    for before, after in zip(along_and_beside(one, other, H), along_and_beside(*moved, H), strict=True):
        assert np.allclose(before, after, atol=1e-6)


@given(paths(), paths(), st.floats(0.1, 0.9))
def test_half_the_way_to_the_path_is_half_the_error(plan: Path, driven: Path, share: float):
    nearer = replace(plan, x=driven.x + share * (plan.x - driven.x), y=driven.y + share * (plan.y - driven.y))
    assert np.allclose(displacements(nearer, driven, 8.0), share * displacements(plan, driven, 8.0), atol=1e-9)


@given(st.floats(5, 30), st.floats(-2, 2), st.floats(-3, 3))
def test_who_is_ahead_and_right_of_whom_is_negated_by_a_swap(speed: float, right_m: float, ahead_m: float):
    road = one_path(speed)
    other = replace(road, x=road.x + ahead_m, y=road.y + right_m)
    inner = np.array([[1.0, 2.0, 5.0]])
    for there, back in zip(along_and_beside(other, road, inner), along_and_beside(road, other, inner), strict=True):
        assert np.allclose(there, -back, atol=1e-9)


def rigid(path: Path, turn: float, east: float, north: float) -> Path:
    cos, sin = np.cos(turn), np.sin(turn)
    return replace(
        path,
        x=cos * path.x - sin * path.y + east,
        y=sin * path.x + cos * path.y + north,
        heading=path.heading + turn,
    )


@given(paths(), paths())
def test_displacements_are_those_of_evo(one: Path, other: Path):
    times = grid(8.0)
    ours = displacements(one, other, 8.0)[0]
    trajectories = [pose_trajectory(each, times) for each in (one, other)]
    error = evo_metrics.APE(evo_metrics.PoseRelation.translation_part)
    error.process_data(tuple(sync.associate_trajectories(*trajectories)))
    assert error.get_statistic(evo_metrics.StatisticsType.mean) == pytest.approx(ours.mean(), abs=1e-9)
    assert error.get_statistic(evo_metrics.StatisticsType.max) == pytest.approx(ours.max(), abs=1e-9)


def pose_trajectory(path: Path, times: np.ndarray) -> PoseTrajectory3D:
    read = operator(times)
    places = np.stack([(path.x @ read)[0], (path.y @ read)[0], np.zeros(len(times))], 1)
    return PoseTrajectory3D(places, np.tile([1.0, 0, 0, 0], (len(times), 1)), times)


ROAD_S = np.linspace(0.0, 10.0, 101)


def on_road(*columns: np.ndarray) -> PoseTrajectory3D:
    """A trajectory of 101 points in 10 s."""
    places = np.stack([np.broadcast_to(column, ROAD_S.shape) for column in columns], 1)
    return PoseTrajectory3D(places, np.tile([1.0, 0, 0, 0], (len(ROAD_S), 1)), ROAD_S)


def evo_error(one: PoseTrajectory3D, other: PoseTrajectory3D, statistic: evo_metrics.StatisticsType) -> float:
    error = evo_metrics.APE(evo_metrics.PoseRelation.translation_part)
    error.process_data((one, other))
    return float(error.get_statistic(statistic))


def test_evo_has_the_published_figures_of_a_straight_road():
    """At 10 m/s: 0.1 s late everywhere is 1 m; a lateral sine of 0.3 m is 0.189 m in the mean."""
    straight = on_road(10.0 * ROAD_S, 0.0, 0.0)
    late = on_road(10.0 * (ROAD_S - 0.1), 0.0, 0.0)
    beside = on_road(10.0 * ROAD_S, 0.3 * np.sin(2 * np.pi * ROAD_S / 10.0), 0.0)
    mean = evo_metrics.StatisticsType.mean
    assert evo_error(straight, late, mean) == pytest.approx(1.0)
    assert evo_error(straight, beside, mean) == pytest.approx(0.189, abs=5e-4)
    assert evo_error(straight, beside, evo_metrics.StatisticsType.max) == pytest.approx(0.3, abs=2e-3)


def test_evo_aligns_as_the_singular_values_say():
    """A noisy drive, turned and moved: what is left after alignment, once by evo and once by Kabsch's rotation."""
    rng = np.random.default_rng(11)
    truth_m = np.stack([10.0 * ROAD_S, 20.0 * np.sin(ROAD_S / 4.0), 0.3 * np.cos(ROAD_S)], 1)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    moved_m = (truth_m + rng.normal(0.0, 0.7, truth_m.shape)) @ turn.T + np.array([5.0, -3.0, 1.0])
    estimate, reference = on_road(*moved_m.T), on_road(*truth_m.T)
    estimate.align(reference)
    ours, theirs = moved_m - moved_m.mean(axis=0), truth_m - truth_m.mean(axis=0)
    left, _, right = np.linalg.svd(ours.T @ theirs)
    rotation = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    known = np.sqrt(np.mean(((ours @ rotation - theirs) ** 2).sum(axis=1)))
    assert evo_error(reference, estimate, evo_metrics.StatisticsType.rmse) == pytest.approx(known, rel=1e-9)
    assert 0.5 < known < 1.5


@given(st.floats(0, 8), st.lists(numbers, min_size=4, max_size=4))
def test_reading_between_points_is_exact_for_cubics(at: float, terms: list[float]):
    values = np.polyval(terms, PLAN_T_S)[None]
    wanted = np.polyval(terms, at)
    assert (values @ operator(np.array([at])))[0, 0] == pytest.approx(wanted, abs=1e-6)
    assert read_at(values, np.array([[at]]))[0, 0] == pytest.approx(wanted, abs=1e-6)


@given(st.floats(0.1, 8))
def test_reading_needs_no_point_that_is_not_asked_for(at: float):
    needed = np.flatnonzero(operator(np.array([at]))[:, 0])
    assert needed.max() <= last_point(at)
    valid = np.zeros((2, 33), bool)
    valid[0, : last_point(at) + 1] = True
    valid[1] = ~valid[0]
    assert known_at(valid, at).tolist() == [True, False]
    assert PLAN_T_S[last_point(at)] >= at - 1e-9


def test_values_of_a_segment_are_the_means_over_its_frames():
    driven = truth(CRUISE)
    trace = plan_of(driven, position__y=driven.channels["path.y"].values + 0.3 * (np.arange(240) % 2)[:, None])
    found = segment_metrics(trace, driven)
    for h in HORIZONS_S:
        assert found.get(f"ade_{h}s").value == pytest.approx(0.15)
        assert found.get(f"fde_{h}s").value == pytest.approx(0.15)
        assert found.get(f"lateral_error_{h}s").value == pytest.approx(0.15)
        assert found.get(f"lateral_bias_{h}s").value == pytest.approx(0.15)
        assert found.get(f"longitudinal_error_{h}s").value == pytest.approx(0.0, abs=1e-9)
        assert found.get(f"heading_error_{h}s").value == 0.0
        assert found.get(f"lateral_error_{h}s").frames == 240
        assert found.get(f"ade_{h}s").human == 0.0
        nearest = PLAN_T_S[np.argmin(np.abs(PLAN_T_S - h))]
        assert found.get(f"truth_error_{h}s").value == pytest.approx(0.01 * nearest)


@pytest.mark.parametrize(("h", "bound"), MISS_M.items())
def test_a_miss_is_a_plan_ever_farther_off_than_the_bound(h: int, bound: float):
    driven = truth(CRUISE, 4)
    for off, missed in ((bound - 0.01, 0.0), (bound + 0.01, 1.0)):
        # Farthest a second before the horizon, and back on the path at its end.
        bump = off * np.exp(-(((PLAN_T_S - (h - 1)) / 0.2) ** 2))
        peak = (bump[None] @ operator(grid(float(h)))).max()
        trace = plan_of(driven, position__y=driven.channels["path.y"].values + bump * off / peak)
        assert segment_metrics(trace, driven).get(f"miss_{h}s").value == missed


def test_heading_is_the_shorter_way_round():
    driven = truth(CRUISE, 4, path__heading=np.full((4, 33), 3.1))
    trace = plan_of(driven, orientation__z=np.full((4, 33), -3.1))
    found = segment_metrics(trace, driven)
    assert found.get("heading_error_2s").value == pytest.approx(2 * np.pi - 6.2)


def test_what_is_not_known_is_left_out_and_counted():
    n = 100
    valid = np.ones((n, 33), bool)
    valid[60:, last_point(2.0) + 1 :] = False  # the last frames know two seconds, not three
    valid[90:] = False
    driven = truth(CRUISE, n, valid=valid)
    for name in ("path.x", "path.y", "path.heading", "path.speed"):
        driven.channels[name].values[~valid] = 0.0
    broken = driven.channels["path.x"].values.copy()
    broken[10, 5], broken[20, 30] = np.nan, np.inf
    found = segment_metrics(plan_of(driven, position__x=broken), driven)
    assert found.get("ade_2s").frames == 88
    assert found.get("ade_3s").frames == 58
    assert found.get("ade_3s").value == pytest.approx(0.0, abs=1e-9)
    assert found.get("plan_not_a_number").value == pytest.approx(0.02)
    assert found.get("plan_not_a_number").frames == n
    assert found.get("truth_known").value == pytest.approx(0.6)


def test_every_metric_says_what_it_is():
    assert len(METRICS) > 100
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.words
        assert metric.practical_size > 0
        assert metric.family
        assert metric.direction in Direction
    assert all(metric.direction is Direction.NONE for name, metric in METRICS.items() if "bias" in name)
    assert all(metric.family == "divergence" for metric in METRICS.values() if metric.of_pair)
