"""One segment made ready for driving models: which frames, what the log says at each, how pictures are warped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.domain import Json, json_digest
from harness.errors import DataError
from harness.files import file_sha256
from harness.recording.video import Video, open_video
from harness.replay.cameras import find_cameras, fit_to_picture
from harness.replay.drive import Drive, camera_frames, device_and_sensor, first_calibration, load_drive, load_whole_log
from harness.replay.job import Job
from harness.replay.options import DrivingModelOptions
from harness.replay.pairing import FramePair, pair_frames
from harness.replay.pictures import Cameras
from harness.replay.runtime import runtime_key
from harness.replay.warp import NARROW_MODEL, WIDE_MODEL, Matrix, build_table, warp_matrix

# Goes up when the same picture would be warped to other bytes: features kept until then are made again.
WARP_VERSION = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """The frames of a replay. `frame_ids`, `t_ns` (n,) of the narrow camera; `facts` go into a trace's provenance."""

    pairs: tuple[FramePair, ...]
    frame_ids: npt.NDArray[np.int64]
    t_ns: npt.NDArray[np.int64]
    drive: Drive
    cameras: Cameras
    matrices: tuple[Matrix, Matrix]
    video_digests: Mapping[str, str]
    facts: Mapping[str, Json]

    def features_key(self, vision_sha256: str, picture_skip: int) -> dict[str, Json]:
        """Everything that a vision model's outputs on this scene depend on."""
        return {
            "vision": vision_sha256,
            "videos": dict(self.video_digests),
            "warp": WARP_VERSION,
            "matrices": json_digest([[float(x).hex() for x in matrix.ravel()] for matrix in self.matrices]),
            "rows": json_digest([[*self.cameras.narrow_rows], [*self.cameras.wide_rows]]),
            "picture_skip": picture_skip,
            "runtime": runtime_key(),
        }


def load_scene(job: Job, options: DrivingModelOptions) -> Scene:
    """Read the log and index the videos; DataError naming what is missing or does not fit together."""
    log_name, log_path = job.needed("rlog")
    narrow_name, narrow_path = job.needed("fcamera")
    log = load_whole_log(log_path, log_name)
    narrow_video = open_video(narrow_path, name=narrow_name)
    narrow = camera_frames(log, "narrowRoadEncodeIdx", narrow_video, "fcamera")
    found = job.file("ecamera")
    wide_video = wide = None
    if found is not None:
        wide_video = open_video(found[1], name=found[0])
        wide = camera_frames(log, "wideRoadEncodeIdx", wide_video, "ecamera")
    pairs = _selected(pair_frames(narrow, wide), options, job.segment)
    t_ns = np.array([pair.narrow.eof_ns for pair in pairs], np.int64)
    rpy = first_calibration(log)
    device, sensor = device_and_sensor(log)
    device, sensor = options.device or device, options.sensor or sensor
    cameras, matrices = _warped_cameras(device, sensor, narrow_video, wide_video, rpy, pairs)
    digests = {narrow_name: _file_digest(narrow_path)} | ({found[0]: _file_digest(found[1])} if found else {})
    facts: dict[str, Json] = {
        "recording": {log_name: _file_digest(log_path), **digests},
        "calibration_rpy_rad": [*rpy],
        "device": device,
        "sensor": sensor,
        "cameras": 2 if wide_video else 1,
    }
    frame_ids = np.array([pair.narrow.frame_id for pair in pairs], np.int64)
    return Scene(pairs, frame_ids, t_ns, load_drive(log, t_ns), cameras, matrices, digests, facts)


def _selected(pairs: tuple[FramePair, ...], options: DrivingModelOptions, segment: str) -> tuple[FramePair, ...]:
    last = None if options.frames is None else options.start_frame + options.frames
    chosen = pairs[options.start_frame : last]
    if not chosen:
        raise DataError(
            f"no frame to replay: {len(pairs)} pairs of camera frames, from {options.start_frame} on none",
            where=segment,
            remedy="check that both cameras belong to this log, or choose an earlier start_frame",
        )
    return chosen


def _warped_cameras(
    device: str,
    sensor: str,
    narrow: Video,
    wide: Video | None,
    rpy: tuple[float, float, float],
    pairs: tuple[FramePair, ...],
) -> tuple[Cameras, tuple[Matrix, Matrix]]:
    """What to read and how to warp it.

    With one camera the model's wide picture is cut from the narrow one by the narrow camera's own lens, as newer
    openpilot does: what lies outside is its border, drawn out.
    """
    lenses = find_cameras(device, sensor, narrow.width, narrow.height)
    narrow_lens = fit_to_picture(lenses.narrow, narrow.width, narrow.height, "fcamera")
    wide_lens = narrow_lens if wide is None else fit_to_picture(lenses.wide, wide.width, wide.height, "ecamera")
    matrices = warp_matrix(rpy, narrow_lens, NARROW_MODEL), warp_matrix(rpy, wide_lens, WIDE_MODEL)
    cameras = Cameras(
        narrow,
        [pair.narrow.row for pair in pairs],
        build_table(matrices[0], narrow_lens.width, narrow_lens.height),
        wide,
        [pair.wide.row for pair in pairs if pair.wide is not None],
        build_table(matrices[1], wide_lens.width, wide_lens.height),
    )
    return cameras, matrices


@cache
def _file_digest(path: Path) -> str:
    return file_sha256(path)
