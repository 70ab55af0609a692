"""Comfort and consistency: scipy's filter as it is applied there, one bound at a time, and what is excused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from harness.compare.metrics import segment_metrics
from harness.compare.metrics.comfort import BOUNDS, CHANGES, COMFORT_S, feel
from harness.compare.metrics.horizon import PLAN_T_S, grid, operator
from harness.compare.metrics.view import Path
from tests.compare.metrics.made import BEND, CRUISE, FRAME_NS, one_path, plan_of, truth

T = grid(COMFORT_S)


def test_what_is_felt_is_what_scipys_filter_says():
    rng = np.random.default_rng(0)
    speed = 20 + np.cumsum(rng.normal(0, 0.3, 33))
    heading = np.cumsum(rng.normal(0, 0.02, 33))
    path = replace(one_path(), speed=speed[None], heading=heading[None])
    felt = feel(path)
    read = operator(T)
    pace, angle = speed @ read, heading @ read

    def derive(values: np.ndarray, window: int, order: int) -> np.ndarray:
        return savgol_filter(values, window, 2, deriv=order, delta=0.1)

    forward = derive(pace, 8, 1)
    turning = derive(angle, 15, 1)
    assert np.allclose(felt.longitudinal_acceleration[0], forward)
    assert np.allclose(felt.yaw_rate[0], turning)
    assert np.allclose(felt.yaw_acceleration[0], derive(angle, 15, 2))
    assert np.allclose(felt.lateral_acceleration[0], pace * turning)
    assert np.allclose(felt.longitudinal_jerk[0], derive(forward, 15, 1))
    assert np.allclose(felt.jerk[0], derive(np.hypot(forward, pace * turning), 15, 1))


def test_a_steady_drive_is_felt_as_its_formula_says():
    felt = feel(one_path(15.0, 0.004, 1.0))
    inner = slice(8, -8)
    assert np.allclose(felt.longitudinal_acceleration, 1.0, atol=1e-9)
    speed = 15.0 + T[inner]
    assert np.allclose(felt.yaw_rate[0, inner], 0.004 * speed, atol=1e-6)
    assert np.allclose(felt.lateral_acceleration[0, inner], 0.004 * speed**2, atol=1e-4)
    assert np.abs(felt.longitudinal_jerk).max() < 1e-9


CASES = {
    "longitudinal_acceleration": [((20.0, 0.0, 2.39), (20.0, 0.0, 2.41)), ((30.0, 0.0, -4.04), (30.0, 0.0, -4.06))],
    "lateral_acceleration": [((20, 4.88 / 400, 0), (20, 4.9 / 400, 0)), ((20, -4.88 / 400, 0), (20, -4.9 / 400, 0))],
    "yaw_rate": [((2.0, 0.474, 0), (2.0, 0.476, 0)), ((2.0, -0.474, 0), (2.0, -0.476, 0))],
}  # fmt: skip


@pytest.mark.parametrize(
    ("bound", "kept", "broken"), [(name, *pair) for name, pairs in CASES.items() for pair in pairs]
)
def test_each_bound_is_where_nuplan_has_it(bound: str, kept: tuple[float, ...], broken: tuple[float, ...]):
    gentle = truth(CRUISE, 3)
    for drive, share in ((kept, 1.0), (broken, 0.0)):
        planned = truth(drive, 3)
        found = segment_metrics(plan_of(replace(planned, channels=gentle.channels | steering(planned))), gentle)
        assert found.get(f"comfort_{bound}").value == share, drive
        assert found.get("comfort").value == share
        others = [name for name in BOUNDS if name != bound and (bound, name) != ("yaw_rate", "lateral_acceleration")]
        assert all(found.get(f"comfort_{name}").value == 1.0 for name in others)


def steering(planned):  # type: ignore[no-untyped-def]
    return {name: planned.channels[name] for name in ("path.x", "path.y", "path.heading", "path.speed")}


@pytest.mark.parametrize(("bound", "limit"), [("longitudinal_jerk", 4.13), ("jerk", 8.37), ("yaw_acceleration", 1.93)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_each_change_has_its_bound(bound: str, limit: float, sign: float):
    """Ramps whose filtered slope is known: a parabola passes the filters as it is."""
    gentle = truth(CRUISE, 2)
    # A filter of eight samples lies half a sample off its middle, its edges do not: up to 13 % more is felt there.
    near = 0.88 if bound == "longitudinal_jerk" else 0.99
    for share, kept in ((near, 1.0), (1.01, 0.0)):
        slope = sign * share * limit
        if bound == "longitudinal_jerk":
            # Acceleration grows by `slope` a second and stays small enough: speed is a parabola about 2.5 s.
            channels = {"velocity__x": np.tile(20 + slope * (PLAN_T_S - 2.5) ** 2 / 2, (2, 1))}
        elif bound == "yaw_acceleration":
            channels = {
                "orientation__z": np.tile(slope * (PLAN_T_S - 2.5) ** 2 / 2, (2, 1)),
                "velocity__x": np.ones((2, 33)) * 0.1,
            }
        else:
            # Lateral acceleration v·ω changes with v = 20: ω grows by slope / 20 a second.
            channels = {"orientation__z": np.tile(slope / 20 * (PLAN_T_S**2) / 2, (2, 1))}
        found = segment_metrics(plan_of(gentle, **channels), gentle)
        assert found.get(f"comfort_{bound}").value == kept, share
        assert found.get("comfort").frames == 2


def test_what_the_human_failed_too_does_not_count():
    """The drive brakes at 5 m/s² in its middle: a plan that does the same is excused, any other bound is not."""
    n = 30
    hard, gentle = truth((30.0, 0.0, -5.0), n), truth((30.0, 0.0, -1.0), n)
    rows = (np.arange(n) >= 10) & (np.arange(n) < 20)
    mixed = {
        name: np.where(rows[:, None], hard.channels[name].values, gentle.channels[name].values)
        for name in ("path.x", "path.y", "path.heading", "path.speed")
    }
    driven = truth((30.0, 0.0, -1.0), n, **{name.replace(".", "__"): values for name, values in mixed.items()})
    same = segment_metrics(plan_of(driven), driven).get("comfort_longitudinal_acceleration")
    assert (same.value, same.human, same.excused) == pytest.approx((1.0, 2 / 3, 10))
    always = plan_of(driven, velocity__x=hard.channels["path.speed"].values)
    found = segment_metrics(always, driven).get("comfort_longitudinal_acceleration")
    assert (found.value, found.human, found.excused) == pytest.approx((1 / 3, 2 / 3, 10))
    # A plan that turns too fast where the human only braked too hard: not excused, by the sum of all neither.
    turning = plan_of(driven, orientation__z=np.tile(0.02 * 30 * PLAN_T_S, (n, 1)), velocity__x=np.full((n, 33), 30.0))
    found = segment_metrics(turning, driven)
    assert found.get("comfort_lateral_acceleration").value == 0.0
    assert found.get("comfort").value == 0.0
    assert found.get("comfort").excused == 0
    unknown = truth((30.0, 0.0, -5.0), n, valid=np.zeros((n, 33), bool))
    alone = segment_metrics(plan_of(hard), unknown).get("comfort")
    assert (alone.value, alone.excused) == (0.0, 0), "nobody is excused by what is not known"
    assert np.isnan(alone.human)


def test_plans_that_go_on_as_they_said_are_consistent():
    for drive in (CRUISE, BEND, (15.0, 0.003, 1.0)):
        driven = truth(drive)
        found = segment_metrics(plan_of(driven), driven)
        assert found.get("consistency").value == 1.0
        assert found.get("consistency").frames == 239
        for name in CHANGES:
            # Off the ends of the filters' windows a shifted reading is the same.
            assert found.get(f"plan_change_{name}").value < 0.01, (drive, name)


@pytest.mark.parametrize(
    ("name", "channel", "change"),
    [
        ("acceleration", "velocity__x", lambda size: size * PLAN_T_S),
        ("jerk", "velocity__x", lambda size: size * (PLAN_T_S - 2.5) ** 2 / 2),
        ("yaw_rate", "orientation__z", lambda size: size * PLAN_T_S),
        ("yaw_acceleration", "orientation__z", lambda size: size * (PLAN_T_S - 2.5) ** 2 / 2),
    ],
)
def test_a_plan_that_changes_its_mind_by_so_much(name: str, channel: str, change):
    """Every other plan is changed by a little under, then a little over the bound: the change is what is told."""
    driven = truth((0.5 if "yaw" in name else 20.0, 0.0, 0.0), 60)
    plain = {"velocity__x": "path.speed", "orientation__z": "path.heading"}[channel]
    odd = (np.arange(60) % 2)[:, None]
    bound = CHANGES[name][0]
    for share, kept in ((0.97, 1.0), (1.03, 0.0)):
        values = driven.channels[plain].values + odd * change(share * bound)
        found = segment_metrics(plan_of(driven, **{channel: values}), driven)
        assert found.get(f"plan_change_{name}").value == pytest.approx(share * bound, rel=0.01)
        assert found.get(f"consistency_{name}").value == kept
        assert found.get("consistency").frames == 59


def test_a_missing_frame_or_a_broken_one_joins_nothing():
    driven = truth(CRUISE, 40, frames=[*range(500, 520), *range(521, 541)])
    broken = driven.channels["path.x"].values.copy()
    broken[30] = np.nan
    found = segment_metrics(plan_of(driven, position__x=broken), driven)
    assert found.get("plan_change_jerk").frames == 39 - 1 - 2
    assert (driven.t_ns[20] - driven.t_ns[19]) == 2 * FRAME_NS


@given(st.floats(-3, 3), st.floats(-100, 100), st.floats(-100, 100))
def test_comfort_does_not_depend_on_where_the_axes_lie(turn: float, east: float, north: float):
    plain = one_path(15.0, 0.004, 1.0)
    moved = Path(plain.x + east, plain.y + north, plain.heading + turn, plain.speed, plain.valid)
    for name in BOUNDS:
        assert np.allclose(getattr(feel(plain), name), getattr(feel(moved), name), atol=1e-9)
