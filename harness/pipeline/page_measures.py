"""What a segment scores on both sides, by family and horizon, beside what the run's claims say of all segments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.compare.metrics import METRICS, SegmentMetrics
from harness.domain import Check
from harness.intent import ClaimResult
from harness.pipeline.intents import MEASURED
from harness.pipeline.truth import Measure, Measured, measure_segments
from harness.report.page.values import Measurement
from harness.store import Store
from harness.verdict import JobResult

_NOTHING = float("nan")


def measure_trial(
    result: JobResult, log: Path | None, log_sha256: str, checks: Sequence[Check], store: Store
) -> Measured | None:
    """The values of a trial's two traces, recalled where they are known; None for what is not measured."""
    if result.replayer != MEASURED or not (result.candidate_trace and result.baseline_trace):
        return None
    measure = Measure(
        result.segment,
        result.candidate_trace,
        result.baseline_trace,
        log,
        log_sha256,
        tuple(replace(check, replaced=False) for check in checks),
    )
    return next(iter(measure_segments([measure], store, workers=1)), None)


def measurements(measured: Measured, claims: Sequence[ClaimResult]) -> tuple[Measurement, ...]:
    """A row a metric that either side has a value of, over all frames, in the order of the families."""
    rows = []
    for name, metric in METRICS.items():
        if metric.of_pair:
            baseline, candidate = _NOTHING, _value(measured.pair, name)[0]
            human = _NOTHING
        else:
            baseline, human = _value(measured.baseline, name)
            candidate = _value(measured.candidate, name)[0]
        if math.isnan(baseline) and math.isnan(candidate):
            continue
        claim = next((each for each in claims if each.metric == name and each.condition in {"", "all"}), None)
        rows.append(
            Measurement(
                metric.family,
                name,
                metric.words,
                metric.unit,
                metric.direction.value,
                baseline,
                candidate,
                human,
                metric.practical_size,
                "" if claim is None else claim.answer.value,
                "" if claim is None else claim.figures,
            )
        )
    return tuple(rows)


def _value(values: SegmentMetrics | None, name: str) -> tuple[float, float]:
    """The number over all frames, and what the recorded drive scores; NaN where there is none."""
    found = None if values is None else values.get(name)
    return (_NOTHING, _NOTHING) if found is None else (found.value, found.human)
