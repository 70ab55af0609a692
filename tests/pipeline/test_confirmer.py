"""Which repeats are asked for, of whom, in which order; what is said of those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.domain import Blob, Check, Device, DeviceKind, NamedBlob, ReplayJob, Route, SegmentId, Task, Trial
from harness.errors import ErrorDescription
from harness.pipeline.collect import Replayed
from harness.pipeline.confirm import Confirmer
from harness.pipeline.judgement import judge_trial
from harness.store import Store
from harness.verdict import Attempt, Blame, JobResult, Verdict
from tests.pipeline.test_judgement import stored_trace

CHECKS = (Check("action", ("action.*",)),)
GONE = ErrorDescription("UnreachableError", "no answer")
CRASH = ErrorDescription("ProductCrashError", "killed by SIGSEGV")


@dataclass
class Asked:
    """A lab that writes down what it is asked."""

    names: tuple[str, ...] = ("one", "two", "three")
    repeats: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    jobs: list[int] = field(default_factory=list)
    suspects: list[str] = field(default_factory=list)

    @property
    def devices(self) -> Sequence[Device]:
        return [
            Device(name, DeviceKind.MICI, "h", 22, "u", "k", "k", "/w", "python3", 1, ("cold",)) for name in self.names
        ]

    def submit(
        self,
        tasks: Sequence[Task],
        *,
        label: str,
        only_devices: tuple[str, ...] = (),
        not_devices: tuple[str, ...] = (),
    ) -> None:
        self.repeats.append((label, only_devices, not_devices))
        self.jobs += [len(task.jobs) for task in tasks]

    def suspect(self, device: str, reason: str) -> None:
        assert device in reason
        self.suspects.append(device)


@dataclass
class Court:
    """Trials that FAILed, by number, and what becomes of them."""

    folder: Path
    store: Store
    lab: Asked
    most: int = 20
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.same, self.other = (stored_trace(self.store, self.folder, [value]) for value in (0.0, 1.0))
        self.trials = [self._trial(number) for number in range(6)]
        self.done: dict[str, Replayed] = {}
        tasks = {job.id: Task(trial.jobs, self.tags, 1.0, 60.0) for trial in self.trials for job in trial.jobs}
        self.confirmer = Confirmer(
            self.lab,
            self.store,
            run="run-1",
            checks={"driving_model": CHECKS},
            done=self.done,
            tasks=tasks,
            most=self.most,
        )

    def _trial(self, number: int) -> Trial:
        segment = SegmentId(Route("a" * 16, "2026-01-02--03-04-05"), number)

        def job(model: str) -> ReplayJob:
            files = (NamedBlob("model.onnx", Blob(model, 1)),)
            return ReplayJob("driving_model", "1", segment, (), files, "{}", DeviceKind.MICI, "r")

        return Trial(segment, "driving_model", DeviceKind.MICI, job("new"), job("old"))

    def replayed(
        self, job: ReplayJob, sha256: str, device: str, *, label: str = "", error: ErrorDescription | None = None
    ) -> Replayed:
        attempts = (Attempt("", device, 1, 0.0, 1.0, error),) if device else ()
        return Replayed(job.id, "" if error else sha256, error, attempts, not device, label)

    def failed(self, number: int, device: str = "one", excess: float | None = None) -> JobResult:
        """A trial that FAILed on a device; on none: by stored traces."""
        trial = self.trials[number]
        assert trial.baseline_job is not None
        sides = (
            self.replayed(trial.candidate, self.other, device),
            self.replayed(trial.baseline_job, self.same, device),
        )
        self.done |= {side.job_id: side for side in sides}
        result = judge_trial(trial, *sides, CHECKS, self.store)
        (replay, check) = result.checks
        found = tuple(replace(finding, excess=excess) for finding in check.findings)
        return replace(result, checks=(replay, replace(check, findings=found)))

    def take(self, number: int, device: str = "one", excess: float | None = None) -> JobResult | None:
        return self.confirmer.take(self.trials[number], self.failed(number, device, excess))

    def came(self, label: str, device: str, *, again: bool, error: ErrorDescription | None = None) -> JobResult | None:
        """A repeat ends on a device: both of its jobs."""
        number = int(label.split(" ", maxsplit=1)[0].rpartition("/")[2])
        trial = self.trials[number]
        assert trial.baseline_job is not None
        candidate = self.other if again else self.same
        first = self.replayed(trial.candidate, candidate, device, label=label, error=error)
        assert self.confirmer.came(first) is None
        return self.confirmer.came(self.replayed(trial.baseline_job, self.same, device, label=label))


@pytest.fixture
def court(tmp_path: Path) -> Court:
    return Court(tmp_path, Store(tmp_path / "home"), Asked())


def labels(court: Court) -> list[str]:
    return [label for label, _, _ in court.lab.repeats]


def test_the_device_that_showed_it_and_any_other_are_asked_at_once(court: Court) -> None:
    assert court.take(0) is None
    assert court.lab.repeats == [], "nothing begins until it is said"
    assert court.confirmer.go_on() == []
    assert [asked[1:] for asked in court.lab.repeats] == [(("one",), ()), ((), ("one",))]
    assert court.lab.jobs == [2, 2], "both sides"
    first, second = labels(court)
    assert court.came(second, "three", again=True) is None
    result = court.came(first, "one", again=True)
    assert result is not None
    assert (result.verdict, result.repeated) == (Verdict.FAIL, "again on one and three")
    assert court.take(0) is not None, "and is recalled"


def test_of_a_stored_trace_the_maker_is_asked_if_it_is_known(court: Court) -> None:
    trial = court.trials[0]
    assert trial.baseline_job is not None
    for job in trial.jobs:
        court.store.remember_trace(job.id, court.same, {"device": "two"})
    court.take(0, device="")
    court.confirmer.go_on()
    assert [asked[1:] for asked in court.lab.repeats] == [(("two",), ()), ((), ("two",))]


def test_of_a_stored_trace_without_a_known_maker_any_two_are_asked_one_after_the_other(court: Court) -> None:
    trial = court.trials[0]
    court.store.remember_trace(trial.candidate.id, court.other, {"device": "a device that is gone"})
    court.take(0, device="")
    court.confirmer.go_on()
    assert [asked[1:] for asked in court.lab.repeats] == [((), ())]
    assert court.came(labels(court)[0], "three", again=True) is None
    assert [asked[1:] for asked in court.lab.repeats[1:]] == [((), ("three",))]
    result = court.came(labels(court)[1], "one", again=False)
    assert result is not None
    assert (result.blame, result.repeated) == (Blame.DEVICE, "only three shows it: there, not on one")
    assert court.lab.suspects == ["three"]
    assert court.store.find_trace(trial.candidate.id) is None


def test_the_worst_that_waits_is_next_and_the_rest_is_told_so(tmp_path: Path) -> None:
    court = Court(tmp_path, Store(tmp_path / "home"), Asked(("one",)), most=3)
    for number, excess in enumerate((2.0, 9.0, 1.0, None, 5.0)):
        assert court.take(number, excess=excess) is None
    assert court.confirmer.go_on() == []
    assert [label.split(" ")[0][-1] for label in labels(court)] == ["3", "1"], "as many as a device keeps busy"
    settled = court.came(labels(court)[0], "one", again=True)
    assert settled is not None
    assert settled.repeated == "again on one, the only mici: no second device could tell"
    left = court.confirmer.go_on()
    assert [label.split(" ")[0][-1] for label in labels(court)] == ["3", "1", "4"]
    assert [(result.segment[-1], result.verdict, result.repeated) for result in left] == [
        ("0", Verdict.FAIL, "not confirmed: more than 3 failed"),
        ("2", Verdict.FAIL, "not confirmed: more than 3 failed"),
    ]


def test_what_never_came_stays_a_failure(court: Court) -> None:
    court.take(0)
    court.take(1)
    court.confirmer.go_on()
    court.take(2)
    court.came(labels(court)[0], "one", again=False)
    left = court.confirmer.given_up("the run was stopped")
    assert sorted(result.segment[-1] for result in left) == ["0", "1", "2"]
    assert {(result.verdict, result.blame) for result in left} == {(Verdict.FAIL, Blame.UNKNOWN)}
    assert {len(result.confirmations) for result in left} == {0, 1}, "what was told is kept"
    assert court.confirmer.given_up("again") == []


def test_a_lost_repeat_and_a_crashing_one_take_nothing_back(court: Court) -> None:
    court.take(0)
    court.confirmer.go_on()
    first, second = labels(court)
    assert court.came(first, "one", again=True, error=CRASH) is None
    result = court.came(second, "two", again=True, error=GONE)
    assert result is not None
    assert (result.verdict, result.blame) == (Verdict.FAIL, Blame.UNKNOWN)
    assert result.repeated == "could not be confirmed: one: killed by SIGSEGV; two: no answer"
    assert court.take(0) is None, "it is not settled: the next run asks again"


def test_devices_without_the_tags_or_of_another_kind_are_not_asked(tmp_path: Path) -> None:
    court = Court(tmp_path, Store(tmp_path / "home"), Asked(), tags=("warm",))
    result = court.take(0)
    assert result is not None
    assert (result.verdict, result.repeated) == (Verdict.FAIL, "could not be confirmed: there is no mici device")


def test_a_crash_that_two_devices_have_shown_is_not_repeated_and_one_that_one_has_is(court: Court) -> None:
    trial = court.trials[0]
    assert trial.baseline_job is not None
    baseline = court.replayed(trial.baseline_job, court.same, "one")
    court.done[baseline.job_id] = baseline
    tries = tuple(Attempt("", device, 1, 0.0, 1.0, CRASH) for device in ("one", "two"))
    twice = judge_trial(trial, Replayed(trial.candidate.id, "", CRASH, tries), baseline, CHECKS, court.store)
    assert court.confirmer.take(trial, twice) == twice
    once = judge_trial(trial, Replayed(trial.candidate.id, "", CRASH, tries[:1]), baseline, CHECKS, court.store)
    assert court.confirmer.take(trial, once) is None
    court.confirmer.go_on()
    assert court.lab.jobs == [1, 1], "the candidate's alone"
    for label, device in zip(labels(court), ("one", "two"), strict=True):
        result = court.confirmer.came(court.replayed(trial.candidate, court.other, device, label=label, error=CRASH))
    assert result is not None
    assert (result.verdict, result.blame, result.repeated) == (Verdict.FAIL, Blame.PRODUCT, "again on one and two")
