"""A run's row: while it goes on, from its record afterwards, and when the database is away."""

from __future__ import annotations

import platform
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import ClosetError, DataError, ErrorDescription
from harness.intent import Answer, ClaimResult, Expectation
from harness.pipeline.archive import RunArchive, index_runs, is_at_work, record_state, summarise
from harness.pipeline.runs import alone_in, write_run
from harness.shelf import ENDED, RUNNING, Counts, Shelf
from harness.verdict import NOT_RUN, Attempt, CheckResult, Closeness, JobResult, RunRecord, Verdict
from tests.closet.conftest import eventually

SECRET = "ghp_abcdefghijklmnopqrstuvwxyz0123"  # noqa: S105 made up


def result(number: int, verdict: Verdict = Verdict.PASS, error: ErrorDescription | None = None) -> JobResult:
    checks = () if error else (CheckResult("action", Closeness.EXACT, (), 4, 1200),)
    attempts = (Attempt("candidate", "mici-01", 1, 0.0, 1.0), Attempt("candidate", "mici-02", 2, 1.0, 2.0))
    provenance = {"candidate_job": "a" * 64}
    return JobResult(
        f"a/b/{number} · r · mici", f"a/b/{number}", "r", "mici", verdict, error, checks, attempts, provenance, "b" * 64
    )


def record(folder: Path, results: tuple[JobResult, ...], **changed: object) -> RunRecord:
    claim = ClaimResult("steady", "error", Expectation.UNCHANGED, Answer.EQUIVALENT, "within", candidate=0.2, unit="m")
    plain = RunRecord(
        run=folder.name,
        suite="pr",
        started_at="2026-11-21T10:00:00+00:00",
        command=(),
        candidate={"r": f"models/next token={SECRET}", "s": "models/next"},
        baseline={"r": "models/release"},
        devices=({"name": "mici-01"},),
        planned_checks={},
        results=results,
        duration_s=12.5,
        claims=(claim,),
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "runs" / "2026-11-21-001"
    made.mkdir(parents=True)
    return made


def test_what_is_remembered_of_a_run(folder: Path) -> None:
    problem = ErrorDescription("DeviceTimeoutError", f"mici-02 did not\x00answer, {SECRET}")
    entry = summarise(record(folder, (result(0), result(1, Verdict.ERROR, problem))), folder, state=ENDED, seen="1")
    assert (entry.name, entry.suite, entry.started_s) == ("2026-11-21-001", "pr", 1_795_255_200.0)
    assert (entry.host, entry.folder, entry.devices) == (platform.node(), str(folder), 1)
    assert entry.counts == Counts(2, passed=1, errors=1)
    assert (entry.exit_code, entry.reason) == (3, "1 job without a verdict")
    first, second = entry.trials
    assert (first.verdict, first.device, first.words) == ("PASS", "mici-02", "exact")
    assert (first.job, first.trace) == ("a" * 16, "b" * 16)
    assert second.words == "mici-02 did not answer, [redacted]"
    assert SECRET not in entry.candidate
    assert entry.claims[0].candidate == 0.2
    assert summarise(record(folder, (), started_at="once"), folder, state=ENDED).started_s == 0.0


def test_a_run_is_followed_as_it_goes_on(folder: Path, tmp_path: Path) -> None:
    complaints: list[ClosetError] = []
    following = RunArchive(
        lambda patience_s: Shelf(tmp_path / "shelf.db", deadline_s=patience_s), folder, complaints.append
    )
    waiting = result(1, Verdict.ERROR, NOT_RUN)
    begun = record(folder, (result(0, Verdict.ERROR, NOT_RUN), waiting))
    with Shelf(tmp_path / "shelf.db") as shelf:
        write_run(folder, begun)
        following.begin(begun)
        (row,) = shelf.archive.running()
        assert row.counts == Counts(2, waiting=2)
        assert shelf.archive.longest_unseen()[0].at_s == 0, "what was not run is not judged"
        going = record(folder, (result(0), waiting))
        write_run(folder, going)
        following.go_on(going)
        assert eventually(lambda: shelf.archive.running()[0].counts == Counts(2, passed=1, waiting=1))
        ended = record(folder, (result(0), result(1)))
        write_run(folder, ended)
        following.end(ended)
        (row,) = shelf.archive.runs()
        assert (row.state, row.counts, row.exit_code) == (ENDED, Counts(2, passed=2), 0)
        assert shelf.archive.seen_records(platform.node()) == {str(folder): record_state(folder)}
    assert complaints == []


def test_a_database_that_is_away_is_told_once_and_asked_again_at_the_end(folder: Path, tmp_path: Path) -> None:
    away, complaints = [True], list[ClosetError]()

    def open_it(patience_s: float) -> Shelf:
        if away[0]:
            raise DataError("the shelf's database does not answer")
        return Shelf(tmp_path / "shelf.db", deadline_s=patience_s)

    following = RunArchive(open_it, folder, complaints.append)
    ended = record(folder, (result(0),))
    write_run(folder, ended)
    following.begin(ended)
    following.go_on(ended)
    assert len(complaints) == 1
    away[0] = False
    following.go_on(ended)
    following.end(ended)
    with Shelf(tmp_path / "shelf.db") as shelf:
        assert [run.state for run in shelf.archive.runs()] == [ENDED]
    assert len(complaints) == 1


def test_a_database_that_stands_still_holds_up_nobody_while_the_run_goes_on(folder: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    answers = threading.Event()
    answers.set()

    def open_it(patience_s: float) -> Shelf:
        asked.append(threading.current_thread().name)
        assert answers.wait(60.0)
        return Shelf(tmp_path / "shelf.db", deadline_s=patience_s)

    complaints: list[ClosetError] = []
    following = RunArchive(open_it, folder, complaints.append)
    waiting = result(1, Verdict.ERROR, NOT_RUN)
    begun = record(folder, (waiting, waiting))
    write_run(folder, begun)
    following.begin(begun)
    answers.clear()
    following.go_on(begun)
    assert eventually(lambda: len(asked) == 2)
    following.go_on(begun)
    answers.set()
    ended = record(folder, (result(0), result(1)))
    write_run(folder, ended)
    following.end(ended)
    with Shelf(tmp_path / "shelf.db") as shelf:
        assert [(run.state, run.counts) for run in shelf.archive.runs()] == [(ENDED, Counts(2, passed=2))]
    assert asked == ["MainThread", "closet archive", "MainThread"], "what goes on is written one at a time"
    assert complaints == []


def test_what_is_not_taken_meanwhile_is_told_by_the_run_itself(folder: Path, tmp_path: Path) -> None:
    complaints: list[str] = []
    away = [False]

    def open_it(patience_s: float) -> Shelf:
        if away[0]:
            raise DataError("the shelf's database does not answer")
        return Shelf(tmp_path / "shelf.db", deadline_s=patience_s)

    following = RunArchive(open_it, folder, lambda _: complaints.append(threading.current_thread().name))
    begun = record(folder, (result(0),))
    write_run(folder, begun)
    following.begin(begun)
    away[0] = True

    def told() -> bool:
        following.go_on(begun)
        return bool(complaints)

    assert eventually(told)
    following.end(begun)
    assert complaints == ["MainThread"]


def test_runs_are_indexed_from_their_records(folder: Path, tmp_path: Path) -> None:
    cut_off = tmp_path / "runs" / "2026-11-21-002"
    damaged = tmp_path / "runs" / "2026-11-21-003"
    write_run(folder, record(folder, (result(0),)))
    write_run(cut_off, record(cut_off, (result(0), result(1, Verdict.ERROR, NOT_RUN))))
    write_run(damaged, record(damaged, ()))
    (damaged / "record.json").write_text("{}")
    with Shelf(tmp_path / "shelf.db") as shelf:
        found = [(path.name, error is None) for path, error in index_runs(tmp_path, shelf.archive)]
        assert found == [("2026-11-21-001", True), ("2026-11-21-002", True), ("2026-11-21-003", False)]
        assert {run.slug: run.state for run in shelf.archive.runs()} == {
            "2026-11-21-001": ENDED,
            "2026-11-21-002": RUNNING,
        }
        assert [path.name for path, _ in index_runs(tmp_path, shelf.archive)] == ["2026-11-21-003"]
        write_run(cut_off, record(cut_off, (result(0), result(1))))
        changed = [path.name for path, error in index_runs(tmp_path, shelf.archive) if error is None]
        assert changed == ["2026-11-21-002"]
        again = [path.name for path, error in index_runs(tmp_path, shelf.archive, all_of_them=True) if error is None]
        assert again == ["2026-11-21-001", "2026-11-21-002"]
        assert {run.state for run in shelf.archive.runs()} == {ENDED}


def test_who_works_on_a_run_is_seen_without_disturbing_it(folder: Path) -> None:
    assert not is_at_work(folder)
    with alone_in(folder):
        assert is_at_work(folder)
    assert not is_at_work(folder), "the file stays, the lock does not"
