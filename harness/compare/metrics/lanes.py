"""What a model says of the road, held against itself over time, and where it drives between its lines.

Nobody knows where the lines really were. But a line seen some way ahead must be where it is seen once the car is
there: each line is moved along the driven path into the frame of a second or two later and compared with the line of
that frame, at the same place of the road. That says nothing of a steady bias; the driven path does (lateral error).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from harness.compare.metrics.horizon import operator
from harness.compare.metrics.tally import Series, check_series
from harness.compare.metrics.values import Direction, Metric
from harness.compare.metrics.view import FRAME_S, Path, View

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LINE_X_M: Floats = 192.0 * (np.arange(33) / 32.0) ** 2
"""Metres ahead of a line's points (openpilot ModelConstants.X_IDXS)."""
KEPT_WITHIN_M, KEPT_WITHIN_S = 0.5, 2.0
"""NAVSIM: a lane is not kept when the car is farther off its middle for longer than this."""

_AHEAD_S = (1, 2)
_SURE = 0.5  # openpilot shows a line from this probability on
_EDGE_STD_M = 1.0  # and an edge below this spread
_KEEP_AT_S = 2.0
_LEFT, _RIGHT = 1, 2  # the lines beside the own lane
_LARGEST_M = 1e3

_SELF, _NAVSIM = "own earlier prediction moved along the driven path", "NAVSIM lane keeping (LK)"


def _metrics() -> Iterator[Metric]:
    for ahead in _AHEAD_S:
        for name, words in (("lane_line", "own lane's lines"), ("road_edge", "road edges")):
            yield Metric(
                f"{name}_consistency_{ahead}s", "m", Direction.LOWER, 0.02,
                f"how far the {words} seen {ahead} s ahead lie from where they are seen on arrival",
                _SELF, "lanes", headline=name == "lane_line" and ahead == 2,
            )  # fmt: skip
    yield Metric(
        "lane_offset_2s", "m", Direction.LOWER, 0.05,
        "distance of the plan from the middle of the own lane 2 s ahead, by the model's own lines", _NAVSIM, "lanes",
    )  # fmt: skip
    yield Metric(
        "lane_keeping", "share of frames", Direction.HIGHER, 0.01,
        "frames not part of a stretch of over 2 s in which the plan is over 0.5 m off its lane's middle",
        _NAVSIM, "lanes", headline=True,
    )  # fmt: skip


METRICS = tuple(_metrics())


def lane_series(seen: View, plan: Path | None, driven: Path | None) -> Iterator[Series]:
    """Every metric of this family that the trace has lines for."""
    lines, sure = _lines(seen)
    if driven is not None:
        edges, there = _edges(seen)
        if lines is not None:
            own = (lines[:, _LEFT : _RIGHT + 1], sure[:, _LEFT : _RIGHT + 1])
            # In a lane change the left line of before is the right one of after.
            yield from _consistency("lane_line", seen, *own, driven, _changing(seen))
        if edges is not None:
            yield from _consistency("road_edge", seen, edges, there, driven, np.zeros(len(seen), bool))
    if plan is not None and lines is not None:
        yield from _keeping(seen, lines, sure, plan, driven)


def _consistency(name: str, seen: View, lines: Floats, sure: Bools, driven: Path, changing: Bools) -> Iterator[Series]:
    """`lines` (n, k, 33) and whether each is sure (n, k): mean distance over those sure in both frames.

    What leads through a frame that is `changing` is not asked.
    """
    so_far = np.concatenate([[0], np.cumsum(changing)])
    for ahead in _AHEAD_S:
        step = round(ahead / FRAME_S)
        values = np.full(len(seen), np.nan)
        if len(seen) > step:
            moved = _moved(lines[:-step], lines[step:], driven, float(ahead))
            asked = sure[:-step] & sure[step:]
            steady = so_far[step + 1 :] == so_far[: -step - 1]
            asked &= (driven.known(float(ahead))[:-step] & seen.follows(step) & steady)[:, None]
            with np.errstate(invalid="ignore"):
                values[:-step] = np.where(asked, moved, 0.0).sum(axis=1) / asked.sum(axis=1)
        yield Series(f"{name}_consistency_{ahead}s", values)


def _moved(lines: Floats, later: Floats, driven: Path, ahead_s: float) -> Floats:
    """(n − step, k): distance of each line from itself, where the car is `ahead_s` after its frame."""
    step = round(ahead_s / FRAME_S)
    read = operator(np.array([ahead_s]))
    x, y, heading = (getattr(driven, part)[:-step] @ read for part in ("x", "y", "heading"))
    beside = _line_at(lines, x) - y
    cos, sin = np.cos(heading), np.sin(heading)
    # Where the line passes the car's place: not quite beside the car when it is turned against the road.
    forward, right = sin * beside, cos * beside
    distance: Floats = np.abs(right - _line_at(later, np.maximum(forward, 0.0)))
    return distance


def _line_at(lines: Floats, x_m: Floats) -> Floats:
    """(n, k): lines (n, k, 33) at distances (n, 1) or (n, k), straight between points and beyond the last."""
    index = np.sqrt(np.clip(x_m, 0.0, None) / LINE_X_M[-1]) * (len(LINE_X_M) - 1)
    left = np.broadcast_to(np.clip(index.astype(np.int64), 0, len(LINE_X_M) - 2), lines.shape[:2])
    share = (x_m - LINE_X_M[left]) / (LINE_X_M[left + 1] - LINE_X_M[left])
    low = np.take_along_axis(lines, left[..., None], axis=2)[..., 0]
    high = np.take_along_axis(lines, left[..., None] + 1, axis=2)[..., 0]
    read: Floats = low + share * (high - low)
    return read


def _keeping(seen: View, lines: Floats, sure: Bools, plan: Path, driven: Path | None) -> Iterator[Series]:
    """The plan, and the driven path, between the model's own lines; changing lanes is not leaving one."""
    asked = sure[:, _LEFT] & sure[:, _RIGHT] & ~_changing(seen)
    answered = asked & plan.valid[:, 0]
    known = np.zeros(len(seen), bool) if driven is None else asked & driven.known(_KEEP_AT_S)
    offset = _offset(lines, plan)
    human = np.full(len(seen), np.nan) if driven is None else _offset(lines, driven)
    yield Series("lane_offset_2s", np.where(answered, offset, np.nan), np.where(known, human, np.nan))
    kept = ~_long_off(seen, answered & (offset > KEPT_WITHIN_M))
    human_kept = ~_long_off(seen, known & (human > KEPT_WITHIN_M))
    yield check_series("lane_keeping", kept, kept | (known & ~human_kept), answered, human_kept, known)


def _changing(seen: View) -> Bools:
    """(n,): a blinker is on or a lane change under way."""
    return seen.flags("blinker") | seen.flags("laneChange")


def _offset(lines: Floats, path: Path) -> Floats:
    """(n,): distance of a path from the middle between the own lane's lines, where it is 2 s ahead."""
    read = operator(np.array([_KEEP_AT_S]))
    x, y = path.x @ read, path.y @ read
    beside = _line_at(lines[:, _LEFT : _RIGHT + 1], np.maximum(x, 0.0))
    offset: Floats = np.abs(y[:, 0] - beside.mean(axis=1))
    return offset


def _long_off(seen: View, off: Bools) -> Bools:
    """(n,): frames of a stretch without a missing frame that is off for longer than KEPT_WITHIN_S."""
    long = np.zeros(len(off), bool)
    if not off.any():
        return long
    joined = np.logical_and.reduce([off[1:], off[:-1], seen.follows()])
    number = np.concatenate([[0], np.cumsum(~joined)])  # rows of one number are one stretch
    t_ns = seen.t_ns
    for first, last in _runs(number):
        if off[first] and (t_ns[last] - t_ns[first]) / 1e9 > KEPT_WITHIN_S:
            long[first : last + 1] = True
    return long


def _runs(number: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last row of each number of a rising column."""
    ends = np.flatnonzero(np.diff(number, append=number[-1] + 1))
    starts = np.concatenate([[0], ends[:-1] + 1])
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _lines(seen: View) -> tuple[Floats | None, Bools]:
    """(n, 4, 33) lateral places and (n, 4) whether a line is sure; None where the trace has no lines."""
    lines, probabilities = seen.of_trace("laneLines.y"), seen.of_trace("laneLineProbs")
    if lines is None or probabilities is None or lines.shape[1:] != (4, 33) or probabilities.shape[1:] != (4,):
        return None, np.zeros((len(seen), 4), bool)
    return _finite(lines, probabilities > _SURE)


def _edges(seen: View) -> tuple[Floats | None, Bools]:
    """(n, 2, 33) and (n, 2) whether an edge is sure."""
    edges, stds = seen.of_trace("roadEdges.y"), seen.of_trace("roadEdgeStds")
    if edges is None or stds is None or edges.shape[1:] != (2, 33) or stds.shape[1:] != (2,):
        return None, np.zeros((len(seen), 2), bool)
    return _finite(edges, stds < _EDGE_STD_M)


def _finite(lines: npt.NDArray[np.generic], sure: npt.NDArray[np.generic]) -> tuple[Floats, Bools]:
    values = lines.astype(np.float64)
    with np.errstate(invalid="ignore"):
        sane = np.asarray((np.abs(values) < _LARGEST_M).all(axis=2), np.bool_)
    return np.where(sane[..., None], values, 0.0), sure.astype(bool) & sane
