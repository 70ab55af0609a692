"""The road as both sides see it and as the car took it, with the camera that looks at it, and the film of it.

Geometry is that of the replay itself: the lens by device and sensor, the calibration that warped its pictures, frozen
for the segment. What a model tells lies in the calibrated frame of the camera, the road `height_m` below it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.compare.metrics.horizon import PLAN_T_S
from harness.compare.metrics.lanes import LINE_X_M
from harness.domain import json_digest
from harness.errors import ClosetError, DataError
from harness.recording.log import Log
from harness.recording.video import (
    PREVIEW_VERSION,
    Video,
    can_repack,
    cut_preview,
    film_size,
    open_video,
    repack_preview,
)
from harness.replay.cameras import find_cameras, fit_to_picture
from harness.replay.drive import camera_frames
from harness.report.page.values import Floats, Ground, Int64s, Side, View
from harness.store import Store
from harness.trace import Trace

PLAN_POINTS = tuple(range(0, 33, 2))
_PREVIEW_INDEX = "qNarrowRoadEncodeIdx"
LINE_POINTS = (0, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 26)
_DEFAULT_HEIGHT_M = 1.22  # openpilot's, where a log does not say
_LEAST_HEIGHT_M, _MOST_HEIGHT_M = 0.5, 3.0
_SURE_STD_M = 1.0  # openpilot shows an edge below this spread


@dataclass(frozen=True, slots=True)
class Film:
    """A film in the store: its digest, its size, and which picture belongs to each of the frames `frames`."""

    sha256: str
    width: int
    height: int
    frames: Int64s
    pictures: Int64s


def ground_of(trace: Trace, side: Side) -> Ground | None:
    """What a driving model sees; None for a trace without a plan."""
    names = ("position.x", "position.y", "position.z")
    if not all(name in trace.channels and trace.channels[name].values.shape[1:] == (33,) for name in names):
        return None
    plan = np.stack([trace.channels[name].values[:, PLAN_POINTS] for name in names], axis=-1)
    lines, line_z = _lines(trace, "laneLines")
    edges, edge_z = _lines(trace, "roadEdges")
    return Ground(side, plan, lines, line_z, edges, edge_z, _sure(trace), _lead(trace))


def _lines(trace: Trace, name: str) -> tuple[Floats | None, Floats | None]:
    """(n, lines, q) sideways at the stations, and (n, q) downwards, the mean of the lines: they lie on one road."""
    y, z = trace.channels.get(f"{name}.y"), trace.channels.get(f"{name}.z")
    if y is None or z is None or y.values.ndim != 3 or y.values.shape[2] != len(LINE_X_M):
        return None, None
    return y.values[:, :, LINE_POINTS], z.values[:, :, LINE_POINTS].mean(axis=1)


def _sure(trace: Trace) -> Floats | None:
    lines, edges = trace.channels.get("laneLineProbs"), trace.channels.get("roadEdgeStds")
    if lines is None or lines.values.shape[1:] != (4,):
        return None
    known = np.zeros((len(trace.frame_ids), 2))
    if edges is not None and edges.values.shape[1:] == (2,):
        known = np.clip(_SURE_STD_M - edges.values, 0.0, 1.0)
    sure: Floats = np.clip(np.concatenate([lines.values, known], axis=1), 0.0, 1.0)
    return sure


def _lead(trace: Trace) -> Floats | None:
    parts = [trace.channels.get(f"leadsV3.{name}") for name in ("x", "y", "v")]
    sure = trace.channels.get("leadsV3.prob")
    if sure is None or any(part is None or part.values.ndim != 3 for part in parts):
        return None
    values = [part.values[:, 0, 0] for part in parts if part is not None]
    return np.stack([*values, sure.values[:, 0]], axis=-1)


def path_of(driven: Trace) -> Floats:
    """(n, p, 3): the path the car took, NaN where it is not known."""
    points = [driven.channels[f"path.{axis}"].values[:, PLAN_POINTS].astype(np.float64) for axis in "xyz"]
    known = driven.channels["path.valid"].values[:, PLAN_POINTS].astype(bool)
    return np.where(known[..., None], np.stack(points, axis=-1), np.nan)


def view_of(trace: Trace, files: Mapping[str, Path], log: Log | None, size: tuple[int, int] | None) -> View:
    """The camera of a replay, as it is in a film of that size; DataError where the trace does not say how it looks.

    Without a film the road is drawn on an empty picture of the camera's own shape.
    """
    rpy = trace.provenance.get("calibration_rpy_rad")
    if not isinstance(rpy, list) or len(rpy) != 3:
        raise DataError("no calibration is known", where=trace.segment)
    angles = [float(angle) if isinstance(angle, int | float) else 0.0 for angle in rpy]
    device, sensor = (str(trace.provenance.get(name, "unknown")) for name in ("device", "sensor"))
    video = open_video(files["fcamera"], name="fcamera") if "fcamera" in files else None
    shape = (video.width, video.height) if video else (1928, 1208)
    lens = find_cameras(device, sensor, *shape).narrow
    if video is not None:
        lens = fit_to_picture(lens, video.width, video.height, "fcamera")
    width, height = size or (526, round(526 * lens.height / lens.width / 2) * 2)
    mounted_m, told_by = _height_of(log)
    return View(
        width,
        height,
        lens.focal_px * width / lens.width,
        lens.focal_px * height / lens.height,
        (angles[0], angles[1], angles[2]),
        mounted_m,
        tuple(float(LINE_X_M[place]) for place in LINE_POINTS),
        tuple(float(PLAN_T_S[place]) for place in PLAN_POINTS),
        f"{device}, {sensor}: {lens.width}×{lens.height}, focal length {lens.focal_px:g} px; calibration of the log, "
        f"{told_by}",
    )


def _height_of(log: Log | None) -> tuple[float, str]:
    for message in log.messages("extrinsicsCalibration") if log is not None else ():
        heights = [float(value) for value in message.payload.height]
        if heights and _LEAST_HEIGHT_M < heights[0] < _MOST_HEIGHT_M:
            return heights[0], f"{heights[0]:.2f} m above the road"
        break
    return _DEFAULT_HEIGHT_M, f"{_DEFAULT_HEIGHT_M} m above the road taken for granted"


def film_of(trace: Trace, files: Mapping[str, Path], log: Log | None, store: Store) -> Film:
    """The film of a replay's frames: known by what it is cut from, made where it is not in the store yet.

    The recording's own preview is repacked where it has every frame; else the road camera is scaled down. DataError
    where neither holds them.
    """
    ids = trace.frame_ids
    if "qcamera" in files and log is not None and len(log.rows(_PREVIEW_INDEX)):
        try:
            return _repacked(files["qcamera"], log, ids, store)
        except ClosetError:  # a preview that does not hold every frame: the road camera does
            pass
    if "fcamera" not in files:
        raise DataError("no road camera was recorded", where=trace.segment)
    video = open_video(files["fcamera"], name="fcamera")
    frames = camera_frames(log, "narrowRoadEncodeIdx", video, "fcamera")
    rows = {frame.frame_id: frame.row for frame in frames}
    known = np.array([frame for frame in ids.tolist() if frame in rows], np.int64)
    if not len(known):
        raise DataError("the road camera holds none of the frames", where="fcamera")
    wanted = [rows[frame] for frame in known.tolist()]
    key = json_digest(["film", PREVIEW_VERSION, store.digest_file(files["fcamera"]).sha256, wanted[0], wanted[-1]])
    begin = wanted[0]
    sha256 = _kept(key, store, lambda path: cut_preview(path, video, range(begin, wanted[-1] + 1)))
    return Film(sha256, *film_size(video), known, np.array(wanted, np.int64) - begin)


def _repacked(path: Path, log: Log, ids: Int64s, store: Store) -> Film:
    video: Video = open_video(path, name="qcamera")
    rows = {frame.frame_id: frame.row for frame in camera_frames(log, _PREVIEW_INDEX, video, "qcamera")}
    if not can_repack(video) or not all(frame in rows for frame in ids.tolist()):
        raise DataError("it does not hold every frame", where="qcamera")
    key = json_digest(["film", PREVIEW_VERSION, store.digest_file(path).sha256])
    sha256 = _kept(key, store, lambda target: repack_preview(target, video))
    return Film(sha256, video.width, video.height, ids, np.array([rows[frame] for frame in ids.tolist()], np.int64))


def _kept(key: str, store: Store, write: Callable[[Path], object]) -> str:
    """Digest of the film known by `key`, which `write` makes where it is not there."""
    known = store.find_trace(key)
    if known is not None:
        return known.sha256
    with tempfile.TemporaryDirectory(prefix="film-", dir=store.home) as folder:
        path = Path(folder) / "film.mp4"
        write(path)
        sha256 = store.put_file(path).sha256
    store.remember_trace(key, sha256, {"what": "film"})
    return sha256
