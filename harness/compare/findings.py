"""One divergence of one channel as a Finding: numbers for programs, lines of words for people."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.compare.align import Alignment
from harness.compare.intervals import Interval
from harness.compare.lag import lag_frames, lag_words
from harness.compare.words import (
    course_words,
    element_words,
    excess_words,
    lateral_words,
    number,
    pair_words,
    plan_words,
)
from harness.trace import Array, Exactness, Trace
from harness.verdict import Finding, FindingKind, Severity

CURVATURE = "action.desiredCurvature"
SPEED = "vEgo"
_DIGEST = ".digest"


@dataclass(frozen=True, slots=True)
class Divergence:
    """A stretch in which one channel is beyond tolerance.

    `element` is the flat index within a frame at the peak, `frames` how many frames of the interval are beyond,
    `excess` the peak's error / tolerance, `later` the intervals that get no finding of their own,
    `floors` the peak's error / noise floor where one is known, `told` the excess as far as it says more than that.
    """

    channel: str
    kind: FindingKind
    exactness: Exactness
    interval: Interval
    element: int
    frames: int
    excess: float | None
    later: tuple[Interval, ...]
    floors: float | None = None
    told: float | None = None


def describe(found: Divergence, expected: Trace, observed: Trace, alignment: Alignment, severity: Severity) -> Finding:
    """The finding for `found`, with its words: the course, the values, and what they mean, a line each."""
    e = alignment.of_expected(expected.channels[found.channel].values)
    o = alignment.of_observed(observed.channels[found.channel].values)
    interval = found.interval
    unit = expected.channels[found.channel].unit
    texts = pair_words(e[interval.peak], o[interval.peak], found.element)
    lines = [_course(found, alignment, o), _values(found, expected, observed, alignment, texts)]
    if found.kind is FindingKind.CHANGED and found.exactness is Exactness.NUMERIC:
        lines.append(plan_words(found.channel, e[interval.peak], o[interval.peak]))
        lines.append(_lag(found, alignment, e, o))
    if found.later:
        lines.append(
            f"and {len(found.later)} more times up to frame {alignment.frame_ids[found.later[-1].last]}"
            if len(found.later) > 1
            else f"and once more at frame {alignment.frame_ids[found.later[0].first]}"
        )
    finite = found.excess is not None and math.isfinite(found.excess)
    return Finding(
        found.kind,
        severity,
        found.channel,
        "\n".join(line for line in lines if line),
        first_frame=int(alignment.frame_ids[interval.first]),
        last_frame=int(alignment.frame_ids[interval.last]),
        peak_frame=int(alignment.frame_ids[interval.peak]),
        first_s=alignment.seconds(interval.first),
        last_s=alignment.seconds(interval.last),
        peak_s=alignment.seconds(interval.peak),
        expected=texts[0],
        observed=texts[1],
        unit=unit,
        excess=found.excess if finite else None,
    )


def _course(found: Divergence, alignment: Alignment, o: Array) -> str:
    interval, ids = found.interval, alignment.frame_ids
    if found.kind is FindingKind.CHANGED and found.exactness is Exactness.NUMERIC:
        return course_words(interval, alignment)
    start = f"frame {ids[interval.first]} ({alignment.seconds(interval.first):.2f} s)"
    span = f"at {start}" if interval.first == interval.last else f"from {start} to {ids[interval.last]}"
    count = "" if interval.first == interval.last else f", {found.frames} frames"
    if found.kind is FindingKind.NOT_A_NUMBER:
        new = bool(np.isnan(np.ravel(o[interval.peak])[found.element]))
        return f"{'NaN, which was a number,' if new else 'a number, which was NaN,'} {span}{count}"
    if found.channel.endswith(_DIGEST):
        return f"different pictures {span}{count}"
    return f"different {span}{count}"


def _values(found: Divergence, expected: Trace, observed: Trace, alignment: Alignment, texts: tuple[str, str]) -> str:
    e = alignment.of_expected(expected.channels[found.channel].values)
    o = alignment.of_observed(observed.channels[found.channel].values)
    unit = expected.channels[found.channel].unit
    where = element_words(found.channel, e.shape[1:], found.element)
    suffix = f" {unit}" if unit else ""
    words = f"{where + ': ' if where else ''}expected {texts[0]}{suffix}, observed {texts[1]}{suffix}"
    if found.kind is not FindingKind.CHANGED or found.exactness is not Exactness.NUMERIC:
        return words
    peak = found.interval.peak
    if found.channel == CURVATURE and e.ndim == 1 and SPEED in expected.channels:
        speed_mps = float(np.ravel(alignment.of_expected(expected.channels[SPEED].values)[peak])[0])
        lateral = lateral_words(float(e[peak]), float(o[peak]), speed_mps)
        words += f" = {lateral}" if lateral else ""
    told = found.told if found.told is not None and math.isfinite(found.told) else None
    if told is not None or found.floors is not None:
        words += f", {excess_words(told, found.floors)}"
    elif e.dtype.kind == "f" and not where:
        words += f", {number(abs(float(o[peak]) - float(e[peak])))}{suffix} apart"
    return words


def _lag(found: Divergence, alignment: Alignment, e: Array, o: Array) -> str:
    columns = [values.reshape(len(values), -1)[:, found.element].astype(np.float64) for values in (e, o)]
    lag = lag_frames(columns[0], columns[1], alignment.frame_ids, found.interval)
    if lag is None:
        return ""
    period_s = float(np.median(np.diff(alignment.t_ns))) / 1e9
    return lag_words(lag, period_s)
