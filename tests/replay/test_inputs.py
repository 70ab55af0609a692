"""The input buffers of every published generation against a naive simulator that remembers everything."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import DataError
from harness.replay.inputs import FrameState, PolicyInputs
from harness.replay.interface import describe_model
from harness.replay.layouts import PUBLISHED
from harness.replay.sessions import Signature, TensorInfo
from tests.replay.makers import layout

POLICIES = [entry for entry in PUBLISHED if "features_buffer" in entry.inputs]
FRAMES = 130


def signature(chosen, **changed):
    inputs = [TensorInfo(name, changed.get(name, shape), np.dtype(np.float32)) for name, shape in chosen.inputs.items()]
    return Signature("m.onnx", tuple(inputs), (TensorInfo("outputs", (1, chosen.width), np.dtype(np.float32)),), {})


def described(chosen):
    found = chosen.slices()
    named = signature(chosen)
    return describe_model(named, {"output_slices": {head: list(cut) for head, cut in found.items()}})


def drive(seed=3):
    rng = np.random.default_rng(seed)
    desire = 0
    for i in range(FRAMES):
        if rng.random() < 0.15:
            desire = int(rng.integers(0, 5))
        yield FrameState(float(rng.uniform(0, 40)), desire, bool(i % 2), float(rng.uniform(0, 1)), (0.3, 0.5))


class Naive:
    """Lists of everything that ever was, and every input computed anew from its definition."""

    def __init__(self, split):
        self.split = split
        self.desires, self.features, self.curvatures, self.plans = [], [], [], []

    def pulse(self, i):
        if i < 0 or self.desires[i] == 0:
            return np.zeros(8)
        before = self.desires[i - 1] if i else 0
        return np.eye(8)[self.desires[i]] if self.desires[i] != before else np.zeros(8)

    def feature(self, i):
        return self.features[i] if 0 <= i < len(self.features) else np.zeros(512)

    def value(self, name, shape, now, state):
        slots = shape[1]
        if name in {"desire", "desire_pulse"}:
            if slots == 100:
                return [self.pulse(now - 99 + k) for k in range(100)]
            return [np.max([self.pulse(now - 99 + 4 * k + j) for j in range(4)], axis=0) for k in range(25)]
        if name == "features_buffer":
            step = 1 if slots > 25 else 4
            last = now if self.split else now - step
            return [self.feature(last - step * (slots - 1 - k)) for k in range(slots)]
        if name == "prev_desired_curv":
            if slots == 25:
                return np.zeros((25, 1))
            return [[self.curvatures[i] if i >= 0 else 0.0] for i in range(now - 100, now)]
        if name == "traffic_convention":
            return [0.0, 1.0] if state.right_hand_drive else [1.0, 0.0]
        if name == "lateral_control_params":
            return [state.v_ego_mps, state.steer_delay_s]
        if name == "lat_planner_state":
            return [0.0, 0.0, *(self.plans[-1] if self.plans else (0.0, 0.0))]
        return np.zeros(shape[1:])


@pytest.mark.parametrize("chosen", POLICIES, ids=lambda chosen: chosen.name.split(" (")[0])
def test_every_input_of_every_generation_over_a_drive(chosen):
    split = chosen.name.startswith("driving_policy")
    buffers, naive, rng = PolicyInputs(described(chosen), split=split), Naive(split), np.random.default_rng(1)
    for now, state in enumerate(drive()):
        naive.desires.append(state.desire)
        features = rng.standard_normal(512).astype(np.float32)
        if split:
            naive.features.append(features)
        feed = buffers.feed(state, features if split else None)
        wanted = {name: shape for name, shape in chosen.inputs.items() if len(shape) < 4}
        assert feed.keys() == wanted.keys()
        for name, shape in wanted.items():
            assert feed[name].shape == shape, name
            expected = np.asarray(naive.value(name, shape, now, state), np.float32)[None]
            np.testing.assert_array_equal(feed[name], expected, err_msg=f"{name} at frame {now}")
        curvature, plan = float(np.float32(rng.standard_normal())), tuple(rng.standard_normal(2))
        naive.curvatures.append(curvature)
        naive.plans.append(plan)
        if not split:
            naive.features.append(features)
        buffers.keep(features=features, desired_curvature=curvature, lateral_plan=plan)


def test_action_times_are_passed_on():
    chosen = layout("driving_policy-1000 desire_pulse")
    named = signature(chosen)
    named = Signature(
        named.name, (*named.inputs, TensorInfo("action_t", (1, 2), np.dtype(np.float32))), named.outputs, {}
    )
    interface = describe_model(named, {"output_slices": {"plan": [0, 990]}})
    feed = PolicyInputs(interface, split=True).feed(FrameState(1.0, 0, False, 0.1, (0.275, 0.525)), np.zeros(512))
    np.testing.assert_allclose(feed["action_t"], [[0.275, 0.525]])


def test_a_history_that_ends_in_the_past_is_no_policy():
    chosen = layout("supercombo-6500 without")
    with pytest.raises(DataError, match=r"features_buffer keeps 24 frames; a policy keeps 25 or 100"):
        PolicyInputs(described(chosen), split=True)
    with pytest.raises(DataError, match=r"keeps 25 frames; a single file keeps 24 or 99"):
        PolicyInputs(described(layout("driving_policy-1000 desire_pulse")), split=False)


def test_a_wish_is_told_once():
    buffers = PolicyInputs(described(layout("driving_policy-1000 desire_pulse")), split=True)
    told = []
    for desire in (0, 3, 3, 3, 0, 3, 4):
        feed = buffers.feed(FrameState(20.0, desire, False, 0.1, (0.2, 0.2)), np.zeros(512))
        told.append(feed["desire_pulse"].sum())
    # The sixth frame's pulse falls into the newest slot beside others; slots hold the maximum, not the sum.
    assert told[:4] == [0, 1, 1, 1]
    assert feed["desire_pulse"][0, -1].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
