"""Driving models as they are run: a shared vision part and a policy with its histories, or one file with both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.errors import ClosetError, DataError
from harness.files import file_sha256
from harness.replay.actions import T_IDXS
from harness.replay.desire import LANE_CHANGE_LEFT, LANE_CHANGE_RIGHT, LaneChange
from harness.replay.drive import Drive
from harness.replay.inputs import FrameState, PolicyInputs, picture_inputs
from harness.replay.interface import Interface, describe_model, load_spec
from harness.replay.models import POLICY, SPEC, VISION
from harness.replay.outputs import decode_plain, softmax
from harness.replay.sessions import Session, load_session

Tensor: TypeAlias = npt.NDArray[Any]
PicturePairs: TypeAlias = Mapping[str, tuple[Tensor, Tensor]]

_FRAME_S = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """One loaded file of a model."""

    session: Session
    interface: Interface
    sha256: str


def load_parts(model: Mapping[str, Path], loaded: dict[str, Session]) -> tuple[Part | None, Part]:
    """Vision (None for a single file) and policy of a model; sessions in `loaded` are shared by digest.

    DataError when files are missing, cannot be loaded, or together do not give a plan.
    """
    spec = load_spec(model[SPEC]) if SPEC in model else {}
    files = sorted(name for name in model if name.endswith(".onnx"))
    if VISION in files or POLICY in files:
        if files != sorted((VISION, POLICY)):
            raise DataError(
                f"the model has {', '.join(files)}", where="model", remedy=f"give {VISION} and {POLICY}, or one file"
            )
        vision = _part(model, VISION, spec, loaded)
        policy = _part(model, POLICY, spec, {})
        _check_split(vision, policy)
        return vision, policy
    if len(files) != 1:
        raise DataError(
            f"the model has {', '.join(files) or 'no .onnx file'}",
            where="model",
            remedy=f"give {VISION} and {POLICY}, or one file",
        )
    single = _part(model, files[0], spec, {})
    _require(single, {"plan"}, "head")
    _require(single, {"img"}, "input")
    if "features_buffer" in single.interface.inputs:
        _require(single, {"hidden_state"}, "head")
    return None, single


def load_policy(model: Mapping[str, Path]) -> Part:
    """The policy of a split model alone, for features that are given; DataError when there is none."""
    if POLICY not in model:
        raise DataError(
            f"features are given, and the model has no {POLICY}",
            where="model",
            remedy="only the policy of a model in two files can follow features that are given",
        )
    spec = load_spec(model[SPEC]) if SPEC in model else {}
    policy = _part(model, POLICY, spec, {})
    _require(policy, {"plan"}, "head")
    _require(policy, {"features_buffer"}, "input")
    return policy


def _part(model: Mapping[str, Path], name: str, spec: Mapping[str, Any], loaded: dict[str, Session]) -> Part:
    sha256 = file_sha256(model[name])
    session = loaded.get(sha256) or load_session(model[name], name)
    loaded[sha256] = session
    return Part(session, describe_model(session.signature, spec.get(name)), sha256)


def _check_split(vision: Part, policy: Part) -> None:
    _require(vision, {"img"}, "input")
    extra = sorted(set(vision.interface.inputs) - {"img", "big_img"})
    seeing = sorted({"img", "big_img"} & set(policy.interface.inputs))
    if extra or seeing:
        raise DataError(
            f"a vision part takes pictures alone and a policy none: {', '.join(extra + seeing)}",
            where=vision.interface.name if extra else policy.interface.name,
            remedy="check which file is which",
        )
    if "features_buffer" in policy.interface.inputs:
        _require(vision, {"hidden_state"}, "head")
    _require(policy, {"plan"}, "head")


def _require(part: Part, names: set[str], kind: str) -> None:
    there = part.interface.heads if kind == "head" else part.interface.inputs
    missing = sorted(names - set(there))
    if missing:
        raise DataError(
            f"missing {kind}: {', '.join(missing)}; it has {', '.join(sorted(there))}",
            where=part.interface.name,
            remedy="export the model with it, or describe where it lies in an interface.yaml beside it",
        )


def image_feed(part: Part, pictures: PicturePairs) -> dict[str, Tensor]:
    """The picture tensors of a vision part or single file."""
    return picture_inputs(part.interface, pictures)


class DrivingModel:
    """One model over one drive, a frame at a time. `outputs` (n, width) are the policy's flat outputs.

    After an error of the model's own (`error`) it is left alone; the other replays of the job go on. With `split` the
    features come from outside the policy: from the vision part, or they are given.
    """

    def __init__(self, vision: Part | None, policy: Part, drive: Drive, *, split: bool = False) -> None:
        self.vision = vision
        self.policy = policy
        self.error: ClosetError | None = None
        self.outputs: Tensor = np.zeros((len(drive.drivers), policy.interface.width), np.float32)
        self.desires: npt.NDArray[np.int8] = np.zeros(len(drive.drivers), np.int8)
        self._drive = drive
        self._inputs = PolicyInputs(policy.interface, split=split or vision is not None)
        self._lane_change = LaneChange()
        self._desire = 0
        self._change_probability = 0.0

    def step(self, i: int, vision_output: Tensor | ClosetError | None, pictures: PicturePairs | None) -> None:
        """Run frame `i`. Split models are given `vision_output` (width,), single files the `pictures`."""
        if self.error is not None:
            return
        if isinstance(vision_output, ClosetError):
            self.error = vision_output
            return
        features = None
        if self.vision is not None and vision_output is not None:
            features = _head(self.vision.interface, vision_output, "hidden_state")
        self._run(i, features, pictures)

    def follow(self, i: int, features: Tensor) -> None:
        """Run the policy at frame `i` on features (512,) that are given."""
        if self.error is None:
            self._run(i, features, None)

    def _run(self, i: int, features: Tensor | None, pictures: PicturePairs | None) -> None:
        self.desires[i] = self._desire
        feed = self._inputs.feed(self._state(i, self._desire), features)
        if pictures is not None:
            feed |= image_feed(self.policy, pictures)
        try:
            output = self.policy.session.run(feed)
        except ClosetError as error:
            self.error = error
            return
        self.outputs[i] = output
        self._keep(output)
        # As on the device: the driver's wish is taken in after a frame's model run and told with the next frame.
        self._desire = self._lane_change.update(self._drive.drivers[i], self._change_probability)

    def _state(self, i: int, desire: int) -> FrameState:
        drive = self._drive
        return FrameState(
            float(drive.v_ego_mps[i]),
            desire,
            bool(drive.right_hand_drive[i]),
            float(drive.steer_delay_s[i]),
            (float(drive.action_t_s[i, 0]), float(drive.action_t_s[i, 1])),
        )

    def _keep(self, output: Tensor) -> None:
        """Only what the next frame is told is decoded here; everything else waits for all frames at once."""
        interface = self.policy.interface
        desire_state = _head(interface, output, "desire_state")
        if desire_state is not None:
            state = softmax(desire_state)
            self._change_probability = float(state[LANE_CHANGE_LEFT] + state[LANE_CHANGE_RIGHT])
        curvature = _head(interface, output, "desired_curvature")
        solution = _head(interface, output, "lat_planner_solution")
        lateral_plan = None
        if solution is not None:
            # Heading and curvature one frame ahead become the next frame's lateral planner state.
            mean = decode_plain(solution[None], (33, 4)).mean[0]
            heading, rate = (float(np.interp(_FRAME_S, T_IDXS, mean[:, k])) for k in (2, 3))
            lateral_plan = (heading, rate)
        self._inputs.keep(
            features=_head(interface, output, "hidden_state"),
            desired_curvature=None if curvature is None else float(curvature[0]),
            lateral_plan=lateral_plan,
        )


def _head(interface: Interface, output: Tensor, name: str) -> Tensor | None:
    cut = interface.heads.get(name)
    return None if cut is None else output[cut[0] : cut[1]]
