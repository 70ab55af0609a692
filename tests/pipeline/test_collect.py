"""What a worker brought back: kept when it is what was made, and an error of the job, never a bug, when it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.closet.work import WorkOutcome
from harness.domain import Blob, DeviceKind, NamedBlob, ReplayJob, Route, SegmentId, Task
from harness.errors import ErrorDescription
from harness.files import file_sha256
from harness.pipeline.collect import Replayed, collect, what_failed_here
from harness.pipeline.execute import stored
from harness.store import Store
from harness.verdict import Attempt

SEGMENT = SegmentId(Route("a" * 16, "2026-01-02--03-04-05"), 3)
TRIES = (
    Attempt("", "one", 1, 0.0, 1.0, ErrorDescription("UnreachableError", "gone")),
    Attempt("", "two", 2, 1.0, 2.0, measurements={"staged_mb": 3.0}),
)


def job(model: str) -> ReplayJob:
    files = (NamedBlob("model.onnx", Blob(model, 1)),)
    return ReplayJob("driving_model", "1", SEGMENT, (), files, "{}", DeviceKind.EMULATED, "r")


NEW, OLD = job("new"), job("old")
TASK = Task((NEW, OLD), (), 1.0, 60.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def brought_back(folder: Path, said: Any, **traces: bytes) -> WorkOutcome:
    """An outcome whose result.json says `said` (text as it is) beside the files `traces`."""
    files = {f"{name}.trace": folder / name for name in traces}
    for name, content in traces.items():
        (folder / name).write_bytes(content)
    if said is not None:
        files["result.json"] = folder / "result.json"
        files["result.json"].write_text(said if isinstance(said, str) else json.dumps(said))
    return WorkOutcome(TASK.id, files, None, TRIES)


def told(folder: Path, content: bytes, **more: object) -> dict[str, object]:
    (folder / "made").write_bytes(content)
    return {"trace_sha256": file_sha256(folder / "made"), "error": None, "measurements": {}} | more


def test_traces_are_stored_and_found_again(store: Store, tmp_path: Path) -> None:
    said = {"replays": {NEW.id: told(tmp_path, b"n", measurements={"frames_per_s": 9}), OLD.id: told(tmp_path, b"o")}}
    outcome = brought_back(tmp_path, said, **{NEW.id: b"n", OLD.id: b"o"})
    new, old = collect(TASK, outcome, store)
    assert (new.job_id, new.error, store.read(new.trace_sha256)) == (NEW.id, None, b"n")
    assert (old.job_id, old.error, store.read(old.trace_sha256)) == (OLD.id, None, b"o")
    assert [attempt.device for attempt in new.attempts] == ["one", "two"], "every try is kept"
    assert new.attempts[0] == TRIES[0]
    assert new.attempts[1].measurements == {"staged_mb": 3.0, "frames_per_s": 9.0}
    assert not new.reused
    again = stored({NEW.id: NEW, job("never").id: job("never")}, store)
    assert again == {NEW.id: Replayed(NEW.id, new.trace_sha256, None, reused=True)}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", "not readable"),
        ("[]", "not readable"),
        ("{}", "not readable"),
        ("[" * 100_000, "not readable"),
        ('{"replays": []}', "has no replays"),
        ('{"replays": {}}', "does not mention the job"),
        ('{"replays": {"JOB": "done"}}', "does not mention the job"),
    ],
)
def test_a_result_that_is_none_is_an_error_of_every_job(store: Store, tmp_path: Path, said: str, words: str) -> None:
    text = said.replace("JOB", NEW.id)
    results = list(collect(TASK, brought_back(tmp_path, text, **{NEW.id: b"n"}), store))
    assert [result.job_id for result in results] == [NEW.id, OLD.id]
    for result in results:
        assert result.error is not None
        assert words in result.error.problem
        assert result.error.kind == "DataError", "no bug of the harness: the software on trial wrote it"
        assert (result.trace_sha256, result.attempts) == ("", TRIES)
    assert stored({NEW.id: NEW}, store) == {}


def test_a_program_that_ends_before_it_says_anything_is_one_that_crashed(store: Store, tmp_path: Path) -> None:
    outcome = brought_back(tmp_path, None)
    errors = [result.error for result in collect(TASK, outcome, store)]
    assert errors == [what_failed_here(TASK, TASK.id, "mici-01", outcome.files)] * 2
    assert errors[0] is not None
    assert (errors[0].kind, errors[0].problem) == ("ProductCrashError", "ended itself with exit 0 and left no result")


def test_a_trace_other_than_the_one_made_is_never_stored(store: Store, tmp_path: Path) -> None:
    said = {"replays": {NEW.id: told(tmp_path, b"made"), OLD.id: told(tmp_path, b"never sent")}}
    for result in collect(TASK, brought_back(tmp_path, said, **{NEW.id: b"came"}), store):
        assert result.error is not None
        assert result.error.kind == "StagingFailedError"
        assert result.trace_sha256 == ""
    assert stored({NEW.id: NEW, OLD.id: OLD}, store) == {}
    silent = {"replays": {NEW.id: told(tmp_path, b"made", trace_sha256=None)}}
    assert next(collect(TASK, brought_back(tmp_path, silent), store)).error is not None


def test_the_error_of_one_job_is_its_own(store: Store, tmp_path: Path) -> None:
    words = {"kind": "DataError", "problem": "no camera", "where": "fcamera", "remedy": "bring it", "more": 1}
    said = {"replays": {NEW.id: told(tmp_path, b"n", error=words), OLD.id: told(tmp_path, b"o")}}
    new, old = collect(TASK, brought_back(tmp_path, said, **{NEW.id: b"n", OLD.id: b"o"}), store)
    assert new.error == ErrorDescription("DataError", "no camera", "fcamera", "bring it")
    assert new.trace_sha256 == ""
    assert (old.error, stored({NEW.id: NEW}, store)) == (None, {})


def test_an_error_in_another_form_is_an_error_too(store: Store, tmp_path: Path) -> None:
    said = {"replays": {NEW.id: told(tmp_path, b"n", error="broke")}}
    error = next(collect(TASK, brought_back(tmp_path, said, **{NEW.id: b"n"}), store)).error
    assert error is not None
    assert (error.kind, error.problem) == ("DataError", "broke")


@pytest.mark.parametrize(
    "kind", ["DataError", "ConfigError", "DeviceError", "DeviceUnhealthyError", "ProductCrashError"]
)
def test_what_a_replay_finds_out_is_of_the_kind_it_says(store: Store, tmp_path: Path, kind: str) -> None:
    said = {"replays": {NEW.id: told(tmp_path, b"n", error={"kind": kind, "problem": "broke"})}}
    assert next(collect(TASK, brought_back(tmp_path, said), store)).error == ErrorDescription(kind, "broke")


@pytest.mark.parametrize(
    "kind",
    [
        "ClosetError",
        "NotRun",
        "NotReproducible",
        "MissingBaseline",
        "LeaseLostError",
        "HostKeyError",
        "Boom",
        "",
        None,
        7,
    ],
)
def test_no_worker_says_that_the_harness_has_a_bug(store: Store, tmp_path: Path, kind: object) -> None:
    words = {"kind": kind, "problem": "broke", "where": "there", "remedy": "mend it"}
    said = {"replays": {NEW.id: told(tmp_path, b"n", error=words)}}
    error = next(collect(TASK, brought_back(tmp_path, said), store)).error
    assert error == ErrorDescription("DataError", "broke", "there", "mend it")


def test_names_of_measurements_are_names_tell_no_secret_and_have_an_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "only_we_know_this")
    names = ["frames", "agreement.state", "agreement.doorOpen.only_recorded"]
    strange = ["", "x" * 65, "two words", "Frames", "a-b", "a.b", "line\n", "only_we_know_this", "ghp_" + "x" * 30]
    measured = dict.fromkeys([*names, *strange], 1.0) | {"true": True}
    many = {f"n{number}": 1.0 for number in range(20_000)}
    said = {
        "replays": {
            NEW.id: told(tmp_path, b"n", measurements=measured),
            OLD.id: told(tmp_path, b"n", measurements=many),
        }
    }
    new, old = collect(TASK, brought_back(tmp_path, said, **{NEW.id: b"n", OLD.id: b"n"}), store)
    assert sorted(new.attempts[-1].measurements) == sorted([*names, "staged_mb"])
    assert len(old.attempts[-1].measurements) == 1_001


@pytest.mark.parametrize(
    "measurements", [None, [1], "fast", {"a": float("nan"), "b": float("inf"), "c": "x", "d": 10**400}]
)
def test_only_numbers_that_a_record_can_hold_are_measurements(
    store: Store, tmp_path: Path, measurements: object
) -> None:
    said = {"replays": {NEW.id: told(tmp_path, b"n", measurements=measurements)}}
    result = next(collect(TASK, brought_back(tmp_path, said, **{NEW.id: b"n"}), store))
    assert result.error is None
    assert result.attempts[-1].measurements == TRIES[-1].measurements


def test_the_error_of_the_work_is_that_of_all_its_jobs(store: Store) -> None:
    error = ErrorDescription("DeviceTimeoutError", "too long")
    results = list(collect(TASK, WorkOutcome(TASK.id, {}, error, TRIES), store))
    assert results == [Replayed(entry.id, "", error, TRIES) for entry in (NEW, OLD)]


def test_a_result_that_is_larger_than_any_is_refused(store: Store, tmp_path: Path) -> None:
    said = {"replays": {NEW.id: told(tmp_path, b"n", error="x" * 5_000_000)}}
    result = next(collect(TASK, brought_back(tmp_path, said, **{NEW.id: b"n"}), store))
    assert result.error is not None
    assert "larger than 4 MB" in result.error.problem


def test_a_trace_of_a_repeat_is_kept_but_stands_for_nothing(store: Store, tmp_path: Path) -> None:
    said = {"replays": {NEW.id: told(tmp_path, b"n"), OLD.id: told(tmp_path, b"o")}}
    new, _ = collect(TASK, brought_back(tmp_path, said, **{NEW.id: b"n", OLD.id: b"o"}), store, remember=False)
    assert store.read(new.trace_sha256) == b"n"
    assert stored({NEW.id: NEW}, store) == {}


def test_half_a_character_is_told_as_one_that_can_be_written(store: Store, tmp_path: Path) -> None:
    words = {"kind": "DataError", "problem": "half \ud800", "where": "\udfff", "remedy": "\ud800"}
    said = {"replays": {NEW.id: told(tmp_path, b"n", error=words)}}
    error = next(collect(TASK, brought_back(tmp_path, said), store)).error
    assert error is not None
    assert error.problem.encode() == b"half ?"
    assert (error.where + error.remedy).encode() == b"??"


def test_what_was_said_is_recorded_without_secrets_and_cut_to_its_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "only-we-know-this")
    log = "\n".join([*(f"line {number}" for number in range(9000)), "AWS_SECRET_ACCESS_KEY=abcdefgh only-we-know-this"])
    failed = ErrorDescription("UnreachableError", "TOKEN=abcdefgh refused", "ssh://me:only-we-know-this@x" + "y" * 9000)
    tries = (Attempt("", "one", 1, 0.0, 1.0, failed, log), Attempt("", "two", 2, 1.0, 2.0, None, log))
    words = {"kind": "DataError", "problem": "PASSWORD='abcdefgh' " + "z" * 9000}
    said = {"replays": {NEW.id: told(tmp_path, b"n", error=words), OLD.id: told(tmp_path, b"o")}}
    outcome = brought_back(tmp_path, said, **{NEW.id: b"n", OLD.id: b"o"})
    lost = WorkOutcome(TASK.id, {}, failed, tries[:1])
    results = [
        *collect(TASK, WorkOutcome(outcome.work_id, outcome.files, None, tries), store),
        *collect(TASK, lost, store),
    ]
    assert "abcdefgh" not in repr(results)
    assert "only-we-know-this" not in repr(results)
    first, second = results[0].attempts
    assert first.log_tail.endswith("line 8999\nAWS_SECRET_ACCESS_KEY=[redacted] [redacted]")
    assert first.log_tail.splitlines()[0] in log.splitlines(), "cut between lines"
    assert 15_000 < len(first.log_tail) <= 16_000
    assert 1_900 < len(second.log_tail) <= 2_000, "what went well needs less"
    for result in results:
        assert result.error is None or max(map(len, (result.error.problem, result.error.where))) <= 4_000


@pytest.mark.parametrize(
    ("kind", "elsewhere"),
    [
        ("DeviceError", True),
        ("DeviceUnhealthyError", True),
        ("ProductCrashError", True),
        ("DataError", False),
        ("ConfigError", False),
        ("ClosetError", False),
        ("UnreachableError", False),  # not a worker's to say
        ("OnroadError", False),
        ("Made up", False),
    ],
)
def test_what_a_worker_says_of_itself_is_tried_elsewhere(tmp_path: Path, kind: str, elsewhere: bool) -> None:
    words = {"kind": kind, "problem": "no \x1b[31mC compiler" + "!" * 5000, "where": "cc", "remedy": "install one"}
    said = {"replays": {NEW.id: told(tmp_path, b"n"), OLD.id: told(tmp_path, b"o", error=words)}}
    outcome = brought_back(tmp_path, said, **{NEW.id: b"n"})
    error = what_failed_here(TASK, TASK.id, "mici-01", outcome.files)
    assert (error is not None) is elsewhere
    if error is not None:
        assert (error.kind, error.where, error.remedy) == (kind, "cc", "install one")
        assert error.problem.startswith("no \N{REPLACEMENT CHARACTER}[31mC compiler!")
        assert len(error.problem) == 1000
    assert outcome.files["result.json"].exists(), "it is read once more when the work has ended"


def test_a_trace_that_did_not_come_whole_is_tried_elsewhere_and_what_says_nothing_is_not(tmp_path: Path) -> None:
    said = {"replays": {NEW.id: told(tmp_path, b"made"), OLD.id: told(tmp_path, b"o")}}
    outcome = brought_back(tmp_path, said, **{NEW.id: b"came", OLD.id: b"o"})
    error = what_failed_here(TASK, TASK.id, "mici-01", outcome.files)
    assert error is not None
    assert error.kind == "StagingFailedError"
    for nothing in ("", "[]", '{"replays": {}}'):
        outcome = brought_back(tmp_path, nothing)
        assert what_failed_here(TASK, TASK.id, "mici-01", outcome.files) is None


def test_when_no_device_could_do_all_the_jobs_that_went_well_are_kept(store: Store, tmp_path: Path) -> None:
    lacks = {"kind": "DeviceUnhealthyError", "problem": "no C compiler either", "where": "", "remedy": ""}
    first = ErrorDescription("DeviceUnhealthyError", "no C compiler")
    said = {"replays": {NEW.id: told(tmp_path, b"n"), OLD.id: told(tmp_path, b"o", error=lacks)}}
    outcome = brought_back(tmp_path, said, **{NEW.id: b"n"})
    last = replace(TRIES[1], error=ErrorDescription("DeviceUnhealthyError", "no C compiler either"))
    new, old = collect(TASK, replace(outcome, error=first, attempts=(TRIES[0], last)), store)
    assert (new.error, store.read(new.trace_sha256)) == (None, b"n")
    assert [attempt.error for attempt in new.attempts] == [TRIES[0].error, None], "for this job the last try went well"
    assert (old.error, old.trace_sha256) == (first, "")
    assert old.attempts[-1].error == last.error
    assert not outcome.files["result.json"].exists(), "what it says is kept without secrets only"


def test_what_failed_for_good_is_told_as_it_is_when_others_are_tried_in_vain(store: Store, tmp_path: Path) -> None:
    data = {"kind": "DataError", "problem": "no camera", "where": "", "remedy": ""}
    lacks = {"kind": "DeviceError", "problem": "stopped", "where": "", "remedy": ""}
    said = {"replays": {NEW.id: told(tmp_path, b"n", error=data), OLD.id: told(tmp_path, b"o", error=lacks)}}
    outcome = replace(brought_back(tmp_path, said), error=ErrorDescription("DeviceError", "stopped"))
    new, old = collect(TASK, outcome, store)
    assert [result.error and result.error.problem for result in (new, old)] == ["no camera", "stopped"]
