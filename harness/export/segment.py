"""What is exported, as a plain value: the traces of a segment by side, and what is known beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.trace import Trace
from harness.verdict import Finding

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BASELINE, CANDIDATE, DRIVEN = "baseline", "candidate", "driven"

# View axes (x right, y down, z forward) of device axes (x forward, y right, z down).
_VIEW_FROM_DEVICE = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])


@dataclass(frozen=True, slots=True)
class Camera:
    """The road camera: a pinhole whose principal point is the middle of its picture.

    `device_from_car` (3, 3) turns the car's axes (x forward, y right, z down) into the device's.
    """

    width: int
    height: int
    focal_px: float
    device_from_car: Floats

    @property
    def matrix(self) -> Floats:
        """(3, 3) camera matrix, pixels."""
        return np.array([[self.focal_px, 0.0, self.width / 2], [0.0, self.focal_px, self.height / 2], [0.0, 0.0, 1.0]])

    @property
    def car_from_view(self) -> Floats:
        """(3, 3): the camera's axes (x right, y down, z forward) in those of the car."""
        turned: Floats = (_VIEW_FROM_DEVICE @ self.device_from_car).T
        return turned


@dataclass(frozen=True, slots=True)
class Pictures:
    """The road camera's file. `frame_ids`, `t_ns`, `rows` (n,): each picture's frame, time, and place in the file."""

    path: Path
    frame_ids: Int64s
    t_ns: Int64s
    rows: Int64s


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment to export. `sides` are traces by name: baseline, candidate, and driven where the log tells the way.

    `notes` say what could not be brought along, and why. `facts` are what the run knows of it.
    """

    name: str
    replayer: str
    sides: Mapping[str, Trace]
    findings: tuple[Finding, ...] = ()
    camera: Camera | None = None
    pictures: Pictures | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def metadata(self) -> dict[str, str]:
        """Everything about how it came to be, as text by key: the run's facts, and each side's provenance as JSON."""
        made = {
            f"provenance.{side}": json.dumps(dict(trace.provenance), sort_keys=True)
            for side, trace in self.sides.items()
        }
        notes = {"notes": "\n".join(self.notes)} if self.notes else {}
        return {"segment": self.name, "replayer": self.replayer, **self.facts, **made, **notes}

    def moments(self) -> Iterator[tuple[int, int, dict[str, int]]]:
        """Frame id, time and the row in each side that has it, for every frame of any side, in the order of frames."""
        rows = {
            side: {int(frame): row for row, frame in enumerate(trace.frame_ids)} for side, trace in self.sides.items()
        }
        for frame in sorted(set().union(*rows.values())):
            here = {side: by_frame[frame] for side, by_frame in rows.items() if frame in by_frame}
            side, row = next(iter(here.items()))
            yield frame, int(self.sides[side].t_ns[row]), here
