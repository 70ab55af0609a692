"""What a segment's page is made of, as plain values: whoever gathers them has decided everything that is shown.

Arrays over frames have n rows, those of the trial's (or the drive's) own frames. Metres in the car's axes (x forward,
y right, z down, from the camera), seconds from the segment's first frame, frames as the camera's ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from harness.verdict import JobResult

Floats = npt.NDArray[np.floating]
Int64s = npt.NDArray[np.int64]


class Side(StrEnum):
    """Whose something is."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"
    DRIVEN = "driven"


@dataclass(frozen=True, slots=True)
class Chart:
    """One number over the frames of a trial.

    `limit` (n,) is how far the candidate may be from the baseline, None where no tolerance is known; all zero where
    only equality passes. `driven` (n,) is what the car did, NaN where that is not known. `first_frame` is the first
    one that a finding names, None where nothing was found. `note` says how it is judged.
    """

    name: str
    unit: str
    baseline: Floats
    candidate: Floats
    limit: Floats | None = None
    driven: Floats | None = None
    first_frame: int | None = None
    blocks: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that holds from `start_s` to `end_s`, told from `frame` on; `tone` picks its look."""

    start_s: float
    end_s: float
    words: str
    tone: str
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the timeline: spans of one side, of what was found, or of the drive. `differs` brings it forward."""

    title: str
    side: str
    spans: tuple[Span, ...]
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """What one side sees on the road before each of n frames.

    `plan` (n, p, 3); `lines` (n, 4, q) and `edges` (n, 2, q) are y at the stations of the view, `line_z`, `edge_z`
    (n, q); `sure` (n, 6) how sure it is of lines and edges, 0 to 1; `lead` (n, 4) is x, y, speed and probability.
    """

    side: Side
    plan: Floats
    lines: Floats | None = None
    line_z: Floats | None = None
    edges: Floats | None = None
    edge_z: Floats | None = None
    sure: Floats | None = None
    lead: Floats | None = None


@dataclass(frozen=True, slots=True)
class View:
    """How the road is seen: a pinhole camera of the film's size, mounted `height_m` above it at `rpy` (rad).

    `stations_m` (q,) is where lines are told; `plan_t_s` (p,) when the points of a plan are reached. `told_by` says
    where the calibration is from.
    """

    width: int
    height: int
    focal_x_px: float
    focal_y_px: float
    rpy: tuple[float, float, float]
    height_m: float
    stations_m: tuple[float, ...]
    plan_t_s: tuple[float, ...]
    told_by: str


@dataclass(frozen=True, slots=True)
class Footage:
    """A film beside the page, and which of its pictures is shown when: `t_s` and `pictures` (n,)."""

    file: str
    t_s: Floats
    pictures: Int64s


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: its result, its frames at seconds `t_s` (n,), and what is shown of it."""

    result: JobResult
    frames: Int64s
    t_s: Floats
    charts: tuple[Chart, ...] = ()
    lanes: tuple[Lane, ...] = ()
    grounds: tuple[Ground, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drive:
    """What the car really did: `path` (n, p, 3) before each frame, NaN where it is not known, and the drive's lanes."""

    frames: Int64s
    t_s: Floats
    path: Floats
    lanes: tuple[Lane, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric of this segment on both sides, and what the recorded drive itself scores; NaN where unknown.

    `better` is lower, higher or none. `answer` and `interval` are those of the run's claim about it, if there is one.
    """

    family: str
    name: str
    words: str
    unit: str
    better: str
    baseline: float
    candidate: float
    human: float
    size: float
    answer: str = ""
    interval: str = ""


@dataclass(frozen=True, slots=True)
class SegmentView:
    """Everything of one segment's page. `again` replays this minute; `look` shows its differences."""

    segment: str
    trials: tuple[Trial, ...]
    view: View | None = None
    footage: Footage | None = None
    drive: Drive | None = None
    measurements: tuple[Measurement, ...] = ()
    why: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    again: str = ""
    look: str = ""
