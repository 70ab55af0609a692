"""Two sides to one result: whose fault a missing side is, and that a comparison is remembered, not changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.domain import Blob, Check, DeviceKind, Json, NamedBlob, ReplayJob, Route, SegmentId, Trial
from harness.errors import ErrorDescription
from harness.pipeline.collect import Replayed
from harness.pipeline.judgement import REPLAY_CHECK, judge_trial, not_run
from harness.store import Store
from harness.trace import Channel, Trace, write_trace
from harness.verdict import NOT_RUN, Attempt, Closeness, FindingKind, Verdict

CHECKS = (Check("action", ("action.*",)),)
SEGMENT = SegmentId(Route("a" * 16, "2026-01-02--03-04-05"), 3)


def job(model: str) -> ReplayJob:
    files = (NamedBlob("model.onnx", Blob(model, 1)),)
    return ReplayJob("driving_model", "1", SEGMENT, (), files, "{}", DeviceKind.EMULATED, "r")


TRIAL = Trial(SEGMENT, "driving_model", DeviceKind.EMULATED, job("new"), job("old"))


def stored_trace(store: Store, folder: Path, values: list[float], runtime: str = "r", **provenance: Json) -> str:
    trace = Trace(
        "driving_model",
        str(SEGMENT),
        np.arange(len(values), dtype=np.int64),
        np.arange(len(values), dtype=np.int64) * 50_000_000,
        {"action.desiredCurvature": Channel("action.desiredCurvature", "1/m", np.array(values, np.float32))},
        {"runtime": runtime, **provenance},
    )
    path = folder / "made.trace"
    write_trace(path, trace)
    return store.put_file(path).sha256


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def done(trial_job: ReplayJob, sha256: str) -> Replayed:
    return Replayed(trial_job.id, sha256, None, (Attempt("", "dev", 1, 0.0, 1.0),))


def failed(trial_job: ReplayJob, kind: str) -> Replayed:
    return Replayed(trial_job.id, "", ErrorDescription(kind, "what happened", "where", "do this"))


def test_equal_traces_pass_and_a_changed_one_fails(store: Store, tmp_path: Path) -> None:
    same = stored_trace(store, tmp_path, [0.0, 1.0])
    other = stored_trace(store, tmp_path, [0.0, 1.5])
    passed = judge_trial(TRIAL, done(TRIAL.candidate, same), done(job("old"), same), CHECKS, store)
    assert passed.verdict is Verdict.PASS
    assert [(check.check, check.closeness) for check in passed.checks] == [
        (REPLAY_CHECK, Closeness.EXACT),
        ("action", Closeness.EXACT),
    ]
    changed = judge_trial(TRIAL, done(TRIAL.candidate, other), done(job("old"), same), CHECKS, store)
    assert changed.verdict is Verdict.FAIL
    assert changed.blocking[0].first_frame == 1
    assert {attempt.side for attempt in changed.attempts} == {"candidate", "baseline"}


def test_a_comparison_is_remembered(store: Store, tmp_path: Path) -> None:
    same, other = stored_trace(store, tmp_path, [0.0]), stored_trace(store, tmp_path, [2.0])
    sides = done(TRIAL.candidate, other), done(job("old"), same)
    first = judge_trial(TRIAL, *sides, CHECKS, store)
    for sha256 in (same, other):
        store.path(sha256).unlink()  # nothing is left to compare: only the memory can answer
    assert judge_trial(TRIAL, *sides, CHECKS, store) == first
    with_tolerance = (Check("action", ("nothing.*",)),)
    assert judge_trial(TRIAL, *sides, with_tolerance, store).verdict is Verdict.ERROR, "other checks: another question"


def test_a_crash_of_the_candidate_is_a_regression_and_of_the_baseline_an_error(store: Store, tmp_path: Path) -> None:
    same = stored_trace(store, tmp_path, [0.0])
    crashed = judge_trial(TRIAL, failed(TRIAL.candidate, "ProductCrashError"), done(job("old"), same), CHECKS, store)
    assert crashed.verdict is Verdict.FAIL
    assert [finding.kind for finding in crashed.blocking] == [FindingKind.CRASH]
    baseline = failed(job("old"), "ProductCrashError")
    nothing = judge_trial(TRIAL, done(TRIAL.candidate, same), baseline, CHECKS, store)
    assert nothing.verdict is Verdict.ERROR
    assert nothing.error is not None
    assert "baseline was not replayed" in nothing.error.problem


@pytest.mark.parametrize("kind", ["UnreachableError", "DataError", "ClosetError", "NotRun"])
def test_any_other_failure_of_the_candidate_is_an_error(store: Store, tmp_path: Path, kind: str) -> None:
    same = stored_trace(store, tmp_path, [0.0])
    result = judge_trial(TRIAL, failed(TRIAL.candidate, kind), done(job("old"), same), CHECKS, store)
    assert (result.verdict, result.error and result.error.kind) == (Verdict.ERROR, kind)


def test_without_an_approved_baseline_the_error_says_how_to_approve(store: Store, tmp_path: Path) -> None:
    trial = Trial(SEGMENT, "driving_model", DeviceKind.EMULATED, job("new"))
    trace = stored_trace(store, tmp_path, [0.0])
    result = judge_trial(trial, done(trial.candidate, trace), None, CHECKS, store)
    assert result.verdict is Verdict.ERROR
    assert result.error is not None
    assert result.error.kind == "MissingBaseline"
    assert "closet bless" in result.error.remedy
    assert result.candidate_trace == trace, "so that it can be blessed"


def test_an_approved_trace_of_another_runtime_is_refused(store: Store, tmp_path: Path) -> None:
    approved = stored_trace(store, tmp_path, [0.0], runtime="onnxruntime 1")
    trial = Trial(SEGMENT, "driving_model", DeviceKind.EMULATED, job("new"), baseline_trace=approved)
    mine = stored_trace(store, tmp_path, [0.0], runtime="onnxruntime 2")
    result = judge_trial(trial, done(trial.candidate, mine), None, CHECKS, store)
    assert result.verdict is Verdict.ERROR
    assert result.error is not None
    assert "onnxruntime 1" in result.error.problem
    assert "onnxruntime 2" in result.error.problem


@pytest.mark.parametrize(
    ("approved", "words"),
    [
        ({"options": "{}", "recording": {"rlog.zst": "a"}}, "rlog.zst a instead of b"),
        ({"options": "{}", "recording": {"rlog.zst": "b", "fcamera.hevc": "c"}}, "fcamera.hevc c instead of nothing"),
        ({"options": '{"frames":3}', "recording": {"rlog.zst": "b"}}, "options"),
        ({"options": "{}", "recording": {"rlog.zst": "b"}, "replayer": {"version": "0"}}, "replayer version 0"),
    ],
)
def test_equal_values_made_from_something_else_are_no_pass(
    store: Store, tmp_path: Path, approved: dict[str, Json], words: str
) -> None:
    baseline = stored_trace(store, tmp_path, [0.0], **approved)
    mine = stored_trace(store, tmp_path, [0.0], options="{}", recording={"rlog.zst": "b"})
    trial = Trial(SEGMENT, "driving_model", DeviceKind.EMULATED, job("new"), baseline_trace=baseline)
    for _ in range(2):  # an error is not remembered as a comparison
        result = judge_trial(trial, done(trial.candidate, mine), None, CHECKS, store)
        assert result.verdict is Verdict.ERROR
        assert result.error is not None
        assert words in result.error.problem


@pytest.mark.parametrize("candidate", [True, False])
@pytest.mark.parametrize("baseline", [True, False, None])
def test_reused_means_that_nothing_was_replayed(
    store: Store, tmp_path: Path, candidate: bool, baseline: bool | None
) -> None:
    trace = stored_trace(store, tmp_path, [0.0])
    mine = Replayed(TRIAL.candidate.id, trace, None, reused=candidate)
    if baseline is None:
        trial = Trial(SEGMENT, "driving_model", DeviceKind.EMULATED, job("new"), baseline_trace=trace)
        result = judge_trial(trial, mine, None, CHECKS, store)
    else:
        result = judge_trial(TRIAL, mine, Replayed(job("old").id, trace, None, reused=baseline), CHECKS, store)
    assert (result.verdict, result.reused) == (Verdict.PASS, candidate and baseline is not False)


def test_a_damaged_trace_in_the_store_is_an_error_not_a_pass(store: Store, tmp_path: Path) -> None:
    sha256 = stored_trace(store, tmp_path, [0.0])
    store.path(sha256).chmod(0o644)
    store.path(sha256).write_bytes(b"damaged")
    result = judge_trial(TRIAL, done(TRIAL.candidate, sha256), done(job("old"), sha256), CHECKS, store)
    assert result.verdict is Verdict.ERROR


def test_a_record_starts_with_everything_not_run() -> None:
    result = not_run(TRIAL)
    assert (result.verdict, result.error) == (Verdict.ERROR, NOT_RUN)


def test_a_crash_is_found_with_its_signal_and_the_last_it_said(store: Store, tmp_path: Path) -> None:
    same = stored_trace(store, tmp_path, [0.0])
    crash = ErrorDescription("ProductCrashError", "killed by SIGSEGV; crashed on one and on two", "two")
    log = "\n".join(f"line {number}" for number in range(20)) + "\n\nSegmentation fault\n"
    tries = tuple(Attempt("", device, 1, 0.0, 1.0, crash, log) for device in ("one", "two"))
    (finding,) = judge_trial(
        TRIAL, Replayed(TRIAL.candidate.id, "", crash, tries), done(job("old"), same), CHECKS, store
    ).blocking
    lines = finding.words.splitlines()
    assert lines[0] == "killed by SIGSEGV; crashed on one and on two"
    assert lines[-2:] == ["line 19", "Segmentation fault"]
    assert len(lines) == 9
    told = Replayed(TRIAL.candidate.id, "", crash, (Attempt("", "one", 1, 0.0, 1.0, None, "Traceback\nboom"),))
    (finding,) = judge_trial(TRIAL, told, done(job("old"), same), CHECKS, store).blocking
    assert finding.words.splitlines()[1:] == ["Traceback", "boom"], "one that its own result tells of"
