"""Traces of drives and plans made from formulas, so that every metric of them is known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.compare.metrics.horizon import PLAN_T_S
from harness.compare.metrics.view import Path
from harness.trace import Channel, Exactness, Trace

SEGMENT = "0123456789abcdef/0000010a--a51155e496/3"
FRAME_NS = 50_000_000
FIRST_ID = 500
FRAMES = 240

# Speed, curvature and acceleration of a drive that keeps them.
CRUISE, BEND = (20.0, 0.0, 0.0), (20.0, 0.004, 0.0)


def path(
    speed: float, curvature: float, gain: float, t_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, y, heading, speed at times: a way of constant curvature and acceleration, to the right positive."""
    way = speed * t_s + gain * t_s**2 / 2
    heading = curvature * way
    if curvature == 0.0:
        return way, np.zeros_like(way), heading, speed + gain * t_s
    x, y = np.sin(heading) / curvature, (1 - np.cos(heading)) / curvature
    return x, y, heading, speed + gain * t_s


def one_path(speed: float = 20.0, curvature: float = 0.0, gain: float = 0.0, *, late_s: float = 0.0) -> Path:
    """A single row, for functions that take paths; `late_s` is a plan that lags."""
    x, y, heading, pace = (each[None] for each in path(speed, curvature, gain, PLAN_T_S - late_s))
    return Path(x, y, heading, pace, np.ones((1, len(PLAN_T_S)), bool))


def truth(
    drive: tuple[float, float, float] = CRUISE,
    n: int = FRAMES,
    *,
    valid: np.ndarray | None = None,
    frames: Any = None,
    **channels: Any,
) -> Trace:
    """The truth of a drive that keeps speed, curvature and acceleration; `channels` replace or add (dots as __)."""
    rows = np.arange(n)
    starts = drive[0] + drive[2] * rows * 0.05
    columns = [path(speed, drive[1], drive[2], PLAN_T_S) for speed in starts]
    x, y, heading, speed = (np.stack([column[part] for column in columns]) for part in range(4))
    values: dict[str, Any] = {
        "path.x": x,
        "path.y": y,
        "path.heading": heading,
        "path.speed": speed,
        "path.valid": np.ones((n, len(PLAN_T_S)), bool) if valid is None else valid,
        "path.errorEstimate": np.tile(0.01 * PLAN_T_S, (n, 1)),
        "vEgo": starts,
        "engaged": np.ones(n, bool),
        "overriding": np.zeros(n, bool),
        "standstill": np.zeros(n, bool),
        "blinker": np.zeros(n, np.int8),
        "laneChange": np.zeros(n, np.int8),
        "curvature": np.full(n, drive[1]),
        "acceleration": np.full(n, drive[2]),
        "action.curvature": np.full(n, drive[1]),
        "action.acceleration": np.full(n, drive[2]),
        "leadOne.known": np.zeros(n, bool),
        "leadOne.present": np.zeros(n, bool),
        "leadOne.dRel": np.full(n, np.nan),
        "leadOne.vLead": np.full(n, np.nan),
        "next.known": (n - 1 - rows) * 0.05,
        **{f"next.{name}": np.full(n, np.inf) for name in NEXT},
    }
    return made("driven", values | dotted(channels), n, frames)


NEXT = (
    *("gasDisengage", "brakeDisengage", "steerOverride", "brake3", "brake4", "brake5"),
    *("gasPress", "brakePress", "leftBlinker", "rightBlinker"),
)


def plan_of(driven: Trace, **channels: Any) -> Trace:
    """A driving model's trace whose plan is the driven path, with what `channels` replace or add."""
    of = {name: channel.values for name, channel in driven.channels.items()}
    n = len(driven.frame_ids)
    values: dict[str, Any] = {
        "position.x": of["path.x"],
        "position.y": of["path.y"],
        "orientation.z": of["path.heading"],
        "velocity.x": of["path.speed"],
        "action.desiredCurvature": of["action.curvature"],
        "action.desiredAcceleration": of["action.acceleration"],
        "vEgo": of["vEgo"],
    }
    trace = made("driving_model", values | dotted(channels), n, driven.frame_ids)
    return replace(trace, t_ns=driven.t_ns)


def lanes(driven: Trace, width_m: float = 3.6, middle_m: float = 0.0) -> dict[str, Any]:
    """Lines and edges of the road that a drive of constant curvature follows, as channels."""
    n = len(driven.frame_ids)
    curvature = float(driven.channels["curvature"].values[0])
    ahead = 192.0 * (np.arange(33) / 32.0) ** 2
    bend = ahead * 0.0 if curvature == 0.0 else circle_at(ahead, curvature)
    places = [middle_m + share * width_m for share in (-1.5, -0.5, 0.5, 1.5)]
    lines = np.stack([offset_line(ahead, bend, curvature, place) for place in places])
    edges = np.stack([offset_line(ahead, bend, curvature, place) for place in (-7.0, 6.0)])
    return {
        "laneLines__y": np.tile(lines, (n, 1, 1)),
        "laneLineProbs": np.tile([0.2, 0.9, 0.9, 0.2], (n, 1)),
        "roadEdges__y": np.tile(edges, (n, 1, 1)),
        "roadEdgeStds": np.full((n, 2), 0.3),
    }


def circle_at(x_m: np.ndarray, curvature: float) -> np.ndarray:
    """How far to the right a circle is at distances straight ahead."""
    radius = 1 / curvature
    return radius - np.sign(radius) * np.sqrt(np.maximum(radius**2 - x_m**2, 0.0))


def offset_line(x_m: np.ndarray, bend: np.ndarray, curvature: float, place: float) -> np.ndarray:
    """A line beside the way at a constant distance."""
    if curvature == 0.0:
        return np.full_like(x_m, place)
    radius = 1 / curvature - place
    return place + circle_at(x_m, 1 / radius)


def made(replayer: str, values: Mapping[str, Any], n: int, frames: Any = None) -> Trace:
    ids = np.arange(n) + FIRST_ID if frames is None else np.asarray(frames, np.int64)
    channels = {}
    for name, each in values.items():
        array = np.asarray(each)
        exact = Exactness.NUMERIC if array.dtype.kind == "f" else Exactness.EXACT
        channels[name] = Channel(name, "", array, exact)
    t_ns = (ids - FIRST_ID) * FRAME_NS + 7_000_000_000
    return Trace(replayer, SEGMENT, ids.astype(np.int64), t_ns, channels, {"source": "deviceMotion"})


def dotted(channels: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("__", "."): values for name, values in channels.items()}
