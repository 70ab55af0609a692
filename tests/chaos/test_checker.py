"""A checker that never complains would make every scenario pass: each of its complaints can be provoked."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.closet.agent.removal import MARKER
from harness.closet.agent.selfcheck import scratch_prefix
from harness.domain import Device, DeviceKind, Lease, Priority
from harness.errors import ErrorDescription
from harness.shelf import Shelf
from harness.store import Store
from harness.verdict import NOT_RUN, CheckResult, Closeness, JobResult, RunRecord, Verdict
from tests.chaos.checker import check_exit, check_shelf, check_store, check_verdicts, check_worker, leftovers
from tests.chaos.faults import Fault, Kind, Moment
from tests.chaos.link import Loop
from tests.chaos.nursery import ROOT
from tests.chaos.workers import EmulatedWorker, eventually

_TAKES_AND_GOES = """
import os, sys
from harness.domain import Priority
from harness.shelf import Shelf
from tests.chaos.test_checker import take
shelf = Shelf(sys.argv[1])
take(shelf, shelf.join("run", suite="chaos", priority=Priority.PROMPT))
os._exit(0)
"""
CUT, KILLED = (Fault(kind, 0, Moment.SECONDS, 1.0) for kind in (Kind.CUT, Kind.AGENT_KILLED))
EXPECTED = {"a": Verdict.PASS, "b": Verdict.FAIL}
GONE = ErrorDescription("UnreachableError", "no heartbeat for 10 s")


def result(segment: str, verdict: Verdict, error: ErrorDescription | None = None) -> JobResult:
    checks = (CheckResult("states", Closeness.EXACT, (), 1, 1),)
    return JobResult(segment, segment, "selfdrive_state", "emulated", verdict, error, checks)


def record(*results: JobResult, **changes: Any) -> RunRecord:
    checks: dict[str, tuple[str, ...]] = dict.fromkeys(EXPECTED, ("states",))
    made = RunRecord("run", "chaos", "2026-11-21T00:00:00+00:00", (), {}, {}, (), checks, results)
    return replace(made, **changes)


RIGHT = record(result("a", Verdict.PASS), result("b", Verdict.FAIL))


def test_what_is_right_is_not_complained_of() -> None:
    assert check_verdicts(RIGHT, EXPECTED, ()) == []
    assert check_exit(RIGHT, 1) == []
    lost = record(result("a", Verdict.ERROR, GONE), result("b", Verdict.FAIL))
    assert check_verdicts(lost, EXPECTED, (CUT, KILLED)) == []


@pytest.mark.parametrize(
    ("found", "faults", "words"),
    [
        (record(result("a", Verdict.PASS), result("b", Verdict.PASS)), (CUT, KILLED), "wrong verdict: PASS"),
        (record(result("a", Verdict.FAIL), result("b", Verdict.FAIL)), (CUT, KILLED), "wrong verdict: FAIL"),
        (record(result("a", Verdict.PASS)), (CUT, KILLED), "lost job: b"),
        (record(*RIGHT.results, result("a", Verdict.PASS)), (), "a has two verdicts"),
        (record(*RIGHT.results, result("c", Verdict.PASS)), (), "c was never asked for"),
        (record(result("a", Verdict.ERROR, NOT_RUN), result("b", Verdict.FAIL)), (CUT, KILLED), "it was not run"),
        (record(result("a", Verdict.ERROR, GONE), result("b", Verdict.FAIL)), (), "wrong cause: UnreachableError"),
        (record(result("a", Verdict.ERROR, GONE), result("b", Verdict.FAIL)), (CUT,), "another device was there"),
        (replace(RIGHT, interrupted=True), (), "interrupted"),
        (replace(RIGHT, harness_error="Traceback\nKeyError: 1"), (), "KeyError: 1"),
    ],
)
def test_wrong_verdicts(found: RunRecord, faults: tuple[Fault, ...], words: str) -> None:
    (complaint,) = check_verdicts(found, EXPECTED, faults)
    assert words in complaint


def test_a_wrong_cause_is_not_the_right_one() -> None:
    crash = ErrorDescription("DeviceUnhealthyError", "the clock is 3600 s ahead")
    found = record(result("a", Verdict.ERROR, crash), result("b", Verdict.FAIL))
    clock = Fault(Kind.CLOCK_ORCHESTRATOR, -1, Moment.SECONDS, 1.0)
    assert check_verdicts(found, EXPECTED, (clock,)) == []
    assert check_verdicts(found, EXPECTED, (CUT, KILLED)) != []
    assert check_verdicts(record(result("a", Verdict.ERROR, GONE), *RIGHT.results[1:]), EXPECTED, (clock,)) != []


@pytest.mark.parametrize(("found", "code"), [(RIGHT, 0), (RIGHT, 3), (replace(RIGHT, harness_error="oh"), 4)])
def test_wrong_exit_codes(found: RunRecord, code: int) -> None:
    assert check_exit(found, code)


def test_stores(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        blob = store.put_bytes(b"trace")
        assert check_store(tmp_path, killed=False) == []
        half = store.path(blob.sha256).with_name(f".{blob.sha256}.x.part")
        half.write_bytes(b"tr")
        assert check_store(tmp_path, killed=True) == []
        assert "half a file" in check_store(tmp_path, killed=False)[0]
        half.unlink()
        store.path(blob.sha256).write_bytes(b"trade")
        assert "does not verify" in check_store(tmp_path, killed=True)[0]


@pytest.mark.parametrize("orderly", [True, False])
def test_shelves(tmp_path: Path, orderly: bool) -> None:
    path = tmp_path / "shelf.db"
    with Shelf(path) as shelf:
        holder = shelf.join("run", suite="chaos", priority=Priority.PROMPT)
        assert "holder left" in check_shelf(path, orderly=orderly)[0]
        lease = take(shelf, holder)
        assert "lease left: mici-01 slot 0" in check_shelf(path, orderly=orderly)[0]
        shelf.release(lease, "done")
        shelf.leave(holder)
    assert check_shelf(path, orderly=orderly) == []


def test_what_the_dead_left_is_only_forgiven_where_somebody_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "shelf.db"
    Shelf(path).close()
    subprocess.run([sys.executable, "-c", _TAKES_AND_GOES, str(path)], check=True, cwd=ROOT)
    assert [words.split(":")[0] for words in check_shelf(path, orderly=True)] == ["lease left", "holder left"]
    assert check_shelf(path, orderly=False) == []


def take(shelf: Shelf, holder: str) -> Lease:
    """The one slot of a device."""
    shelf.register(Device("mici-01", DeviceKind.MICI, "", 22, "", "", "", "", ""))
    lease = shelf.acquire(
        holder, "mici-01", 0, kind=DeviceKind.MICI, tags=(), hard_end_s=60.0, least_epoch=0, proving=True
    )
    assert lease is not None
    return lease


@pytest.fixture
def worker(tmp_path: Path, loop: Loop) -> Iterator[EmulatedWorker]:
    found = EmulatedWorker("emulated-01", tmp_path / "worker", loop)
    found.wipe()
    yield found
    found.close()


@pytest.mark.parametrize("marked", ["CLOSET_JOB={work}/jobs/x-0-1", "CLOSET_EMULATED={disk}"])
def test_processes_that_are_left(worker: EmulatedWorker, marked: str) -> None:
    name, _, value = marked.format(work=worker.work_folder, disk=worker.work_folder.parent).partition("=")
    sleeper = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(sleeper, env={name: value}, start_new_session=True) as left:
        assert eventually(lambda: any(str(left.pid) in entry for entry in leftovers(worker)), 10.0)
        os.kill(left.pid, signal.SIGKILL)
    assert leftovers(worker) == []


def test_files_and_slots_that_are_left(worker: EmulatedWorker) -> None:
    for name in ("blobs/.0.1.part", "code/.0.1.2", "jobs/x-0-1/out/trace", "slots/0.part"):
        path = worker.work_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = sorted(entry.partition(": ")[2] for entry in leftovers(worker))
    assert found == [
        "half a file blobs/.0.1.part",
        "half a file code/.0.1.2",
        "half a file slots/0.part",
        "job folder x-0-1",
    ]
    scratch = Path("/dev/shm", f"{scratch_prefix(worker.work_folder)}x-0-1-chaos")  # noqa: S108 where jobs have it
    scratch.touch()
    assert f"emulated-01: temporary file {scratch}" in leftovers(worker)
    worker.wipe()
    assert leftovers(worker) == []
    (worker.work_folder / "slots").mkdir(parents=True)
    with (worker.work_folder / "slots" / "1.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "emulated-01: slot 1 is held" in leftovers(worker)
    assert "emulated-01: slot 1 is held" not in leftovers(worker)


def test_whoever_comes_next_tidies_up_whatever_was_planned_for_the_link(worker: EmulatedWorker) -> None:
    worker.start()
    (worker.work_folder / "jobs" / "x-0-1").mkdir(parents=True)
    (worker.work_folder / MARKER).touch()
    worker.link.cut_at(worker.link.up, 2000)
    assert check_worker(worker, hit=True, slots=1) == ([], True)
