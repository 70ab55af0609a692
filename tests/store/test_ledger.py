"""The ledger under several writers, kills and damage."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from harness.errors import DataError
from harness.store import Approval, Ledger

PLACE = ("d/l/0", "driving_model", "mici")


def approval(trace: str = "a" * 64, segment: str = "d/l/0", reason: str = "better on curves") -> Approval:
    return Approval("2026-11-21T03:00:00+00:00", "me", reason, "run-1", segment, "driving_model", "mici", trace)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "baselines.jsonl")


def test_nothing_is_approved_at_first(ledger):
    assert ledger.entries() == ()
    assert ledger.approved(*PLACE) is None


def test_the_latest_approval_holds_and_names_what_it_replaces(ledger):
    ledger.approve([approval("a" * 64)])
    (second,) = ledger.approve([approval("b" * 64)])
    assert second.replaces == "a" * 64
    assert ledger.approved(*PLACE) == second
    assert [entry.trace_sha256[0] for entry in ledger.entries()] == ["a", "b"]
    assert ledger.entries()[0].replaces == ""


@pytest.mark.parametrize("field", ["segment", "replayer", "device_kind"])
def test_an_approval_touches_no_other_place(ledger, field):
    ledger.approve([approval()])
    ledger.approve([dataclasses.replace(approval("b" * 64), **{field: "other"})])
    found = ledger.approved(*PLACE)
    assert found is not None
    assert found.trace_sha256 == "a" * 64


def test_it_is_read_back_by_another_process(ledger):
    written = ledger.approve([approval(), approval("c" * 64, "d/l/1")])
    assert Ledger(ledger.path).entries() == written


def test_lines_are_only_ever_added(ledger):
    ledger.approve([approval()])
    before = ledger.path.read_bytes()
    ledger.approve([approval("b" * 64)])
    assert ledger.path.read_bytes().startswith(before)


@pytest.mark.parametrize("entry", [approval(reason="  "), dataclasses.replace(approval(), who=""), approval("")])
def test_who_why_and_what_are_needed(ledger, entry):
    with pytest.raises(DataError, match="needs who"):
        ledger.approve([approval(segment="d/l/5"), entry])
    assert ledger.entries() == ()


def test_two_traces_for_one_place_are_refused(ledger):
    with pytest.raises(DataError, match="one place"):
        ledger.approve([approval("a" * 64), approval("b" * 64)])
    assert ledger.entries() == ()


def test_a_torn_line_is_ignored_at_every_length_and_then_repaired(ledger):
    ledger.approve([approval()])
    whole = ledger.path.read_bytes()
    ledger.approve([approval("b" * 64), approval("c" * 64, "d/l/1")])
    both = ledger.path.read_bytes()
    for end in range(len(whole), len(both)):
        ledger.path.write_bytes(both[:end])
        assert len(Ledger(ledger.path).entries()) == 1, end
    (third,) = Ledger(ledger.path).approve([approval("d" * 64)])
    assert third.replaces == "a" * 64
    assert [entry.trace_sha256[0] for entry in Ledger(ledger.path).entries()] == ["a", "d"]
    assert ledger.path.read_bytes().startswith(whole)
    assert ledger.path.read_bytes().endswith(b"\n")


def test_a_damaged_line_is_named_and_nothing_is_written_after_it(ledger):
    ledger.approve([approval()])
    ledger.approve([approval("b" * 64)])
    damaged = ledger.path.read_bytes().replace(b"curves", b"CURVES", 1)
    ledger.path.write_bytes(damaged)
    for act in (Ledger(ledger.path).entries, lambda: Ledger(ledger.path).approve([approval("c" * 64)])):
        with pytest.raises(DataError, match="damaged") as caught:
            act()
        assert caught.value.where.endswith("baselines.jsonl:1")
    assert ledger.path.read_bytes() == damaged


@pytest.mark.parametrize(
    "line", [b"[]\n", b"{}\n", b"null\n", b"\n", b"\xff\n", b'{"approvals": [{}], "sha256": ""}\n']
)
def test_foreign_lines_are_damage(ledger, line):
    ledger.path.write_bytes(line)
    with pytest.raises(DataError, match="damaged"):
        ledger.entries()


WRITER = """
import sys, itertools
from pathlib import Path
from harness.store import Approval, Ledger
ledger, name, count = Ledger(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for n in itertools.count() if count < 0 else range(count):
    ledger.approve([
        Approval("now", name, f"{n}", "run", f"{name}/{n}/{part}", "driving_model", "mici", f"{part}" * 64)
        for part in range(5)
    ])
    print(n, flush=True)
"""


def start_writer(path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_writers_in_several_processes_lose_nothing(ledger):
    writers = [start_writer(ledger.path, f"writer{n}", 10) for n in range(4)]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    entries = ledger.entries()
    assert len(entries) == 4 * 10 * 5
    for n in range(4):
        mine = [int(entry.reason) for entry in entries if entry.who == f"writer{n}"]
        assert mine == [k for k in range(10) for _ in range(5)]


def test_a_kill_at_any_point_leaves_whole_batches(ledger):
    rng = random.Random(7)
    reported: dict[str, int] = {}
    for attempt in range(8):
        writer = start_writer(ledger.path, f"victim{attempt}", -1)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        # Killed at a random moment of its work: the moment is what is tested, nothing waits for it to be enough. Half
        # of them have done something by then, however slow the disk is.
        first = [writer.stdout.readline()] if attempt % 2 else []
        time.sleep(rng.uniform(0, 0.03))
        os.kill(writer.pid, signal.SIGKILL)
        said = [*first, *writer.stdout.read().split()]
        writer.wait(30)
        writer.stdout.close()
        reported[f"victim{attempt}"] = len(said)
        ledger.approve([approval("e" * 64, f"after/{attempt}/0")])  # repairs, and is not stopped by the dead one's lock
    entries = Ledger(ledger.path).entries()
    for name, count in reported.items():
        batches = [entry for entry in entries if entry.who == name]
        assert len(batches) % 5 == 0
        # What was reported as done is there; at most the batch that was being written is there beyond it.
        assert count <= len(batches) // 5 <= count + 1
    assert sum(entry.who == "me" for entry in entries) == 8
    assert sum(reported.values()) >= 4
    for line in ledger.path.read_bytes().splitlines():
        assert len(json.loads(line)["approvals"]) in {1, 5}
