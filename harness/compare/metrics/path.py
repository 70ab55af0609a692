"""The plan against the path that was driven: displacement, its parts along and across the road, miss, heading."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from harness.compare.metrics.horizon import HORIZONS_S, PLAN_T_S, STEP_S, grid_operator, read_at, stencil
from harness.compare.metrics.tally import Series
from harness.compare.metrics.values import Direction, Metric
from harness.compare.metrics.view import Path, View

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MISS_M = {3: 6.0, 5: 8.0, 8: 16.0}
"""nuPlan: a plan misses when it is ever farther than this from the driven path within the horizon."""

_NEWTON_STEPS = 5
_LONGEST_STEP_S = 1.0
_LEAST_SPEED_MPS = 0.5

_NUPLAN = "nuPlan open-loop planner metrics"
_SPLIT = "Autoware planning data analyzer: lateral and longitudinal deviation from the trajectory"


def _metrics() -> Iterator[Metric]:
    lower, none = Direction.LOWER, Direction.NONE
    for h in HORIZONS_S:
        near = h == 2
        yield Metric(
            f"ade_{h}s", "m", lower, 0.05 * h, f"mean distance from the driven path over the next {h} s",
            _NUPLAN, "path", headline=h == 5,
        )  # fmt: skip
        yield Metric(
            f"fde_{h}s", "m", lower, 0.1 * h, f"distance from the driven path {h} s ahead", _NUPLAN, "path",
        )  # fmt: skip
        yield Metric(
            f"lateral_error_{h}s", "m", lower, 0.02 * h, f"distance beside the driven path {h} s ahead",
            _SPLIT, "path", headline=near,
        )  # fmt: skip
        yield Metric(
            f"lateral_bias_{h}s", "m", none, 0.02 * h, f"how far right of the driven path {h} s ahead, left negative",
            _SPLIT, "path",
        )  # fmt: skip
        yield Metric(
            f"longitudinal_error_{h}s", "m", lower, 0.1 * h, f"distance along the driven path {h} s ahead",
            _SPLIT, "path", headline=near,
        )  # fmt: skip
        yield Metric(
            f"longitudinal_bias_{h}s", "m", none, 0.1 * h,
            f"how far ahead of the car on its path {h} s ahead, behind negative", _SPLIT, "path",
        )  # fmt: skip
        yield Metric(
            f"heading_error_{h}s", "rad", lower, 0.01, f"angle to the driven heading {h} s ahead (nuPlan's bound: 0.8)",
            _NUPLAN, "path",
        )  # fmt: skip
        yield Metric(
            f"truth_error_{h}s", "m", none, 0.05 * h, f"how well the driven path itself is known {h} s ahead (1 σ)",
            "error estimate of the driven path", "truth",
        )  # fmt: skip
    for h, bound in MISS_M.items():
        yield Metric(
            f"miss_{h}s", "share of frames", lower, 0.01,
            f"frames whose plan is ever over {bound:g} m off within {h} s (nuPlan's bound: 0.3 of them)",
            _NUPLAN, "path", headline=h == 8,
        )  # fmt: skip


METRICS = tuple(_metrics())


def path_series(seen: View, plan: Path, driven: Path) -> Iterator[Series]:
    """Every metric of this family; frames in which a horizon is not known on both sides have no answer there."""
    far_s = float(HORIZONS_S[-1])
    sane = plan.valid[:, 0]
    distance = displacements(plan, driven, far_s)
    mean = np.cumsum(distance, axis=1) / np.arange(1, distance.shape[1] + 1)
    worst = np.maximum.accumulate(distance, axis=1)
    horizons = np.broadcast_to(np.array(HORIZONS_S, np.float64), (len(seen), len(HORIZONS_S)))
    along, beside = along_and_beside(plan, driven, horizons)
    turned = wrapped(read_at(plan.heading - driven.heading, horizons))
    estimate = seen.of_truth("path.errorEstimate")
    zero = np.zeros(len(seen))
    for place, h in enumerate(HORIZONS_S):
        known = sane & driven.known(float(h))
        step = round(h / STEP_S)

        def at(values: Floats, known: Bools = known) -> Floats:
            return np.where(known, values, np.nan)

        yield Series(f"ade_{h}s", at(mean[:, step]), zero)
        yield Series(f"fde_{h}s", at(distance[:, step]), zero)
        yield Series(f"lateral_error_{h}s", at(np.abs(beside[:, place])), zero)
        yield Series(f"lateral_bias_{h}s", at(beside[:, place]), zero)
        yield Series(f"longitudinal_error_{h}s", at(np.abs(along[:, place])), zero)
        yield Series(f"longitudinal_bias_{h}s", at(along[:, place]), zero)
        yield Series(f"heading_error_{h}s", at(np.abs(turned[:, place])), zero)
        if h in MISS_M:
            yield Series(f"miss_{h}s", at((worst[:, step] > MISS_M[h]).astype(np.float64)), zero)
        if estimate is not None:
            nearest = int(np.argmin(np.abs(PLAN_T_S - h)))
            yield Series(f"truth_error_{h}s", at(estimate[:, nearest].astype(np.float64)))


def displacements(plan: Path, driven: Path, end_s: float) -> Floats:
    """(n, m): distance between both paths at the same times, 0 to `end_s` in steps of STEP_S."""
    read = grid_operator(end_s)
    distance: Floats = np.hypot((plan.x - driven.x) @ read, (plan.y - driven.y) @ read)
    return distance


def along_and_beside(plan: Path, driven: Path, t_s: Floats) -> tuple[Floats, Floats]:
    """(n, k) each: where the plan is at times (n, k) in the frame of the driven path, ahead and to the right positive.

    Beside is the distance to the nearest place of the driven path, along is the way on that path from where the car
    was at the same time to that place. So a plan that only lags has no error beside the road, in a curve neither.
    Beyond the path's known ends it goes on straight.
    """
    places, weights = stencil(t_s)
    rows = np.arange(len(t_s))[:, None, None]
    goal = _read(np.stack([plan.x, plan.y], -1)[rows, places], weights)
    way_m = _way(driven)
    course = np.stack([driven.x, driven.y, driven.heading, driven.speed, way_m], -1)
    start_m = _read(way_m[..., None][rows, places], weights)[..., 0]
    last_known = np.minimum(np.argmin(np.c_[driven.valid, np.zeros(len(t_s), bool)], axis=1), len(PLAN_T_S)) - 1
    end_s = PLAN_T_S[np.maximum(last_known, 0)][:, None]
    foot_s = t_s
    for step in range(_NEWTON_STEPS):
        if step:
            places, weights = stencil(foot_s)
        here = _read(course[rows, places], weights)
        cos, sin = np.cos(here[..., 2]), np.sin(here[..., 2])
        off_x, off_y = goal[..., 0] - here[..., 0], goal[..., 1] - here[..., 1]
        ahead = cos * off_x + sin * off_y
        beside = cos * off_y - sin * off_x
        along = here[..., 4] + ahead - start_m
        move_s = np.clip(ahead / np.maximum(here[..., 3], _LEAST_SPEED_MPS), -_LONGEST_STEP_S, _LONGEST_STEP_S)
        foot_s = np.clip(foot_s + move_s, 0.0, end_s)
    return along, beside


def _read(values: Floats, weights: Floats) -> Floats:
    """(n, k, c) from gathered (n, k, 4, c) and weights (n, k, 4)."""
    read: Floats = np.einsum("nksc,nks->nkc", values, weights)
    return read


def _way(path: Path) -> Floats:
    """(n, 33): metres along a path since its first point."""
    way = np.zeros_like(path.x)
    np.cumsum(np.hypot(np.diff(path.x), np.diff(path.y)), axis=1, out=way[:, 1:])
    return way


def wrapped(angle: Floats) -> Floats:
    """An angle within ±π."""
    turned: Floats = (angle + np.pi) % (2 * np.pi) - np.pi
    return turned
