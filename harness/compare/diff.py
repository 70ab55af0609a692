"""One channel against another, element by element, blind to nothing: NaN, infinity, zero tolerance, huge integers.

The rule is openpilot's compare rule made NaN-safe: an element is within tolerance when
|e − o| ≤ max(absolute, relative · max(|e|, |o|)). NaN equals NaN and nothing else; an infinity equals itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.domain import Tolerance
from harness.trace import Array

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChannelDiff:
    """How two arrays of shape (n, …) differ, reduced to frames; every array here has shape (n,).

    `differs`: any element unequal. `beyond`: a number out of tolerance. `nan_mismatch`: NaN on one side only.
    `score`: the worst element's error / tolerance; its plain error where only equality passes. `worst`: that
    element's flat index within the frame.
    """

    differs: Bools
    beyond: Bools
    nan_mismatch: Bools
    score: Floats
    worst: npt.NDArray[np.intp]


def diff_values(expected: Array, observed: Array, tolerance: Tolerance) -> ChannelDiff:
    """Compare two arrays of one shape (n, …); rows that are equal cost one pass."""
    n = len(expected)
    diff = ChannelDiff(np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, bool), np.zeros(n), np.zeros(n, np.intp))
    if not expected.size:
        return diff
    if family(expected) != family(observed):
        diff.differs[:], diff.beyond[:], diff.score[:] = True, True, np.inf
        return diff
    e, o = expected.reshape(n, -1), observed.reshape(n, -1)
    rows = np.flatnonzero((e != o).any(axis=1))
    e, o = e[rows], o[rows]
    unequal = (e != o) & ~(_is_nan(e) & _is_nan(o))
    kept = unequal.any(axis=1)
    if not kept.any():
        return diff
    rows, e, o, unequal = rows[kept], e[kept], o[kept], unequal[kept]
    diff.differs[rows] = True
    if not (_is_number(e) and _is_number(o)):
        diff.beyond[rows] = True
        diff.score[rows] = np.inf
        diff.worst[rows] = unequal.argmax(axis=1)
        return diff
    one_nan = _is_nan(e) ^ _is_nan(o)
    error = np.where(unequal & ~one_nan, _error(e, o), 0.0)
    if tolerance.is_exact:
        score = error
        beyond = unequal & ~one_nan
    else:
        limit = tolerated(e, o, tolerance)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # An infinite limit belongs to an infinite element: nothing but its equal is near it.
            score = np.where(np.isinf(error), np.inf, np.where(error == 0.0, 0.0, error / limit))
        beyond = (error > limit) | np.isinf(error)
    diff.worst[rows] = score.argmax(axis=1)
    diff.score[rows] = score.max(axis=1)
    diff.beyond[rows] = beyond.any(axis=1)
    diff.nan_mismatch[rows] = one_nan.any(axis=1)
    return diff


def nan_element(expected: Array, observed: Array) -> int:
    """Flat index of the first element of one frame that is NaN on one side only."""
    return int(np.argmax(_is_nan(np.ravel(expected)) ^ _is_nan(np.ravel(observed))))


def family(values: Array) -> str:
    """What sort of values these are: numbers compare with numbers, truth with truth, text with text."""
    kind = str(values.dtype.kind)
    return {"b": "true or false", "U": "text", "S": "bytes"}.get(kind, "numbers" if kind in "iufc" else kind)


def tolerated(e: Array, o: Array, tolerance: Tolerance) -> Floats:
    """(n, width): how far each element of `o` may be from that of `e`, both (n, width)."""
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.abs(e.astype(np.float64)), np.abs(o.astype(np.float64)))
        limit: Floats = np.maximum(tolerance.absolute, tolerance.relative * size)
    if tolerance.limits:
        width = size.shape[1]
        limit = np.maximum(limit, np.tile(tolerance.limits, width // len(tolerance.limits)))
    return limit


def _error(e: Array, o: Array) -> Floats:
    """|e − o| as float64. Integers of one signedness are subtracted as integers, so that 2⁶⁰ differs from 2⁶⁰ + 1."""
    if e.dtype.kind == o.dtype.kind and e.dtype.kind in "iu":
        wide_e, wide_o = e.astype(np.int64).view(np.uint64), o.astype(np.int64).view(np.uint64)
        return np.where(e >= o, wide_e - wide_o, wide_o - wide_e).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        error: Floats = np.abs(e.astype(np.float64) - o.astype(np.float64))
    return error


def _is_nan(values: Array) -> Bools:
    return np.isnan(values) if values.dtype.kind in "fc" else np.zeros(values.shape, bool)


def _is_number(values: Array) -> bool:
    """Whether subtracting makes sense: booleans and text are only ever equal or not."""
    return values.dtype.kind in "iuf"
