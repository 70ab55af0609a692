"""Room on the orchestrator: what nobody needs goes, oldest first; what anybody needs stays."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.pipeline import garbage
from harness.pipeline.garbage import Keep, collect_garbage
from harness.pipeline.runs import LOCK, write_run
from harness.store import Approval, Store
from harness.verdict import JobResult, RunRecord, Verdict

NOW_S = 1_000_000_000.0
DAY_S = 86_400.0
ROOT = Path(__file__).parents[2]
SIZE = 1000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, depot="")


def put(store: Store, name: str, days_ago: float) -> str:
    digest = store.put_bytes(name.encode().ljust(SIZE)).sha256
    os.utime(store.path(digest), (NOW_S - days_ago * DAY_S,) * 2)
    return digest


def run(store: Store, name: str, days_ago: float, *traces: str, verdict: Verdict = Verdict.PASS) -> Path:
    results = tuple(
        JobResult(f"trial {number}", "d/l/0", "driving_model", "mici", verdict, candidate_trace=trace)
        for number, trace in enumerate(traces)
    )
    folder = store.home / "runs" / name
    folder.mkdir(parents=True)
    write_run(folder, RunRecord(name, "pr", "", (), {}, {}, (), {}, results))
    os.utime(folder / "record.json", (NOW_S - days_ago * DAY_S,) * 2)
    return folder


def approve(store: Store, trace: str, **changes: str) -> None:
    store.approve([Approval("now", "me", "why", "run", "d/l/0", "driving_model", "mici", trace, **changes)])


def test_the_least_recently_used_go_until_the_budget_is_kept(store):
    digests = [put(store, str(days), days) for days in (9, 5, 7, 3)]
    gone = collect_garbage(store, Keep(2 * SIZE), now_s=NOW_S)
    assert (gone.blobs, gone.freed_bytes, gone.kept_bytes, gone.over_budget) == (2, 2 * SIZE, 2 * SIZE, False)
    assert [store.has(digest) for digest in digests] == [False, True, False, True]
    assert collect_garbage(store, Keep(2 * SIZE), now_s=NOW_S).blobs == 0


def test_what_a_killed_program_left_half_done_goes_when_it_is_old(store):
    kept = put(store, "kept", 0.1)
    program = f"""
import os, signal, sys
from pathlib import Path
from harness.files import atomic_writer
from harness.store import blobs
home = Path({str(store.home)!r})
if sys.argv[1] == "link":
    os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    (home / "source").write_bytes(b"source")
    blobs.BlobStore(home / "store" / "blobs").put_file(home / "source", link=True)
with atomic_writer(home / "runs" / "one" / "record.json") as stream:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    for what in ("link", "part"):
        died = subprocess.run([sys.executable, "-c", program, what], cwd=ROOT, check=False)
        assert died.returncode == -signal.SIGKILL
    halves = [path for path in store.home.rglob(".*") if path.name.endswith(".part") or path.name.startswith(".link.")]
    assert len(halves) == 2
    others = [store.home / "runs" / "one" / name for name in ("mine.part", ".part", ".link.mine")]
    for path in others:
        path.write_text("somebody's")
    began_s = min(path.stat().st_mtime for path in halves)
    assert collect_garbage(store, Keep(1 << 40), now_s=began_s + 3000.0).halves == 0
    assert collect_garbage(store, Keep(1 << 40), dry_run=True, now_s=began_s + 4000.0).halves == 0
    assert all(path.exists() for path in halves)
    assert collect_garbage(store, Keep(1 << 40), now_s=began_s + 4000.0).halves == 2
    assert not any(path.exists() for path in halves)
    assert all(path.exists() for path in others)
    assert store.has(kept)


def test_what_is_needed_stays_whatever_the_budget(store):
    baseline, branch = put(store, "baseline", 90), put(store, "branch", 90)
    first, second = put(store, "replaced before", 90), put(store, "replaced", 90)
    named, quarantined, fresh = put(store, "named", 90), put(store, "quarantined", 90), put(store, "fresh", 0.5)
    old, older_evidence = put(store, "old", 90), put(store, "older evidence", 90)
    for trace in (first, second, baseline):
        approve(store, trace)
        os.utime(store.path(trace), (NOW_S - 90 * DAY_S,) * 2)
    approve(store, branch, branch="x")
    run(store, "2026-11-01-001", 80, older_evidence, verdict=Verdict.QUARANTINED)
    run(store, "2026-11-02-001", 70, quarantined, verdict=Verdict.QUARANTINED)
    run(store, "2026-11-03-001", 60, old)
    run(store, "2026-11-04-001", 50, named)
    gone = collect_garbage(store, Keep(0, runs=1), now_s=NOW_S)
    assert gone.over_budget
    stay = (baseline, branch, second, named, quarantined, fresh)
    assert [store.has(digest) for digest in stay] == [True] * len(stay)
    assert [store.has(digest) for digest in (first, old, older_evidence)] == [False] * 3
    assert sorted(folder.name for folder in (store.home / "runs").iterdir()) == ["2026-11-02-001", "2026-11-04-001"]


def test_evidence_of_what_is_quarantined_outlives_every_collection(store):
    evidence = put(store, "evidence", 90)
    folder = run(store, "2026-11-01-001", 80, evidence, verdict=Verdict.QUARANTINED)
    run(store, "2026-11-02-001", 50)
    for _ in range(2):
        assert collect_garbage(store, Keep(0, runs=1), now_s=NOW_S).over_budget
        assert (store.has(evidence), (folder / "record.json").is_file()) == (True, True)


def test_what_others_remove_meanwhile_does_no_harm(store, monkeypatch):
    # Another collection takes a run that was listed, and a live run a file of its own.
    listed = [run(store, f"2026-11-0{day}-001", 90 - day) for day in (1, 2, 3)]
    (listed[2] / "incoming").mkdir()
    (listed[2] / "incoming" / "half").write_bytes(b"half")
    found = garbage._runs

    def then_others_remove(home: Path) -> list[Path]:
        folders = found(home)
        shutil.rmtree(listed[0], ignore_errors=True)
        return folders

    lstat = Path.lstat

    def just_gone(path: Path) -> os.stat_result:
        path.unlink()
        return lstat(path)

    monkeypatch.setattr(garbage, "_runs", then_others_remove)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", lambda path: just_gone(path) if path.name == "half" else lstat(path))
        gone = collect_garbage(store, Keep(0, runs=1), now_s=NOW_S)
    assert gone.runs == 1, "only what this one removed"
    assert [folder.exists() for folder in listed] == [False, False, True]


def test_nothing_is_touched_by_a_dry_run(store):
    digest = put(store, "old", 90)
    folder = run(store, "2026-11-01-001", 90)
    run(store, "2026-11-02-001", 80)
    gone = collect_garbage(store, Keep(0, runs=1), dry_run=True, now_s=NOW_S)
    assert (gone.blobs, gone.runs) == (1, 1)
    assert store.has(digest)
    assert folder.is_dir()
    real = collect_garbage(store, Keep(0, runs=1), now_s=NOW_S)
    assert (real.blobs, real.runs, real.freed_bytes) == (1, 1, gone.freed_bytes)


def test_a_run_that_is_being_written_stays(store):
    folder = run(store, "2026-11-01-001", 90)
    run(store, "2026-11-02-001", 80)
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert collect_garbage(store, Keep(0, runs=1), now_s=NOW_S).runs == 0
    assert collect_garbage(store, Keep(0, runs=1), now_s=NOW_S).runs == 1
    assert not folder.exists()


def test_copies_that_emulated_workers_keep_count_and_go_first_unless_a_run_holds_them(store):
    digest = put(store, "trace", 90)
    for number in ("0", "1"):
        worker = store.home / "emulated" / number / "emulated-01" / "closet"
        for name in ("blobs/ab", "cache/pictures/ab", "epochs"):
            (worker / name).parent.mkdir(parents=True, exist_ok=True)
            (worker / name).write_bytes(bytes(SIZE))
        (worker.parents[1] / "lock").touch()
    assert collect_garbage(store, Keep(5 * SIZE), now_s=NOW_S).kept_bytes == 5 * SIZE
    with (store.home / "emulated" / "0" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for dry_run in (True, False):
            gone = collect_garbage(store, Keep(4 * SIZE), dry_run=dry_run, now_s=NOW_S)
            assert (gone.caches, gone.blobs, gone.freed_bytes, gone.kept_bytes) == (1, 0, 2 * SIZE, 3 * SIZE)
    left = [str(path.relative_to(store.home / "emulated")) for path in store.home.glob("emulated/*/*/closet/**/ab")]
    assert sorted(left) == ["0/emulated-01/closet/blobs/ab", "0/emulated-01/closet/cache/pictures/ab"]
    assert len([*store.home.glob("emulated/*/*/closet/epochs")]) == 2
    assert store.has(digest)


def test_what_is_put_or_found_again_counts_as_used(store):
    digest = put(store, "trace", 90)
    store.remember_trace("job", digest, {})
    assert store.find_trace("job") is not None
    assert store.path(digest).stat().st_mtime > NOW_S
    again = put(store, "again", 90)
    store.put_bytes(b"again".ljust(SIZE))
    assert store.path(again).stat().st_mtime > NOW_S


def test_bytes_shared_with_the_store_are_counted_once(store):
    digest = put(store, "trace", 0.5)
    folder = run(store, "2026-11-01-001", 1)
    os.link(store.path(digest), folder / "copy.trace")
    record_bytes = (folder / "record.json").stat().st_size
    assert collect_garbage(store, Keep(10**9), now_s=NOW_S).kept_bytes == SIZE + record_bytes
