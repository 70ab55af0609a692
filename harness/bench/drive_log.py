"""The rlog of a bench drive: what a device logs in a minute, in kind, number and size, with random numbers in it.

Messages of one service differ in the low bytes of their numbers only. So a message is encoded once and stamped: which
words hold numbers is seen by encoding two and comparing, and thousands are made by filling those words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from harness.recording.log_writer import encode_event, write_log

Payload: TypeAlias = Any
Maker: TypeAlias = Callable[[np.random.Generator], Payload]

MESSAGES_PER_MINUTE = 100_000
FIRST_T_NS = 300_000_000_000
FRAME_NS = 50_000_000
FIRST_FRAME_ID = 1000

_EXPOSURE_NS = 15_000_000
_WIDE_LATER_NS = 500_000
_LOGGED_LATER_NS = 60_000_000  # an encoded frame is known this long after its start of exposure
_TIME_WORD = 2  # after the segment table and the root pointer: Event's first field, the time


def drive_log(seconds: float, messages: int, seed: int) -> bytes:
    """About `messages` messages of `seconds` of driving, as they stand in an uncompressed log."""
    rng = np.random.default_rng(seed)
    timed: list[tuple[int, bytes]] = []
    for service, (rate_hz, maker) in _SERVICES.items():
        timed += _stamped(service, maker, _times(rng, rate_hz, seconds), rng)
    frames = round(seconds * 20)
    for service, later_ns in (("narrowRoadEncodeIdx", 0), ("wideRoadEncodeIdx", _WIDE_LATER_NS), ("cabinEncodeIdx", 0)):
        timed += [_encoded_frame(service, frame, later_ns) for frame in range(frames)]
    timed += [
        (FIRST_T_NS + 1_000_000, encode_event("carParams", FIRST_T_NS + 1_000_000, _CAR_PARAMS)),
        *_stamped("logMessage", _log_line, _times(rng, max(messages - len(timed) - 4, 0) / seconds, seconds), rng),
    ]
    timed.sort(key=lambda entry: entry[0])
    opening = [
        encode_event(
            "initData", FIRST_T_NS, {"deviceType": "tici", "version": "0.0.0", "dongleId": "be0c4be0c4be0c4b"}
        ),
        encode_event("sentinel", FIRST_T_NS, {"type": "startOfSegment"}),
    ]
    closing = encode_event("sentinel", timed[-1][0], {"type": "endOfSegment"})
    return b"".join([*opening, *(content for _, content in timed), closing])


def write_drive_log(path: Path, seconds: float, messages: int, seed: int) -> None:
    """The same as a file, compressed by its suffix."""
    write_log(path, [drive_log(seconds, messages, seed)])


def _times(rng: np.random.Generator, rate_hz: float, seconds: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    """When a service of that rate speaks: even, with a little jitter."""
    count = round(rate_hz * seconds)
    even = (np.arange(count) + 0.5) / max(rate_hz, 1e-9) * 1e9
    return FIRST_T_NS + even.astype(np.int64) + rng.integers(0, 100_000, count)


def _stamped(
    service: str, maker: Maker, times: np.ndarray[Any, np.dtype[np.int64]], rng: np.random.Generator
) -> list[tuple[int, bytes]]:
    """One message a time, equal but for the time and the low byte of every word that holds a number."""
    first, second = (np.frombuffer(encode_event(service, 0, maker(rng)), np.uint8) for _ in range(2))
    rows = np.tile(first, (len(times), 1))
    numbers = np.flatnonzero((first.reshape(-1, 4) != second.reshape(-1, 4)).any(axis=1)) * 4
    rows[:, numbers] = rng.integers(32, 127, (len(times), len(numbers)), np.uint8)
    rows.view("<i8")[:, _TIME_WORD] = times
    return [(int(t_ns), row.tobytes()) for t_ns, row in zip(times, rows, strict=True)]


def _encoded_frame(service: str, frame: int, later_ns: int) -> tuple[int, bytes]:
    begin_ns = FIRST_T_NS + frame * FRAME_NS + later_ns
    t_ns = begin_ns + _LOGGED_LATER_NS
    index = {
        "frameId": FIRST_FRAME_ID + frame,
        "encodeId": FIRST_FRAME_ID + frame,
        "type": "fullHEVC",
        "segmentId": frame,
        "segmentIdEncode": frame,
        "timestampSof": begin_ns,
        "timestampEof": begin_ns + _EXPOSURE_NS,
    }
    return t_ns, encode_event(service, t_ns, index)


def _floats(rng: np.random.Generator, count: int, around: float = 1.0) -> list[float]:
    values: list[float] = (around + rng.standard_normal(count, np.float32) * 0.01).tolist()
    return values


def _record(*names: str, around: float = 1.0) -> Maker:
    """A struct with those float fields."""
    return lambda rng: dict(zip(names, _floats(rng, len(names), around), strict=True))


def _can(count: int) -> Maker:
    """A bundle of CAN frames of three buses; a counter and a checksum change."""

    def make(rng: np.random.Generator) -> Payload:
        ends = rng.integers(32, 127, (count, 4), np.uint8)
        return [{"address": 0x100 + i, "src": i % 3, "dat": bytes(12) + ends[i].tobytes()} for i in range(count)]

    return make


def _series(rng: np.random.Generator, count: int) -> dict[str, list[float]]:
    return {axis: _floats(rng, count) for axis in ("x", "y", "z", "t", "xStd", "yStd", "zStd")}


def _model(rng: np.random.Generator) -> Payload:
    plan = {
        name: _series(rng, 33) for name in ("position", "orientation", "velocity", "orientationRate", "acceleration")
    }
    lanes = {"laneLines": [_series(rng, 33) for _ in range(4)], "roadEdges": [_series(rng, 33) for _ in range(2)]}
    lead = {name: _floats(rng, 6) for name in ("t", "x", "xStd", "y", "yStd", "v", "vStd", "a", "aStd")}
    return {**plan, **lanes, "laneLineProbs": _floats(rng, 4), "leadsV3": [lead] * 3, "frameDropPerc": 0.0}


def _car_state(rng: np.random.Generator) -> Payload:
    names = ("vEgoRaw", "aEgo", "steeringAngleDeg", "steeringRateDeg", "steeringTorque", "steeringTorqueEps", "yawRate")
    wheels = dict(zip(("fl", "fr", "rl", "rr"), _floats(rng, 4, 20.0), strict=True))
    # The speed stays the same to the last bit, so that what depends on it is the same in every message.
    return {**_record(*names)(rng), "vEgo": 20.0, "wheelSpeeds": wheels, "cruiseState": {"speed": 25.0}}


def _log_line(rng: np.random.Generator) -> Payload:
    noise = bytes(rng.integers(65, 90, 40, np.uint8)).decode()
    return f'{{"msg": "{noise}", "ctx": {{"daemon": "bench", "version": "0.0.0"}}, "levelnum": 20}}' + " " * 500


_CAR_PARAMS: Mapping[str, Payload] = {
    "brand": "mock",
    "carFingerprint": "MOCK",
    "steerActuatorDelay": 0.12,
    "longitudinalActuatorDelay": 0.15,
}
_SENSOR: Maker = lambda rng: {"timestamp": 0, "acceleration": {"v": _floats(rng, 3)}}  # noqa: E731
_CAMERA: Maker = lambda rng: {  # noqa: E731
    "sensor": "ox03c10", "gain": _floats(rng, 1)[0], "exposureValPercent": _floats(rng, 1)[0],
}  # fmt: skip

# Rate and payload of what is logged all the time.
_SERVICES: Mapping[str, tuple[float, Maker]] = {
    "can": (100, _can(250)),
    "sendcan": (100, _can(10)),
    "carState": (100, _car_state),
    "carControl": (100, lambda rng: {"latActive": True, "actuators": _record("accel", "torque", "curvature")(rng)}),
    "carOutput": (100, lambda rng: {"actuatorsOutput": _record("accel", "torque", "curvature")(rng)}),
    "controlsState": (100, _record("curvature", "desiredCurvature", "upAccelCmd", "uiAccelCmd")),
    "selfdriveState": (100, lambda _: {"state": "enabled", "enabled": True, "active": True}),
    "accelerometer": (104, _SENSOR),
    "gyroscope": (104, _SENSOR),
    "modelV2": (20, _model),
    "narrowRoadCameraState": (20, _CAMERA),
    "wideRoadCameraState": (20, _CAMERA),
    "cabinCameraState": (20, _CAMERA),
    "cameraOdometry": (20, lambda rng: {"trans": _floats(rng, 3), "rot": _floats(rng, 3)}),
    "driverMonitoringState": (20, lambda _: {"isRHD": False}),
    "vehicleParameters": (20, _record("steerRatio", "stiffnessFactor", "angleOffsetDeg")),
    "longitudinalPlan": (20, lambda rng: {name: _floats(rng, 17) for name in ("accels", "speeds", "jerks")}),
    "pandaStates": (10, lambda _: [{"ignitionLine": True, "pandaType": "tres"}]),
    "ubloxRaw": (20, lambda rng: bytes(200) + rng.integers(32, 127, 200, np.uint8).tobytes()),
    "extrinsicsCalibration": (4, lambda _: {"rpyCalib": [0.0, 0.02, -0.01], "validBlocks": 50}),
    "lateralDelay": (4, lambda _: {"lateralDelay": 0.3}),
}
