"""The claims of a run: traces measured against the truth, held together segment by segment, answered by statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.compare.budgets import Spent, judge_budget, spend
from harness.compare.metrics import ALL, EXECUTION_METRICS
from harness.compare.statistics import Asked, Bools, Look, Pairs, Question, judge_intents, sum_routes
from harness.domain import Trial
from harness.errors import ClosetError
from harness.intent import Answer, Budget, ClaimResult, Intent, Pooled
from harness.pipeline.execution_times import columns_of, find_times
from harness.pipeline.intents import EVERY_METRIC, MEASURED, Declared
from harness.pipeline.looks import open_looks
from harness.pipeline.prepare import Prepared
from harness.pipeline.rows import Rows, collect_rows
from harness.pipeline.selection import tagged_segments
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
    measured = [(trial, result) for trial, result in held if trial.replayer == MEASURED]
    rows, times = collect_rows((), {}), find_times(measured)
    if any(declared.questions):
        rows = times.put_into(_rows(prepared, measured, store), MEASURED)
        _remember_spreads(rows, store, run)
    asked = [
        _asked(intent, questions, rows, prepared, store, run)
        for intent, questions in zip(declared.intents, declared.questions, strict=True)
    ]
    found: list[ClaimResult] = []
    for intent, each, answers in zip(
        declared.intents, asked, judge_intents(asked, seed=_SEED, discovery=declared.discovery), strict=True
    ):
        if intent.all_metrics and not each.questions:
            words = "no segment has a value of any of them" + rows.remark
            found.append(
                ClaimResult(intent.name, EVERY_METRIC, intent.expect, Answer.NO_DATA, words, where=intent.where)
            )
        found += [
            _told(times.told(answer, question), question, rows)
            for answer, question in zip(answers, each.questions, strict=True)
        ]
        found += [_budget(budget, intent, held, store) for budget in intent.budgets]
    return tuple(found)


def _rows(prepared: Prepared, measured: Sequence[tuple[Trial, JobResult]], store: Store) -> Rows:
    """What was measured of every segment. A trial whose candidate crashed is among them.

    It has lost what the baseline has: leaving that out would make it look better.
    """
    declared, segments = prepared.declared, [trial.segment for trial, _ in measured]
    own = [] if declared.own is None else [metric.name for metric in declared.own.metrics]
    tags = {
        tag: frozenset(map(str, tagged_segments(prepared.suite, tag, segments))) for tag in prepared.suite.conditions
    }
    return collect_rows(
        measure_segments([_measure(trial, result, prepared) for trial, result in measured], store),
        {str(trial.segment): str(trial.segment.route) for trial, _ in measured},
        [*own, *columns_of(prepared.suite.device_kinds)],
        tags=tags,
        asked=[question.column for questions in declared.questions for question in questions],
    )


def _asked(
    intent: Intent, questions: Sequence[Question], rows: Rows, prepared: Prepared, store: Store, run: str
) -> Asked:
    """The questions of an intent with their values. What was not asked by its own name may have none."""
    asked = list(questions)
    pairs = rows.pairs([each.column for each in asked])
    if intent.all_metrics:
        known: Bools = np.any(np.isfinite(pairs.candidate) | np.isfinite(pairs.baseline), axis=0)
        keep = [number for number, each in enumerate(asked) if known[number] or each.claim in intent.claims]
        asked = [asked[number] for number in keep]
        pairs = replace(pairs, candidate=pairs.candidate[:, keep], baseline=pairs.baseline[:, keep])
    looks = None
    if prepared.declared.is_sequential(intent) and asked:
        looks = _look(intent, asked, pairs, prepared, store, run)
    return Asked(pairs, tuple(asked), intent.confidence, looks)


def _told(answer: ClaimResult, question: Question, rows: Rows) -> ClaimResult:
    """With what the recorded drives score, and what could not be measured."""
    drive = rows.drives.get(question.column)
    answer = replace(answer, words=answer.words + _why_nothing(answer, question, rows) + rows.remark)
    if drive is None:
        return answer
    return replace(
        answer,
        human=drive.score,
        excused=drive.excused,
        excused_segments=drive.segments,
        baseline_excused=drive.baseline_excused,
    )


def _why_nothing(answer: ClaimResult, question: Question, rows: Rows) -> str:
    """Why no segment has a value, as far as it is known; "" where one has."""
    metric, condition = question.column
    if answer.answer is not Answer.NO_DATA or answer.metric in EXECUTION_METRICS:
        return ""
    if not rows.segments:
        return ": nothing was replayed on both sides"
    if condition == ALL or not np.isfinite(rows.pairs([(metric, ALL)]).candidate).any():
        return ": the traces or the logs have not what it takes"
    return f": in none is there a frame of `{condition}`; add segments that have some"


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


def _budget(budget: Budget, intent: Intent, held: Sequence[tuple[Trial, JobResult]], store: Store) -> ClaimResult:
    """What a run cost of a budget, by the traces that can tell."""
    replayer = MEASURED if budget.pooled is Pooled.LANE_CHANGE_ABORTS else _EVENTFUL
    told = [(trial, result) for trial, result in held if trial.replayer == replayer]
    lost = {str(trial.segment) for trial, result in told if not result.candidate_trace} - {
        str(trial.segment) for trial, result in told if result.candidate_trace
    }
    return judge_budget(budget, intent.name, _spent(budget, told, store), intent.confidence, lost=len(lost))


def _spent(budget: Budget, told: Sequence[tuple[Trial, JobResult]], store: Store) -> list[Spent]:
    """What each segment costs; one kind of device a segment."""
    found: dict[str, Spent] = {}
    for trial, result in told:
        segment = str(trial.segment)
        if not result.candidate_trace or segment in found:
            continue
        baseline, candidate = (store.load_trace(digest) for digest in (result.baseline_trace, result.candidate_trace))
        cost = spend(budget, baseline, candidate, segment, str(trial.segment.route))
        if cost is not None:
            found[segment] = cost
    return list(found.values())
