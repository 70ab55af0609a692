"""Logs of drives that have a formula: what the car did is known at any time, to compare an integrated path with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.recording.log import Log, parse_log
from harness.recording.log_writer import encode_event
from harness.replay.driven.motion import rotation_of_rpy

START_NS = 90_000_000_000
FRAME_NS = 50_000_000
FIRST_ID = 700
RPY = (0.01, 0.03, -0.02)

Course = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Speed (m/s) and yaw rate (rad/s) at seconds since the start."""


@dataclass(frozen=True)
class Analytic:
    """A drive with its exact place: `place(t)` is x, y, heading in the axes of t = 0, right positive."""

    name: str
    course: Course
    place: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]

    def seen_from(self, at_s: float, later_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y, heading of the car `later_s` after `at_s`, in the car's axes at that time."""
        x0, y0, h0 = (float(each[0]) for each in self.place(np.array([at_s])))
        x, y, h = self.place(at_s + later_s)
        cos, sin = np.cos(h0), np.sin(h0)
        return cos * (x - x0) + sin * (y - y0), cos * (y - y0) - sin * (x - x0), h - h0


def straight(speed: float = 20.0) -> Analytic:
    return Analytic(
        "straight",
        lambda t: (np.full_like(t, speed), np.zeros_like(t)),
        lambda t: (speed * t, np.zeros_like(t), np.zeros_like(t)),
    )


def circle(speed: float = 20.0, rate: float = 0.1) -> Analytic:
    radius = speed / rate
    return Analytic(
        "circle",
        lambda t: (np.full_like(t, speed), np.full_like(t, rate)),
        lambda t: (radius * np.sin(rate * t), radius * (1 - np.cos(rate * t)), rate * t),
    )


def accelerating(speed: float = 10.0, gain: float = 1.5) -> Analytic:
    return Analytic(
        "accelerating",
        lambda t: (speed + gain * t, np.zeros_like(t)),
        lambda t: (speed * t + gain * t**2 / 2, np.zeros_like(t), np.zeros_like(t)),
    )


def sine(speed: float = 20.0, swing: float = 0.15, period_s: float = 6.0) -> Analytic:
    """The heading swings; the place is integrated on a grid a thousand times finer than the samples."""
    omega = 2 * np.pi / period_s

    def heading(t: np.ndarray) -> np.ndarray:
        return swing * np.sin(omega * t)

    fine = np.linspace(0.0, 40.0, 800_001)
    step = fine[1] - fine[0]
    north, east = (
        np.concatenate([[0.0], np.cumsum((each[1:] + each[:-1]) / 2) * step])
        for each in (speed * np.cos(heading(fine)), speed * np.sin(heading(fine)))
    )
    return Analytic(
        "sine",
        lambda t: (np.full_like(t, speed), swing * omega * np.cos(omega * t)),
        lambda t: (np.interp(t, fine, north), np.interp(t, fine, east), heading(t)),
    )


def spiral(speed: float = 15.0, gain: float = 0.5, bend: float = 0.004) -> Analytic:
    """Accelerating on a road of constant curvature: the place follows from the way alone."""
    radius = 1 / bend

    def way(t: np.ndarray) -> np.ndarray:
        return speed * t + gain * t**2 / 2

    return Analytic(
        "spiral",
        lambda t: (speed + gain * t, bend * (speed + gain * t)),
        lambda t: (radius * np.sin(bend * way(t)), radius * (1 - np.cos(bend * way(t))), bend * way(t)),
    )


DRIVES = (straight(), circle(), accelerating(), sine(), spiral())


def drive_log(
    drive: Analytic,
    seconds: float = 20.0,
    *,
    rpy: tuple[float, float, float] = RPY,
    std: float = 0.05,
    old: bool = False,
    status: str = "calibrated",
    pose: bool = True,
    health: Callable[[float], Mapping[str, Any]] = lambda _: {},
    car: Callable[[float], Mapping[str, Any]] = lambda _: {},
    state: Callable[[float], str | None] = lambda _: "enabled",
    radar: Callable[[float], Mapping[str, Any]] | None = None,
    model: Callable[[float], Mapping[str, Any]] | None = None,
    without: tuple[str, ...] = (),
    skip_pose: Callable[[float], bool] = lambda _: False,
    rate_hz: int = 20,
) -> Log:
    """A log of the drive on a device mounted at `rpy`; callables are asked at seconds since the start."""
    turned = rotation_of_rpy(*rpy)
    timed: list[tuple[int, str, Any]] = [
        (START_NS - 9, "initData", {"deviceType": "tici", "dongleId": "0123456789abcdef"}),
        (START_NS - 8, "carParams", {"steerActuatorDelay": 0.1, "longitudinalActuatorDelay": 0.15}),
        (START_NS - 7, "extrinsicsCalibration", {"rpyCalib": list(rpy), "calStatus": status}),
        (START_NS - 6, "lateralDelay", {"lateralDelay": 0.2}),
    ]
    for step in range(round(seconds * rate_hz) + 1):
        at = step / rate_hz
        if not pose or skip_pose(at):
            continue
        speed, rate = (float(each[0]) for each in drive.course(np.array([at])))
        vectors = {
            "velocityDevice": turned @ [speed, 0.0, 0.0],
            "angularVelocityDevice": turned @ [0.0, 0.0, rate],
            "accelerationDevice": np.zeros(3),
            "orientationNED": np.zeros(3),
        }
        timed.append((_ns(at), *_pose(vectors, std, health(at), old=old)))
    for step in range(round(seconds * 20)):
        eof = START_NS + step * FRAME_NS
        frame = {"frameId": FIRST_ID + step, "timestampSof": eof - 18_000_000, "timestampEof": eof}
        index = {**frame, "segmentNum": 3, "segmentId": step, "type": "fullHEVC"}
        timed.append((eof + 1_000_000, "narrowRoadEncodeIdx", index))
        if model is not None:
            timed.append((eof + 2_000_000, "modelV2", {"frameId": FIRST_ID + step, **model(step / 20)}))
    for step in range(round(seconds * 100) + 1):
        at = step / 100
        speed, rate = (float(each[0]) for each in drive.course(np.array([at])))
        angle_deg = -np.degrees(rate / max(speed, 1.0) * 2.7) * 15.0
        said = {"vEgo": speed, "standstill": speed < 0.01, "steeringAngleDeg": float(angle_deg), **car(at)}
        timed.append((_ns(at), "carState", said))
        curve = rate / max(speed, 1.0)
        timed.append((_ns(at), "controlsState", {"curvature": curve}))
        if (name := state(at)) is not None:
            timed.append((_ns(at), "selfdriveState", {"state": name, "enabled": name != "disabled"}))
        if radar is not None and step % 5 == 0:
            timed.append((_ns(at), "radarState", {"leadOne": dict(radar(at))}))
    timed.sort(key=lambda entry: entry[0])
    content = b"".join(encode_event(name, t, payload) for t, name, payload in timed if name not in without)
    return parse_log(content, where="made")


def _pose(
    vectors: Mapping[str, np.ndarray], std: float, health: Mapping[str, Any], *, old: bool
) -> tuple[str, dict[str, Any]]:
    healthy = {"inputsOK": True, "posenetOK": True, "sensorsOK": True, **health}
    if old:
        measured: dict[str, Any] = {
            name: {"value": vector.tolist(), "std": [std] * 3, "valid": True} for name, vector in vectors.items()
        }
        return "liveLocationKalmanDEPRECATED", measured | healthy
    stds = {"xStd": std, "yStd": std, "zStd": std, "valid": True}
    told: dict[str, Any] = {
        name: {**dict(zip("xyz", vector.tolist(), strict=True)), **stds} for name, vector in vectors.items()
    }
    return "deviceMotion", told | healthy


def _ns(at_s: float) -> int:
    return START_NS + round(at_s * 1e9)
