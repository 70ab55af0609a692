"""How long and how far a trace is engaged, how often that ends, and what so few minutes can say about the rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from harness.compare.event_intervals import DISABLED, STATE, event_channels
from harness.domain import ENGAGEMENT_STATES, EVENT_TYPES
from harness.trace import Trace

ALLOWED = "controlsAllowed"
SPEED = "vEgo"
_BISECTIONS = 64  # more would not change a double


@dataclass(frozen=True, slots=True)
class Engagement:
    """Totals of a trace, or of several: seconds in each state, and what was driven while engaged.

    `engaged_m` is None where the trace has no speed. A disengagement is a change from any other state to disabled;
    `by_driver` are those with a userDisable event in that row.
    """

    total_s: float
    state_s: dict[str, float]
    engaged_s: float
    engaged_m: float | None
    disengagements: int
    by_driver: int

    def per_100_km(self, confidence: float = 0.95) -> tuple[float, float, float] | None:
        """Disengagements per 100 km engaged and the ends of their exact interval; None without any distance."""
        if not self.engaged_m:
            return None
        exposure = self.engaged_m / 100_000
        low, high = poisson_interval(self.disengagements, confidence)
        return self.disengagements / exposure, low / exposure, high / exposure


def measure_engagement(trace: Trace) -> Engagement | None:
    """The totals of `trace`, by its `state`, or else by `controlsAllowed`; None when it has neither."""
    rows = len(trace.t_ns)
    lasts_s = np.diff(trace.t_ns, append=trace.t_ns[-1:]) / 1e9
    if STATE in trace.channels:
        state = trace.channels[STATE].values
        names = dict(enumerate(ENGAGEMENT_STATES))
    elif ALLOWED in trace.channels:
        state = trace.channels[ALLOWED].values.astype(np.uint8)
        names = {DISABLED: "not allowed", 1: "allowed"}
    else:
        return None
    engaged = state != DISABLED
    state_s = {name: float(lasts_s[state == value].sum()) for value, name in names.items() if (state == value).any()}
    engaged_m = None
    if SPEED in trace.channels:
        speed_mps = np.nan_to_num(trace.channels[SPEED].values.astype(np.float64), posinf=0.0, neginf=0.0)
        engaged_m = float((speed_mps * lasts_s)[engaged].sum())
    ends = np.flatnonzero(engaged[:-1] & ~engaged[1:]) + 1
    user = np.zeros(rows, bool)
    for channel, _ in event_channels(trace):
        user |= trace.channels[channel].values & (1 << EVENT_TYPES.index("userDisable")) != 0
    return Engagement(
        float(lasts_s.sum()), state_s, float(lasts_s[engaged].sum()), engaged_m, len(ends), int(user[ends].sum())
    )


def pool_engagements(parts: Iterable[Engagement]) -> Engagement:
    """The totals of several traces together; the distance only counts when all of them know theirs."""
    all_parts = list(parts)
    states = dict.fromkeys(name for part in all_parts for name in part.state_s)
    distances = [part.engaged_m for part in all_parts if part.engaged_m is not None]
    return Engagement(
        math.fsum(part.total_s for part in all_parts),
        {name: math.fsum(part.state_s.get(name, 0.0) for part in all_parts) for name in states},
        math.fsum(part.engaged_s for part in all_parts),
        math.fsum(distances) if len(distances) == len(all_parts) and all_parts else None,
        sum(part.disengagements for part in all_parts),
        sum(part.by_driver for part in all_parts),
    )


def poisson_interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact (Garwood) interval of a Poisson mean of which `count` were seen: both tails at half of what is left."""
    tail = (1.0 - confidence) / 2
    low = 0.0 if count == 0 else _mean_with_at_most(count - 1, 1.0 - tail)
    return low, _mean_with_at_most(count, tail)


def _mean_with_at_most(count: int, probability: float) -> float:
    """The Poisson mean under which `count` or fewer are seen with this probability."""
    numbers = np.arange(count + 1)
    log_factorials = np.concatenate(([0.0], np.cumsum(np.log(numbers[1:]))))
    low, high = 0.0, 10.0 + 2.0 * count + 10.0 * math.sqrt(count + 1.0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        # Each term by its logarithm, so that none overflows on the way.
        if float(np.exp(numbers * math.log(middle) - middle - log_factorials).sum()) > probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def engagement_words(expected: Engagement, observed: Engagement) -> str:
    """Both sides' totals in a few lines, the candidate's first."""
    lines = [f"engaged {_extent(observed)}; the baseline {_extent(expected)}"]
    changed = [
        f"{name} {observed.state_s.get(name, 0.0):.2f} s (was {expected.state_s.get(name, 0.0):.2f} s)"
        for name in dict.fromkeys((*expected.state_s, *observed.state_s))
        if abs(observed.state_s.get(name, 0.0) - expected.state_s.get(name, 0.0)) > 1e-9
    ]
    if changed:
        lines.append("time in states: " + ", ".join(changed))
    lines.append(f"disengagements {_count(observed)}; the baseline {_count(expected)}")
    return "\n".join(lines)


def _extent(side: Engagement) -> str:
    distance = "" if side.engaged_m is None else f", {side.engaged_m / 1000:.2f} km"
    return f"{side.engaged_s:.2f} s of {side.total_s:.2f} s{distance}"


def _count(side: Engagement) -> str:
    by = f" ({side.by_driver} by the driver)" if side.by_driver else ""
    rate = side.per_100_km()
    if rate is None:
        return f"{side.disengagements}{by}"
    return f"{side.disengagements}{by}, {rate[0]:.3g} per 100 km (95 % {rate[1]:.3g} … {rate[2]:.3g})"
