"""Which input made a difference, told from made traces and swaps whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.compare.causes import BASELINE, CANDIDATE, Attribution, attribute, find_groups, hold_swap
from harness.compare.motion import find_motion
from harness.explanation import Cause, Swap
from harness.trace import Trace
from tests.compare.conftest import make

FRAMES = 50
PLAIN = {
    "pictures.narrow.digest": np.arange(FRAMES, dtype=np.uint64),
    "features": np.zeros((FRAMES, 4), np.float32),
    "action.desiredCurvature": np.zeros(FRAMES),
    "action.desiredAcceleration": np.zeros(FRAMES),
    "laneLines.y": np.zeros((FRAMES, 4, 33)),
    "meta.engagedProb": np.zeros(FRAMES),
    "vEgo": np.full(FRAMES, 10.0),
}
OWN = Swap(CANDIDATE, CANDIDATE, 0.0)


def trace(files: dict[str, str] | None = None, **rows: Any) -> Trace:
    """PLAIN with channels raised by one (acceleration, features, pictures…) in the rows that are named."""
    short = {"pull": "action.desiredAcceleration", "pictures": "pictures.narrow.digest", "lanes": "laneLines.y"}
    arrays = {name: values.copy() for name, values in PLAIN.items()}
    for name, where in rows.items():
        arrays[short.get(name, name)][where] += 1
    return make(arrays, provenance={"model_files": files or {}})


def told(observed: Trace, *swaps: Swap, mine: Trace | None = None, expected: Trace | None = None) -> Attribution:
    expected = expected or trace()
    return attribute(expected, observed, find_motion(expected, observed), swaps, mine)


def swaps(candidates_policy: float, baselines_policy: float | None) -> tuple[Swap, ...]:
    found = (OWN, Swap(CANDIDATE, BASELINE, candidates_policy))
    return found if baselines_policy is None else (*found, Swap(BASELINE, CANDIDATE, baselines_policy))


LATE = slice(20, None)


@pytest.mark.parametrize(
    ("left", "cause", "said"),
    [
        ((0.0, 1.0), Cause.VISION, "the baseline's features remove 100 % of the difference, the baseline's policy 0 %"),
        ((0.03, None), Cause.VISION, "(same pictures); the policy follows: the baseline's features remove 97 %"),
        ((0.92, 0.04), Cause.POLICY, "policy: with the baseline's features it still differs by 92 %"),
        ((0.92, None), Cause.POLICY, "92 %"),
        ((0.4, 0.7), Cause.BOTH, "features remove 60 % of the difference, the baseline's policy 30 %"),
        ((0.3, None), Cause.BOTH, "vision and policy (same pictures): the baseline's features remove 70 %"),
        ((0.95, 0.95), Cause.BOTH, "vision and policy"),
        ((1.4, 0.5), Cause.BOTH, "none (it grows to 140 %)"),
    ],
)  # fmt: skip
def test_swaps_name_the_cause(left, cause, said):
    found = told(trace(pull=LATE, features=LATE), *swaps(*left), mine=trace())
    assert found.cause is cause
    assert said in found.words


def test_other_pictures_come_before_everything():
    found = told(trace(pull=LATE, features=LATE, pictures=slice(18, None)), *swaps(0.0, 1.0), mine=trace())
    assert (found.cause, found.words.split(":")[0]) == (Cause.PICTURES, "different pictures from frame 18 on")


def test_a_swap_that_does_not_repeat_itself_tells_nothing():
    own = Swap(CANDIDATE, CANDIDATE, 0.05)
    found = told(trace(pull=LATE, features=LATE), own, *swaps(0.0, 1.0)[1:])
    assert found.cause is Cause.UNKNOWN
    assert "over its own features the policy came out 5 % of the difference otherwise" in found.words


def test_what_is_left_when_the_features_are_equal_again_is_carried():
    moved = trace(pull=LATE, features=slice(20, 25))
    found = told(moved, *swaps(0.0, 1.0), mine=trace())
    assert (found.cause, found.carried_from) == (Cause.STATE, 25)
    assert found.carried == pytest.approx(25 / 30)
    assert found.words.startswith("state carried from frame 25 on: 83 % of the difference")
    little = told(trace(pull=LATE, features=slice(20, 46)), *swaps(0.0, 1.0), mine=trace())
    assert little.cause is Cause.VISION
    assert little.carried == pytest.approx(4 / 30)
    assert "the policy follows, 13 % of it by what is remembered" in little.words


def test_what_the_traces_alone_tell():
    policy = told(trace(pull=LATE))
    assert (policy.cause, policy.words) == (Cause.POLICY, "policy: same pictures and the same features in every frame")
    files = {"driving_policy.onnx": "abc"}
    same = told(trace(files, pull=LATE, features=LATE), expected=trace(files))
    assert same.cause is Cause.VISION
    assert "the policy is the same file" in same.words
    unsure = told(trace(pull=LATE, features=LATE))
    assert unsure.cause is Cause.UNKNOWN
    assert "features differ in 60 % of frames" in unsure.words
    bare = make({"action.desiredAcceleration": np.ones(FRAMES)})
    plain = make({"action.desiredAcceleration": np.zeros(FRAMES)})
    assert told(bare, expected=plain).words == "not told: no features are recorded (pictures not recorded)"


def test_only_what_the_car_does_not_follow_moved():
    found = told(trace(features=LATE, lanes=LATE, **{"meta.engagedProb": LATE}))
    assert found.cause is Cause.VISION
    assert found.words == (
        "only features, lanes and meta moved; the plan 2 s ahead and the action are the same in all 50 frames"
    )
    assert told(trace()).words == "nothing differs"


def test_groups_come_in_the_order_they_moved():
    moved = find_groups(trace(), trace(pull=slice(30, None), lanes=slice(12, None), features=slice(12, None)))
    assert [(each.group, each.first_frame) for each in moved] == [("features", 12), ("lanes", 12), ("action", 30)]
    assert moved[0].first_s == 0.6


def test_what_is_left_of_a_difference():
    expected, observed = trace(), trace(pull=LATE)
    motion = find_motion(expected, observed)
    swap = Swap(CANDIDATE, BASELINE)
    assert hold_swap(expected, observed, motion, swap).left == 1.0
    assert hold_swap(expected, expected, motion, swap).left == 0.0
    half = hold_swap(expected, trace(pull=slice(35, None)), motion, swap)
    assert half.left == pytest.approx(np.sqrt(0.5))
    assert (half.sideways, half.along) == (None, half.left), "nothing differs sideways"


def test_each_axis_may_have_a_cause_of_its_own():
    """A small difference sideways is not hidden by a large one along."""
    mixed = (Swap(CANDIDATE, BASELINE, 0.99, 0.0, 1.0), Swap(BASELINE, CANDIDATE, 0.07, 1.0, 0.0))
    found = told(trace(pull=LATE, features=LATE), OWN, *mixed, mine=trace())
    assert found.cause is Cause.BOTH
    assert found.words == (
        "vision and policy (same pictures)\nsideways from the vision, the baseline's features remove 100 % of the "
        "difference, the baseline's policy 0 %\nalong from the policy, the baseline's features remove 0 % of the "
        "difference, the baseline's policy 100 %"
    )
