"""What can be drawn of a trace in space: paths, lane lines, road edges and leads, in metres before the car. Pure.

Axes are those of the trace: x forward, y right, z down, from the device's place behind the windscreen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness.export.segment import BASELINE, CANDIDATE, DRIVEN, Floats
from harness.trace import Trace

# openpilot modeld: the lane lines' distances, quadratic in the point's number.
X_IDXS_M = 192.0 * (np.arange(33) / 32.0) ** 2
# A plan is at the device's own height, as models are taught; it is drawn on the road, which is so far below.
DEVICE_HEIGHT_M = 1.22
_SHOWN_PROBABILITY = 0.5

Rgba = tuple[float, float, float, float]
COLOURS: Mapping[str, Rgba] = {
    BASELINE: (0.20, 0.55, 1.00, 0.9),
    CANDIDATE: (1.00, 0.55, 0.10, 0.9),
    DRIVEN: (0.20, 0.80, 0.35, 0.9),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line in space: `points` (m, 3), all of them numbers. `probability` fades what the model is not sure to see."""

    name: str
    points: Floats
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Lead:
    """A car ahead: where its rear is (3,)."""

    name: str
    place: Floats


def lines_of(trace: Trace, row: int) -> Iterator[Line]:
    """The lines of one frame of a trace. Points that are no numbers are left out of a line, and a line of one point."""
    channels = {name: channel.values for name, channel in trace.channels.items()}
    found: list[Line] = []
    if {"position.x", "position.y", "position.z"} <= channels.keys():
        found.append(Line("path", _on_road(*(channels[f"position.{axis}"][row] for axis in "xyz"))))
    if {"path.x", "path.y", "path.z", "path.valid"} <= channels.keys():
        known = channels["path.valid"][row]
        found.append(Line("path", _on_road(*(channels[f"path.{axis}"][row][known] for axis in "xyz"))))
    for group, title in (("laneLines", "lane line"), ("roadEdges", "road edge")):
        if {f"{group}.y", f"{group}.z"} <= channels.keys():
            ys, zs = channels[f"{group}.y"][row], channels[f"{group}.z"][row]
            for number, (y, z) in enumerate(zip(ys, zs, strict=True)):
                sure = channels.get("laneLineProbs") if group == "laneLines" else None
                probability = 1.0 if sure is None or not np.isfinite(sure[row, number]) else float(sure[row, number])
                found.append(Line(f"{title} {number}", np.stack([X_IDXS_M, y, z], 1).astype(np.float64), probability))
    for line in found:
        points = line.points[np.isfinite(line.points).all(axis=1)]
        if len(points) > 1:
            yield Line(line.name, points, line.probability)


def leads_of(trace: Trace, row: int) -> Iterator[Lead]:
    """The cars ahead that a frame of a trace is more sure than not to see, as they are now."""
    channels = {name: channel.values for name, channel in trace.channels.items()}
    if not {"leadsV3.x", "leadsV3.y", "leadsV3.prob"} <= channels.keys():
        return
    for number, probability in enumerate(channels["leadsV3.prob"][row]):
        place = np.array(
            [channels["leadsV3.x"][row, number, 0], channels["leadsV3.y"][row, number, 0], 0.0], np.float64
        )
        if probability > _SHOWN_PROBABILITY and np.isfinite(place).all():
            yield Lead(f"lead {number}", place)


def _on_road(x: Floats, y: Floats, z: Floats) -> Floats:
    return np.stack([x, y, z + DEVICE_HEIGHT_M], 1).astype(np.float64)
