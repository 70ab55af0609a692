"""Is a difference only a delay? Claimed when shifting one signal explains it, and a plain offset does not."""

from __future__ import annotations

import numpy as np

from harness.compare.align import Int64s
from harness.compare.diff import Floats
from harness.compare.intervals import Interval

MAX_LAG_FRAMES = 20
_SHORTEST = 12  # frames: below this, anything fits anything
_EXPLAINED = 0.2  # the shifted residual must be this small beside that of the signals as they are, and of an offset


def lag_frames(expected: Floats, observed: Floats, frame_ids: Int64s, interval: Interval) -> int | None:
    """Frames by which `observed` (n,) lags `expected` (n,) in `interval`; negative when it leads, None when unclear.

    The lag is where the mean square difference of the two is least (for signals of constant energy the peak of their
    cross-correlation). On a straight ramp a lag and an offset look the same, so a lag must beat the best offset too.
    """
    first, stop = interval.first, interval.last + 1
    low, high = max(first - MAX_LAG_FRAMES, 0), min(stop + MAX_LAG_FRAMES, len(expected))
    if stop - first < _SHORTEST or np.any(np.diff(frame_ids[low:high]) != 1):
        return None
    if not (np.isfinite(expected[low:high]).all() and np.isfinite(observed[first:stop]).all()):
        return None
    o = observed[first:stop]
    lags = range(stop - high, first - low + 1)
    residuals = [_rms(o - expected[first - lag : stop - lag]) for lag in lags]
    best = int(np.argmin(residuals))
    change = o - expected[first:stop]
    if lags[best] == 0 or residuals[best] > _EXPLAINED * min(_rms(change), float(np.std(change))):
        return None
    return lags[best]


def lag_words(lag: int, period_s: float) -> str:
    """`lags by 3 frames (150 ms)`."""
    frames = f"{abs(lag)} frame" if abs(lag) == 1 else f"{abs(lag)} frames"
    return f"{'lags' if lag > 0 else 'leads'} by {frames} ({abs(lag) * period_s * 1000:.0f} ms)"


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))
