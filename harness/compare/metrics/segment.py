"""All metrics of one segment: of a trace against the truth, and of a candidate against its baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from harness.compare.metrics import action, comfort, divergence, execution, foresight, lanes, leads, path
from harness.compare.metrics.conditions import condition_masks
from harness.compare.metrics.tally import Forecasts, Series, calibrate, tabulate
from harness.compare.metrics.values import Direction, Floats, Metric, SegmentMetrics
from harness.compare.metrics.view import View, driven_path, plan_path, view
from harness.domain import Check
from harness.errors import DataError
from harness.trace import Trace

Bools = npt.NDArray[np.bool_]

METRICS_VERSION = "2"
"""Part of the key under which values are kept: raise it when a value would come out different."""

_ANSWERS = (
    Metric(
        "plan_not_a_number", "share of frames", Direction.LOWER, 0.001,
        "frames whose plan has a value that is no number, or absurd", "", "answers", headline=True,
    ),
    Metric(
        "truth_known", "share of frames", Direction.NONE, 0.05, "frames whose driven path is known for 5 s", "", "truth"
    ),
)  # fmt: skip
_KNOWN_S = 5.0


def _registry() -> Mapping[str, Metric]:
    modules = (path, comfort, action, lanes, leads, foresight, execution, divergence)
    metrics = [*_ANSWERS, *(metric for module in modules for metric in module.METRICS)]
    named = {metric.name: metric for metric in metrics}
    if len(named) != len(metrics):
        raise ValueError("two metrics of one name")
    return MappingProxyType(named)


METRICS: Mapping[str, Metric] = _registry()
"""Every metric there is, by name, in the order of reports."""


_PLACES = {name: place for place, name in enumerate(METRICS)}


def segment_metrics(trace: Trace, truth: Trace | None) -> SegmentMetrics:
    """Every metric that `trace` and the truth of its segment can answer; those `of_pair` are left to `pair_metrics`.

    Without a truth only what a plan says of itself is told. DataError when the two are not of one segment.
    """
    _check_segment(trace, truth)
    seen = view(trace, truth)
    found = list(_of_trace(seen))
    return _metrics_of(seen, found, _notes(seen))


def pair_metrics(baseline: Trace, candidate: Trace, truth: Trace | None, checks: Sequence[Check]) -> SegmentMetrics:
    """How far `candidate` is from `baseline`, by the tolerances of `checks`, on the frames that all have."""
    for other in (baseline, truth):
        _check_segment(candidate, other)
    common = np.intersect1d(candidate.frame_ids, baseline.frame_ids, assume_unique=True)
    if truth is not None:
        common = np.intersect1d(common, truth.frame_ids, assume_unique=True)
    ours, theirs = (_on(view(trace, truth), common) for trace in (candidate, baseline))
    found: list[Series | Forecasts] = []
    score = divergence.scores(theirs, ours, checks)
    if score is not None:
        found += [
            Series("divergence", score),
            Series("divergence_share", (score > 1.0).astype(np.float64)),
            Series("divergence_worst", score),
            Series("divergence_first", np.where(score > 1.0, _seconds(ours), np.nan)),
        ]
    plan, planned = plan_path(ours), plan_path(theirs)
    if plan is not None and planned is not None:
        found += divergence.plan_moves(plan, planned)
    metrics = _metrics_of(ours, found, ())
    return replace(metrics, table=_extremes(metrics, score, ours))


def _of_trace(seen: View) -> Iterator[Series | Forecasts]:
    plan, driven = plan_path(seen), driven_path(seen)
    if driven is not None:
        yield Series("truth_known", driven.known(_KNOWN_S).astype(np.float64))
    if plan is not None:
        yield Series("plan_not_a_number", (~plan.valid[:, 0]).astype(np.float64))
        yield from comfort.comfort_series(seen, plan, driven)
    if plan is not None and driven is not None:
        yield from path.path_series(seen, plan, driven)
    yield from action.action_series(seen)
    yield from lanes.lane_series(seen, plan, driven)
    yield from leads.lead_series(seen)
    yield from foresight.foresight_series(seen)


def _metrics_of(seen: View, found: Iterable[Series | Forecasts], notes: tuple[str, ...]) -> SegmentMetrics:
    """The table, in the order of METRICS."""
    told = list(found)
    series = [each for each in told if isinstance(each, Series)]
    forecasts = [each for each in told if isinstance(each, Forecasts)]
    masks = condition_masks(seen)
    stacked = np.stack(list(masks.values()))
    names = [*(each.metric for each in series), *(each.metric for each in forecasts)]
    table = np.concatenate([tabulate(series, stacked), calibrate(forecasts, stacked)])
    order = sorted(range(len(names)), key=lambda row: _PLACES[names[row]])
    return SegmentMetrics(
        seen.trace.segment,
        seen.trace.replayer,
        tuple(names[row] for row in order),
        tuple(masks),
        np.ascontiguousarray(table[order]),
        notes,
    )


def _extremes(metrics: SegmentMetrics, score: Floats | None, seen: View) -> Floats:
    """The table with the worst and the first instead of the mean."""
    table: Floats = metrics.table.copy()
    if score is None:
        return table
    seconds = _seconds(seen)
    for column, mask in enumerate(condition_masks(seen).values()):
        for name, values in (("divergence_worst", score[mask]), ("divergence_first", -seconds[mask & (score > 1.0)])):
            if len(values):
                table[metrics.metrics.index(name), column, 0] = abs(values.max())
    return table


def _seconds(seen: View) -> Floats:
    """(n,): since the first frame."""
    seconds: Floats = (seen.t_ns - seen.t_ns[:1]) / 1e9
    return seconds


def _on(seen: View, frame_ids: npt.NDArray[np.int64]) -> View:
    kept = np.isin(seen.trace.frame_ids[seen.rows], frame_ids, assume_unique=True)
    return replace(seen, rows=seen.rows[kept], truth_rows=seen.truth_rows[kept])


def _notes(seen: View) -> tuple[str, ...]:
    """What the truth cannot answer here, in words."""
    if seen.truth is None:
        return ("no truth: only what a plan says of itself is told",)
    notes = []
    lost = len(seen.trace.frame_ids) - len(seen)
    if lost:
        notes.append(f"{lost} frames are not in the log's own list of frames, and were left out")
    source = seen.truth.provenance.get("source")
    driven = driven_path(seen)
    if driven is None or not driven.valid.any():
        notes.append(f"the driven path is not known (source: {source})")
    elif source == "wheel speed":
        notes.append("the driven path comes from wheel speed and steering, no pose was logged")
    return tuple(notes)


def _check_segment(trace: Trace, other: Trace | None) -> None:
    for each in (trace, other):
        if each is not None and np.any(np.diff(each.frame_ids) <= 0):
            raise DataError(
                "frame ids do not rise", where=f"trace of {each.segment}", remedy="replay the segment again"
            )
    if other is not None and other.segment != trace.segment:
        raise DataError(
            f"traces of different segments: {trace.segment} and {other.segment}",
            where="metrics",
            remedy="hold a trace against the truth of its own segment",
        )
