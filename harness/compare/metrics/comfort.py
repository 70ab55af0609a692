"""How a plan would feel, and how much it changes its mind: nuPlan's comfort bounds, NAVSIM's extended comfort.

Speed and heading of a plan are read every 0.1 s over five seconds; what is felt are their Savitzky-Golay derivatives,
which are linear, so that each is one matrix for all frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy

from harness.compare.metrics.horizon import STEP_S, grid, grid_operator
from harness.compare.metrics.tally import Series, check_series
from harness.compare.metrics.values import Direction, Metric
from harness.compare.metrics.view import FRAME_S, Path, View

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

COMFORT_S = 5.0

# nuPlan's bounds: least, most.
BOUNDS = {
    "longitudinal_acceleration": (-4.05, 2.40),
    "lateral_acceleration": (-4.89, 4.89),
    "jerk": (-8.37, 8.37),
    "longitudinal_jerk": (-4.13, 4.13),
    "yaw_rate": (-0.95, 0.95),
    "yaw_acceleration": (-1.93, 1.93),
}
_UNITS = {
    "longitudinal_acceleration": "m/s²",
    "lateral_acceleration": "m/s²",
    "jerk": "m/s³",
    "longitudinal_jerk": "m/s³",
    "yaw_rate": "rad/s",
    "yaw_acceleration": "rad/s²",
}
# NAVSIM's bounds on the root mean square difference of two plans of consecutive frames.
CHANGES = {
    "acceleration": (0.7, "m/s²"),
    "jerk": (0.5, "m/s³"),
    "yaw_rate": (0.1, "rad/s"),
    "yaw_acceleration": (0.1, "rad/s²"),
}

_ACCELERATION_WINDOW, _JERK_WINDOW, _ORDER = 8, 15, 2
_NUPLAN, _NAVSIM = "nuPlan ego_is_comfortable", "NAVSIM v2 extended comfort (EC)"


def _metrics() -> Iterator[Metric]:
    share, higher, lower = "share of frames", Direction.HIGHER, Direction.LOWER
    yield Metric(
        "comfort", share, higher, 0.01, f"frames whose plan keeps all comfort bounds for {COMFORT_S:g} s", _NUPLAN,
        "comfort", headline=True,
    )  # fmt: skip
    for name, (least, most) in BOUNDS.items():
        words = f"frames whose planned {name.replace('_', ' ')} stays within {least:g} … {most:g} {_UNITS[name]}"
        yield Metric(f"comfort_{name}", share, higher, 0.01, words, _NUPLAN, "comfort")
    yield Metric(
        "consistency", share, higher, 0.01, "frames whose plan agrees with the one before it, by all four bounds",
        _NAVSIM, "consistency", headline=True,
    )  # fmt: skip
    for name, (most, unit) in CHANGES.items():
        bound = f"{most:g} {unit}"
        held = f"frames whose planned {name.replace('_', ' ')} changes by at most {bound} since the frame before"
        yield Metric(f"consistency_{name}", share, higher, 0.01, held, _NAVSIM, "consistency")
        words = f"how much planned {name.replace('_', ' ')} changes from one frame to the next, RMS (bound: {bound})"
        yield Metric(f"plan_change_{name}", unit, lower, most / 10, words, _NAVSIM, "consistency")


METRICS = tuple(_metrics())


@dataclass(frozen=True, slots=True)
class Feel:
    """What a passenger would feel, (n, 51) each at steps of 0.1 s; `jerk` is the change of all acceleration's size."""

    longitudinal_acceleration: Floats
    lateral_acceleration: Floats
    jerk: Floats
    longitudinal_jerk: Floats
    lateral_jerk: Floats
    yaw_rate: Floats
    yaw_acceleration: Floats


def feel(path: Path, shift_s: float = 0.0) -> Feel:
    """What the path feels like, from `shift_s` after its own frame on."""
    n, of_speed, of_heading = len(path.x), *_operators(shift_s)
    pace, forward, forward_jerk = np.split(path.speed @ of_speed, 3, axis=1)
    turning, turning_up = np.split(path.heading @ of_heading, 2, axis=1)
    sideways = pace * turning
    changes = np.concatenate([np.hypot(forward, sideways), sideways]) @ _derivative(_JERK_WINDOW, 1).T
    return Feel(forward, sideways, changes[:n], forward_jerk, changes[n:], turning, turning_up)


def comfort_series(seen: View, plan: Path, driven: Path | None) -> Iterator[Series]:
    """Comfort and consistency. What the driven path breaks as well does not count against the plan."""
    answered, ours, changes = plan.valid[:, 0], *_manner(plan)
    if driven is None:
        known, joined = np.zeros(len(seen), bool), np.zeros(len(seen), bool)
        humans = dict.fromkeys(ours, known)
        human_changes = {name: np.full(len(seen), np.nan) for name in changes}
    else:
        known, joined = driven.known(COMFORT_S), driven.known(COMFORT_S + FRAME_S)
        humans, human_changes = _manner(driven)
    yield from checked("comfort", ours, answered, humans, known)
    follows = seen.follows()
    yield from _consistency(changes, _paired(answered, follows), human_changes, _paired(joined, follows))


def checked(
    metric: str, kept: Mapping[str, Bools], answered: Bools, human_kept: Mapping[str, Bools], human_known: Bools
) -> Iterator[Series]:
    """`<metric>_<bound>` for each bound, and `metric` for all of them together.

    A frame fails a bound that the plan breaks and the human kept; what both broke is excused.
    """
    every, human_every, passed_every = (np.ones(len(answered), bool) for _ in range(3))
    for name, holds in kept.items():
        passed = holds | (human_known & ~human_kept[name])
        yield check_series(f"{metric}_{name}", holds, passed, answered, human_kept[name], human_known)
        every, human_every, passed_every = every & holds, human_every & human_kept[name], passed_every & passed
    yield check_series(metric, every, passed_every, answered, human_every, human_known)


def _consistency(
    changes: Mapping[str, Floats], answered: Bools, human_changes: Mapping[str, Floats], known: Bools
) -> Iterator[Series]:
    """How much each plan differs from that of the frame before, over the time that both tell of."""
    for name in CHANGES:
        value, human = np.where(answered, changes[name], np.nan), np.where(known, human_changes[name], np.nan)
        yield Series(f"plan_change_{name}", value, human)
    steady, human_steady = (
        {name: side[name] <= most for name, (most, _) in CHANGES.items()} for side in (changes, human_changes)
    )
    yield from checked("consistency", steady, answered, human_steady, known)


def _manner(path: Path) -> tuple[dict[str, Bools], dict[str, Floats]]:
    """(n,) by bound whether it is kept, and by quantity how much it changed since the row before."""
    before, now = feel(path, FRAME_S), feel(path)
    return _kept(now), _changes(before, now)


def _kept(felt: Feel) -> dict[str, Bools]:
    """(n,) by bound."""
    kept = {}
    for name, (least, most) in BOUNDS.items():
        values: Floats = getattr(felt, name)
        kept[name] = (values.min(axis=1) >= least) & (values.max(axis=1) <= most)
    return kept


def _changes(before: Feel, now: Feel) -> dict[str, Floats]:
    """(n,) RMS difference to the row before; the first row has none (NaN). Accelerations differ as vectors do."""
    squares = {
        "acceleration": _square(before.longitudinal_acceleration, now.longitudinal_acceleration)
        + _square(before.lateral_acceleration, now.lateral_acceleration),
        "jerk": _square(before.longitudinal_jerk, now.longitudinal_jerk)
        + _square(before.lateral_jerk, now.lateral_jerk),
        "yaw_rate": _square(before.yaw_rate, now.yaw_rate),
        "yaw_acceleration": _square(before.yaw_acceleration, now.yaw_acceleration),
    }
    first = np.full(min(len(now.jerk), 1), np.nan)
    return {name: np.concatenate([first, np.sqrt(value)]) for name, value in squares.items()}


def _square(before: Floats, now: Floats) -> Floats:
    """(n − 1,): mean square of what differs between each row and the one before it."""
    difference = now[1:] - before[:-1]
    mean: Floats = np.einsum("nm,nm->n", difference, difference) / difference.shape[1]
    return mean


def _paired(known: Bools, follows: Bools) -> Bools:
    """(n,): the frame and the one right before it are known."""
    return np.concatenate([np.zeros(min(len(known), 1), bool), known[1:] & known[:-1] & follows])


@cache
def _derivative(window: int, order: int) -> Floats:
    """(51, 51): a Savitzky-Golay derivative over the grid, as scipy takes it, edges included."""
    size = len(grid(COMFORT_S))
    matrix: Floats = scipy.signal.savgol_filter(np.eye(size), window, _ORDER, deriv=order, delta=STEP_S, axis=0)
    return matrix


@cache
def _operators(shift_s: float) -> tuple[Floats, Floats]:
    """(33, 3 · 51): from speeds at a plan's points to speed, acceleration and jerk on the grid, side by side.

    (33, 2 · 51): from headings to yaw rate and yaw acceleration.
    """
    read = grid_operator(COMFORT_S, shift_s)
    acceleration = read @ _derivative(_ACCELERATION_WINDOW, 1).T
    slope, bend = (_derivative(_JERK_WINDOW, order).T for order in (1, 2))
    return np.hstack([read, acceleration, acceleration @ slope]), np.hstack([read @ slope, read @ bend])
