"""How far a candidate is from its baseline: one value for the two of them, zero where nothing changed."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from harness.compare.diff import diff_values
from harness.compare.metrics.horizon import HORIZONS_S, operator
from harness.compare.metrics.path import along_and_beside, displacements, wrapped
from harness.compare.metrics.tally import Series
from harness.compare.metrics.values import Direction, Metric
from harness.compare.metrics.view import Path, View
from harness.domain import Check, Tolerance
from harness.trace import Exactness

Floats = npt.NDArray[np.float64]

_RULE, _PLANS = "openpilot's compare rule, made NaN-safe", "distance of both plans at the same times"
_ENDLESS = 1e9  # what is told of a difference without measure: a NaN on one side, another shape
_LEAST_PRACTICAL_M = 0.02

METRICS = (
    Metric(
        "divergence", "times tolerance", Direction.NONE, 1.0,
        "the worst channel's difference to the baseline divided by its tolerance, mean over frames", _RULE,
        "divergence", headline=True, of_pair=True,
    ),
    Metric(
        "divergence_share", "share of frames", Direction.NONE, 0.01,
        "frames with any channel beyond its tolerance", _RULE, "divergence", headline=True, of_pair=True,
    ),
    Metric(
        "divergence_worst", "times tolerance", Direction.NONE, 1.0,
        "the largest difference to the baseline divided by its tolerance", _RULE, "divergence", of_pair=True,
    ),
    Metric(
        "divergence_first", "s", Direction.NONE, 1.0,
        "seconds until the first frame beyond tolerance, where there is one", _RULE, "divergence", of_pair=True,
    ),
    *(
        metric
        for h in HORIZONS_S
        for metric in (
            Metric(
                f"plan_moved_{h}s", "m", Direction.NONE, _LEAST_PRACTICAL_M * h,
                f"distance of the plan from the baseline's {h} s ahead", _PLANS, "divergence", of_pair=True,
            ),
            Metric(
                f"plan_moved_right_{h}s", "m", Direction.NONE, _LEAST_PRACTICAL_M * h,
                f"how far right of the baseline's plan {h} s ahead, left negative", _PLANS, "divergence",
                of_pair=True,
            ),
            Metric(
                f"plan_moved_on_{h}s", "m", Direction.NONE, _LEAST_PRACTICAL_M * h,
                f"how far ahead of the baseline's plan {h} s ahead, behind negative", _PLANS, "divergence",
                of_pair=True,
            ),
        )
    ),
    Metric(
        "plan_turned_2s", "rad", Direction.NONE, 0.005, "angle to the baseline's heading 2 s ahead, right positive",
        _PLANS, "divergence", of_pair=True,
    ),
)  # fmt: skip


def plan_moves(plan: Path, baseline: Path) -> Iterator[Series]:
    """The plan in the frame of the baseline's plan."""
    sane = plan.valid[:, 0] & baseline.valid[:, 0]
    horizons = np.broadcast_to(np.array(HORIZONS_S, np.float64), (len(sane), len(HORIZONS_S)))
    along, beside = along_and_beside(plan, baseline, horizons)
    distance = displacements(plan, baseline, float(HORIZONS_S[-1]))
    step = (distance.shape[1] - 1) // HORIZONS_S[-1]
    for place, h in enumerate(HORIZONS_S):
        yield Series(f"plan_moved_{h}s", np.where(sane, distance[:, h * step], np.nan))
        yield Series(f"plan_moved_right_{h}s", np.where(sane, beside[:, place], np.nan))
        yield Series(f"plan_moved_on_{h}s", np.where(sane, along[:, place], np.nan))
    turned = wrapped((plan.heading - baseline.heading) @ operator(np.array([2.0])))
    yield Series("plan_turned_2s", np.where(sane, turned[:, 0], np.nan))


def scores(baseline: View, candidate: View, checks: Sequence[Check]) -> Floats | None:
    """(n,): the worst error / tolerance of a frame over all channels that the checks name; None where they name none.

    Where only equality passes, any difference is endless; so is a NaN on one side alone, or a channel that is missing.
    """
    worst: Floats | None = None
    for name, tolerance in _tolerances(baseline, candidate, checks).items():
        ours, theirs = candidate.of_trace(name), baseline.of_trace(name)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            score = np.full(len(candidate), _ENDLESS)
        else:
            diff = diff_values(theirs, ours, tolerance)
            score = np.where(diff.nan_mismatch, _ENDLESS, np.minimum(diff.score, _ENDLESS))
            if tolerance.is_exact:
                score = np.where(diff.differs, _ENDLESS, 0.0)
        worst = score if worst is None else np.maximum(worst, score)
    return worst


def _tolerances(baseline: View, candidate: View, checks: Sequence[Check]) -> dict[str, Tolerance]:
    """Channels by the tolerance of the first check that names them; states and digests are exact."""
    found: dict[str, Tolerance] = {}
    channels = {**baseline.trace.channels, **candidate.trace.channels}
    for check in checks:
        if check.events is not None:
            continue
        for name, channel in channels.items():
            named = any(fnmatch.fnmatchcase(name, pattern) for pattern in check.channels)
            if named and name not in found and channel.exactness is not Exactness.INFORMATIVE:
                found[name] = Tolerance() if channel.exactness is Exactness.EXACT else check.tolerance.of(name)
    return found
