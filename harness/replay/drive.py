"""What the log says about a drive, brought to the camera's frames: calibration, speed, delays, the driver's wishes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.recording.log import Columns, Log, load_log
from harness.replay.actions import action_times
from harness.replay.cameras import DEVICE_NAMES, SENSOR_NAMES
from harness.replay.desire import DriverInput
from harness.replay.pairing import CameraFrame

if TYPE_CHECKING:  # a replay without pictures need not load the decoders: a quarter of the time that its start takes
    from harness.recording.video import Video

Times = npt.NDArray[np.int64]

FRAME_NS = 50_000_000
# Where a log has no start of exposure, it is taken this long before the end (openpilot's log migration does so).
_EXPOSURE_NS = 18_000_000
# openpilot's delay estimator starts from the actuator's own delay plus this.
_STEER_DELAY_EXTRA_S = 0.2

_DRIVER_FIELDS = (
    "vEgo", "leftBlinker", "rightBlinker", "steeringPressed", "steeringTorque", "leftBlindspot", "rightBlindspot",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drive:
    """The log at each frame. `v_ego_mps`, `steer_delay_s`, `right_hand_drive` (n,), `action_t_s` (n, 2)."""

    drivers: tuple[DriverInput, ...]
    v_ego_mps: npt.NDArray[np.float64]
    steer_delay_s: npt.NDArray[np.float64]
    right_hand_drive: npt.NDArray[np.bool_]
    action_t_s: npt.NDArray[np.float64]


def load_whole_log(path: Path, name: str) -> Log:
    """A segment's log. One that was cut off is refused: a verdict on the part that is left would pass for the whole."""
    log = load_log(path)
    if log.damage is not None:
        raise DataError(
            f"the log is damaged after {log.damage.messages_kept} messages: {log.damage.reason}",
            where=name,
            remedy="fetch it again, or leave the segment out; closet log info shows what is in it",
        )
    return log


def camera_frames(log: Log | None, service: str, video: Video, camera: str) -> tuple[CameraFrame, ...]:
    """The encoded frames of a camera in order, from its EncodeIdx messages; from the video alone where there are none.

    DataError naming camera and frame when the video does not hold what the log lists.
    """
    columns = _columns(log, service, ("frameId", "segmentNum", "segmentId", "timestampSof", "timestampEof", "len"))
    if columns is None:
        begin_ns = 0 if log is None else int(log.index.t_ns.min())
        return tuple(
            CameraFrame(row, row, begin_ns + row * FRAME_NS, begin_ns + row * FRAME_NS)
            for row in range(video.frame_count)
        )
    numbers = columns["segmentNum"]
    # A few indexes of the neighbouring segment may stand at the seams.
    mine = np.flatnonzero(numbers == Counter(numbers.tolist()).most_common(1)[0][0])
    mine = mine[np.argsort(columns["segmentId"][mine], kind="stable")]
    ids, rows, eof, sof, sizes = (
        columns[name][mine].astype(np.int64) for name in ("frameId", "segmentId", "timestampEof", "timestampSof", "len")
    )
    if (np.diff(ids) <= 0).any() or (np.diff(rows) <= 0).any():
        worst = int(np.flatnonzero((np.diff(ids) <= 0) | (np.diff(rows) <= 0))[0]) + 1
        raise DataError(
            f"{service} does not count upwards at frame {ids[worst]}", where=camera, remedy="the log is damaged"
        )
    if rows[-1] >= video.frame_count:
        first = _first_missing(rows, sizes, video)
        raise DataError(
            f"the log lists {len(rows)} frames, the video has {video.frame_count} pictures; the first one missing is "
            f"frame {ids[first]}",
            where=f"{camera} ({video.name})",
            remedy="copy the video again: it was cut off or pictures were lost on the way",
        )
    sof = np.where(sof == 0, eof - _EXPOSURE_NS, sof)
    return tuple(
        CameraFrame(*values) for values in zip(ids.tolist(), rows.tolist(), sof.tolist(), eof.tolist(), strict=True)
    )


def _first_missing(rows: Times, sizes: Times, video: Video) -> int:
    """Index of the first listed frame that has no picture: by coded sizes where the log has them, else by count."""
    beyond = int(np.flatnonzero(rows >= video.frame_count)[0])
    if not sizes.all():
        return beyond
    there = video.packet_sizes
    differ = np.flatnonzero(sizes[1:beyond] != there[rows[1:beyond]])  # the first one may carry headers
    return int(differ[0]) + 1 if differ.size else beyond


def load_drive(log: Log, t_ns: Times) -> Drive:
    """The state of the car at the frames' times `t_ns` (n,): always the last message before, or the first there is."""
    car = _columns(log, "carState", _DRIVER_FIELDS)
    if car is None:
        raise DataError("the log has no carState", where=log.where, remedy="replay an rlog of a whole drive")
    at = _latest(car.t_ns, t_ns)
    active = _lateral_active(log, t_ns)
    v_ego, left, right, pressed, torque, left_blind, right_blind = (car[name][at] for name in _DRIVER_FIELDS)
    drivers = tuple(
        DriverInput(float(v), bool(on), bool(bl), bool(br), bool(p), float(tq), bool(sl), bool(sr))
        for v, on, bl, br, p, tq, sl, sr in zip(
            v_ego, active, left, right, pressed, torque, left_blind, right_blind, strict=True
        )
    )
    steer_delay, long_delay = _actuator_delays(log)
    delays = _columns(log, "lateralDelay", ("lateralDelay",))
    lateral = (
        np.full(len(t_ns), steer_delay + _STEER_DELAY_EXTRA_S)
        if delays is None
        else delays["lateralDelay"][_latest(delays.t_ns, t_ns)].astype(np.float64)
    )
    action_t = np.array([action_times(float(delay), long_delay) for delay in lateral]).reshape(-1, 2)
    return Drive(drivers, v_ego.astype(np.float64), lateral, right_hand_drive(log, t_ns), action_t)


def right_hand_drive(log: Log | None, t_ns: Times) -> npt.NDArray[np.bool_]:
    """(n,) whether the driver sits on the right, from either generation of driver monitoring; left where none says."""
    for service in ("driverMonitoringState", "driverMonitoringStateDEPRECATED"):
        columns = _columns(log, service, ("isRHD",))
        if columns is not None:
            return np.asarray(columns["isRHD"][_latest(columns.t_ns, t_ns)], np.bool_)
    return np.zeros(len(t_ns), np.bool_)


def first_calibration(log: Log) -> tuple[float, float, float]:
    """Roll, pitch, yaw (rad) of the log's first calibration: frozen for the whole segment, so the warp is one."""
    for message in log.messages("extrinsicsCalibration"):
        rpy = [float(angle) for angle in message.payload.rpyCalib]
        if len(rpy) == 3 and all(np.isfinite(rpy)):
            return (rpy[0], rpy[1], rpy[2])
    raise DataError(
        "the log has no calibration (extrinsicsCalibration, liveCalibration)",
        where=log.where,
        remedy="replay an rlog of a calibrated device",
    )


def device_and_sensor(log: Log) -> tuple[str, str]:
    """Names of the device and of its road camera's sensor; `unknown` where the log is silent."""
    device = sensor = "unknown"
    for message in log.messages("initData"):
        device = _name_at(DEVICE_NAMES, int(message.payload.deviceType.raw))
        break
    columns = _columns(log, "narrowRoadCameraState", ("sensor",))
    if columns is not None:
        sensor = _name_at(SENSOR_NAMES, int(columns["sensor"][0]))
    return device, sensor


def _name_at(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else "unknown"


def _lateral_active(log: Log, t_ns: Times) -> npt.NDArray[np.bool_]:
    """(n,) whether the car was steered for the driver; a log that does not say is taken as a drive that was."""
    for service, name in (("carControl", "latActive"), ("selfdriveState", "active")):
        columns = _columns(log, service, (name,))
        if columns is not None:
            return np.asarray(columns[name][_latest(columns.t_ns, t_ns)], np.bool_)
    return np.ones(len(t_ns), np.bool_)


def _actuator_delays(log: Log) -> tuple[float, float]:
    """Seconds, (steering, longitudinal)."""
    for message in log.messages("carParams"):
        return float(message.payload.steerActuatorDelay), float(message.payload.longitudinalActuatorDelay)
    raise DataError("the log has no carParams", where=log.where, remedy="replay an rlog of a whole drive")


def _columns(log: Log | None, service: str, names: tuple[str, ...]) -> Columns | None:
    """Columns of a service, None when the log has no such message."""
    if log is None or not len(log.rows(service)):
        return None
    return log.columns(service, names)


def _latest(t_ns: Times, at_ns: Times) -> npt.NDArray[Any]:
    """For each of `at_ns` the index of the last of `t_ns` at or before it, the first where there is none."""
    return np.maximum(np.searchsorted(t_ns, at_ns, side="right") - 1, 0)
