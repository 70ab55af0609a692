"""How a difference goes on after it has begun: whether it dies, with what half-life, grows, or comes back.

Everything is told relative to the difference's own peak, so that a difference scaled by any factor has the same course.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from harness.compare.align import Int64s
from harness.explanation import Course, Growth

Floats = npt.NDArray[np.float64]

# Below this share of its peak a difference is gone: what is left is beneath what anybody would look at.
GONE = 0.01
_FRAME_S = 0.05
_MOMENT_FRAMES = 3
_SPELL_GAP_S = 0.5  # spells that are nearer are one
_FEW_SPELLS = 3
_LEAST_FIT = 5  # frames: fewer points make no rate
_STEADY = 0.8  # share of the logarithm's variance that a steady rate must explain
_HALVED, _DOUBLED = 0.5, 2.0


def find_growth(size: Floats, seconds: Floats, frame_ids: Int64s) -> Growth:
    """The course of a difference of `size` (n,) ≥ 0 and finite, at `seconds` (n,) of the frames `frame_ids` (n,)."""
    peak = float(size.max(initial=0.0))
    if peak <= 0.0:
        return Growth(Course.NOTHING)
    seen = size > GONE * peak
    rows = np.flatnonzero(seen)
    first, last, top = int(rows[0]), int(rows[-1]), int(np.argmax(size))
    gone = last + 1 if last + 1 < len(size) else None
    half_life_s = _half_life_s(size, seconds, top, last)
    doubling_s = _doubling_s(size, seconds, first, top)
    spells = _spells(rows, seconds)
    return Growth(
        _course(size, rows, spells, half_life_s, gone),
        first_frame=int(frame_ids[first]),
        first_s=_rounded(seconds[first]),
        peak_frame=int(frame_ids[top]),
        peak_s=_rounded(seconds[top]),
        peak=peak,
        gone_frame=None if gone is None else int(frame_ids[gone]),
        gone_s=None if gone is None else _rounded(seconds[gone]),
        half_life_s=half_life_s,
        doubling_s=doubling_s,
        spells=spells,
        share=float(np.mean(seen)),
    )


def _course(
    size: Floats, rows: npt.NDArray[np.intp], spells: int, half_life_s: float | None, gone: int | None
) -> Course:
    longest = max(len(run) for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1))
    if longest <= _MOMENT_FRAMES:
        return Course.MOMENTARY
    if spells >= _FEW_SPELLS:
        return Course.RETURNS
    if half_life_s is not None:
        return Course.DIES
    if gone is not None:
        return Course.ENDS
    third = max((rows[-1] - rows[0] + 1) // 3, 1)
    early, late = (
        float(np.sqrt(np.mean(part**2)))
        for part in (size[rows[0] : rows[0] + third], size[rows[-1] + 1 - third : rows[-1] + 1])
    )
    if late < _HALVED * early:
        return Course.DIES
    return Course.GROWS if late > _DOUBLED * early else Course.STAYS


def _half_life_s(size: Floats, seconds: Floats, top: int, last: int) -> float | None:
    """Of what is still to come from each frame on, so that a difference that swings while it dies has one too."""
    ahead = np.maximum.accumulate(size[top : last + 1][::-1])[::-1]
    rate = _rate(ahead, seconds[top : last + 1])
    return None if rate is None or rate >= 0.0 else math.log(2.0) / -rate


def _doubling_s(size: Floats, seconds: Floats, first: int, top: int) -> float | None:
    so_far = np.maximum.accumulate(size[first : top + 1])
    rate = _rate(so_far, seconds[first : top + 1])
    return None if rate is None or rate <= 0.0 else math.log(2.0) / rate


def _rate(size: Floats, seconds: Floats) -> float | None:
    """The rate (1/s) of an exponential course; None where it has none that is steady."""
    if len(size) < _LEAST_FIT or size.max() < _DOUBLED * size.min():
        return None
    logs, t = np.log(size), seconds - seconds.mean()
    slope = float(np.dot(t, logs) / np.dot(t, t))
    spread = float(np.sum((logs - logs.mean()) ** 2))
    explained = slope**2 * float(np.dot(t, t)) / spread
    return slope if explained >= _STEADY else None


def _spells(rows: npt.NDArray[np.intp], seconds: Floats) -> int:
    return 1 + int(np.count_nonzero(np.diff(seconds[rows]) > _SPELL_GAP_S + _FRAME_S / 2))


def _rounded(seconds: float) -> float:
    return round(float(seconds), 6)
