"""Differences in the reader's terms: when it leaves and comes back, how far, in what unit, and what that means.

Axes. The plan is in device axes (x forward, y right, z down; openpilot_facts §6.3), so a greater `position.y` is
further right and a greater `position.x` further ahead. For curvature no side is named: its sign convention differs
between services, so only the size of κ·v² is spoken of.
"""

from __future__ import annotations

import math

import numpy as np

from harness.compare.align import Alignment, Int64s
from harness.compare.intervals import Interval
from harness.trace import Array

PLAN_POINTS = 33
# openpilot modeld: the plan's times (s) and the lane lines' distances (m), both quadratic in the point's number.
T_IDXS_S = 10.0 * (np.arange(PLAN_POINTS) / 32.0) ** 2
X_IDXS_M = 192.0 * (np.arange(PLAN_POINTS) / 32.0) ** 2
LEAD_TIMES_S = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
PLAN_HORIZON_S = 2.0

_PLAN_GROUPS = ("position", "velocity", "acceleration", "orientation", "orientationRate")
_PLAN_SIDES = {
    "position.x": ("m", "further ahead", "shorter"),
    "position.y": ("m", "right", "left"),
    "velocity.x": ("m/s", "faster", "slower"),
    "acceleration.x": ("m/s²", "more acceleration", "less acceleration"),
}


def number(value: float) -> str:
    """A number with four digits that matter, exact when it is whole."""
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4g}"


def value_words(values: Array, element: int) -> str:
    """One element of one frame of a channel as text; digests and states as they are."""
    item = np.ravel(values)[element]
    if values.dtype.kind == "f":
        return number(float(item))
    if values.dtype.kind == "u" and values.dtype.itemsize == 8:
        return f"{int(item):016x}"
    return str(item)


def pair_words(expected: Array, observed: Array, element: int) -> tuple[str, str]:
    """Both values as text, with as many digits as it takes to tell them apart."""
    texts = value_words(expected, element), value_words(observed, element)
    if texts[0] == texts[1] and expected.dtype.kind == "f":
        e, o = float(np.ravel(expected)[element]), float(np.ravel(observed)[element])
        texts = repr(e), repr(o)
    return texts


def excess_words(excess: float | None, floors: float | None = None) -> str:
    """How many times the tolerance, and the noise floor, as far as either is known.

    Rounded so that nothing past the tolerance reads as 1.
    """
    parts = []
    if excess is not None:
        parts.append(f"{max(excess, 1.01):.3g} × the tolerance" if excess < 10 else f"{excess:.0f} × the tolerance")
    if floors is not None:
        parts.append(f"{floors:.3g} × the noise floor" if floors < 10 else f"{floors:.0f} × the noise floor")
    return ", ".join(parts)


def course_words(interval: Interval, alignment: Alignment) -> str:
    """When a channel leaves, peaks and comes back."""
    ids = alignment.frame_ids
    start = f"frame {ids[interval.first]} ({alignment.seconds(interval.first):.2f} s)"
    if interval.last == len(ids) - 1:
        if interval.first == interval.last:
            return f"leaves at the last frame, {start}"
        return f"leaves at {start}, peak {ids[interval.peak]}, not back by the end"
    if interval.first == interval.last:
        return f"leaves at {start} for that frame only"
    away_s = alignment.seconds(interval.last + 1) - alignment.seconds(interval.first)
    return f"leaves at {start}, peak {ids[interval.peak]}, back after {_duration(away_s)}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.995 else f"{seconds * 1000:.0f} ms"


def runs_words(runs: list[tuple[int, int]], limit: int = 5) -> str:
    """`frames 412–415, 700 and 3 more runs`."""
    shown = [str(first) if first == last else f"{first}–{last}" for first, last in runs[:limit]]
    many = len(runs) > 1 or runs[0][0] != runs[0][1]
    rest = f" and {len(runs) - limit} more runs" if len(runs) > limit else ""
    return f"{'frames' if many else 'frame'} {', '.join(shown)}{rest}"


def element_words(channel: str, shape: tuple[int, ...], element: int) -> str:
    """Which element of a frame of this shape: `at 2.82 s`, `line 1 at 12 m`, `[7]`, or nothing for a scalar."""
    if not shape:
        return ""
    index = tuple(int(part) for part in np.unravel_index(element, shape))
    group = channel.split(".", 1)[0]
    if shape == (PLAN_POINTS,) and group in _PLAN_GROUPS:
        return f"at {number(T_IDXS_S[index[0]])} s"
    if len(shape) == 2 and shape[1] == PLAN_POINTS and group in ("laneLines", "roadEdges"):
        return f"{'line' if group == 'laneLines' else 'edge'} {index[0]} at {number(X_IDXS_M[index[1]])} m"
    if len(shape) == 2 and shape[1] == len(LEAD_TIMES_S) and group == "leadsV3":
        return f"lead {index[0]} at {number(LEAD_TIMES_S[index[1]])} s"
    return "".join(f"[{part}]" for part in index)


def plan_words(channel: str, expected: Array, observed: Array) -> str:
    """What a plan channel (33,) says 2 s ahead, in one frame: `plan at 2 s: 0.38 m right`; "" when it says nothing."""
    side = _PLAN_SIDES.get(channel)
    if side is None or expected.shape != (PLAN_POINTS,) or observed.shape != (PLAN_POINTS,):
        return ""
    e, o = (float(np.interp(PLAN_HORIZON_S, T_IDXS_S, values.astype(np.float64))) for values in (expected, observed))
    delta = o - e
    if not math.isfinite(delta) or abs(delta) < 0.005:
        return ""
    unit, more, less = side
    return f"plan at {number(PLAN_HORIZON_S)} s: {abs(delta):.2f} {unit} {more if delta > 0 else less}"


def lateral_words(expected: float, observed: float, speed_mps: float) -> str:
    """A pair of curvatures (1/m) as lateral acceleration κ·v² at the speed of that frame; "" when unknown or small."""
    e, o = expected * speed_mps**2, observed * speed_mps**2
    if not (math.isfinite(e) and math.isfinite(o)) or abs(o - e) < 0.005:
        return ""
    if e * o < 0:
        return f"{_two_digits(abs(o - e))} m/s² of lateral acceleration to the other side"
    change = abs(o) - abs(e)
    return f"{_two_digits(abs(change))} m/s² {'more' if change > 0 else 'less'} lateral acceleration"


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def list_frames(frame_ids: Int64s, among: Int64s, runs: list[tuple[int, int]]) -> str:
    """`4 of 1200 frames: frames 412–415`."""
    return f"{len(frame_ids)} of {len(among)} frames: {runs_words(runs)}"
