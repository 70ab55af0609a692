"""The agent as it travels: one zip file run by a Python, spoken to over pipes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import queue
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from harness.closet.agent import orphans
from harness.closet.agent.job import result_files
from harness.closet.agent.orphans import end_orphan, sweep_orphans
from harness.closet.agent.processes import end_processes, members
from harness.closet.agent.refusal import Refused
from harness.closet.agent.selfcheck import scratch_prefix
from harness.closet.agent.server import Server
from harness.closet.code_bundle import agent_bundle
from tests.closet.conftest import alive, eventually, processes_with

SLEEPS = "import json, os, time; print(json.dumps({'pid': os.getpid()})); time.sleep(600)"


class Agent:
    """A running agent and what it says."""

    def __init__(self, root: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        program = root.parent / "agent.pyz"
        if not program.exists():  # another agent may be loading it just now
            program.write_bytes(agent_bundle())
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(program), "serve", "--root", str(root), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], **(environment or {})},
        )
        self.lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.number = 0
        self.other: list[dict[str, Any]] = []

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def tell(self, **request: object) -> None:
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, request: str, **fields: object) -> dict[str, Any]:
        self.number += 1
        self.tell(id=self.number, do=request, **fields)
        return self.until(lambda message: message.get("id") == self.number)

    def until(self, wanted) -> dict[str, Any]:
        for message in [*self.other]:
            if wanted(message):
                self.other.remove(message)
                return message
        while not wanted(message := self.lines.get(timeout=15)):
            self.other.append(message)
        return message

    def start(self, epoch: int, program: str = "", slot: int = 0, **changes: object) -> dict[str, Any]:
        fields = {"slot": slot, "epoch": epoch, "name": f"job-{slot}-{epoch}", "job_text": "{}", "code": "none"}
        return self.ask("start", **{**fields, "arguments": ["-c", program], "deadline_s": 30.0, **changes})

    def ended(self, epoch: int, slot: int = 0) -> dict[str, Any]:
        return self.until(lambda message: message.get("job") == f"job-{slot}-{epoch}" and "ended" in message)["ended"]

    def progress(self) -> dict[str, Any]:
        return self.until(lambda message: "progress" in message)["progress"]

    def close(self) -> int:
        self.process.stdin.close()
        status = self.process.wait(15)
        self.reader.join()
        self.process.stdout.close()
        return status


@contextmanager
def running(root: Path, *options: str, **more: Any) -> Iterator[Agent]:
    agent = Agent(root, *options, **more)
    try:
        yield agent
    finally:
        assert agent.close() == 0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "work"


def store(root: Path, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    (root / "blobs" / digest).write_bytes(content)
    return digest


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_says_what_the_device_is(root: Path) -> None:
    digest = store(root, b"something")
    with running(root) as agent:
        hello = agent.ask("hello", slots=2)["ok"]
        assert hello["cpus"] == os.cpu_count()
        assert hello["epochs"] == [0, 0]
        assert hello["blobs"] == [digest]
        assert hello["free_bytes"] > 0
        assert hello["root"] == str(root)
        assert hello["python"] == sys.version.split()[0]


def test_beats(root: Path) -> None:
    with running(root) as agent:
        for _ in range(2):
            assert agent.until(lambda message: "beat" in message)["beat"] == []


def test_an_epoch_is_used_once_and_survives_the_agent(root: Path) -> None:
    with running(root) as agent:
        assert "ok" in agent.start(5)
        assert agent.ended(5)["exit"] == 0
        agent.ask("clean", name="job-0-5", pin="")
        for stale in (5, 4, 0, -1):
            assert agent.start(stale)["error"]["kind"] == "LeaseLostError"
        assert "ok" in agent.start(1, slot=1), "every slot has its own"
        agent.ended(1, 1)
    with running(root) as agent:
        assert agent.ask("hello", slots=3)["ok"]["epochs"] == [5, 1, 0]
        error = agent.start(5)["error"]
        assert error["kind"] == "LeaseLostError"
        assert "stale" in error["problem"]
        assert "ok" in agent.start(6)


def test_an_epoch_that_cannot_be_noted_leaves_nothing_and_starts_nothing(root: Path) -> None:
    """As on a full disk: the half that was written goes, at the latest with the next agent."""
    with running(root) as agent:
        agent.ask("hello", slots=1)
        (root / "slots" / "0.json").mkdir()  # no file can take that place
        assert "error" in agent.start(1)
        assert not list((root / "slots").glob("*.part"))
        assert list((root / "jobs").iterdir()) == []
        (root / "slots" / "0.json").rmdir()
        assert "ok" in agent.start(1)
    (root / "slots" / "0.part").write_text("half, of one that was killed")
    with running(root) as agent:
        agent.ask("hello", slots=1)
        assert not (root / "slots" / "0.part").exists()


def test_a_slot_takes_one_job_also_from_two_agents(root: Path) -> None:
    with running(root) as first, running(root) as second:
        assert "ok" in first.start(1, SLEEPS)
        first.progress()
        for agent in (first, second):
            error = agent.start(2)["error"]
            assert error["kind"] == "LeaseLostError"
            assert "busy" in error["problem"]
        assert "ok" in second.start(1, slot=1)
        first.ask("clean", name="job-0-1", pin="")
        assert "ok" in second.start(3), "a refused epoch is not used up by the refusal of a busy slot"


def test_a_second_agent_does_not_touch_the_jobs_of_a_living_one(root: Path) -> None:
    with running(root) as first:
        first.start(1, SLEEPS)
        pid = first.progress()["pid"]
        with running(root) as second:
            second.ask("hello", slots=1)
            assert alive(pid)
        assert alive(pid)
    assert not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, None])
def test_at_its_end_it_takes_its_jobs_along(root: Path, number: signal.Signals | None) -> None:
    with running(root) as agent:
        agent.start(1, "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEPS)
        pid = agent.progress()["pid"]
        if number is not None:
            agent.process.send_signal(number)
        agent.close()
    assert not alive(pid)
    assert list((root / "jobs").iterdir()) == []


def test_an_orchestrator_that_falls_silent_is_gone(root: Path) -> None:
    with running(root, "--silence-s", "0.5") as agent:
        agent.start(1, SLEEPS)
        pid = agent.progress()["pid"]
        assert agent.process.wait(15) == 0
        assert not alive(pid)
        assert list((root / "jobs").iterdir()) == []


def test_what_a_killed_agent_left_is_ended_by_the_next(root: Path) -> None:
    agent = Agent(root)
    agent.start(1, SLEEPS)
    pid = agent.progress()["pid"]
    (root / "blobs" / f".{'a' * 64}.{agent.process.pid}.part").write_bytes(b"half")
    agent.process.kill()
    agent.process.wait()
    assert alive(pid)
    with running(root) as following:
        following.ask("hello", slots=1)
        assert not alive(pid)
        assert list((root / "jobs").iterdir()) == []
        assert list((root / "blobs").iterdir()) == []
        assert "ok" in following.start(2)
    agent.close()


def test_what_a_killed_agent_left_on_a_slot_is_ended_before_another_living_one_starts_there(root: Path) -> None:
    lost = Agent(root)
    with running(root) as other:
        other.ask("hello", slots=1)  # what it sweeps at its start is over
        lost.start(1, "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEPS)
        pid = lost.progress()["pid"]
        lost.process.kill()
        lost.process.wait()
        assert alive(pid)
        assert "ok" in other.start(2, SLEEPS)
        assert not alive(pid)
        assert names(root / "jobs") == ["job-0-2"]
    lost.close()


def test_a_slot_whose_lost_job_cannot_be_ended_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(root, 1 << 30, 60.0)
    monkeypatch.setattr(orphans, "end_processes", lambda *_: (2, [77, 78]))
    (root / "jobs" / "job-0-1").mkdir()
    (root / "slots" / "0.json").write_text('{"epoch": 1, "job": "job-0-1"}')
    request = {"slot": 0, "epoch": 2, "name": "job-0-2", "job_text": "", "arguments": (), "code": "", "deadline_s": 9}
    with pytest.raises(Refused, match="outlived SIGKILL: 77, 78"):
        server.do_start(request)
    assert server.do_epochs({}) == [1], "the epoch was not used up"
    assert names(root / "jobs") == ["job-0-1"], "the next one finds it too"
    monkeypatch.undo()
    assert end_orphan(root, 0) == []
    assert names(root / "jobs") == []
    server._end()


def test_a_job_that_begins_while_an_agent_sweeps_is_left_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("jobs", "slots"):
        (root / name).mkdir(parents=True)
    (root / "jobs" / "job-0-1").mkdir()
    (root / "slots" / "0.json").write_text('{"epoch": 1, "job": "job-0-1"}')

    def starts(lock: BinaryIO, how: int) -> None:
        """Another agent has the slot already, which still names the last job, and makes the folder of the next."""
        (root / "jobs" / "job-0-2").mkdir()
        raise BlockingIOError

    (root / "slots" / "0.lock").touch()
    (root / "jobs" / "job-1-1").mkdir()
    monkeypatch.setattr(orphans.fcntl, "flock", starts)
    sweep_orphans(root)
    assert names(root / "jobs") == ["job-0-1", "job-0-2"]


def test_a_job_sees_little_of_the_world(root: Path) -> None:
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    with running(root, environment={"SECRET": "1", "CLOSET_SHELF": "x", "CLOSET_THREADS": "3"}) as agent:
        agent.start(1, program)
        seen = agent.progress()
    assert "SECRET" not in seen
    assert seen["CLOSET_THREADS"] == "3"
    assert seen["OMP_NUM_THREADS"] == seen["OPENBLAS_NUM_THREADS"] == "1"
    assert seen["PYTHONPATH"] == str(root / "code" / "none")
    assert seen["TMPDIR"].startswith(str(root / "jobs" / "job-0-1"))


def test_cores_are_shared_among_slots(root: Path) -> None:
    with running(root) as agent:
        agent.ask("hello", slots=1)
        agent.start(1, "import json, os; print(json.dumps({'n': os.environ['CLOSET_THREADS']}))")
        assert agent.progress()["n"] == str(os.cpu_count())
        agent.ask("hello", slots=1000)
        agent.start(1, "import json, os; print(json.dumps({'n': os.environ['CLOSET_THREADS']}))", slot=1)
        assert agent.progress()["n"] == "1"


def test_a_chatty_job_is_thinned_out_and_its_stderr_bounded(root: Path) -> None:
    program = (
        "import json, sys\nfor n in range(5000): print(json.dumps({'n': n}))\n"
        "sys.stderr.write('x' * 1_000_000 + 'THE END')"
    )
    with running(root) as agent:
        agent.start(1, program)
        ended = agent.ended(1)
        told = [message for message in agent.other if "progress" in message]
        assert 50 <= len(told) <= 1000
        assert len(ended["stderr"]) <= 64 * 1024
        assert ended["stderr"].endswith("THE END")


def test_kill_answers_when_everything_is_gone(root: Path) -> None:
    program = (
        "import json, os, signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN); "
        "sleeper = [sys.executable, '-c', 'import time; time.sleep(600)']; "
        "left = subprocess.Popen(sleeper, start_new_session=True); "
        "forgot = subprocess.Popen(sleeper, env={}, process_group=0); "
        "print(json.dumps({'pids': [os.getpid(), left.pid, forgot.pid]})); time.sleep(600)"
    )
    with running(root) as agent:
        agent.start(1, program)
        pids = agent.progress()["pids"]
        assert agent.ask("kill", name="job-0-1", grace_s=0.1)["ok"] == []
        assert not [pid for pid in pids if alive(pid)]
        ended = agent.ended(1)
        assert ended["killed"] is True
        assert ended["exit"] == -signal.SIGKILL


def test_the_longest_unused_blobs_make_room_and_pinned_ones_stay(root: Path) -> None:
    old, pinned, fresh = (store(root, bytes([n]) * 1000) for n in range(3))
    for age, digest in ((30, pinned), (20, old), (10, fresh)):
        os.utime(root / "blobs" / digest, (1_000_000 - age, 1_000_000 - age))
    with running(root, "--cache-bytes", "3500") as agent:
        assert agent.ask("need", pin="p", blobs=[(pinned, 1000)])["ok"] == []
        os.utime(root / "blobs" / pinned, (1, 1))
        assert agent.ask("need", pin="q", blobs=[("f" * 64, 1000)])["ok"] == ["f" * 64]
        assert names(root / "blobs") == sorted([pinned, fresh])
        agent.ask("clean", name="", pin="p")
        assert agent.ask("need", pin="q", blobs=[("e" * 64, 1501)])["ok"] == ["e" * 64]
        assert names(root / "blobs") == [fresh]


def test_a_blob_of_another_size_is_not_there(root: Path) -> None:
    digest = store(root, b"cut off")
    with running(root) as agent:
        assert agent.ask("need", pin="p", blobs=[(digest, 8)])["ok"] == [digest]
        assert not (root / "blobs" / digest).exists()


def test_a_blob_that_decayed_is_not_there(root: Path) -> None:
    digest = store(root, b"as it came")
    with running(root) as agent:
        assert agent.ask("need", pin="p", blobs=[(digest, 10)])["ok"] == []
        (root / "blobs" / digest).write_bytes(b"as it went")
        assert agent.ask("need", pin="p", blobs=[(digest, 10)])["ok"] == [digest]
    damaged = store(root, b"0123456789")
    (root / "blobs" / damaged).write_bytes(b"0123456780")
    with running(root) as agent:
        assert agent.ask("need", pin="p", blobs=[(damaged, 10)])["ok"] == [damaged]
        assert not (root / "blobs" / damaged).exists()


def test_a_program_that_decayed_is_unpacked_anew(root: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("a.py", "b.py"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            archive.addfile(entry, io.BytesIO(b"x=1"))
    digest = store(root, stream.getvalue())
    folder = root / "code" / digest
    with running(root) as agent:
        assert agent.ask("unpack", code=digest)["ok"] is None
    for damage in (lambda: (folder / "a.py").write_bytes(b""), (folder / "b.py").unlink):
        damage()
        (folder / "__pycache__").mkdir()
        with running(root) as agent:
            assert agent.ask("unpack", code=digest)["ok"] is None
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.py": b"x=1", "b.py": b"x=1"}
        assert names(root / "code") == [digest]


def test_more_than_the_disk_holds_is_refused_at_once(root: Path) -> None:
    with running(root) as agent:
        error = agent.ask("need", pin="p", blobs=[("f" * 64, 10**18)])["error"]
        assert error["kind"] == "StagingFailedError"
        assert "MB free of 1000" in error["problem"]


def age(path: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(path, (at, at))


def test_what_jobs_put_by_and_old_programs_go_within_the_same_bound(root: Path) -> None:
    with running(root, "--cache-bytes", "3800") as agent:
        agent.ask("hello", slots=1)
        blob = store(root, bytes(1000))
        (root / "cache" / "kernels").mkdir()
        for name, seconds in (("kernels/old.so", 3000), ("older.features", 4000), ("new.features", 5)):
            (root / "cache" / name).write_bytes(bytes(1000))
            age(root / "cache" / name, seconds)
        for name in ("a" * 64, "b" * 64):
            (root / "code" / name).mkdir()
            (root / "code" / name / "program.py").write_bytes(bytes(500))
            age(root / "code" / name, 5000)
        age(root / "blobs" / blob, 2000)
        agent.ask("need", pin="p", blobs=[("b" * 64, 1)])
        agent.ask("need", pin="q", blobs=[("f" * 64, 1000)])
        assert names(root / "code") == ["b" * 64], "a program in use stays"
        assert names(root / "cache") == ["kernels", "new.features"]
        assert names(root / "cache" / "kernels") == []
        assert names(root / "blobs") == [blob]
        agent.ask("need", pin="r", blobs=[("e" * 64, 3000)])
        assert names(root / "blobs") == []
        assert names(root / "cache") == ["kernels", "new.features"], "a job may be about to read it"


def test_an_agent_that_starts_keeps_the_bound_too(root: Path) -> None:
    old, fresh = store(root, b"a" * 1000), store(root, b"b" * 1000)
    for digest, seconds in ((old, 200), (fresh, 100)):
        age(root / "blobs" / digest, seconds)
    with running(root, "--cache-bytes", "1500") as agent:
        agent.ask("hello", slots=1)
        assert names(root / "blobs") == [fresh]


def test_halves_that_jobs_left_in_the_cache_go_when_they_are_old(root: Path) -> None:
    (root / "cache").mkdir(parents=True)
    for name, seconds in ((".old.x.part", 7200), (".new.x.part", 5)):
        (root / "cache" / name).write_bytes(b"half")
        age(root / "cache" / name, seconds)
    with running(root) as agent:
        agent.ask("hello", slots=1)
        assert names(root / "cache") == [".new.x.part"]


def test_what_one_agent_needs_another_does_not_evict_and_the_pins_of_the_dead_are_none(root: Path) -> None:
    needed, old = store(root, b"a" * 1000), store(root, b"b" * 1000)
    for digest in (needed, old):
        os.utime(root / "blobs" / digest, (1, 1))
    first = Agent(root)
    try:
        assert first.ask("need", pin="p", blobs=[(needed, 1000)])["ok"] == []
        os.utime(root / "blobs" / needed, (1, 1))
        with running(root, "--cache-bytes", "2500") as second:
            second.ask("need", pin="p", blobs=[("f" * 64, 1000)])
            assert names(root / "blobs") == [needed]
            first.process.kill()
            first.process.wait()
            second.ask("need", pin="q", blobs=[("e" * 64, 2000)])
            assert names(root / "blobs") == []
            assert len([path for path in (root / "pins").iterdir() if path.name != ".lock"]) == 1
    finally:
        first.process.kill()
        first.close()
    assert [path.name for path in (root / "pins").iterdir()] == [".lock"]


@pytest.mark.parametrize("pace", ["slow", "fast"])
def test_a_fork_bomb_is_bounded_and_ended(root: Path, pace: str) -> None:
    # As many as it can get. The children leave the session, so that they are found by their mark alone.
    program = (
        "import json, os, time\n"
        "made = 0\n"
        "while made < 3000:\n"
        "    try:\n"
        "        pid = os.fork()\n"
        "    except OSError:\n"
        "        print(json.dumps({'made': made}), flush=True); time.sleep(600)\n"
        "    if pid == 0:\n"
        "        os.setsid(); time.sleep(600)\n"
        "    made += 1\n" + ("    time.sleep(0.002)\n" if pace == "slow" else "") + "time.sleep(600)"
    )
    with running(root) as agent:
        agent.start(1, program)
        ended = agent.ended(1)
        assert ended["too_many"] > 256
        assert ended["too_many"] < 3000
        assert ended["survivors"] == []
        assert ended["elapsed_s"] < 15.0
        assert not processes_with(f"CLOSET_JOB={root}/")
        agent.ask("clean", name="job-0-1", pin="")
        assert "ok" in agent.start(2, "print(1)"), "the device goes on"
        assert agent.ended(2)["exit"] == 0


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("../outside", tarfile.REGTYPE, ""),
        ("/outside", tarfile.REGTYPE, ""),
        ("a/../../outside", tarfile.REGTYPE, ""),
        ("a", tarfile.SYMTYPE, "/outside"),
        ("a", tarfile.LNKTYPE, "little.py"),
        ("a", tarfile.FIFOTYPE, ""),
    ],
)
def test_code_that_would_leave_its_folder_or_is_no_file_is_refused(
    root: Path, name: str, kind: bytes, target: str
) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for each, what in (("little.py", tarfile.REGTYPE), (name, kind), ("a/outside", tarfile.REGTYPE)):
            entry = tarfile.TarInfo(each)
            entry.type, entry.linkname = what, target
            entry.size = 1 if what == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(b"x"))
    digest = store(root, stream.getvalue())
    with running(root) as agent:
        answer = agent.ask("unpack", code=digest)
    assert answer["error"]["kind"] == "DataError"
    assert name in answer["error"]["problem"]
    assert list((root / "code").iterdir()) == []
    assert not Path("/outside").exists()


def test_code_that_is_no_archive_is_refused_and_leaves_nothing(root: Path) -> None:
    digest = store(root, b"not a tar")
    with running(root) as agent:
        assert agent.ask("unpack", code=digest)["error"]["kind"] == "DataError"
    assert list((root / "code").iterdir()) == []


def test_results_are_plain_files_only(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    one = hashlib.sha256(b"1").hexdigest()
    assert result_files(tmp_path) == [("b", 0, hashlib.sha256(b"").hexdigest()), ("sub/a", 1, one)]


def test_too_many_results_are_refused(tmp_path: Path) -> None:
    for n in range(1001):
        (tmp_path / str(n)).touch()
    with pytest.raises(Refused, match="more than 1000 files"):
        result_files(tmp_path)


@pytest.mark.parametrize("marker", ["", "=", "NAME", "NAME=", "=value"])
def test_a_marker_that_could_be_anybodys_is_refused(marker: str) -> None:
    with pytest.raises(ValueError, match="marker"):
        end_processes(0, marker, 0.0)


def test_a_session_that_is_not_a_jobs_is_refused() -> None:
    own = os.getsid(0)
    for session in {1, own} - {0}:
        with pytest.raises(ValueError, match="session"):
            members(session, "CLOSET_JOB=nobody")


def test_a_process_is_found_by_session_or_marker_and_nobody_else_is() -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    marker = f"CLOSET_JOB=test-{os.getpid()}"
    name, value = marker.split("=")
    inside = subprocess.Popen(sleeper, start_new_session=True)
    marked = subprocess.Popen(sleeper, env={name: value})
    near = subprocess.Popen(sleeper, env={name: value + "0", "OTHER": marker})
    try:
        assert eventually(lambda: sorted(members(inside.pid, marker)) == sorted([inside.pid, marked.pid]))
        assert end_processes(inside.pid, marker, 1.0) == (2, [])
        assert near.poll() is None
        assert (inside.wait(), marked.wait()) == (-15, -15)
    finally:
        for process in (inside, marked, near):
            process.kill()
            process.wait()


# ---- bytes -----------------------------------------------------------------------------------------------------------


def move(root: Path, given: bytes) -> tuple[bytes, int]:
    program = root.parent / "agent.pyz"
    program.write_bytes(agent_bundle())
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-I", str(program), "files", "--root", str(root)],
        input=given,
        stdout=subprocess.PIPE,
        timeout=20,
        check=False,
    )
    return done.stdout, done.returncode


def header(**request: object) -> bytes:
    return json.dumps(request).encode() + b"\n"


def test_blobs_come_in_and_results_go_out_over_one_command(root: Path) -> None:
    contents = [b"", b"line\nline\n", os.urandom(3_000_000)]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    (root / "jobs" / "j" / "out").mkdir(parents=True)
    (root / "jobs" / "j" / "out" / "r").write_bytes(contents[2])
    given = b"".join(
        header(put=digest, size=len(content)) + content for digest, content in zip(digests, contents, strict=True)
    )
    out, status = move(root, given + header(get="j", name="r") + header(get="j", name="nothing"))
    assert status == 0
    assert out.startswith(b'{"ok": true}\n' * 3 + b'{"size": 3000000}\n' + contents[2])
    assert json.loads(out[out.rindex(b'{"error"') :])["error"]["kind"] == "DeviceUnhealthyError"
    assert {path.name: path.read_bytes() for path in (root / "blobs").iterdir()} == dict(
        zip(digests, contents, strict=True)
    )


def test_a_blob_with_another_digest_is_refused_and_the_next_one_taken(root: Path) -> None:
    good = hashlib.sha256(b"good").hexdigest()
    out, _ = move(root, header(put="0" * 64, size=3) + b"bad" + header(put=good, size=4) + b"good")
    first, second = out.splitlines()
    assert json.loads(first)["error"]["kind"] == "StagingFailedError"
    assert json.loads(second) == {"ok": True}
    assert names(root / "blobs") == [good]


def test_a_blob_that_breaks_off_leaves_nothing(root: Path) -> None:
    out, status = move(root, header(put="0" * 64, size=1000) + b"only this")
    assert (out, status) == (b"", 1)
    assert names(root / "blobs") == []


def test_an_agent_killed_as_it_tidies_up_leaves_what_the_next_one_finds(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("jobs", "slots"):
        (root / name).mkdir(parents=True)
    folder, scratch = root / "jobs" / "gone-0-1", Path("/dev/shm", f"{scratch_prefix(root)}gone-0-1-x")  # noqa: S108
    folder.mkdir()
    scratch.touch()

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(orphans.shutil, "rmtree", killed)
    with pytest.raises(SystemExit):
        sweep_orphans(root)
    assert (folder.is_dir(), scratch.exists()) == (True, False), "the folder is how the rest is known of"
    monkeypatch.undo()
    sweep_orphans(root)
    assert not folder.exists()
