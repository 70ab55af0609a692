"""How far two traces are apart, and the road beneath: in units, on common frames, NaN on one side counted."""

from __future__ import annotations

import numpy as np
import pytest

from harness.compare.metrics.horizon import PLAN_T_S
from harness.compare.motion import MOST_MPS2, find_motion, find_road, rms
from harness.trace import Trace
from tests.compare.conftest import make

FRAMES, SPEED = 60, 20.0


def drive(
    *,
    right_m: float = 0.0,
    ahead_mps: float = 0.0,
    bend: float = 0.0,
    curvature: float = 0.0,
    pace: float = 0.0,
    **more,
) -> Trace:
    """Constant plans: `bend` 1/m to the right, at 2 s `right_m` beside, `ahead_mps` faster."""
    t = np.broadcast_to(PLAN_T_S, (FRAMES, 33))
    speed = SPEED + ahead_mps + pace * t
    along = (SPEED + ahead_mps) * t + pace * t**2 / 2
    heading = bend * along
    beside = bend * along**2 / 2 + right_m * (t / 2.0)
    channels = {
        "position.x": along, "position.y": beside, "orientation.z": heading, "velocity.x": speed,
        "vEgo": np.full(FRAMES, SPEED), "action.desiredCurvature": np.full(FRAMES, curvature),
        "action.desiredAcceleration": np.full(FRAMES, pace),
    }  # fmt: skip
    return make({**{name: np.array(values) for name, values in channels.items()}, **more})


def test_a_trace_is_not_away_from_itself():
    motion = find_motion(drive(bend=0.002), drive(bend=0.002))
    assert not motion.action.any()
    assert not motion.plan.any()
    assert not motion.broken.any()


def test_both_axes_in_their_units_and_signs():
    plain = drive()
    right = find_motion(plain, drive(right_m=0.3, curvature=0.001))
    assert right.plan[:, 0] == pytest.approx(0.3, abs=1e-6)
    assert right.plan[:, 1] == pytest.approx(0.0, abs=1e-6)
    assert right.action == pytest.approx(np.tile([0.001 * SPEED**2, 0.0], (FRAMES, 1)))
    back = find_motion(drive(right_m=0.3, curvature=0.001), plain)
    assert rms(back.size) == pytest.approx(rms(right.size))
    assert (back.action == -right.action).all()
    ahead = find_motion(plain, drive(ahead_mps=0.5))
    assert ahead.plan[:, 1] == pytest.approx(1.0, abs=1e-6)
    assert not ahead.by_action, "then the plan is what is told of"
    assert ahead.size == pytest.approx(1.0, abs=1e-6)


def test_what_is_no_number_on_one_side_counts_as_much_as_any_car_can_do():
    acceleration = np.zeros(FRAMES)
    acceleration[10:12] = np.nan
    broken = drive(**{"action.desiredAcceleration": acceleration})
    motion = find_motion(drive(), broken)
    assert np.flatnonzero(motion.broken).tolist() == [10, 11]
    assert motion.action[10:12, 1].tolist() == [MOST_MPS2] * 2
    assert not find_motion(broken, broken).size.any()


def test_only_common_frames_are_held_against_each_other():
    late = make({name: channel.values for name, channel in drive(curvature=0.01).channels.items()}, first_frame=50)
    motion = find_motion(drive(), late)
    assert motion.frame_ids.tolist() == list(range(50, 60))
    assert motion.seconds[0] == 2.5


def test_the_road():
    desire = np.zeros(FRAMES, np.int8)
    desire[5:] = 3
    lead = np.zeros((FRAMES, 3))
    lead[:, 0] = 0.9
    road = find_road(drive(bend=-0.002, pace=-1.0, desire=desire, **{"leadsV3.prob": lead}), np.arange(FRAMES))
    assert road.bend == pytest.approx(-0.002, rel=1e-3)
    assert road.pace == pytest.approx(-1.0)
    assert np.flatnonzero(road.changing_lane)[0] == 5
    assert road.behind_lead.all()
    empty = find_road(make({"vEgo": np.full(FRAMES, 3.0)}), np.arange(FRAMES))
    assert not empty.bend.any()
    assert empty.speed.tolist() == [3.0] * FRAMES
