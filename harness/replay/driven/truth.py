"""From a log to the trace `driven`: path, action and circumstances of the recorded drive at each camera frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.domain import Json
from harness.errors import DataError
from harness.recording.corpus_rows import is_night
from harness.recording.log import Columns, Log
from harness.replay.actions import T_IDXS
from harness.replay.drive import load_drive, load_whole_log
from harness.replay.driven.error import estimate_spread, path_error_m
from harness.replay.driven.motion import Motion, load_motion
from harness.replay.driven.path import DISENGAGED, OVERRIDING, STANDING, integrate, paths_at
from harness.replay.driven.surroundings import surroundings
from harness.trace import Array, Channel, Exactness, Trace

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

NAME = "driven"
DRIVEN_VERSION = "1"  # raise it when the trace of an equal log would come out different

_CAMERAS = (("narrowRoadEncodeIdx", "narrowRoadCameraState"), ("wideRoadEncodeIdx", "wideRoadCameraState"))
_LEAST_SPEED_MPS = 1.0  # openpilot takes no less when it makes a curvature of a yaw rate
_SMOOTHED_SAMPLES, _ORDER = 11, 2  # half a second: a car's acceleration does not change faster, its noise does


def load_driven(path: Path, segment: str, *, wheel_speed: bool = False, tags: Sequence[str] = ()) -> Trace:
    """The trace of the log at `path`; see `driven_trace`."""
    return driven_trace(load_whole_log(path, path.name), segment, wheel_speed=wheel_speed, tags=tags)


def driven_trace(log: Log, segment: str, *, wheel_speed: bool = False, tags: Sequence[str] = ()) -> Trace:
    """The recorded drive at the frames of its road camera.

    `wheel_speed` allows a path from the wheels and the steering where no pose was logged. `tags` are what is known of
    the whole segment from elsewhere ("rain"): each becomes the condition `conditions.<tag>`. A log without motion
    gives a trace in which no point is valid, and says so in its provenance; DataError when it has no camera frames.
    """
    frame_ids, t_ns = _frames(log)
    motion = load_motion(log, wheel_speed=wheel_speed)
    paths = paths_at(integrate(motion), t_ns)
    spread = estimate_spread(log, motion)
    around, told_by = surroundings(log, frame_ids, t_ns)
    by_name = {channel.name: channel.values for channel in around}
    marks = paths.marks.copy()
    marks[_within_horizon(by_name["overriding"], t_ns)] |= OVERRIDING
    marks[_within_horizon(~by_name["engaged"], t_ns)] |= DISENGAGED
    error = path_error_m(spread, motion, paths, t_ns)
    standing = by_name["standstill"] | ((marks[:, 0] & STANDING) != 0)
    paths_as = {"x": paths.x, "y": paths.y, "z": paths.z, "heading": paths.heading, "speed": paths.speed}
    units = {"heading": "rad", "speed": "m/s"}
    channels = [
        *(Channel(f"path.{name}", units.get(name, "m"), _float32(each)) for name, each in paths_as.items()),
        Channel("path.valid", "", paths.valid, Exactness.EXACT),
        Channel("path.marks", "", marks, Exactness.EXACT),
        Channel("path.errorEstimate", "m", _float32(np.where(paths.valid, error, np.nan))),
        *(channel for channel in around if channel.name != "standstill"),
        Channel("standstill", "", standing, Exactness.EXACT),
        *_actions(log, motion, t_ns),
        *_conditions(log, len(t_ns), tags),
    ]
    provenance: dict[str, Json] = {
        "replayer": {"name": NAME, "version": DRIVEN_VERSION},
        "source": motion.source.value,
        "calibration": [round(angle, 9) for angle in motion.rpy] if motion.calibrated else None,
        "error_estimate": spread.origin,
        **told_by,
        "tags": [*sorted(set(tags))],
    }
    return Trace(NAME, segment, frame_ids, t_ns, {channel.name: channel for channel in channels}, provenance)


def _frames(log: Log) -> tuple[Int64s, Int64s]:
    """Ids and ends of exposure of the road camera's frames: those encoded, or those taken where none were."""
    for index, state in _CAMERAS:
        for service, fields in (
            (index, ("frameId", "timestampEof", "segmentNum")),
            (state, ("frameId", "timestampEof")),
        ):
            if not len(log.rows(service)):
                continue
            columns = log.columns(service, fields)
            mine = _own_rows(columns)
            ids, eof = columns["frameId"][mine].astype(np.int64), columns["timestampEof"][mine].astype(np.int64)
            ids, first = np.unique(ids, return_index=True)
            return ids, eof[first]
    raise DataError("the log has no frames of a road camera", where=log.where, remedy="replay an rlog of a whole drive")


def _own_rows(columns: Columns) -> Int64s:
    """Rows of the segment itself: a few of its neighbours may stand at the seams."""
    if "segmentNum" not in columns.values:
        return np.arange(len(columns))
    numbers, counts = np.unique(columns["segmentNum"], return_counts=True)
    return np.flatnonzero(columns["segmentNum"] == numbers[counts.argmax()])


def _within_horizon(flags: Array, t_ns: Int64s) -> npt.NDArray[np.bool_]:
    """(n, 33): the flag is on at some frame from this one to the end of the horizon."""
    so_far = np.concatenate([[0], np.cumsum(flags)])
    ends = np.searchsorted(t_ns, t_ns[:, None] + np.round(T_IDXS * 1e9).astype(np.int64), side="right")
    within: npt.NDArray[np.bool_] = so_far[ends] > so_far[np.arange(len(t_ns))][:, None]
    return within


def _actions(log: Log, motion: Motion, t_ns: Int64s) -> list[Channel]:
    """What the car did now, and at the moment for which a plan's action is meant (the actuators' delay later)."""
    curvature, acceleration = _course(motion)
    now = _at(motion, (curvature, acceleration), (t_ns, t_ns))
    try:
        delay_ns = np.round(load_drive(log, t_ns).action_t_s * 1e9).astype(np.int64)
        later = _at(motion, (curvature, acceleration), (t_ns + delay_ns[:, 0], t_ns + delay_ns[:, 1]))
    except DataError:
        later = [np.full(len(t_ns), np.nan)] * 2  # no carState or carParams: when it was meant for is not known
    names = (("curvature", "1/m"), ("acceleration", "m/s²"))
    return [
        *(Channel(name, unit, _float32(values)) for (name, unit), values in zip(names, now, strict=True)),
        *(Channel(f"action.{name}", unit, _float32(values)) for (name, unit), values in zip(names, later, strict=True)),
    ]


def _course(motion: Motion) -> tuple[Floats, Floats]:
    """Curvature 1/m and forward acceleration m/s² (m,) at the samples."""
    forward = motion.velocity_mps[:, 0]
    curvature = motion.rate_radps[:, 2] / np.maximum(forward, _LEAST_SPEED_MPS)
    if len(forward) < _SMOOTHED_SAMPLES:
        return curvature, np.full(len(forward), np.nan)
    from scipy.signal import savgol_filter  # noqa: PLC0415 half a second, of which most commands need nothing

    # Steps are not quite equal: what is differentiated is speed and time alike.
    seconds = (motion.t_ns - motion.t_ns[0]) / 1e9
    slope, pace = (savgol_filter(each, _SMOOTHED_SAMPLES, _ORDER, deriv=1) for each in (forward, seconds))
    return curvature, slope / pace


def _at(motion: Motion, series: tuple[Floats, ...], times: tuple[Int64s, ...]) -> list[Floats]:
    """Series of the samples at other times; NaN beyond the samples and beside one that is not ok."""
    found = []
    for values, t_ns in zip(series, times, strict=True):
        if len(motion.t_ns) < 2:
            found.append(np.full(len(t_ns), np.nan))
            continue
        known = np.where(motion.ok, values, np.nan)
        found.append(np.interp(t_ns, motion.t_ns, known, left=np.nan, right=np.nan))
    return found


def _conditions(log: Log, count: int, tags: Sequence[str]) -> list[Channel]:
    """What holds for the whole segment: night or day where it is known, and the tags."""
    holding = dict.fromkeys(sorted(set(tags)), True)
    night = is_night(log)
    if night is not None:
        holding |= {"night": night, "day": not night}
    return [
        Channel(f"conditions.{name}", "", np.full(count, holds), Exactness.EXACT) for name, holds in holding.items()
    ]


def _float32(values: Array) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(values, np.float32)
