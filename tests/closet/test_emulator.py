from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import paramiko
import pytest

from harness.closet.deadline import Deadline
from harness.closet.emulator import emulate, emulated_closet, write_key
from harness.closet.transport import connect
from harness.domain import DeviceKind
from harness.errors import UnreachableError
from tests.closet.conftest import alive, eventually, processes_with


def soon() -> Deadline:
    return Deadline.after(10.0)


def test_every_device_has_its_own_port_root_and_host_key(tmp_path: Path) -> None:
    with emulate(2, tmp_path, slots=2, tags=("demo",)) as devices:
        assert [device.name for device in devices] == ["emulated-01", "emulated-02"]
        assert len({device.port for device in devices}) == 2
        assert len({device.host_key for device in devices}) == 2
        assert {(device.kind, device.slots, device.tags) for device in devices} == {(DeviceKind.EMULATED, 2, ("demo",))}
        for device in devices:
            connection = connect(device, soon())
            process = connection.run(["sh", "-c", 'echo "$HOME $PWD $CLOSET_THREADS"'], soon())
            home, folder, threads = process.read_line(soon()).decode().split()
            assert home == folder == str(tmp_path / device.name)
            assert int(threads) == max(1, (os.cpu_count() or 1) // 4)
            connection.close()
    with pytest.raises(UnreachableError):
        connect(devices[0], soon())


def test_private_keys_are_private_and_kept(tmp_path: Path) -> None:
    with emulate(1, tmp_path) as first:
        keys = [path for path in tmp_path.iterdir() if path.is_file() and path.suffix != ".pub"]
        assert len(keys) == 2
        assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    with emulate(1, tmp_path) as second:
        assert second[0].host_key == first[0].host_key


def test_a_key_half_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text("a public half whose private one was never written")
    path = write_key(tmp_path / "key")
    key = paramiko.PKey.from_path(path)
    assert path.with_suffix(".pub").read_text().split()[:2] == [key.get_name(), key.get_base64()]


def test_only_commands_are_run(tmp_path: Path) -> None:
    with emulate(1, tmp_path) as (device,):
        connection = connect(device, soon())
        channel = connection._transport.open_session(timeout=10)
        with pytest.raises(Exception, match=r"rejected|closed"):
            channel.invoke_shell()
        connection.close()


def test_switching_off_ends_everything_also_what_hid_in_a_session_of_its_own(tmp_path: Path) -> None:
    with emulated_closet(1, tmp_path) as closet:
        (member,) = closet.members
        connection = connect(member.device, soon())
        hidden = (
            "import os, subprocess, sys; "
            "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True); "
            "print(p.pid, os.getpid(), flush=True); p.wait()"
        )
        process = connection.run([sys.executable, "-c", hidden], soon())
        pids = [int(word) for word in process.read_line(soon()).split()]
        assert all(alive(pid) for pid in pids)
    assert not [pid for pid in pids if alive(pid)]
    connection.close()


def test_a_dropped_connection_ends_its_commands(tmp_path: Path) -> None:
    with emulated_closet(1, tmp_path) as closet:
        (member,) = closet.members
        connection = connect(member.device, soon())
        # One that reads ends with its input, one that does not is killed after a grace.
        reader = connection.run(["sh", "-c", "echo $$; cat"], soon())
        sleeper = connection.run(["sh", "-c", "echo $$; trap '' HUP TERM; sleep 600"], soon())
        pids = [int(process.read_line(soon())) for process in (reader, sleeper)]
        connection.close()
        assert eventually(lambda: not [pid for pid in pids if alive(pid)])
        assert member.process.poll() is None


def test_it_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from harness.closet.emulator import emulate\n"
        f"with emulate(1, pathlib.Path({str(tmp_path)!r})) as devices:\n"
        "    print(devices[0].port, flush=True); sys.stdin.read()"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root), "THIS_TEST": str(tmp_path)},
    )
    assert int(process.stdout.readline()) > 0
    assert len(processes_with(f"THIS_TEST={tmp_path}")) == 2
    process.kill()
    process.communicate()
    assert eventually(lambda: not processes_with(f"THIS_TEST={tmp_path}"))
