"""One segment measured, in whatever process: the truth from its log where it is not there yet, then all metrics.

What crosses between processes are paths, digests and bytes; an error that was raised on purpose crosses as its
description, so that the segment's entry says what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.compare.metrics import SegmentMetrics, encode_metrics, merge_metrics, pair_metrics, segment_metrics
from harness.domain import Check
from harness.errors import ClosetError, ErrorDescription
from harness.pipeline.user_metrics import run_user_metrics
from harness.replay.driven import load_driven
from harness.trace import Trace, load_trace, write_trace


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be worked out for one segment.

    `truth` is the file of the truth; where `log` is given it is made from that log and written there first. `traces`
    are the files of candidate and baseline whose own values are wanted, None where they are known already; `pair`
    are both, where the distance between them is wanted. `tags` are told of the whole segment. `own_metrics` is a file
    of a person's own metrics, which go with the values of each trace.
    """

    segment: str
    log: Path | None
    truth: Path | None
    traces: tuple[Path | None, Path | None]
    pair: tuple[Path, Path] | None
    checks: tuple[Check, ...] = ()
    tags: tuple[str, ...] = ()
    wheel_speed: bool = False
    own_metrics: Path | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of an errand: encoded values of candidate, baseline and pair, as far as asked for, or the error."""

    values: tuple[bytes | None, bytes | None, bytes | None] = (None, None, None)
    error: ErrorDescription | None = None


def run_errand(errand: Errand) -> Findings:
    """Carry it out. Errors that are nobody's fault but ours are raised."""
    try:
        return Findings(_measure(errand))
    except ClosetError as error:
        return Findings(error=error.describe())


def _measure(errand: Errand) -> tuple[bytes | None, bytes | None, bytes | None]:
    truth = _truth(errand)
    loaded: dict[Path, Trace] = {}

    def trace(path: Path) -> Trace:
        if path not in loaded:
            loaded[path] = load_trace(path)
        return loaded[path]

    sides = [None if path is None else trace(path) for path in errand.traces]
    extra = iter(_own(errand, [side for side in sides if side is not None], truth))
    own = [
        None if side is None else encode_metrics(_joined(segment_metrics(side, truth), next(extra, None)))
        for side in sides
    ]
    pair = None
    if errand.pair is not None:
        candidate, baseline = (trace(path) for path in errand.pair)
        pair = encode_metrics(pair_metrics(baseline, candidate, truth, errand.checks))
    return own[0], own[1], pair


def _own(errand: Errand, sides: list[Trace], truth: Trace | None) -> tuple[SegmentMetrics, ...]:
    """The person's own metrics of the sides, in one process for all of them; nothing where there are none."""
    if errand.own_metrics is None or not sides:
        return ()
    return run_user_metrics(errand.own_metrics, [(side, truth) for side in sides]).values


def _joined(ours: SegmentMetrics, theirs: SegmentMetrics | None) -> SegmentMetrics:
    return ours if theirs is None else merge_metrics(ours, theirs)


def _truth(errand: Errand) -> Trace | None:
    if errand.truth is None:
        return None
    if errand.log is not None:
        truth = load_driven(errand.log, errand.segment, wheel_speed=errand.wheel_speed, tags=errand.tags)
        write_trace(errand.truth, truth)
        return truth
    return load_trace(errand.truth)
