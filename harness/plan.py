"""A suite's cases become a plan: jobs deduplicated by their inputs, grouped into tasks, longest first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.domain import DeviceKind, Json, NamedBlob, Plan, ReplayJob, SegmentId, Task, Trial, canonical_json

# Replaying takes about half of real time on one core, of which decoding and warping is a quarter that models share.
_SECONDS_PER_RECORDED_S = 0.5
_SHARED_SHARE = 0.25
_VIDEO_BYTES_PER_S = 76.5e6 / 60  # a device's HEVC: 76.5 MB a minute


@dataclass(frozen=True, slots=True)
class Case:
    """One recording and replayer with the models to try on it.

    `baseline` is the model to replay beside the candidate; None means that `approved` (digests of the accepted
    traces by device kind, newest first) is what the candidate is held against.
    """

    segment: SegmentId
    replayer: str
    replayer_version: str
    recording: tuple[NamedBlob, ...]
    options: Mapping[str, Json]
    candidate: tuple[NamedBlob, ...]
    baseline: tuple[NamedBlob, ...] | None
    approved: Mapping[DeviceKind, tuple[str, ...]]


def make_plan(
    suite: str,
    cases: Sequence[Case],
    runtimes: Mapping[DeviceKind, str],
    tags: tuple[str, ...],
    deadline_s: float,
) -> Plan:
    """The plan for `cases` on each kind of device in `runtimes` (kind to what executes models there, as far as known).

    Trials come in the order of the cases, tasks by falling cost and in that order where they cost the same: who waits
    for one trial after the other waits least. Candidate and baseline of one trial share a task, so that their pictures
    are decoded once; an equal job appears in one task only.
    """
    trials: list[Trial] = []
    tasks: list[Task] = []
    planned: set[str] = set()
    for case in cases:
        for kind, runtime in runtimes.items():
            candidate = _job(case, case.candidate, kind, runtime)
            baseline = None if case.baseline is None else _job(case, case.baseline, kind, runtime)
            accepted = case.approved.get(kind, ()) if baseline is None else ()
            trials.append(
                Trial(case.segment, case.replayer, kind, candidate, baseline, "".join(accepted[:1]), accepted[1:])
            )
            jobs = {job.id: job for job in (candidate, baseline) if job is not None and job.id not in planned}
            planned |= jobs.keys()
            if jobs:
                shared = tuple(jobs.values())
                tasks.append(Task(shared, tags, _cost_s(shared), deadline_s))
    return Plan(suite, tuple(trials), _longest_first(tasks))


def without(plan: Plan, done: frozenset[str]) -> tuple[Task, ...]:
    """The tasks still to do when the jobs in `done` (ids) have their traces already."""
    remaining: list[Task] = []
    for task in plan.tasks:
        jobs = tuple(job for job in task.jobs if job.id not in done)
        if jobs:
            remaining.append(Task(jobs, task.tags, _cost_s(jobs), task.deadline_s))
    return _longest_first(remaining)


def _longest_first(tasks: Sequence[Task]) -> tuple[Task, ...]:
    return tuple(sorted(tasks, key=lambda task: -task.cost_s))


def _job(case: Case, model: tuple[NamedBlob, ...], kind: DeviceKind, runtime: str) -> ReplayJob:
    return ReplayJob(
        replayer=case.replayer,
        replayer_version=case.replayer_version,
        segment=case.segment,
        recording=case.recording,
        model=model,
        options=canonical_json(dict(case.options)),
        device_kind=kind,
        runtime=runtime,
    )


def _cost_s(jobs: tuple[ReplayJob, ...]) -> float:
    """Expected seconds on one core. Only the order matters: the longest task must not start last."""
    video_bytes = max((entry.blob.size_bytes for entry in jobs[0].recording if "camera" in entry.name), default=0)
    one_s = _SECONDS_PER_RECORDED_S * video_bytes / _VIDEO_BYTES_PER_S
    return one_s * (_SHARED_SHARE + (1 - _SHARED_SHARE) * len(jobs))
