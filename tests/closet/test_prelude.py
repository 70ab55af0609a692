"""Before a job: is the device parked, and what is cleared away. With real files, and a real agent."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.closet.agent.prelude import clear, onroad, prelude
from harness.closet.agent.refusal import Refused
from harness.closet.agent.selfcheck import scratch_prefix
from harness.closet.agent.server import Server
from harness.closet.code_bundle import agent_bundle
from harness.closet.emulator import emulated_closet
from harness.closet.work import JobStarted, PoolEvent
from tests.closet.conftest import Bench, alive, eventually
from tests.closet.test_agent import SLEEPS, running

MANAGER = b"python3\0./manager.py\0"
CARD = b"openpilot.selfdrive.car.card\0"


def comma_device(
    folder: Path, params: Mapping[str, str] | None, programs: Mapping[int, bytes] | None = None, **environment: bytes
) -> Path:
    """A device's system as far as it is looked at: parameters (None: no comma device) and processes by id."""
    if params is not None:
        (folder / "data" / "params" / "d").mkdir(parents=True)
        for name, value in params.items():
            (folder / "data" / "params" / "d" / name).write_text(value)
    for pid, words in (programs or {}).items():
        (folder / "proc" / str(pid)).mkdir(parents=True)
        (folder / "proc" / str(pid) / "cmdline").write_bytes(words)
        (folder / "proc" / str(pid) / "environ").write_bytes(environment.get(f"of_{pid}", b"HOME=/root\0"))
        (folder / "proc" / str(pid) / "cwd").symlink_to("/data/openpilot/system/manager")
    (folder / "proc").mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("params", "programs", "driven"),
    [
        (None, {}, False),
        ({}, {}, False),
        ({"IsOffroad": "1"}, {7: MANAGER}, False),
        ({"IsOffroad": "0"}, {7: MANAGER}, True),
        ({"IsOffroad": "0"}, {7: CARD}, True),
        ({"IsOffroad": "0"}, {}, False),  # a power cut while driving left it so, and openpilot does not run
        ({"IsOffroad": "1", "IsOnroad": "0"}, {7: MANAGER}, False),
        ({"IsOffroad": "1", "IsOnroad": "1"}, {7: MANAGER}, True),
        ({"IsOnroad": "1"}, {7: MANAGER}, True),
        ({"IsOnroad": "1"}, {}, False),
        ({}, {7: MANAGER}, False),  # it has just started, and says so in a moment
        ({}, {7: MANAGER, 8: CARD}, True),
        ({"IsOffroad": "0\n"}, {7: MANAGER}, True),
        ({"IsOffroad": "0"}, {7: b"/usr/sbin/NetworkManager\0", 8: b"bash\0-l\0", 9: b""}, False),
        ({"IsOffroad": "0"}, {7: b"/usr/bin/python3\0/data/openpilot/system/manager/manager.py\0"}, True),
        ({"IsOffroad": "0"}, {7: b"/data/openpilot/selfdrive/selfdrived/selfdrived\0"}, True),
    ],
)
def test_when_a_device_belongs_to_its_driver(
    tmp_path: Path, params: Mapping[str, str] | None, programs: Mapping[int, bytes], driven: bool
) -> None:
    assert bool(onroad(comma_device(tmp_path, params, programs))) is driven


def test_a_replay_of_ours_is_no_drive(tmp_path: Path) -> None:
    ours = {"of_7": b"HOME=/root\0CLOSET_JOB=/data/closet/jobs/x\0"}
    assert not onroad(comma_device(tmp_path / "a", {"IsOffroad": "0"}, {7: CARD}, **ours))
    assert onroad(comma_device(tmp_path / "b", {"IsOffroad": "0"}, {7: CARD, 8: MANAGER}, **ours))


def test_what_cannot_be_seen_counts_as_a_drive(tmp_path: Path) -> None:
    device = comma_device(tmp_path, {"IsOffroad": "0"})
    (device / "proc").rmdir()
    assert onroad(device)


def test_since_when_is_said(tmp_path: Path) -> None:
    device = comma_device(tmp_path, {"IsOffroad": "0"}, {7: MANAGER})
    os.utime(device / "data/params/d/IsOffroad", (1_700_000_000, 1_700_000_000))
    assert onroad(device) == "onroad since 2023-11-14T22:13:20Z: jobs wait until it is parked"


def test_looking_at_a_parked_device_is_nothing_to_it(tmp_path: Path) -> None:
    device = comma_device(tmp_path, {"IsOffroad": "1"}, {7: MANAGER})
    began = time.process_time()
    for _ in range(100):
        onroad(device)
    assert (time.process_time() - began) / 100 < 0.002, "once a second, for as long as a run lasts"


# ---- what is cleared away --------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("jobs", "slots"):
        (tmp_path / "work" / name).mkdir(parents=True)
    return tmp_path / "work"


@pytest.fixture
def system(tmp_path: Path) -> Path:
    for place in ("dev/shm", "tmp"):
        (tmp_path / "system" / place).mkdir(parents=True)
    return tmp_path / "system"


def test_only_what_lost_jobs_of_ours_left_is_removed(root: Path, system: Path, tmp_path: Path) -> None:
    prefix = scratch_prefix(root)
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "file").write_text("not ours")
    for place in (system / "dev/shm", system / "tmp"):
        (place / f"{prefix}gone-0-1-msgq").write_text("x")
        (place / f"{prefix}gone-0-2").mkdir()
        (place / f"{prefix}gone-0-2" / "inner").symlink_to(keep)
        (place / f"{prefix}link").symlink_to(keep)
        (place / f"{prefix}mine-0-7-msgq").write_text("an agent of mine runs it")
        (place / f"{prefix}held-1-3-msgq").write_text("another agent runs it")
        (place / "closet-000000000000-x").write_text("of another work folder")
        (place / "msgq_carState").write_text("openpilot's")
        (place / "tmpabc").write_text("anybody's")
    (root / "slots" / "1.json").write_text(json.dumps({"epoch": 3, "job": "held-1-3"}))
    with (root / "slots" / "1.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert clear(root, {"mine-0-7"}, system) == 6
    left = {f"{prefix}mine-0-7-msgq", f"{prefix}held-1-3-msgq", "closet-000000000000-x", "msgq_carState", "tmpabc"}
    for place in (system / "dev/shm", system / "tmp"):
        assert {path.name for path in place.iterdir()} == left
    assert (keep / "file").read_text() == "not ours"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_what_another_user_owns_is_not_removed(root: Path, system: Path) -> None:
    path = system / "tmp" / f"{scratch_prefix(root)}gone-0-1"
    path.write_text("x")
    os.chown(path, 12345, 12345)
    assert clear(root, set(), system) == 0
    assert path.exists()


def test_a_flood_of_leftovers_does_not_hold_up_a_job_for_long(root: Path, system: Path) -> None:
    for number in range(1200):
        (system / "tmp" / f"{scratch_prefix(root)}gone-{number}").touch()
    assert clear(root, set(), system) == 1000, "the next job clears the rest"
    assert clear(root, set(), system) == 200


def test_the_clock_is_told_and_not_set(root: Path, system: Path, tmp_path: Path) -> None:
    said = prelude(root, set(), comma_device(tmp_path / "device", {"IsOffroad": "1"}, {7: MANAGER}), system)
    assert said["removed"] == 0
    assert abs(said["unix_s"] - time.time()) < 5.0


def test_nothing_is_touched_on_a_device_that_is_driven(root: Path, system: Path, tmp_path: Path) -> None:
    path = system / "tmp" / f"{scratch_prefix(root)}gone-0-1"
    path.write_text("x")
    with pytest.raises(Refused) as caught:
        prelude(root, set(), comma_device(tmp_path / "device", {"IsOffroad": "0"}, {7: MANAGER}), system)
    assert caught.value.answer["kind"] == "OnroadError"
    assert path.exists()


# ---- a real agent ----------------------------------------------------------------------------------------------------


def test_an_agent_gives_way_when_the_car_is_switched_on(root: Path, tmp_path: Path) -> None:
    device = comma_device(tmp_path / "device", {"IsOffroad": "1"}, {7: MANAGER})
    state = device / "data/params/d/IsOffroad"
    with running(root, environment={"CLOSET_DEVICE_ROOT": str(device)}) as agent:
        assert agent.ask("hello", slots=1)["ok"]["onroad"] == ""
        assert "ok" in agent.start(1, SLEEPS)
        assert set(agent.until(lambda message: "prelude" in message)["prelude"]) == {"removed", "unix_s"}
        pid = agent.progress()["pid"]
        state.write_text("0")
        ended = agent.ended(1)
        assert ended["error"]["kind"] == "OnroadError"
        assert ended["error"]["problem"].startswith("onroad since 20")
        assert (ended["killed"], ended["files"]) == (False, [])
        assert not alive(pid)
        agent.ask("clean", name="job-0-1", pin="")
        assert agent.start(2)["error"]["kind"] == "OnroadError"
        assert agent.ask("hello", slots=1)["ok"]["onroad"].startswith("onroad since 20")
        state.write_text("1")
        assert "ok" in agent.start(2), "a refused epoch was not used up"
        assert agent.ended(2)["exit"] == 0


def test_nothing_is_brought_to_a_device_that_is_driven(root: Path, tmp_path: Path) -> None:
    device = comma_device(tmp_path / "device", {"IsOffroad": "0"}, {7: MANAGER})
    with running(root, environment={"CLOSET_DEVICE_ROOT": str(device)}) as agent:
        for refused in (
            agent.ask("need", pin="p", blobs=[("f" * 64, 1)]),
            agent.ask("unpack", code="f" * 64),
        ):
            assert refused["error"]["kind"] == "OnroadError"
            assert refused["error"]["problem"].startswith("onroad since 20")
        (device / "data/params/d/IsOffroad").write_text("1")
        assert agent.ask("need", pin="p", blobs=[("f" * 64, 1)])["ok"] == ["f" * 64]


def test_bytes_on_their_way_are_kept_no_longer_when_the_car_is_switched_on(root: Path, tmp_path: Path) -> None:
    device = comma_device(tmp_path / "device", {"IsOffroad": "1"}, {7: MANAGER})
    content = bytes(4 << 20)
    digest = hashlib.sha256(content).hexdigest()
    program = tmp_path / "agent.pyz"
    program.write_bytes(agent_bundle())
    (root / "blobs").mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-I", str(program), "files", "--root", str(root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"CLOSET_DEVICE_ROOT": str(device)},
    ) as mover:  # fmt: skip
        mover.stdin.write(json.dumps({"put": digest, "size": len(content)}).encode() + b"\n" + content[: 2 << 20])
        mover.stdin.flush()
        assert eventually(lambda: any(path.stat().st_size for path in (root / "blobs").iterdir()))
        (device / "data/params/d/IsOffroad").write_text("0")
        rest = io.BytesIO(content[2 << 20 :])

        def dropped() -> bool:
            """A little more, and whether what came is gone: the car is looked at once a second as bytes come."""
            mover.stdin.write(rest.read(1024))
            mover.stdin.flush()
            return not any(path.stat().st_size for path in (root / "blobs").iterdir())

        assert eventually(dropped)
        mover.stdin.write(rest.read())
        mover.stdin.flush()
        assert json.loads(mover.stdout.readline())["error"]["kind"] == "OnroadError"
        assert list((root / "blobs").iterdir()) == []
        (device / "data/params/d/IsOffroad").write_text("1")
        mover.stdin.write(json.dumps({"put": digest, "size": len(content)}).encode() + b"\n" + content)
        mover.stdin.flush()
        assert json.loads(mover.stdout.readline()) == {"ok": True}


def test_a_job_that_begins_as_the_car_is_switched_on_is_ended_too(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = comma_device(tmp_path / "device", {"IsOffroad": "1"}, {7: MANAGER})
    monkeypatch.setenv("CLOSET_DEVICE_ROOT", str(device))
    said: list[dict[str, Any]] = []
    server = Server(root, 1 << 30, 60.0)
    monkeypatch.setattr(server, "_say", said.append)

    def switched_on(*_: object) -> dict[str, Any]:
        """The car is switched on, and seen to be, between a job's look at it and the job's start."""
        (device / "data/params/d/IsOffroad").write_text("0")
        server._give_way()
        return {}

    monkeypatch.setattr("harness.closet.agent.server.prelude", switched_on)
    arguments = ("-c", "import time; time.sleep(600)")
    request = {"slot": 0, "epoch": 1, "name": "job-0-1", "job_text": "", "arguments": arguments, "code": "none"}
    server._answer({**request, "id": 1, "do": "start", "deadline_s": 60.0})
    pid = next(message["ok"] for message in said if "ok" in message)
    try:
        server._give_way()
        assert eventually(lambda: any("ended" in message for message in said))
        assert said[-1]["ended"]["error"]["kind"] == "OnroadError"
        assert not alive(pid)
    finally:
        (job,) = server._jobs.values()
        server._end()
        for pipe in (job._process.stdout, job._process.stderr):
            pipe.close()


def test_a_job_that_lost_its_device_to_the_driver_is_done_by_another(bench: Bench, tmp_path: Path) -> None:
    with emulated_closet(2, tmp_path / "shelf") as closet:
        states = {}
        for member in closet.members:
            comma_device(member.root / "system", {"IsOffroad": "1"}, {7: MANAGER})
            states[member.device.name] = member.root / "system/data/params/d/IsOffroad"
        gate = tmp_path / "gate"
        work = bench.work(
            f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)\nopen('out/done', 'w').close()"
        )
        began: list[str] = []

        def watch(event: PoolEvent) -> None:
            if isinstance(event, JobStarted):
                began.append(event.device)
                if len(began) == 1:
                    states[event.device].write_text("0")
                else:
                    gate.touch()

        (outcome,) = bench.run([work], closet.devices, on_event=watch).values()
        assert outcome.error is None
        assert set(outcome.files) == {"done"}
        assert len(set(began)) == 2, "not the driven one again"
        assert [attempt.error for attempt in outcome.attempts] == [None], "the driver's right is nobody's failure"


def test_the_real_files_of_this_machine_are_looked_at_without_harm() -> None:
    program = "from harness.closet.agent.prelude import onroad, device_root; print(repr(onroad(device_root())))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "''", "this machine is in no car"


def test_what_a_job_left_in_memory_goes_with_it(root: Path) -> None:
    program = (
        "import json, os\npath = '/dev/shm/' + os.environ['CLOSET_SCRATCH'] + 'x'\n"
        "open(path, 'w').close()\nprint(json.dumps({'path': path}))"
    )
    with running(root) as agent:
        agent.start(1, program)
        path = Path(agent.progress()["path"])
        agent.ended(1)
        assert path.exists()
        assert path.name.startswith(scratch_prefix(root))
        agent.ask("clean", name="job-0-1", pin="")
        assert not path.exists()
