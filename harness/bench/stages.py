"""The floor of a replay: what decoding, warping and inference cost when each is done alone, on one thread."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.bench.clock import cpu_s
from harness.bench.onnx_models import POLICY, VISION, BenchModel
from harness.recording.video import open_video
from harness.replay.cameras import find_cameras, fit_to_picture
from harness.replay.sessions import Session, load_session
from harness.replay.warp import NARROW_MODEL, WIDE_MODEL, build_table, warp, warp_matrix

Tensor: TypeAlias = npt.NDArray[Any]

_RPY = (0.0, 0.02, -0.01)
_WARM = 3
_HELD = 8  # pictures that the warp goes round


@dataclass(frozen=True, slots=True)
class StageCosts:
    """Processor seconds of one thread for each frame of a replay, both cameras together."""

    decode_s: float
    warp_s: float
    vision_s: float
    policy_s: float

    @property
    def total_s(self) -> float:
        """The floor of a frame on one core."""
        return self.decode_s + self.warp_s + self.vision_s + self.policy_s

    def shares(self) -> str:
        """For a person: each stage's share."""
        parts = {"decode": self.decode_s, "warp": self.warp_s, "vision": self.vision_s, "policy": self.policy_s}
        listed = ", ".join(f"{name} {part / self.total_s:.0%}" for name, part in parts.items())
        return f"{self.total_s * 1e3:.1f} ms a frame: {listed}"


def mean_costs(first: StageCosts, second: StageCosts) -> StageCosts:
    """What was measured before and after something else, as one: the machine may have changed its pace between."""
    return StageCosts(
        (first.decode_s + second.decode_s) / 2,
        (first.warp_s + second.warp_s) / 2,
        (first.vision_s + second.vision_s) / 2,
        (first.policy_s + second.policy_s) / 2,
    )


def measure_stages(recording: Mapping[str, Path], model: BenchModel, frames: int) -> StageCosts:
    """The costs of a frame, as the mean over `frames` frames of a segment."""
    cameras = [_Camera(recording["fcamera.hevc"], wide=False), _Camera(recording["ecamera.hevc"], wide=True)]
    frames = min(frames, *(camera.video.frame_count for camera in cameras))
    decode_s = sum(cpu_s(functools.partial(camera.decode, frames)) for camera in cameras)
    warp_s = sum(cpu_s(functools.partial(camera.warp, frames)) for camera in cameras)
    vision, policy = (load_session(model.files[name], name) for name in (VISION, POLICY))
    images = {name: camera.look() for name, camera in zip(("img", "big_img"), cameras, strict=True)}
    histories = {
        "desire_pulse": np.zeros((1, 25, 8), np.float32),
        "traffic_convention": np.array([[1, 0]], np.float32),
        "features_buffer": np.tile(vision.run(images)[-512:], (1, 25, 1)),
    }
    return StageCosts(
        decode_s / frames,
        warp_s / frames,
        _inference_s(vision, images, frames) / frames,
        _inference_s(policy, histories, frames) / frames,
    )


class _Camera:
    """One camera of the segment, with a few pictures held to be warped."""

    def __init__(self, path: Path, *, wide: bool) -> None:
        self.video = open_video(path)
        width, height = self.video.width, self.video.height
        lenses = find_cameras("tici", "ox03c10", width, height)
        lens = fit_to_picture(lenses.wide if wide else lenses.narrow, width, height, path.name)
        matrix = warp_matrix(_RPY, lens, WIDE_MODEL if wide else NARROW_MODEL)
        self._table = build_table(matrix, width, height)
        self._held = [picture.copy() for picture in self.video.pictures(0, min(_HELD, self.video.frame_count))]

    def decode(self, frames: int) -> None:
        """Decode so many pictures."""
        for _ in self.video.pictures(0, frames):
            pass

    def warp(self, frames: int) -> None:
        """Warp so many pictures."""
        for picture in itertools.islice(itertools.cycle(self._held), frames):
            warp(self._table, picture.y, picture.u, picture.v)

    def look(self) -> Tensor:
        """A model's input (1, 12, 128, 256)."""
        pair = [warp(self._table, picture.y, picture.u, picture.v) for picture in self._held[:2]]
        return np.concatenate(pair)[None]


def _inference_s(session: Session, feed: Mapping[str, Tensor], runs: int) -> float:
    _run_all(session, feed, _WARM)
    return cpu_s(lambda: _run_all(session, feed, runs))


def _run_all(session: Session, feed: Mapping[str, Tensor], runs: int) -> None:
    for _ in range(runs):
        session.run(feed)
