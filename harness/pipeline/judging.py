"""From replays that end to results, one trial at a time: judged, excused, repeated, told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.domain import Task, Trial
from harness.pipeline.collect import Replayed
from harness.pipeline.confirm import Confirmer
from harness.pipeline.events import Judged, Repeating, RunEvent
from harness.pipeline.execute import Replays
from harness.pipeline.judgement import judge_trial
from harness.pipeline.prepare import Prepared
from harness.pipeline.quarantine import Quarantine
from harness.store import Store
from harness.verdict import Blame, JobResult, Verdict


class Judging:
    """The results of a run as they come. `results` has an entry for every trial from the start; each is replaced.

    `done` are the replays there are already, `confirm_most` is how many trials that FAIL are repeated.
    """

    def __init__(
        self,
        prepared: Prepared,
        store: Store,
        replays: Replays,
        results: dict[str, JobResult],
        done: dict[str, Replayed],
        *,
        run: str,
        quarantine: Quarantine,
        confirm_most: int,
        observer: Callable[[RunEvent], None],
        stop: threading.Event,
    ) -> None:
        self._prepared, self._store, self._replays, self._results, self._done = prepared, store, replays, results, done
        self._quarantine, self._observer, self._stop = quarantine, observer, stop
        self._waiting: dict[str, list[Trial]] = {}
        for trial in prepared.plan.trials:
            for job in trial.jobs:
                self._waiting.setdefault(job.id, []).append(trial)
        tasks = {job.id: task for task in prepared.plan.tasks for job in task.jobs}
        self._confirmer = self._confirmer_for(tasks, run, confirm_most) if confirm_most else None

    def _confirmer_for(self, tasks: Mapping[str, Task], run: str, most: int) -> Confirmer:
        return Confirmer(
            self._replays, self._store, run=run, checks=self._prepared.checks, done=self._done, tasks=tasks, most=most
        )

    def begin(self) -> None:
        """Judge what can be without a replay."""
        for trial in self._prepared.plan.trials:
            self._judge_if_ready(trial)
        self._go_on()

    def take(self, replayed: Replayed) -> None:
        """A replay has ended: of the plan, or one more of what FAILed."""
        if replayed.label:
            settled = self._confirmer and self._confirmer.came(replayed)
            if settled:
                self._tell(settled)
        else:
            self._done[replayed.job_id] = replayed
            for trial in self._waiting[replayed.job_id]:
                self._judge_if_ready(trial)
        self._go_on()

    def end(self) -> None:
        """Nothing comes any more: what was to be repeated stays as it was first judged."""
        for result in self._confirmer.given_up("the run was stopped") if self._confirmer else ():
            self._tell(result)

    def _judge_if_ready(self, trial: Trial) -> None:
        """Judge a trial once all its jobs have ended."""
        if any(job.id not in self._done for job in trial.jobs):
            return
        baseline = self._done[trial.baseline_job.id] if trial.baseline_job else None
        checks = self._prepared.checks[trial.replayer]
        result = self._quarantine.applied(
            judge_trial(trial, self._done[trial.candidate.id], baseline, checks, self._store)
        )
        for attempt in result.lone_crashes:
            self._replays.suspect(attempt.device, f"{trial.name}: the software on trial crashed there, not everywhere")
        if self._confirmer is None or result.verdict is not Verdict.FAIL or self._stop.is_set():
            self._tell(result)
            return
        settled = self._confirmer.take(trial, result)
        if settled is not None:
            self._tell(settled)
            return
        # As it would stay, should the run end at this moment.
        words = "could not be confirmed: the run ended first"
        self._results[trial.name] = replace(result, blame=Blame.UNKNOWN, repeated=words)
        self._observer(Repeating(result))

    def _go_on(self) -> None:
        for result in self._confirmer.go_on() if self._confirmer and not self._stop.is_set() else ():
            self._tell(result)

    def _tell(self, result: JobResult) -> None:
        self._results[result.name] = result
        self._observer(Judged(result))
