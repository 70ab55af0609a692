"""Times of a plan, and reading it between its points: every reading is a linear operator on the 33 values.

Between points a cubic through the four nearest ones is read (three at or before the time where there are so many, one
after it), so that no more of a path needs to be known than its next point.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

PLAN_T_S: Floats = 10.0 * (np.arange(33) / 32.0) ** 2
"""Seconds of a plan's points (openpilot ModelConstants.T_IDXS)."""
POINTS = len(PLAN_T_S)

HORIZONS_S = (1, 2, 3, 5, 8)
"""Where paths are held against each other (nuPlan's open-loop horizons, and the planner's near ones)."""
STEP_S = 0.1
"""nuPlan's simulation step; what a mean over time, comfort and miss are read at."""

_STENCIL = 4


def stencil(t_s: Floats) -> tuple[Ints, Floats]:
    """(…, 4) places among the points and Lagrange weights for times of any shape (…); beyond the ends they continue."""
    after = np.searchsorted(PLAN_T_S, t_s, side="left")
    first = np.clip(after - (_STENCIL - 1), 0, POINTS - _STENCIL)
    places = first[..., None] + np.arange(_STENCIL)
    knots = PLAN_T_S[places]
    apart = np.asarray(t_s)[..., None] - knots
    weights = np.ones_like(knots)
    for i in range(_STENCIL):
        for j in range(_STENCIL):
            if i != j:
                weights[..., i] *= apart[..., j] / (knots[..., i] - knots[..., j])
    return places, weights


def operator(t_s: Floats) -> Floats:
    """(33, m): `values @ operator` reads (n, 33) values at times (m,)."""
    places, weights = stencil(t_s)
    matrix = np.zeros((POINTS, len(t_s)))
    np.add.at(matrix, (places, np.arange(len(t_s))[:, None]), weights)
    return matrix


def read_at(values: Floats, t_s: Floats) -> Floats:
    """(n, k): each row of (n, 33) values read at its own times (n, k)."""
    places, weights = stencil(t_s)
    rows = np.arange(len(values))[:, None, None]
    read: Floats = np.einsum("nks,nks->nk", values[rows, places], weights)
    return read


def last_point(t_s: float) -> int:
    """The index of the last point that reading at `t_s` needs."""
    return min(int(np.searchsorted(PLAN_T_S, t_s - 1e-9, side="left")), POINTS - 1)


def known_at(valid: npt.NDArray[np.bool_], t_s: float) -> npt.NDArray[np.bool_]:
    """(n,): all points of (n, 33) that reading up to `t_s` needs are valid."""
    return np.asarray(valid[:, : last_point(t_s) + 1].all(axis=1), np.bool_)


@cache
def grid(end_s: float) -> Floats:
    """(m,): 0 to `end_s` in steps of STEP_S, both ends in."""
    times = np.asarray(np.arange(round(end_s / STEP_S) + 1) * STEP_S, np.float64)
    times.setflags(write=False)
    return times


@cache
def grid_operator(end_s: float, shift_s: float = 0.0) -> Floats:
    """`operator` of the times of `grid`, each `shift_s` later."""
    matrix = operator(grid(end_s) + shift_s)
    matrix.setflags(write=False)
    return matrix
