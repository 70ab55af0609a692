"""The claims of a run: traces measured against the truth, held together segment by segment, answered by statistics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.compare.budgets import Spent, judge_budget, spend
from harness.compare.metrics import METRICS, SegmentMetrics
from harness.compare.statistics import Bools, Look, Pairs, Question, judge_claims, make_pairs, sum_routes
from harness.domain import Trial
from harness.errors import ClosetError
from harness.intent import Answer, Budget, ClaimResult, Intent
from harness.pipeline.intents import EVERY_METRIC, MEASURED, Declared
from harness.pipeline.looks import open_looks
from harness.pipeline.prepare import Prepared
from harness.pipeline.spreads import find_spreads, keep_spreads, spread_key
from harness.pipeline.truth import Measure, Measured, measure_segments
from harness.store import Store
from harness.verdict import JobResult

_EVENTFUL = "selfdrive_state"
_SEED = 20_240_229  # any, and always the same: equal runs have equal answers
_LOG = "rlog"


@dataclass(frozen=True, slots=True)
class _Row:
    """One segment measured: values by (metric, condition) of candidate and baseline, over its device kinds."""

    segment: str
    route: str
    candidate: Mapping[tuple[str, str], float]
    baseline: Mapping[tuple[str, str], float]


def judge_run(
    prepared: Prepared, results: Mapping[str, JobResult], store: Store, *, run: str
) -> tuple[ClaimResult, ...]:
    """The answers to all that is declared for a run, in order; the results are those of its trials, by name.

    What keeps them from being judged stands in each of them: then there are no data.
    """
    declared = prepared.declared
    if not declared.intents:
        return ()
    try:
        return _judged(prepared, results, store, run)
    except ClosetError as error:
        return tuple(replace(claim, words=str(error)) for claim in declared.planned)


def _judged(prepared: Prepared, results: Mapping[str, JobResult], store: Store, run: str) -> tuple[ClaimResult, ...]:
    declared = prepared.declared
    trials = {trial.name: trial for trial in prepared.plan.trials}
    judged = [
        (trials[name], result)
        for name, result in results.items()
        if result.candidate_trace and result.baseline_trace and name in trials
    ]
    rows: list[_Row] = []
    remark = ""
    if any(declared.questions):
        measures = [_measure(trial, result, prepared) for trial, result in judged if trial.replayer == MEASURED]
        measured = sorted(measure_segments(measures, store), key=lambda each: each.measure.segment)
        rows = _rows(measured, {str(trial.segment): trial for trial, _ in judged})
        remark = _remark(measured)
        _remember_spreads(rows, store, run)
    found: list[ClaimResult] = []
    for intent, questions in zip(declared.intents, declared.questions, strict=True):
        answers = _answered(intent, questions, rows, declared, prepared, store, run)
        found += [replace(answer, words=answer.words + remark) for answer in answers]
        found += [
            judge_budget(budget, intent.name, _spent(budget, judged, store), intent.confidence)
            for budget in intent.budgets
        ]
    return tuple(found)


def _answered(
    intent: Intent,
    questions: Sequence[Question],
    rows: Sequence[_Row],
    declared: Declared,
    prepared: Prepared,
    store: Store,
    run: str,
) -> list[ClaimResult]:
    asked = list(questions)
    pairs = _pairs(rows, [(each.claim.metric, each.claim.condition) for each in asked])
    if intent.all_metrics:
        known: Bools = np.any(np.isfinite(pairs.candidate) | np.isfinite(pairs.baseline), axis=0)
        keep = [number for number, each in enumerate(asked) if known[number] or each.claim in intent.claims]
        asked = [asked[number] for number in keep]
        pairs = replace(pairs, candidate=pairs.candidate[:, keep], baseline=pairs.baseline[:, keep])
        if not asked:
            words = "no segment has a value of any of them"
            return [ClaimResult(intent.name, EVERY_METRIC, intent.expect, Answer.NO_DATA, words, where=intent.where)]
    looks = None
    if declared.is_sequential(intent) and asked:
        looks = _look(intent, asked, pairs, prepared, store, run)
    return list(
        judge_claims(pairs, asked, seed=_SEED, confidence=intent.confidence, discovery=intent.discovery, looks=looks)
    )


def _look(
    intent: Intent, asked: Sequence[Question], pairs: Pairs, prepared: Prepared, store: Store, run: str
) -> dict[int, tuple[Look, ...]]:
    """All looks so far at the questions of an intent, this run's last."""
    sums = sum_routes(pairs)
    with open_looks(store.home, _facts(intent, prepared, store)) as looks:
        return {
            column: looks.add(
                question.words,
                run,
                {
                    route: (
                        float(sums.difference[row, column]),
                        float(sums.baseline[row, column]),
                        int(sums.count[row, column]),
                    )
                    for row, route in enumerate(sums.routes)
                    if sums.count[row, column] > 0
                },
            )
            for column, question in enumerate(asked)
        }


def _facts(intent: Intent, prepared: Prepared, store: Store) -> dict[str, str]:
    """What a series of looks is at: with another model on either side it would be another question."""
    trials = [trial for trial in prepared.plan.trials if trial.replayer == MEASURED]
    approved = {entry.trace_sha256: entry.model_digest for entry in store.ledger()}
    baselines = {
        trial.baseline_job.model_digest if trial.baseline_job else approved.get(trial.baseline_trace, "unknown")
        for trial in trials
    }
    return {
        "suite": prepared.suite.name,
        "intent": intent.name,
        "asked": Declared((intent,)).digest,
        "candidate": ", ".join(sorted({trial.candidate.model_digest for trial in trials})),
        "baseline": ", ".join(sorted(baselines)),
        "options": ", ".join(sorted({trial.candidate.options for trial in trials})),
    }


def _measure(trial: Trial, result: JobResult, prepared: Prepared) -> Measure:
    log = next((entry for entry in trial.candidate.recording if entry.name.startswith(_LOG)), None)
    return Measure(
        str(trial.segment),
        result.candidate_trace,
        result.baseline_trace,
        None if log is None else prepared.blob_paths.get(log.blob.sha256),
        "" if log is None else log.blob.sha256,
        # What an intent replaces is a matter of the gate: the tolerances, and with them the distance, are the same.
        tuple(replace(check, replaced=False) for check in prepared.checks[trial.replayer]),
    )


def _rows(measured: Iterable[Measured], trials: Mapping[str, Trial]) -> list[_Row]:
    """A row a segment; a segment that several kinds of device replayed has the mean of what they found."""
    by_segment: dict[str, list[Measured]] = {}
    for each in measured:
        by_segment.setdefault(each.measure.segment, []).append(each)
    return [
        _Row(
            segment,
            str(trials[segment].segment.route),
            _mean([_values(each.candidate, each.pair) for each in kinds]),
            _mean([_values(each.baseline, None) for each in kinds]),
        )
        for segment, kinds in sorted(by_segment.items())
    ]


def _values(own: SegmentMetrics | None, pair: SegmentMetrics | None) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for metrics in (own, pair):
        if metrics is not None:
            found |= {key: value.value for key, value in metrics.values.items() if math.isfinite(value.value)}
    return found


def _remark(measured: Sequence[Measured]) -> str:
    """What could not be measured, and why, as a line of its own; empty where all could."""
    failed = [each for each in measured if each.error is not None]
    if failed and failed[0].error is not None:
        count = "1 segment was" if len(failed) == 1 else f"{len(failed)} segments were"
        return f"\n{count} not measured: {failed[0].measure.segment}: {failed[0].error.problem}"
    notes = [
        (each.measure.segment, each.candidate.notes[0]) for each in measured if each.candidate and each.candidate.notes
    ]
    if notes:
        return f"\nof {len(notes)} of {len(measured)} segments less is known: {notes[0][0]}: {notes[0][1]}"
    return ""


def _mean(kinds: Sequence[Mapping[tuple[str, str], float]]) -> dict[tuple[str, str], float]:
    keys = dict.fromkeys(key for values in kinds for key in values)
    return {key: math.fsum(found := [values[key] for values in kinds if key in values]) / len(found) for key in keys}


def _pairs(rows: Sequence[_Row], columns: Sequence[tuple[str, str]]) -> Pairs:
    """Values of the asked columns. What is of the pair is held against nothing: the baseline is not far from itself."""
    nan = float("nan")
    return make_pairs(
        [
            (
                row.segment,
                row.route,
                np.array([row.candidate.get(key, nan) for key in columns]),
                np.array([0.0 if METRICS[key[0]].of_pair else row.baseline.get(key, nan) for key in columns]),
            )
            for row in rows
        ],
        len(columns),
    )


def _remember_spreads(rows: Sequence[_Row], store: Store, run: str) -> None:
    columns = sorted({key for row in rows for key in row.candidate})
    if columns:
        keys = [spread_key(*column) for column in columns]
        keep_spreads(store.home, find_spreads(_pairs(rows, columns), keys, run))


def _spent(budget: Budget, judged: Sequence[tuple[Trial, JobResult]], store: Store) -> list[Spent]:
    """What each segment costs, by the traces that have events; one kind of device a segment."""
    found: dict[str, Spent] = {}
    for trial, result in judged:
        segment = str(trial.segment)
        if trial.replayer != _EVENTFUL or segment in found:
            continue
        baseline, candidate = (store.load_trace(digest) for digest in (result.baseline_trace, result.candidate_trace))
        cost = spend(budget, baseline, candidate, segment, str(trial.segment.route))
        if cost is not None:
            found[segment] = cost
    return list(found.values())
