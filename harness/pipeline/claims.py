"""The claims of a run: traces measured against the truth, held together segment by segment, answered by statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.compare.budgets import Spent, judge_budget, spend
from harness.compare.statistics import Bools, Look, Pairs, Question, judge_claims, sum_routes
from harness.domain import Trial
from harness.errors import ClosetError
from harness.intent import Answer, Budget, ClaimResult, Intent
from harness.pipeline.intents import EVERY_METRIC, MEASURED, Declared
from harness.pipeline.looks import open_looks
from harness.pipeline.prepare import Prepared
from harness.pipeline.rows import Rows, collect_rows
from harness.pipeline.spreads import Spread, find_spreads, keep_spreads, spread_key
from harness.pipeline.truth import Measure, measure_segments
from harness.store import Store
from harness.verdict import JobResult

_EVENTFUL = "selfdrive_state"
_SEED = 20_240_229  # any, and always the same: equal runs have equal answers
_LOG = "rlog"
_COLUMNS_AT_ONCE = 256


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
    held = [(trials[name], result) for name, result in results.items() if result.baseline_trace and name in trials]
    judged = [(trial, result) for trial, result in held if result.candidate_trace]
    rows = collect_rows((), {})
    if any(declared.questions):
        # Where the candidate crashed it has lost what the baseline has: leaving that out would make it look better.
        measures = [_measure(trial, result, prepared) for trial, result in held if trial.replayer == MEASURED]
        routes = {str(trial.segment): str(trial.segment.route) for trial, _ in held}
        own = () if declared.own is None else [metric.name for metric in declared.own.metrics]
        rows = collect_rows(measure_segments(measures, store), routes, own)
        _remember_spreads(rows, store, run)
    found: list[ClaimResult] = []
    for intent, questions in zip(declared.intents, declared.questions, strict=True):
        answers = _answered(intent, questions, rows, declared, prepared, store, run)
        found += [replace(answer, words=answer.words + rows.remark) for answer in answers]
        found += [
            judge_budget(budget, intent.name, _spent(budget, judged, store), intent.confidence, lost=_lost(held))
            for budget in intent.budgets
        ]
    return tuple(found)


def _answered(
    intent: Intent,
    questions: Sequence[Question],
    rows: Rows,
    declared: Declared,
    prepared: Prepared,
    store: Store,
    run: str,
) -> list[ClaimResult]:
    asked = list(questions)
    pairs = rows.pairs([(each.claim.metric, each.claim.condition) for each in asked])
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
        "asked": Declared((intent,), own=prepared.declared.own).digest,
        "candidate": ", ".join(sorted({trial.candidate.model_digest for trial in trials})),
        "baseline": ", ".join(sorted(baselines)),
        "options": ", ".join(sorted({trial.candidate.options for trial in trials})),
    }


def _measure(trial: Trial, result: JobResult, prepared: Prepared) -> Measure:
    own = prepared.declared.own
    log = next((entry for entry in trial.candidate.recording if entry.name.startswith(_LOG)), None)
    return Measure(
        str(trial.segment),
        result.candidate_trace,
        result.baseline_trace,
        None if log is None else prepared.blob_paths.get(log.blob.sha256),
        "" if log is None else log.blob.sha256,
        # What an intent replaces is a matter of the gate: the tolerances, and with them the distance, are the same.
        tuple(replace(check, replaced=False) for check in prepared.checks[trial.replayer]),
        own_metrics=None if own is None else own.path,
        own_sha256="" if own is None else own.sha256,
    )


def _remember_spreads(rows: Rows, store: Store, run: str) -> None:
    columns = rows.answered()
    found: dict[str, Spread] = {}
    for first in range(0, len(columns), _COLUMNS_AT_ONCE):
        some = columns[first : first + _COLUMNS_AT_ONCE]
        found |= find_spreads(rows.pairs(some), [spread_key(*each) for each in some], run)
    keep_spreads(store.home, found)


def _lost(held: Sequence[tuple[Trial, JobResult]]) -> int:
    """How many segments have events of the baseline alone."""
    told, lost = (
        {
            str(trial.segment)
            for trial, result in held
            if trial.replayer == _EVENTFUL and bool(result.candidate_trace) is has
        }
        for has in (True, False)
    )
    return len(lost - told)


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
