"""The numbers of a trial that a page draws: what moved, where it moved most, and what one always asks for."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.compare.align import Alignment, align
from harness.compare.diff import diff_values, tolerated
from harness.compare.metrics.horizon import PLAN_T_S, operator
from harness.compare.words import element_words
from harness.domain import Check, Tolerance
from harness.report.page.values import Chart, Floats
from harness.trace import Array, Exactness, Trace
from harness.verdict import Finding, FindingKind, JobResult, Severity

MOST_CHARTS = 16
_HORIZON_S = 2.0
_PLAN = PLAN_T_S.shape

# What one wants to see of a drive whatever was found, with the channel of the driven truth that goes with it.
_ALWAYS = (
    ("action.desiredCurvature", None, "action.curvature"),
    ("action.desiredAcceleration", None, "action.acceleration"),
    ("position.y", _HORIZON_S, "path.y"),
    ("velocity.x", _HORIZON_S, "path.speed"),
    ("orientation.z", _HORIZON_S, "path.heading"),
    ("laneLines.y", (1, 0), None),
    ("laneLines.y", (2, 0), None),
    ("laneLineProbs", (1,), None),
    ("laneLineProbs", (2,), None),
    ("leadsV3.prob", (0,), None),
    ("leadsV3.x", (0, 0), "leadOne.dRel"),
    ("vEgo", None, None),
)

_DRIVEN = {name: driven for name, place, driven in _ALWAYS if place is None}


@dataclass(frozen=True, slots=True)
class _Picked:
    """A channel at one element, or read at `ahead_s` of a plan."""

    channel: str
    element: int | None
    ahead_s: float | None = None
    driven: str | None = None


def make_charts(
    baseline: Trace, candidate: Trace, checks: Sequence[Check], result: JobResult, driven: Trace | None
) -> tuple[Chart, ...]:
    """Charts over the frames of the baseline; a frame that one side lacks has no number there.

    What closes the gate comes first, then the rest of what was found, then what is always shown.
    """
    matched = align(baseline, candidate)
    found: dict[str, Finding] = {}
    for finding in _by_weight(result):
        found.setdefault(finding.channel, finding)
    picks: dict[tuple[str, int | None, float | None], _Picked] = {}
    for pick in (*_found(found, baseline, candidate, matched, checks), *_always(baseline), *_moving(baseline)):
        picks.setdefault((pick.channel, pick.element, pick.ahead_s), pick)
    charts = [
        _chart(pick, baseline, candidate, matched, checks, found.get(pick.channel), driven)
        for pick in picks.values()
        if _is_chartable(baseline, candidate, pick.channel)
    ]
    return tuple(charts[:MOST_CHARTS])


def _by_weight(result: JobResult) -> list[Finding]:
    found = [entry for check in result.checks for entry in check.findings if entry.kind in _IN_A_CHART]
    return sorted(found, key=lambda entry: (entry.severity is not Severity.BLOCK, entry.first_frame or 0))


_IN_A_CHART = (FindingKind.CHANGED, FindingKind.NOT_A_NUMBER)


def _found(
    found: dict[str, Finding], baseline: Trace, candidate: Trace, matched: Alignment, checks: Sequence[Check]
) -> Iterator[_Picked]:
    for name in found:
        if not _is_chartable(baseline, candidate, name):
            continue
        expected, observed = _rows(baseline, candidate, matched, name)
        diff = diff_values(expected, observed, _tolerance(checks, name, baseline)[0])
        element = int(diff.worst[int(diff.score.argmax())]) if len(expected) else 0
        scalar = expected.ndim == 1
        yield _Picked(name, None if scalar else element, driven=_DRIVEN.get(name) if scalar else None)


def _always(trace: Trace) -> Iterator[_Picked]:
    for name, place, driven in _ALWAYS:
        channel = trace.channels.get(name)
        if channel is None:
            continue
        shape = channel.values.shape[1:]
        if place is None and not shape:
            yield _Picked(name, None, driven=driven)
        elif isinstance(place, float) and shape == _PLAN:
            yield _Picked(name, None, place, driven)
        elif isinstance(place, tuple) and len(place) == len(shape) and np.all(np.array(place) < shape):
            yield _Picked(name, int(np.ravel_multi_index(place, shape)), driven=driven)


def _moving(trace: Trace) -> Iterator[_Picked]:
    """Of a replayer whose channels nobody has an eye for: the plain numbers that change at all."""
    if "action.desiredCurvature" in trace.channels:
        return
    for name, channel in sorted(trace.channels.items()):
        values = channel.values
        if values.ndim == 1 and values.dtype.kind == "f" and values.size and np.ptp(np.nan_to_num(values)) > 0:
            yield _Picked(name, None)


def _is_chartable(baseline: Trace, candidate: Trace, name: str) -> bool:
    """Numbers of one shape on both sides. Digests are numbers too, and nobody can see anything in them."""
    ours, theirs = baseline.channels.get(name), candidate.channels.get(name)
    if ours is None or theirs is None or ours.values.shape[1:] != theirs.values.shape[1:]:
        return False
    return all(side.values.dtype.kind in "bf" or side.values.dtype.itemsize < 8 for side in (ours, theirs)) and all(
        side.values.dtype.kind in "biuf" for side in (ours, theirs)
    )


def _rows(baseline: Trace, candidate: Trace, matched: Alignment, name: str) -> tuple[Array, Array]:
    return (
        matched.of_expected(baseline.channels[name].values),
        matched.of_observed(candidate.channels[name].values),
    )


def _tolerance(checks: Sequence[Check], name: str, trace: Trace) -> tuple[Tolerance, Check | None]:
    """The strictest rule of use: that of the first check that judges the channel."""
    for check in checks:
        if check.events is None and any(fnmatch.fnmatchcase(name, pattern) for pattern in check.channels):
            exact = trace.channels[name].exactness is Exactness.EXACT
            return Tolerance() if exact else check.tolerance.of(name), check
    return Tolerance(), None


def _chart(
    pick: _Picked,
    baseline: Trace,
    candidate: Trace,
    matched: Alignment,
    checks: Sequence[Check],
    found: Finding | None,
    driven: Trace | None,
) -> Chart:
    channel = baseline.channels[pick.channel]
    sides = [_read(values, pick) for values in _rows(baseline, candidate, matched, pick.channel)]
    rows = slice(None) if matched.expected_rows is None else matched.expected_rows
    expected, observed = (np.full(len(baseline.frame_ids), np.nan) for _ in sides)
    expected[:] = _read(channel.values, pick)
    observed[rows] = sides[1]
    tolerance, check = _tolerance(checks, pick.channel, baseline)
    limit = None
    if check is not None:
        column = pick.element if pick.ahead_s is None else int(np.searchsorted(PLAN_T_S, pick.ahead_s))
        limit = np.zeros(len(expected))
        limit[rows] = _limit(sides[0], sides[1], tolerance, column, channel.values.shape[1:])
    at = f"at {pick.ahead_s:g} s" if pick.ahead_s is not None else ""
    if pick.element is not None:
        at = element_words(pick.channel, channel.values.shape[1:], pick.element)
    return Chart(
        f"{pick.channel} {at}".strip(),
        channel.unit,
        expected,
        observed,
        limit,
        None if driven is None or pick.driven is None else _driven(driven, pick, baseline),
        None if found is None else found.first_frame,
        found is not None and found.severity is Severity.BLOCK,
        _judged_words(check, tolerance),
    )


def _read(values: Array, pick: _Picked) -> Floats:
    if pick.ahead_s is not None:
        with np.errstate(invalid="ignore"):
            read: Floats = (values.astype(np.float64) @ operator(np.array([pick.ahead_s])))[:, 0]
        return read
    flat = values.reshape(len(values), -1) if values.ndim > 1 else values[:, None]
    return np.asarray(flat[:, pick.element or 0], np.float64)


def _limit(
    expected: Floats, observed: Floats, tolerance: Tolerance, element: int | None, shape: tuple[int, ...]
) -> Floats:
    """(k,): how far observed may be from expected at this element."""
    if tolerance.limits:
        place = 0 if not shape or element is None else element % shape[-1] % len(tolerance.limits)
        tolerance = Tolerance(absolute=tolerance.limits[place])
    width: Floats = tolerated(expected[:, None], observed[:, None], tolerance)[:, 0]
    return width


def _driven(driven: Trace, pick: _Picked, baseline: Trace) -> Floats | None:
    """What the car did, at the frames of the baseline; NaN where it is not known."""
    channel = driven.channels.get(pick.driven or "")
    if channel is None:
        return None
    values = channel.values.astype(np.float64)
    if pick.ahead_s is not None:
        known = driven.channels["path.valid"].values[:, : int(np.searchsorted(PLAN_T_S, pick.ahead_s)) + 1].all(axis=1)
        values = np.where(known, (values @ operator(np.array([pick.ahead_s])))[:, 0], np.nan)
    told = np.full(len(baseline.frame_ids), np.nan)
    _, ours, theirs = np.intersect1d(baseline.frame_ids, driven.frame_ids, assume_unique=True, return_indices=True)
    told[ours] = values[theirs]
    return told


def _judged_words(check: Check | None, tolerance: Tolerance) -> str:
    if check is None:
        return "not judged"
    gates = check.name if check.blocks else f"{check.name}, noted only"
    if tolerance.is_exact:
        return f"{gates}: must be equal"
    if tolerance.limits:
        return f"{gates}: within {max(tolerance.limits):.3g}, from the noise floor"
    parts = [f"{tolerance.absolute:.3g}"] if tolerance.absolute else []
    parts += [f"{100 * tolerance.relative:.3g} %"] if tolerance.relative else []
    return f"{gates}: within {' or '.join(parts)}"
