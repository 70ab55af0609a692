"""A minute of comma2k19 (github.com/commaai/comma2k19) as a recording of our own layout.

What the data set kept of each minute is poses, raw CAN and, in some copies, video. From them come initData, carParams,
can, sendcan, carState, deviceMotion, extrinsicsCalibration, the road camera's frames and encode indices, and sentinels:
what a replay reads. Nothing is made up; what is not known stays at its default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.domain import Route, SegmentId
from harness.errors import DataError
from harness.recording.can_decode import (
    SENT_SOURCE,
    CanFrames,
    batches,
    car_params,
    decode_car_states,
    find_car,
    restore_lengths,
)
from harness.recording.log_writer import encode_event
from harness.recording.pose import DeviceMotion, Floats, Mounting, device_motion, estimate_mounting
from harness.recording.segment_events import camera_events, mark_events

POSE_FOLDER = "global_pose"
VIDEO_NAME = "video.hevc"

_NS = 1_000_000_000
_CAN_PERIOD_NS = 10_000_000
_CAR_STATE_DELAY_NS = 4_000_000
"""What openpilot's card needs for one cycle (process_replay)."""
_CALIBRATION_EVERY = 5
_DEVICE_HEIGHT_M = 1.22
"""Where openpilot's calibrationd starts from; the data set does not tell."""
_GPS_EPOCH_UNIX_S = 315_964_800
_GPS_LEAP_SECONDS = 18
_WEEK_S = 604_800
_LOG_ID = r"[0-9]{4}-[0-9]{2}-[0-9]{2}--[0-9]{2}-[0-9]{2}-[0-9]{2}"
_ROUTE_FOLDER = re.compile(rf"(?P<dongle>[0-9a-f]{{16}})[|_](?P<log_id>{_LOG_ID})")

# Arrays of a segment: path, kind of number, columns (0: a plain list).
_ARRAYS = {
    "frame_times": (f"{POSE_FOLDER}/frame_times", "f", 0),
    "gps_times": (f"{POSE_FOLDER}/frame_gps_times", "f", 2),
    "positions": (f"{POSE_FOLDER}/frame_positions", "f", 3),
    "velocities": (f"{POSE_FOLDER}/frame_velocities", "f", 3),
    "orientations": (f"{POSE_FOLDER}/frame_orientations", "f", 4),
    "can_t": ("processed_log/CAN/raw_can/t", "f", 0),
    "can_address": ("processed_log/CAN/raw_can/address", "iu", 0),
    "can_source": ("processed_log/CAN/raw_can/src", "iu", 0),
    "can_data": ("processed_log/CAN/raw_can/data", "S", 0),
}


@dataclass(frozen=True, slots=True)
class Comma2k19Minute:
    """The arrays of one segment folder, shapes and clocks checked.

    `frame_t_ns` (n,) end of each frame on the log's clock, `wall_t_ns` the first one on the world's; poses in ECEF as
    in `pose`; `video` the camera file when the copy has it.
    """

    folder: Path
    segment: SegmentId
    frame_t_ns: NDArray[np.int64]
    wall_t_ns: int
    positions: Floats
    velocities: Floats
    orientations: Floats
    can: CanFrames
    video: Path | None


@dataclass(frozen=True, slots=True)
class Comma2k19Log:
    """The messages of a minute in time order, and what a person should know about how they came to be."""

    events: tuple[bytes, ...]
    notes: tuple[str, ...]


def is_comma2k19(folder: Path) -> bool:
    """True for a segment folder of the data set."""
    return (folder / POSE_FOLDER / "frame_times").is_file()


def find_comma2k19(folder: Path) -> tuple[Path, ...]:
    """Segment folders in `folder`, or itself, sorted."""
    if is_comma2k19(folder):
        return (folder,)
    return tuple(sorted(path.parent.parent for path in folder.rglob(f"{POSE_FOLDER}/frame_times")))


def parse_comma2k19_segment(folder: Path) -> SegmentId:
    """The segment by its folder: `<dongle>|<log_id>/<n>`."""
    resolved = folder.resolve()
    route = _ROUTE_FOLDER.fullmatch(resolved.parent.name)
    if not route or not resolved.name.isdecimal():
        raise DataError(
            "its folder does not tell the segment",
            where=str(folder),
            remedy="keep the data set's names: <dongle>|<date>--<time>/<number>",
        )
    return SegmentId(Route(route["dongle"], route["log_id"]), int(resolved.name))


def load_comma2k19(folder: Path) -> Comma2k19Minute:
    """Read a segment folder; DataError for an array that is missing, ill-shaped or not on the segment's clock."""
    segment = parse_comma2k19_segment(folder)
    arrays = {name: _load_array(folder / path, kinds, columns) for name, (path, kinds, columns) in _ARRAYS.items()}
    for names in (("frame_times", "gps_times", "positions", "velocities", "orientations"), tuple(_ARRAYS)[5:]):
        counts = {_ARRAYS[name][0]: len(arrays[name]) for name in names}
        if len(set(counts.values())) != 1 or not all(counts.values()):
            listed = ", ".join(f"{path} {count}" for path, count in counts.items())
            raise DataError(f"arrays that belong together differ in length: {listed}", where=str(folder))
    for name in ("frame_times", "can_t"):
        steps = np.diff(arrays[name])
        if np.any(steps < 0) or (name == "frame_times" and np.any(steps == 0)):
            raise DataError(f"{_ARRAYS[name][0]} does not increase", where=str(folder))
    week, second = arrays["gps_times"][0]
    video = folder / VIDEO_NAME
    return Comma2k19Minute(
        folder=folder,
        segment=segment,
        frame_t_ns=_nanoseconds(arrays["frame_times"]),
        wall_t_ns=round((_GPS_EPOCH_UNIX_S + week * _WEEK_S + second - _GPS_LEAP_SECONDS) * _NS),
        positions=arrays["positions"],
        velocities=arrays["velocities"],
        orientations=arrays["orientations"],
        can=_can_frames(arrays),
        video=video if video.is_file() else None,
    )


def comma2k19_log(
    minute: Comma2k19Minute, *, platform: str = "", packet_sizes: NDArray[np.int64] | None = None
) -> Comma2k19Log:
    """The log of a minute. `platform` names the car instead of its addresses; `packet_sizes` are the video's."""
    car = find_car(minute.can, platform=platform, where=str(minute.folder))
    can, length_notes = restore_lengths(minute.can, car)
    motion = device_motion(minute.frame_t_ns / _NS, minute.positions, minute.velocities, minute.orientations)
    mounting = estimate_mounting(motion)
    params = car_params(car, can)
    notes = (
        f"car {car.platform}: {car.reason}",
        *length_notes,
        _mounting_note(mounting),
        "sendcan is what the panda echoed as sent; what it refused was not kept",
    )
    first_t_ns = int(min(minute.frame_t_ns[0], can.t_ns[0])) - _CAN_PERIOD_NS
    timed = [
        (first_t_ns, encode_event("carParams", first_t_ns, params.to_dict())),
        *_car_events(params, can),
        *_pose_events(minute.frame_t_ns, motion, mounting),
        *camera_events("fcamera", minute.segment.number, minute.frame_t_ns, packet_sizes),
    ]
    timed.sort(key=lambda entry: entry[0])
    head, tail = mark_events(
        minute.segment,
        first_t_ns=first_t_ns,
        last_t_ns=timed[-1][0],
        wall_t_ns=minute.wall_t_ns - (int(minute.frame_t_ns[0]) - first_t_ns),
        device_type="neo",
        version="comma2k19",
        notes=notes,
    )
    return Comma2k19Log((*head, *(event for _, event in timed), *tail), notes)


def _car_events(params: Any, can: CanFrames) -> Iterator[tuple[int, bytes]]:
    """CAN as the panda's reader batches it, echoes included; sendcan from the echoes; carState after each batch.

    sendcan is what the safety replay feeds to the transmit hook; a frame the panda refused left no echo, so it is
    missing, and the times are those of the echo.
    """
    received = batches(can, _CAN_PERIOD_NS)
    for batch, state in zip(received, decode_car_states(params, can, received), strict=True):
        sent = [
            (address, data, source - SENT_SOURCE) for address, data, source in batch.frames if source >= SENT_SOURCE
        ]
        yield batch.t_ns, encode_event("can", batch.t_ns, _can_payload(batch.frames))
        if sent:
            yield batch.t_ns, encode_event("sendcan", batch.t_ns, _can_payload(sent))
        decoded_t_ns = batch.t_ns + _CAR_STATE_DELAY_NS
        yield decoded_t_ns, encode_event("carState", decoded_t_ns, state, valid=state["canValid"])


def _can_payload(frames: Iterable[tuple[int, bytes, int]]) -> list[dict[str, object]]:
    return [{"address": address, "dat": data, "src": source} for address, data, source in frames]


def _pose_events(
    frame_t_ns: NDArray[np.int64], motion: DeviceMotion, mounting: Mounting
) -> Iterator[tuple[int, bytes]]:
    """Motion at each frame; how the device is mounted four times a second."""
    for index, t_ns in enumerate(frame_t_ns.tolist()):
        measured = {
            "orientationNED": motion.orientation_ned,
            "velocityDevice": motion.velocity_mps,
            "accelerationDevice": motion.acceleration_mps2,
            "angularVelocityDevice": motion.angular_velocity_radps,
        }
        payload = {name: _measurement(rows[index]) for name, rows in measured.items()}
        healthy = {"inputsOK": True, "posenetOK": True, "sensorsOK": True, "timestamp": t_ns}
        yield t_ns, encode_event("deviceMotion", t_ns, {**payload, **healthy})
        if index % _CALIBRATION_EVERY == 0:
            yield t_ns, encode_event("extrinsicsCalibration", t_ns, _calibration(mounting))


def _measurement(row: Floats) -> dict[str, object]:
    """A vector whose spread the data set does not tell: NaN, as openpilot marks what was not estimated."""
    unknown = {"xStd": float("nan"), "yStd": float("nan"), "zStd": float("nan")}
    return {**dict(zip("xyz", row.tolist(), strict=True)), **unknown, "valid": True}


def _calibration(mounting: Mounting) -> dict[str, object]:
    return {
        "calStatus": "calibrated" if mounting.frames else "uncalibrated",
        "calPerc": 100 if mounting.frames else 0,
        "validBlocks": mounting.frames // 100,
        "rpyCalib": mounting.rpy,
        "rpyCalibSpread": mounting.spread,
        "wideFromDeviceEuler": [0.0, 0.0, 0.0],
        "height": [_DEVICE_HEIGHT_M],
    }


def _mounting_note(mounting: Mounting) -> str:
    if not mounting.frames:
        return "mounting unknown: too little straight driving above 15 mph; calibration says uncalibrated"
    pitch, yaw = np.degrees(mounting.rpy[1:])
    return f"mounting pitch {pitch:.2f}°, yaw {yaw:.2f}°, from the direction of travel in {mounting.frames} frames"


def _can_frames(arrays: dict[str, NDArray[Any]]) -> CanFrames:
    data = np.ascontiguousarray(arrays["can_data"].astype("S8"))
    octets = data.view(np.uint8).reshape(-1, 8)
    # The last byte that is not zero: numpy's byte strings cannot tell trailing zeros from padding.
    length = np.where(octets.any(1), 8 - np.argmax(octets[:, ::-1] != 0, axis=1), 0)
    return CanFrames(
        t_ns=_nanoseconds(arrays["can_t"]),
        address=arrays["can_address"].astype(np.int64),
        source=arrays["can_source"].astype(np.int64),
        data=octets,
        length=length.astype(np.int64),
    )


def _nanoseconds(seconds: Floats) -> NDArray[np.int64]:
    return np.round(seconds * _NS).astype(np.int64)


def _load_array(path: Path, kinds: str, columns: int) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError("is missing", where=str(path), remedy="copy the whole segment folder") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"is not a numpy array file: {error}", where=str(path), remedy="copy it again") from error
    shape = f"(n, {columns})" if columns else "(n,)"
    if array.dtype.kind not in kinds or array.ndim != (2 if columns else 1) or (columns and array.shape[1] != columns):
        raise DataError(f"holds {array.dtype} {array.shape}, wanted {shape} of kind {kinds}", where=str(path))
    if array.dtype.kind == "S" and array.dtype.itemsize > 8:
        raise DataError(f"holds {array.dtype}, CAN frames have at most 8 bytes", where=str(path))
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError("holds NaN or infinity", where=str(path))
    return array
