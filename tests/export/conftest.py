"""A segment of two traces that differ in every way an export could lose, and the tiny demo's video."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.make import Demo
from harness.export import Camera, Pictures, Segment
from harness.recording.video import open_video
from harness.trace import Channel, Exactness, Trace
from harness.verdict import Finding, FindingKind, Severity

FRAMES = np.arange(100, 112, dtype=np.int64)
CALIBRATION = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).T  # a quarter turn to the right


def make_trace(offset: float, frames: np.ndarray = FRAMES) -> Trace:
    """A trace with every type of channel: single values and several, numbers, NaN, digests, truth, text."""
    n = len(frames)
    rows = frames - FRAMES[0]
    curvature = (rows * 0.001 + offset).astype(np.float32)
    curvature[1] = np.nan
    path = np.linspace(0, 30, 33)[None] + rows[:, None]
    lanes = np.tile(np.arange(-2, 2, dtype=np.float32)[None, :, None], (n, 1, 33)) + np.float32(offset)
    lanes[0, 0, :] = np.nan
    channels = [
        Channel("action.desiredCurvature", "1/m", curvature),
        Channel("position.x", "m", path.astype(np.float32)),
        Channel("position.y", "m", np.full((n, 33), offset, np.float32)),
        Channel("position.z", "m", np.zeros((n, 33), np.float32)),
        Channel("laneLines.y", "m", lanes),
        Channel("laneLines.z", "m", np.ones_like(lanes)),
        Channel("laneLineProbs", "", np.tile(np.float32([0.1, 0.9, 0.8, 0.2]), (n, 1))),
        Channel("leadsV3.x", "m", np.full((n, 3, 6), 25.0, np.float32)),
        Channel("leadsV3.y", "m", np.full((n, 3, 6), offset, np.float32)),
        Channel("leadsV3.prob", "", np.tile(np.float32([0.9, 0.4, np.nan]), (n, 1))),
        Channel("pictures.digest", "", np.uint64(2**64 - 1) - rows.astype(np.uint64), Exactness.EXACT),
        Channel("count", "", rows - 2**60, Exactness.EXACT),
        Channel("shouldStop", "", rows % 2 == 0, Exactness.EXACT),
        Channel("state", "", np.array([f"state {row % 3}" for row in rows]), Exactness.EXACT),
    ]
    provenance = {"model": f"model {offset}", "options": {"frames": n}}
    times = 60_000_000_000 + rows * 50_000_000
    return Trace("driving_model", "a/b/0", frames, times, {each.name: each for each in channels}, provenance)


@pytest.fixture
def segment() -> Segment:
    """The candidate lacks two frames and has one more; findings with and without a frame; no recording."""
    candidate = make_trace(0.5, np.array([*FRAMES[:4], *FRAMES[6:], 112], np.int64))
    findings = (
        Finding(
            FindingKind.CHANGED, Severity.BLOCK, "position.y", "leaves at frame 103", first_frame=103, first_s=0.15
        ),
        Finding(FindingKind.CHANGED, Severity.NOTE, "runtime", "another runtime"),
    )
    sides = {"baseline": make_trace(0.25), "candidate": candidate}
    return Segment("a/b/0", "driving_model", sides, findings, facts={"run": "2026-11-21-001"})


@pytest.fixture
def filmed(segment: Segment, tiny_demo: Demo) -> Segment:
    """The same with the demo's road camera, whose pictures are those of the frames and more."""
    (name,) = tiny_demo.segments
    path = tiny_demo.routes_folder / name.folder_name / "fcamera.hevc"
    video = open_video(path)
    rows = np.arange(video.frame_count, dtype=np.int64)
    pictures = Pictures(path, rows + 100, 60_000_000_000 + rows * 50_000_000, rows)
    camera = Camera(video.width, video.height, 1141.5, CALIBRATION)
    return Segment(
        **{name: getattr(segment, name) for name in ("name", "replayer", "sides", "findings", "facts")},
        camera=camera,
        pictures=pictures,
        notes=("a note",),
    )
