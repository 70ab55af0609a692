"""The swap test: the candidate's policy over the baseline's vision features, and the other way round, as ordinary jobs.

They run on the same kind of device as the traces they are held against, under ids of their own, and what is stored is
not replayed. The candidate's policy over its own features is replayed as well: unless that gives what it gave before,
nothing follows from the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.compare.causes import BASELINE, CANDIDATE
from harness.domain import Blob, NamedBlob, ReplayJob, Task, Trial
from harness.pipeline.collect import Replayed
from harness.pipeline.execute import Replays, stored
from harness.pipeline.prepare import Prepared
from harness.replay.models import FEATURES_TRACE, POLICY, SPEC
from harness.store import Store
from harness.verdict import JobResult

_LOG = "rlog"
_CHANGED = "the files of this trial were changed since the run: closet run asks anew"


@dataclass(frozen=True, slots=True)
class Swapped:
    """What the swaps of one trial gave: digest of a trace, or an error, by whose policy and whose features.

    `note` says why there are none, or not all.
    """

    traces: Mapping[tuple[str, str], Replayed]
    note: str = ""


def run_swaps(results: Sequence[JobResult], prepared: Prepared, store: Store, replays: Replays) -> dict[str, Swapped]:
    """Replay the swaps of each of `results`, by name of its trial; those whose model can be swapped."""
    trials = {trial.name: trial for trial in prepared.plan.trials}
    planned: dict[str, tuple[dict[tuple[str, str], ReplayJob], str]] = {}
    for result in results:
        trial = trials.get(result.name)
        planned[result.name] = ({}, _CHANGED) if trial is None else _jobs(trial, result, store)
    jobs = {job.id: job for swaps, _ in planned.values() for job in swaps.values()}
    done = stored(jobs, store)
    left = [_left(swaps, done) for swaps, _ in planned.values()]
    replays.submit([_task(todo, prepared) for todo in left if todo])
    for replayed in replays.ended():
        if replayed.job_id in jobs:
            done[replayed.job_id] = replayed
    return {
        name: Swapped({sides: done[job.id] for sides, job in swaps.items() if job.id in done}, note)
        for name, (swaps, note) in planned.items()
    }


def _left(swaps: Mapping[tuple[str, str], ReplayJob], done: Mapping[str, Replayed]) -> tuple[ReplayJob, ...]:
    return tuple({job.id: job for job in swaps.values() if job.id not in done}.values())


def _task(jobs: tuple[ReplayJob, ...], prepared: Prepared) -> Task:
    return Task(jobs, prepared.suite.tags, 0.0, prepared.suite.deadline_s)


def _jobs(trial: Trial, result: JobResult, store: Store) -> tuple[dict[tuple[str, str], ReplayJob], str]:
    """The jobs by whose policy follows whose features, and what is missing."""
    made_of = result.provenance
    held = trial.baseline_job
    if made_of.get("candidate_model") != trial.candidate.model_digest or (
        held is not None and made_of.get("baseline_model") != held.model_digest
    ):
        return {}, _CHANGED
    sides = {CANDIDATE: (trial.candidate, result.candidate_trace)}
    if held is not None:
        sides[BASELINE] = (held, result.baseline_trace)
    for side, (job, _) in sides.items():
        if not any(entry.name == POLICY for entry in job.model):
            return {}, f"the {side}'s vision and policy are one file, which cannot be swapped"
    files = store.load_trace(result.baseline_trace).provenance.get("model_files")
    if not isinstance(files, dict) or POLICY not in files:
        return {}, "the baseline's vision and policy are one file, which cannot be swapped"
    candidate = trial.candidate
    jobs = {
        (CANDIDATE, CANDIDATE): _job(candidate, result.candidate_trace, store),
        (CANDIDATE, BASELINE): _job(candidate, result.baseline_trace, store),
    }
    if held is None:
        return jobs, "the baseline is an approved trace: its policy is not here to be swapped in"
    jobs[BASELINE, CANDIDATE] = _job(held, result.candidate_trace, store)
    return jobs, ""


def _job(job: ReplayJob, features: str, store: Store) -> ReplayJob:
    """The policy of `job` over the features of a stored trace; only the log is needed beside it."""
    trace = NamedBlob(FEATURES_TRACE, Blob(features, store.path(features).stat().st_size))
    return replace(
        job,
        recording=tuple(entry for entry in job.recording if entry.name.split(".")[0] == _LOG),
        model=(*(entry for entry in job.model if entry.name in {POLICY, SPEC}), trace),
    )
