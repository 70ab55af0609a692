"""The run, on one page: prepare, plan, replay, compare, judge, record, report."""

from __future__ import annotations

import datetime
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness import __version__
from harness.domain import Priority, ReplayJob, Trial
from harness.errors import ClosetError, refused_here
from harness.files import write_text
from harness.pipeline.archive import RunArchive
from harness.pipeline.claims import judge_run
from harness.pipeline.events import NotArchived, Observer, Planned
from harness.pipeline.execute import Replays, stored
from harness.pipeline.judgement import REPLAY_CHECK, not_run
from harness.pipeline.judging import Judging
from harness.pipeline.prepare import Prepared, prepare
from harness.pipeline.quarantine import Place, Quarantine, hold
from harness.pipeline.request import Request, render_request
from harness.pipeline.runs import JUNIT, REQUEST, SUMMARY, write_run
from harness.pipeline.shelf import open_shelf
from harness.pipeline.why import WHY, explain_run, load_why, write_why
from harness.pipeline.why_swaps import run_swaps
from harness.plan import without
from harness.redaction import known_secrets, redact, redact_error
from harness.report import render_junit, render_summary
from harness.store import Store
from harness.verdict import NOT_RUN, JobResult, RunRecord

__all__ = ["execute_run", "prepare"]

_WRITE_EVERY_S = 1.0


def execute_run(
    request: Request,
    prepared: Prepared,
    store: Store,
    *,
    folder: Path,
    observer: Observer,
    stop: threading.Event,
    priority: Priority = Priority.PROMPT,
    before: RunRecord | None = None,
) -> RunRecord:
    """Carry out a prepared run in `folder`, or go on with the one that left `before` there; returns its record.

    The record is on disk from the start, with every trial as ERROR "not run", and at least once a second after that;
    a trial only ever replaces its own entry. When `stop` is set the remote jobs are killed and what is left stays
    "not run". An error that ends the whole run is kept in the record, where the gate sees it.
    """
    began_s = time.monotonic()
    earlier_s = 0.0 if before is None else before.duration_s  # what is gone on with took that, too
    plan = prepared.plan
    results = {trial.name: not_run(trial) for trial in plan.trials}
    record = _first_record(request, prepared, folder, results)

    def write(record: RunRecord) -> RunRecord:
        took_s = round(earlier_s + time.monotonic() - began_s, 3)
        record = replace(record, results=tuple(results.values()), duration_s=took_s)
        write_run(folder, record)
        return record

    archive = RunArchive(
        lambda deadline_s: open_shelf(store.home, prepared.fleet, deadline_s=deadline_s),
        folder,
        lambda error: observer(NotArchived(error)),
    )
    write_text(folder / REQUEST, render_request(request))
    (folder / WHY).unlink(missing_ok=True)  # what is gone on with may come out otherwise
    written_s = began_s
    archive.begin(write(record))
    try:
        done = stored(_judged_jobs(prepared, before) if request.fresh else plan.jobs, store)
        tasks = without(plan, frozenset(done))
        observer(Planned(folder, plan, tasks, len(prepared.fleet.devices) + prepared.fleet.emulated))
        with Replays(
            prepared.fleet,
            store,
            blob_paths=prepared.blob_paths,
            folder=folder,
            suite=plan.suite,
            priority=priority,
            observer=observer,
            stop=stop,
            runtimes=prepared.suite.runtimes,
            anew=request.fresh,
        ) as replays:
            judging = Judging(
                prepared,
                store,
                replays,
                results,
                done,
                run=folder.name,
                quarantine=_quarantine(prepared),
                confirm_most=_confirm_most(request, prepared),
                observer=observer,
                stop=stop,
            )
            replays.submit(tasks)
            judging.begin()
            for replayed in replays.ended():
                judging.take(replayed)
                if time.monotonic() - written_s > _WRITE_EVERY_S:
                    written_s = time.monotonic()
                    archive.go_on(write(record))
            judging.end()
            if prepared.suite.why and not stop.is_set():
                write(record)
                judged = replace(record, results=tuple(results.values()))
                swap = partial(run_swaps, prepared=prepared, store=store, replays=replays)
                write_why(folder, explain_run(judged, store, most=prepared.suite.why, swap=swap))
        if not stop.is_set():
            record = replace(record, claims=judge_run(prepared, results, store, run=folder.name))
    except Exception as error:  # noqa: BLE001 whatever it was must be in the record, where the gate sees it
        cause = refused_here(error) if isinstance(error, OSError) else error
        if isinstance(cause, ClosetError):
            for name, result in results.items():
                if result.error == NOT_RUN:
                    results[name] = replace(result, error=redact_error(cause.describe(), known_secrets()))
        else:
            record = replace(record, harness_error=redact(traceback.format_exc(), known_secrets()))
    record = write(replace(record, interrupted=stop.is_set()))
    archive.end(record)
    write_text(folder / JUNIT, render_junit(record))
    write_text(folder / SUMMARY, render_summary(record, str(folder), load_why(folder)))
    return record


def _judged_jobs(prepared: Prepared, before: RunRecord | None) -> dict[str, ReplayJob]:
    """What a run that replays everything need not replay again: the jobs of trials that it judged before the cut.

    Anything else in the store may be of another run, and that it would come out as then is what is asked.
    """
    judged = {result.name for result in before.results if result.error is None} if before is not None else set()
    return {job.id: job for trial in prepared.plan.trials if trial.name in judged for job in trial.jobs}


def _quarantine(prepared: Prepared) -> Quarantine:
    trials = prepared.plan.trials
    places = [Place(trial.segment, trial.replayer, trial.device_kind, _checks(prepared, trial)) for trial in trials]
    return hold(prepared.suite.quarantine, places, datetime.datetime.now(datetime.UTC).date())


def _checks(prepared: Prepared, trial: Trial) -> tuple[str, ...]:
    return (REPLAY_CHECK, *(check.name for check in prepared.checks[trial.replayer]))


def _confirm_most(request: Request, prepared: Prepared) -> int:
    """How many trials that FAIL are repeated: none where the suite or the person says so."""
    confirm = prepared.suite.confirm if request.confirm is None else request.confirm
    return prepared.suite.confirm_most if confirm else 0


def _first_record(request: Request, prepared: Prepared, folder: Path, results: Mapping[str, JobResult]) -> RunRecord:
    return RunRecord(
        run=folder.name,
        suite=prepared.plan.suite,
        started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=request.command,
        candidate=prepared.candidate,
        baseline=prepared.baseline,
        devices=_devices(prepared),
        planned_checks={trial.name: _checks(prepared, trial) for trial in prepared.plan.trials},
        results=tuple(results.values()),
        harness_version=__version__,
        declared=prepared.declared.digest,
        planned_claims=prepared.declared.planned_names,
        claims=prepared.declared.planned,
        gate_policy=prepared.declared.policy,
    )


def _devices(prepared: Prepared) -> tuple[dict[str, str], ...]:
    named = tuple(
        {"name": device.name, "kind": device.kind.value, "address": f"{device.address}:{device.port}"}
        for device in prepared.fleet.devices
    )
    return (*named, *({"name": f"emulated-{n:02d}", "kind": "emulated"} for n in range(1, prepared.fleet.emulated + 1)))
