from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures.drive import RATE_HZ, Drive, compact_drive, seeded_drive
from fixtures.motion import real_drive
from fixtures.road import LANE_WIDTH_M, road_of_curvature


@pytest.mark.parametrize("drive", [seeded_drive("a", 3, 40.0), compact_drive("b", 1, 4.0)], ids=["seeded", "compact"])
def test_the_pose_is_the_integral_of_speed_and_heading(drive: Drive) -> None:
    travelled = np.hypot(np.diff(drive.x_m), np.diff(drive.y_m)) * RATE_HZ
    np.testing.assert_allclose(travelled, drive.speed_mps[1:], rtol=0.03)
    course = np.unwrap(np.arctan2(np.diff(drive.y_m), np.diff(drive.x_m)))
    np.testing.assert_allclose(course, drive.heading_rad[1:], atol=0.01)


def test_a_full_round_has_bends_both_ways_lane_changes_both_ways_braking_and_a_lead() -> None:
    drive = seeded_drive("a", 3, 40.0)
    assert drive.curvature.min() < -0.002 < 0.002 < drive.curvature.max()
    assert drive.left_blinker.any()
    assert drive.right_blinker.any()
    assert drive.acceleration.min() < -0.8
    assert np.isfinite(drive.lead_gap_m).any()
    assert drive.lateral_m[0] == pytest.approx(0.0, abs=0.01)
    assert drive.lateral_m.min() == pytest.approx(-LANE_WIDTH_M, abs=0.15)
    assert np.abs(drive.curvature * drive.speed_mps**2).max() < 3.5


def test_the_same_seed_is_the_same_drive_and_another_is_not() -> None:
    first, again, other = (seeded_drive("a", seed, 12.0).speed_mps for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_road_of_constant_curvature_is_a_circle() -> None:
    road = road_of_curvature(200.0, lambda s: np.full_like(s, 0.01))
    np.testing.assert_allclose(np.hypot(road.x_m, road.y_m - 100.0), 100.0, rtol=1e-3)


def test_real_motion_follows_the_recorded_path(shared_data: Path) -> None:
    folder = next(iter(sorted(shared_data.glob("comma2k19/*/*/*/global_pose"))))
    drive = real_drive("real", folder, 60.0)
    positions, speeds = np.load(folder / "frame_positions"), np.load(folder / "frame_velocities")
    assert drive.duration_s == pytest.approx(59.9, abs=0.1)
    straight = np.linalg.norm(positions[-1] - positions[0])
    drawn = np.hypot(drive.x_m[-1] - drive.x_m[0], drive.y_m[-1] - drive.y_m[0])
    assert drawn == pytest.approx(straight, rel=0.01)
    assert drive.speed_mps.max() == pytest.approx(np.linalg.norm(speeds, axis=1).max(), rel=0.01)
