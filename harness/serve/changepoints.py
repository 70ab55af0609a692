"""Where a series over time changed its level, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_RUNS = 4  # on each side of a change: fewer are no level
_STRICTNESS = 4.0


@dataclass(frozen=True, slots=True)
class Change:
    """The first run of a new level: its place in the series, and the means before and from then on."""

    index: int
    before: float
    after: float


def change_points(values: Sequence[float]) -> tuple[Change, ...]:
    """Changes of the mean of `values` (one a run, oldest first), found by penalised least squares.

    The penalty grows with the noise between neighbours and with the logarithm of the length, so that a series that only
    jitters has none. Values that are not finite are refused by ValueError.
    """
    series = np.asarray(values, dtype=np.float64)
    if not np.isfinite(series).all():
        raise ValueError("a series holds a value that is not finite")
    if len(series) < 2 * LEAST_RUNS:
        return ()
    # Imported here: it needs a part of scipy that no other page does.
    import ruptures  # type: ignore[import-untyped]  # noqa: PLC0415

    spread = float(np.median(np.abs(np.diff(series)))) / (0.6745 * np.sqrt(2.0))
    # Where most neighbours are equal the median says nothing: a share of the whole spread does.
    spread = max(spread, 0.05 * float(np.std(series)))
    if spread == 0.0:
        return ()
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_RUNS).fit((series / spread).reshape(-1, 1))
    ends = search.predict(pen=_STRICTNESS * np.log(len(series)))
    begins = [0, *ends[:-1]]
    means = [float(series[first:last].mean()) for first, last in zip(begins, ends, strict=True)]
    return tuple(
        Change(begin, before, after) for begin, before, after in zip(begins[1:], means, means[1:], strict=False)
    )
