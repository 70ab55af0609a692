"""Repeats of what FAILed, while the rest of the run goes on: which are asked for, what came of them, what it tells.

A trial that FAILed is replayed once more on the device that showed it and once on a second one of its kind; where a
stored trace showed it and nobody knows on which device that was made, on any two. As many trials as there are devices
are repeated at a time, the worst of those that wait first, and at most so many a run. What an earlier run confirmed is
recalled. A stored trace that turns out not to be reproducible is forgotten: the next run replays it anew.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from harness.domain import Check, Device, ReplayJob, Task, Trial, json_digest
from harness.errors import ErrorDescription
from harness.pipeline.collect import Replayed
from harness.pipeline.confirmation import by_device, conclude
from harness.pipeline.judgement import REPLAY_CHECK, judge_trial
from harness.store import Store
from harness.store.index import Repeats
from harness.verdict import PRODUCT_CRASH, Blame, Confirmation, JobResult, Verdict


class Lab(Protocol):
    """Where repeats are carried out."""

    @property
    def devices(self) -> Sequence[Device]:
        """All that can be asked, whether or not they answer."""

    def submit(
        self,
        tasks: Sequence[Task],
        *,
        label: str,
        only_devices: tuple[str, ...] = (),
        not_devices: tuple[str, ...] = (),
    ) -> None:
        """Have tasks replayed once more under `label`."""

    def suspect(self, device: str, reason: str) -> None:
        """Have a device looked at before its next job."""


@dataclass(slots=True)
class _Case:
    """A trial that FAILed on the devices `first`, and its repeats as far as they are."""

    trial: Trial
    result: JobResult
    task: Task
    first: tuple[str, ...]
    able: tuple[str, ...]
    running: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by label: the devices it was given to, if named
    ended: dict[str, dict[str, Replayed]] = field(default_factory=dict)  # by label: its jobs that ended
    confirmations: list[Confirmation] = field(default_factory=list)


class Confirmer:
    """Takes trials that FAILed and hands on their results when they are settled.

    `done` are the replays of the run by job, `tasks` what it planned by job; at most `most` trials are repeated.
    """

    def __init__(
        self,
        lab: Lab,
        store: Store,
        *,
        run: str,
        checks: Mapping[str, tuple[Check, ...]],
        done: Mapping[str, Replayed],
        tasks: Mapping[str, Task],
        most: int,
    ) -> None:
        self._lab, self._store, self._run = lab, store, run
        self._checks, self._done, self._tasks, self._most = checks, done, tasks, most
        self._waiting: list[tuple[float, int, _Case]] = []
        self._arrivals = itertools.count()
        self._running: dict[str, _Case] = {}
        self._begun = 0

    def take(self, trial: Trial, result: JobResult) -> JobResult | None:
        """The result of a trial that FAILed when there is nothing to wait for; None when it is to be repeated."""
        if result.verdict is not Verdict.FAIL or _crashed_everywhere(result):
            return result
        if told := self._recalled(trial, result, alone=False):
            return told
        planned = self._tasks[trial.candidate.id]
        able = tuple(
            device.name
            for device in self._lab.devices
            if device.kind is trial.device_kind and set(planned.tags) <= set(device.tags)
        )
        if not able:
            return _unconfirmed(result, f"could not be confirmed: there is no {trial.device_kind} device")
        if len(able) == 1 and (told := self._recalled(trial, result, alone=True)):
            return told
        task = replace(planned, jobs=_jobs(trial, result))
        case = _Case(trial, result, task, tuple(name for name in self._showed(trial, result) if name in able), able)
        heapq.heappush(self._waiting, (-_badness(result), next(self._arrivals), case))
        return None

    def go_on(self) -> list[JobResult]:
        """Begin with what waits as far as there are devices; returns what will not be repeated any more."""
        while self._waiting and self._begun < self._most and len(self._running) < 2 * len(self._lab.devices):
            self._begin(heapq.heappop(self._waiting)[-1])
        left = [case for *_, case in sorted(self._waiting)] if self._begun >= self._most else []
        if left:
            self._waiting.clear()
        return [_unconfirmed(case.result, f"not confirmed: more than {self._most} failed") for case in left]

    def came(self, replayed: Replayed) -> JobResult | None:
        """A job of a repeat ended; returns the result of its trial when that is settled by it."""
        case = self._running[replayed.label]
        ended = case.ended[replayed.label]
        ended[replayed.job_id] = replayed
        if len(ended) < len(case.task.jobs):
            return None
        del self._running[replayed.label]
        confirmation = self._judged(case, ended, case.running.pop(replayed.label))
        case.confirmations.append(confirmation)
        others = [name for name in case.able if name != confirmation.device]
        if not case.first and len(case.confirmations) == 1 and others and confirmation.device:
            self._submit(case, 2, not_devices=(confirmation.device,))
        return None if case.running else self._concluded(case)

    def given_up(self, why: str) -> list[JobResult]:
        """What is still waited for when nothing comes any more."""
        cases = {case.trial.name: case for case in (*(case for *_, case in self._waiting), *self._running.values())}
        self._waiting.clear()
        self._running.clear()
        return [
            _unconfirmed(case.result, f"could not be confirmed: {why}", case.confirmations) for case in cases.values()
        ]

    def _begin(self, case: _Case) -> None:
        self._begun += 1
        if not case.first:
            self._submit(case, 1)
            return
        self._submit(case, 1, only_devices=case.first[:1])
        if len(case.able) > 1:
            others = set(case.able) - set(case.first)
            self._submit(case, 2, not_devices=case.first if others else case.first[:1])

    def _submit(
        self, case: _Case, number: int, *, only_devices: tuple[str, ...] = (), not_devices: tuple[str, ...] = ()
    ) -> None:
        label = f"{case.trial.name} · repeat {number}"
        case.running[label], case.ended[label] = only_devices, {}
        self._running[label] = case
        self._lab.submit([case.task], label=label, only_devices=only_devices, not_devices=not_devices)

    def _judged(self, case: _Case, ended: Mapping[str, Replayed], named: tuple[str, ...]) -> Confirmation:
        """What one repeat showed."""
        trial = case.trial
        held = trial.baseline_job
        baseline = None if held is None else ended.get(held.id) or self._done[held.id]
        again = judge_trial(trial, ended[trial.candidate.id], baseline, self._checks[trial.replayer], self._store)
        sides = {"candidate", "baseline"} if held is not None and held.id in ended else {"candidate"}
        attempts = tuple(attempt for attempt in again.attempts if attempt.side in sides)
        devices = [attempt.device for attempt in attempts] or [*named, ""]
        error, verdict = again.error, again.verdict
        if _crash_only(again) and not _crash_only(case.result):
            # Not the difference that was to be confirmed, and no reason to take that back either.
            error, verdict = ErrorDescription(PRODUCT_CRASH, again.blocking[0].words.split("\n", 1)[0]), Verdict.ERROR
        return Confirmation(
            device=devices[-1],
            verdict=verdict,
            blocked=again.blocked_checks if verdict is Verdict.FAIL else (),
            words=_words(again) if verdict is Verdict.FAIL else "",
            error=error,
            attempts=attempts,
            candidate_trace=again.candidate_trace,
            baseline_trace=again.baseline_trace,
        )

    def _concluded(self, case: _Case) -> JobResult:
        repeats = by_device(case.first, case.confirmations)
        told = conclude(
            case.result.blocked_checks,
            case.first,
            repeats,
            kind=case.trial.device_kind,
            alone=len(case.able) == 1,
        )
        for device in told.suspects:
            self._lab.suspect(device, f"{case.trial.name}: {told.words}")
        if told.verdict is Verdict.ERROR:
            for job in case.trial.jobs:
                self._store.forget_trace(job.id)
        if told.settled and case.result.candidate_trace:
            key = _key(case.trial, case.result, alone=len(case.able) == 1)
            self._store.remember_repeats(key, Repeats(self._run, told.words, repeats))
        return replace(
            case.result,
            verdict=told.verdict,
            error=told.error or case.result.error,
            blame=told.blame,
            repeated=told.words,
            confirmations=repeats,
        )

    def _recalled(self, trial: Trial, result: JobResult, *, alone: bool) -> JobResult | None:
        """The result with what an earlier run told of the same traces: by two devices, or `alone` by one."""
        told = self._store.find_repeats(_key(trial, result, alone=alone)) if result.candidate_trace else None
        if told is None:
            return None
        words = f"{told.words}, as run {told.run} found"
        return replace(result, blame=Blame.PRODUCT, repeated=words, confirmations=told.confirmations)

    def _showed(self, trial: Trial, result: JobResult) -> tuple[str, ...]:
        """The devices on which the two sides were made, the candidate's first."""
        names: dict[str, None] = {}
        for job, side in zip(trial.jobs, ("candidate", "baseline"), strict=False):
            ran = [attempt.device for attempt in result.attempts if attempt.side == side and _told(attempt.error)]
            known = self._store.find_trace(job.id)
            maker = ran[-1] if ran else known.facts.get("device", "") if known else ""
            names |= {maker: None} if maker else {}
        return tuple(names)


def _told(error: ErrorDescription | None) -> bool:
    """Whether an attempt says something of the software: it ended well, or in a crash."""
    return error is None or error.kind == PRODUCT_CRASH


def _jobs(trial: Trial, result: JobResult) -> tuple[ReplayJob, ...]:
    """What a repeat replays: both sides where both were; a crash is the candidate's alone."""
    jobs = (trial.candidate,) if _crash_only(result) else trial.jobs
    return tuple({job.id: job for job in jobs}.values())


def _crash_only(result: JobResult) -> bool:
    return result.blocked_checks == (REPLAY_CHECK,)


def _crashed_everywhere(result: JobResult) -> bool:
    """Whether what was seen is a crash that was tried again already, on a second device where there is one."""
    crashes = [attempt for attempt in result.attempts if attempt.error is not None and attempt.side != "baseline"]
    return _crash_only(result) and sum(_told(attempt.error) for attempt in crashes) > 1


def _badness(result: JobResult) -> float:
    """How far past its tolerance the worst finding is; beyond all measure where none applies."""
    return max((math.inf if found.excess is None else found.excess for found in result.blocking), default=0.0)


def _words(result: JobResult) -> str:
    found = result.blocking[0]
    words = found.words.split("\n", 1)[0]
    return f"{found.channel} {words}" if found.channel else words


def _unconfirmed(result: JobResult, words: str, confirmations: Sequence[Confirmation] = ()) -> JobResult:
    return replace(result, blame=Blame.UNKNOWN, repeated=words, confirmations=tuple(confirmations))


def _key(trial: Trial, result: JobResult, *, alone: bool) -> str:
    """What a trial that FAILed is recalled by: what was on trial, the traces, how they were judged and what blocked."""
    return json_digest(
        {
            "jobs": [job.id for job in trial.jobs],
            "traces": [result.candidate_trace, result.baseline_trace],
            "judged by": result.provenance.get("checks", ""),
            "blocked": sorted(result.blocked_checks),
            "alone": alone,
        }
    )
