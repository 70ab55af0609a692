"""The inputs of a driving policy, frame by frame: every generation's histories at 20 Hz and 5 Hz.

Two kinds of model: in split models the vision part gives this frame's features before the policy runs, so the history
ends with the present; a single file appends its own present inside, so its history ends in the past.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.replay.desire import DESIRE_COUNT
from harness.replay.interface import Interface

Floats: TypeAlias = npt.NDArray[np.float32]
Tensor: TypeAlias = npt.NDArray[Any]

FEATURE_COUNT = 512
CONTEXT_SKIP = 4  # a 5 Hz history keeps every fourth frame
_FULL_SLOTS = 100
_RISING = 0.99

# What the features history may be: with the present in it (split models), and without (single files).
_PRESENT_SLOTS, _PAST_SLOTS = (25, 100), (24, 99)


@dataclass(frozen=True, slots=True)
class FrameState:
    """What the log says at one frame, as the model is told: `action_t_s` is (lateral, longitudinal)."""

    v_ego_mps: float
    desire: int
    right_hand_drive: bool
    steer_delay_s: float
    action_t_s: tuple[float, float]


class PolicyInputs:
    """The buffers of one model over one drive: `feed` before each run, `keep` after it.

    `split` says that features come from a vision part. Inputs of navigation and radar tracks, which no recording of
    ours holds, are zero, as they were on devices without them.
    """

    def __init__(self, interface: Interface, *, split: bool) -> None:
        self._names = {known: entry.name for known, entry in interface.inputs.items()}
        self._shapes = {known: entry.shape for known, entry in interface.inputs.items()}
        self._split = split
        slots = self._shapes.get("features_buffer", (1, 25 if split else 24))[1]
        if slots not in (_PRESENT_SLOTS if split else _PAST_SLOTS):
            raise DataError(
                f"input {self._names['features_buffer']} keeps {slots} frames; a {'policy' if split else 'single file'}"
                f" keeps {' or '.join(map(str, _PRESENT_SLOTS if split else _PAST_SLOTS))}",
                where=interface.name,
                remedy="put vision and policy in one folder, or check which file this is",
            )
        self._features: Floats = np.zeros((_FULL_SLOTS, FEATURE_COUNT), np.float32)
        self._desires: Floats = np.zeros((_FULL_SLOTS, DESIRE_COUNT), np.float32)
        self._curvatures: Floats = np.zeros((_FULL_SLOTS, 1), np.float32)
        self._lateral_plan: Floats = np.zeros((1, 4), np.float32)
        self._last_desire: Floats = np.zeros(DESIRE_COUNT, np.float32)

    def feed(self, frame: FrameState, features: Tensor | None = None) -> dict[str, Tensor]:
        """Tensors by the file's input names, pictures left out; `features` (512,) of this frame for split models."""
        desire = np.zeros(DESIRE_COUNT, np.float32)
        if frame.desire:
            desire[frame.desire] = 1.0
        # The model decides when a change is done, so it is told only that a wish appeared.
        _push(self._desires, np.where(desire - self._last_desire > _RISING, desire, 0.0))
        self._last_desire = desire
        if self._split and features is not None:
            _push(self._features, features)
        return {self._names[known]: self._value(known, frame) for known in self._names if known not in _PICTURES}

    def keep(
        self,
        *,
        features: Tensor | None = None,
        desired_curvature: float | None = None,
        lateral_plan: tuple[float, float] | None = None,
    ) -> None:
        """What the run gave that the next one is told: own features (single files), curvature, lateral plan."""
        if not self._split and features is not None:
            _push(self._features, features)
        if desired_curvature is not None:
            _push(self._curvatures, np.float32(desired_curvature))
        if lateral_plan is not None:
            self._lateral_plan[0, 2:] = lateral_plan

    def _value(self, known: str, frame: FrameState) -> Tensor:
        shape = self._shapes[known]
        if known == "desire_pulse":
            if shape[1] == _FULL_SLOTS:
                return self._desires[None]
            # One slot of a 5 Hz history holds the pulses of its four frames.
            slots: Tensor = self._desires.reshape(-1, CONTEXT_SKIP, DESIRE_COUNT).max(axis=1)
            return slots[None]
        if known == "features_buffer":
            return self._features_history(shape[1])[None]
        if known == "prev_desired_curv":
            # The 5 Hz generation multiplied this history by zero.
            return self._curvatures[None] if shape[1] == _FULL_SLOTS else np.zeros(shape, np.float32)
        if known == "traffic_convention":
            return np.array([[not frame.right_hand_drive, frame.right_hand_drive]], np.float32)
        if known == "lateral_control_params":
            return np.array([[frame.v_ego_mps, frame.steer_delay_s]], np.float32)
        if known == "action_t":
            return np.array([frame.action_t_s], np.float32)
        if known == "lat_planner_state":
            return self._lateral_plan
        return np.zeros(shape, np.float32)

    def _features_history(self, slots: int) -> Floats:
        """Oldest first: all of the last frames, or every fourth ending with the present (25) or 4 frames ago (24)."""
        if slots > max(24, 25):
            return self._features[-slots:]
        newest = _FULL_SLOTS - 1 if self._split else _FULL_SLOTS - CONTEXT_SKIP
        return self._features[newest - CONTEXT_SKIP * (slots - 1) : newest + 1 : CONTEXT_SKIP]


_PICTURES = frozenset({"img", "big_img"})


def _push(history: Floats, value: Tensor | np.float32) -> None:
    """The oldest row leaves, `value` becomes the newest."""
    history[:-1] = history[1:]
    history[-1] = value


def picture_inputs(interface: Interface, pictures: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Tensors (1, 12, 128, 256) by the file's names, from (older, newer) packed pictures of `img` and `big_img`."""
    return {
        entry.name: np.concatenate(pictures[known])[None]
        for known, entry in interface.inputs.items()
        if known in _PICTURES
    }
