"""What the metrics read: a trace and the truth, on the frames that both have, as numbers of full precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.compare.metrics.horizon import POINTS, known_at
from harness.trace import Array, Trace

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FRAME_S = 0.05
_JITTER_S = 0.01
_LARGEST = 1e6  # a plan that says more, in metres or in m/s, is broken: as good as not a number


@dataclass(frozen=True, slots=True)
class Path:
    """A plan or a driven path over n frames, (n, 33) each: m, rad, m/s in the car frame of its frame.

    `valid` (n, 33) are the points that are known; values are finite everywhere.
    """

    x: Floats
    y: Floats
    heading: Floats
    speed: Floats
    valid: Bools

    def known(self, t_s: float) -> Bools:
        """(n,): frames in which the path is known up to `t_s`."""
        return known_at(self.valid, t_s)


@dataclass(frozen=True, slots=True)
class View:
    """A trace and the truth on n common frames. `rows`, `truth_rows` (n,) index either; no truth, no `truth_rows`."""

    trace: Trace
    truth: Trace | None
    rows: npt.NDArray[np.intp]
    truth_rows: npt.NDArray[np.intp]

    @property
    def t_ns(self) -> Int64s:
        """(n,) times of the frames."""
        return self.trace.t_ns[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def of_trace(self, name: str) -> Array | None:
        """A channel of the trace (n, …), as it is; None when it has none."""
        channel = self.trace.channels.get(name)
        return None if channel is None else _rows_of(channel.values, self.rows)

    def of_truth(self, name: str) -> Array | None:
        """A channel of the truth (n, …), as it is; None when it has none, or there is no truth."""
        channel = None if self.truth is None else self.truth.channels.get(name)
        return None if channel is None else _rows_of(channel.values, self.truth_rows)

    def flags(self, name: str) -> Bools:
        """A channel of the truth (n,) as true or false; false where there is none."""
        values = self.of_truth(name)
        return np.zeros(len(self), bool) if values is None else values.astype(bool)

    def follows(self, step: int = 1) -> Bools:
        """(n − step,): the frame `step` rows later is the one taken that many frame times later."""
        waited_s = (self.t_ns[step:] - self.t_ns[:-step]) / 1e9
        near: Bools = np.abs(waited_s - step * FRAME_S) <= _JITTER_S
        return near


def view(trace: Trace, truth: Trace | None) -> View:
    """Bring both onto the frames they share, by frame id."""
    if truth is None:
        every = np.arange(len(trace.frame_ids))
        return View(trace, None, every, every)
    _, rows, truth_rows = np.intersect1d(trace.frame_ids, truth.frame_ids, assume_unique=True, return_indices=True)
    return View(trace, truth, rows, truth_rows)


def plan_path(seen: View) -> Path | None:
    """The plan of a driving model's trace; None where the trace has none. A frame with any NaN has no valid point."""
    parts = [seen.of_trace(name) for name in ("position.x", "position.y", "orientation.z", "velocity.x")]
    if any(part is None or part.shape[1:] != (POINTS,) for part in parts):
        return None
    x, y, heading, speed = (np.array(part, np.float64) for part in parts)
    sane = np.ones(len(seen), bool)
    for part in (x, y, heading, speed):
        with np.errstate(invalid="ignore"):
            sane &= (np.abs(part) < _LARGEST).all(axis=1)  # false for NaN too
    for part in (x, y, heading, speed):
        part[~sane] = 0.0
    return Path(x, y, heading, speed, np.repeat(sane[:, None], POINTS, axis=1))


def driven_path(seen: View) -> Path | None:
    """The path of the truth; None where there is no truth."""
    parts = [seen.of_truth(f"path.{name}") for name in ("x", "y", "heading", "speed", "valid")]
    if any(part is None for part in parts):
        return None
    x, y, heading, speed = (np.asarray(part, np.float64) for part in parts[:4])
    return Path(x, y, heading, speed, np.asarray(parts[4], bool))


def _rows_of(values: Array, rows: npt.NDArray[np.intp]) -> Array:
    whole = len(rows) == len(values) and (not len(rows) or (rows[0] == 0 and rows[-1] == len(rows) - 1))
    return values if whole else values[rows]
