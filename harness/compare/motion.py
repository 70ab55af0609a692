"""How far a driving model's trace is from its baseline's, frame by frame, and what the road was like there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.compare.align import Int64s, align
from harness.compare.metrics.horizon import operator
from harness.compare.metrics.path import along_and_beside
from harness.compare.metrics.view import Path, plan_path, view
from harness.trace import Trace

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

AHEAD_S = 2.0
# No car can do more: what is said beyond it, and a value that is not a number, counts as this much.
MOST_MPS2, MOST_M = 10.0, 100.0
_LEAD_SEEN = 0.5
_SLOWEST_M = 2.0  # the plan's length over which a bend is told


@dataclass(frozen=True, slots=True)
class Motion:
    """Observed minus expected on n common frames.

    `action` (n, 2) m/s²: wanted acceleration sideways (κ·v²) and along. `plan` (n, 2) m: how far right and ahead of the
    expected plan AHEAD_S seconds ahead. `broken` (n,): not a number on one side alone.
    """

    frame_ids: Int64s
    seconds: Floats
    action: Floats
    plan: Floats
    broken: Bools

    @property
    def by_action(self) -> bool:
        """Whether what is asked of the car differs at all."""
        return bool(self.action.any())

    @property
    def size(self) -> Floats:
        """(n,) how far apart: the actions where any differ, else the plans."""
        return sizes(self.action if self.by_action else self.plan)


@dataclass(frozen=True, slots=True)
class Road:
    """The n frames as the baseline saw them: speed m/s, bend 1/m (right positive), planned acceleration m/s²."""

    speed: Floats
    bend: Floats
    pace: Floats
    changing_lane: Bools
    behind_lead: Bools


def sizes(parts: Floats) -> Floats:
    """(n,) lengths of rows (n, 2)."""
    lengths: Floats = np.hypot(parts[:, 0], parts[:, 1])
    return lengths


def rms(size: Floats) -> float:
    """Root of mean square; zero of nothing."""
    return float(np.sqrt(np.mean(size**2))) if len(size) else 0.0


def find_motion(expected: Trace, observed: Trace) -> Motion:
    """Hold two traces of one segment against each other, on the frames that both have."""
    alignment = align(expected, observed)
    count = len(alignment.frame_ids)

    def both(name: str) -> tuple[Floats, Floats] | None:
        if name not in expected.channels or name not in observed.channels:
            return None
        sides = (
            np.asarray(rows, np.float64)
            for rows in (
                alignment.of_expected(expected.channels[name].values),
                alignment.of_observed(observed.channels[name].values),
            )
        )
        e, o = sides
        return (e, o) if e.shape == o.shape else None

    broken = np.zeros(count, bool)
    action = np.zeros((count, 2))
    speed = both("vEgo")
    for column, name in enumerate(("action.desiredCurvature", "action.desiredAcceleration")):
        sides = both(name)
        if sides is None:
            continue
        factor = speed[0] ** 2 if column == 0 and speed is not None else np.ones(count)
        missing = [~np.isfinite(side) for side in sides]
        apart = np.where(missing[0] | missing[1], 0.0, (np.nan_to_num(sides[1]) - np.nan_to_num(sides[0])) * factor)
        lost = missing[0] != missing[1]
        broken |= lost
        action[:, column] = np.clip(np.where(lost, MOST_MPS2, apart), -MOST_MPS2, MOST_MPS2)
    seconds = (alignment.t_ns - alignment.start_ns) / 1e9
    plan, lost = _plans(expected, observed, alignment.frame_ids)
    return Motion(alignment.frame_ids, seconds, action, plan, broken | lost)


def find_road(trace: Trace, frame_ids: Int64s) -> Road:
    """What the baseline's trace says of the frames `frame_ids`, which it has."""
    rows = np.searchsorted(trace.frame_ids, frame_ids)
    count = len(rows)

    def channel(name: str) -> Floats | None:
        found = trace.channels.get(name)
        return None if found is None else np.nan_to_num(np.asarray(found.values, np.float64)[rows])

    speed = channel("vEgo")
    speed = np.zeros(count) if speed is None else speed
    path = plan_path(view(trace, None))
    bend = pace = np.zeros(count)
    if path is not None:
        at = operator(np.array([AHEAD_S]))
        length_m = np.maximum(np.abs((path.x[rows] @ at)[:, 0]), _SLOWEST_M)
        bend = (path.heading[rows] @ at)[:, 0] / length_m
        pace = ((path.speed[rows] @ at)[:, 0] - path.speed[rows, 0]) / AHEAD_S
    desire, lead = channel("desire"), channel("leadsV3.prob")
    return Road(
        speed,
        bend,
        pace,
        np.zeros(count, bool) if desire is None else desire != 0,
        np.zeros(count, bool) if lead is None else lead[:, 0] > _LEAD_SEEN,
    )


def _plans(expected: Trace, observed: Trace, frame_ids: Int64s) -> tuple[Floats, Bools]:
    """(n, 2) m right and ahead, and (n,) where one side alone has no plan."""
    apart, lost = np.zeros((len(frame_ids), 2)), np.zeros(len(frame_ids), bool)
    ours, theirs = (_on(trace, frame_ids) for trace in (observed, expected))
    if ours is None or theirs is None or not len(frame_ids):
        return apart, lost
    horizon = np.full((len(frame_ids), 1), AHEAD_S)
    along, beside = along_and_beside(ours, theirs, horizon)
    sane = ours.valid[:, 0] & theirs.valid[:, 0]
    same = np.all([ours.x == theirs.x, ours.y == theirs.y], axis=(0, 2))
    apart[:, 0], apart[:, 1] = beside[:, 0], along[:, 0]
    # Where both plans are the same, what is left is the rounding of the search for the nearest point.
    apart[~sane | same] = 0.0
    lost = ours.valid[:, 0] != theirs.valid[:, 0]
    apart[lost] = MOST_M
    return np.clip(apart, -MOST_M, MOST_M), lost


def _on(trace: Trace, frame_ids: Int64s) -> Path | None:
    path = plan_path(view(trace, None))
    if path is None:
        return None
    rows = np.searchsorted(trace.frame_ids, frame_ids)
    return Path(path.x[rows], path.y[rows], path.heading[rows], path.speed[rows], path.valid[rows])
