"""What many canaries say about a device: how often it fails, how hot it gets, and whether it slows down. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from harness.errors import ErrorDescription

CONFIDENCE = 0.95
_LEAST_FOR_DRIFT, _LEAST_FOR_DRIFT_S = 5, 300.0
_MOST_FOR_DRIFT = 2000  # all pairs are looked at


@dataclass(frozen=True, slots=True)
class Round:
    """One canary of a burn-in. `began_s` since its start; None is what was not measured."""

    began_s: float
    run_s: float | None
    temperature_c: float | None
    error: ErrorDescription | None


@dataclass(frozen=True, slots=True)
class Drift:
    """How the time of a canary changes: as a share of its median an hour, with its interval. Positive is slower."""

    per_hour: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BurnIn:
    """The figures of a burn-in. `low` and `high` bound the failure rate, `temperatures_c` is (least, median, most).

    `median_s` is what a right canary takes.
    """

    rounds: int
    failures: int
    low: float
    high: float
    elapsed_s: float
    causes: tuple[tuple[str, int], ...]
    temperatures_c: tuple[float, float, float] | None
    median_s: float | None
    drift: Drift | None

    @property
    def rate(self) -> float:
        """Failed rounds of all; 0 when there was none."""
        return self.failures / self.rounds if self.rounds else 0.0


def measure(rounds: Sequence[Round]) -> BurnIn:
    """The figures of these rounds, in the order they ran."""
    failed = [entry.error for entry in rounds if entry.error is not None]
    low, high = failure_interval(len(failed), len(rounds))
    heat = [entry.temperature_c for entry in rounds if entry.temperature_c is not None]
    times = [entry.run_s for entry in rounds if entry.run_s is not None and entry.error is None]
    last = rounds[-1] if rounds else None
    causes = Counter(f"{error.kind}: {error.problem}" for error in failed).most_common()
    return BurnIn(
        rounds=len(rounds),
        failures=len(failed),
        low=low,
        high=high,
        elapsed_s=last.began_s + (last.run_s or 0.0) if last else 0.0,
        causes=tuple(causes),
        temperatures_c=(min(heat), float(np.median(heat)), max(heat)) if heat else None,
        median_s=float(np.median(times)) if times else None,
        drift=measure_drift(rounds),
    )


def failure_interval(failures: int, rounds: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval of a binomial rate (Clopper and Pearson, 1934); everything when nothing was tried."""
    tail = (1 - confidence) / 2
    low = float(scipy.special.betaincinv(failures, rounds - failures + 1, tail)) if failures else 0.0
    high = float(scipy.special.betaincinv(failures + 1, rounds - failures, 1 - tail)) if failures < rounds else 1.0
    return low, high


def measure_drift(rounds: Sequence[Round]) -> Drift | None:
    """The trend of the time of successful rounds, a share of the median an hour (Theil and Sen: robust to outliers).

    None for fewer than five, or within so short a time that an hour would be guessed from it.
    """
    timed = [(entry.began_s, entry.run_s) for entry in rounds if entry.run_s is not None and entry.error is None]
    timed = timed[:: -(-len(timed) // _MOST_FOR_DRIFT) or 1]
    if len(timed) < _LEAST_FOR_DRIFT or timed[-1][0] - timed[0][0] < _LEAST_FOR_DRIFT_S:
        return None
    began_h, run_s = np.array(timed).T / np.array([[3600.0], [1.0]])
    slope, _, low, high = scipy.stats.theilslopes(run_s, began_h, CONFIDENCE)
    median_s = float(np.median(run_s))
    return Drift(float(slope) / median_s, float(low) / median_s, float(high) / median_s)
