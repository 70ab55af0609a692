"""closet devices: what a person sees of the shelf and does about it, with real workers."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.device_rows import Contact
from harness.cli.emulators import render_devices
from harness.cli.options import who
from harness.closet.emulator import emulate
from harness.config import Fleet
from harness.domain import Device, Health, Priority
from harness.errors import ExitCode
from harness.pipeline.checkup import Checkup, Examiner
from harness.shelf import Shelf

GONE = """\
  tizi-01:
    kind: tizi
    address: 127.0.0.1
    port: 9
    key: {key}
    host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP
    tags: [lab]
"""


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Device, ...]]:
    with emulate(1, tmp_path_factory.mktemp("shelf")) as workers:
        yield workers


class Desk:
    """A folder with a devices.yaml: one worker that answers, one device that does not."""

    def __init__(self, folder: Path, workers: tuple[Device, ...], capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capture = folder, capture
        (worker,) = workers
        (folder / "devices.yaml").write_text(render_devices(workers) + GONE.format(key=worker.key_path))

    def closet(self, *arguments: str) -> tuple[int, str, str]:
        self.capture.readouterr()
        code = main(["devices", *arguments])
        out, err = self.capture.readouterr()
        return code, out, err

    def rows(self, *arguments: str) -> dict[str, dict[str, object]]:
        code, out, _ = self.closet(*arguments, "--json")
        del code
        return {row["name"]: row for row in json.loads(out)}

    @contextmanager
    def shelf(self) -> Iterator[Shelf]:
        with Shelf(self.folder / ".closet" / "shelf.db") as shelf:
            yield shelf


@pytest.fixture
def desk(
    tmp_path: Path, workers: tuple[Device, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    monkeypatch.chdir(tmp_path)
    for name in ("CLOSET_HOME", "CLOSET_SHELF"):
        monkeypatch.delenv(name, raising=False)
    return Desk(tmp_path, workers, capsys)


def test_a_device_that_does_not_answer_is_listed_with_its_quarantine(desk: Desk) -> None:
    assert desk.closet("quarantine", "tizi-01", "--reason", "answered X twice")[0] == 0
    code, out, _ = desk.closet()
    assert code == ExitCode.NO_VERDICT, "one does not answer"
    lines = out.splitlines()
    titles, tizi = lines[0].split(), next(line for line in lines if line.startswith("tizi-01"))
    assert titles[:5] == ["device", "kind", "state", "since", "by"]
    assert tizi.split()[:4] == ["tizi-01", "tizi", "quarantined,", "unreachable"]
    assert who() in tizi
    assert "answered X twice" in out
    assert "no answer" in out
    assert "ready: Python 3." in out, "and what the other says of itself"
    row = desk.rows()["tizi-01"]
    assert (row["state"], row["reason"], row["by"]) == ("quarantined", "answered X twice", who())
    assert row["contact"]["answers"] is False  # type: ignore[index]
    worker = desk.rows()["emulated-01"]["contact"]
    assert isinstance(worker, dict)
    assert worker["answers"] is True
    assert worker["free_bytes"] > 0
    assert worker["limits"] == []


def test_without_contact_only_the_shelf_is_read(desk: Desk) -> None:
    code, out, _ = desk.closet("--no-contact")
    assert code == 0
    assert "ready" not in out
    assert "lab" in out, "tags"
    assert desk.rows("--no-contact")["tizi-01"]["contact"] is None


def test_who_has_a_slot_and_who_waits(desk: Desk, workers: tuple[Device, ...]) -> None:
    (worker,) = workers
    with desk.shelf() as shelf:
        shelf.register(worker)
        holder = shelf.join("2026-11-21-003", suite="pr", priority=Priority.PROMPT)
        lease = shelf.acquire(holder, worker.name, 0, kind=worker.kind, tags=(), hard_end_s=60.0, least_epoch=6)
        assert lease is not None
        shelf.assign(lease, "c0ffee" * 8)
        _, out, _ = desk.closet("--no-contact")
        assert "slot 0 epoch 7: 2026-11-21-003, task c0ffeec0ffee" in out
        (held,) = desk.rows("--no-contact")["emulated-01"]["leases"]  # type: ignore[misc]
        assert (held["epoch"], held["run"]) == (7, "2026-11-21-003")


def test_quarantine_release_disable_enable(desk: Desk) -> None:
    def state() -> tuple[str, str]:
        with desk.shelf() as shelf:
            health = shelf.health("tizi-01")
        return health.state.value, health.reason

    assert desk.closet("quarantine", "tizi-01", "--reason", "fan")[1] == "tizi-01  quarantined: fan\n"
    assert state() == ("quarantined", "fan")
    assert desk.closet("enable", "tizi-01")[:2] == (0, "tizi-01  is quarantined, not disabled: nothing to do\n")
    assert desk.closet("release", "tizi-01", "--reason", "a new fan")[0] == 0
    assert state() == ("unknown", "a new fan"), "its canary comes before its next job"
    assert desk.closet("disable", "tizi-01", "--reason", "lent")[0] == 0
    assert state() == ("disabled", "lent")
    assert desk.closet("release", "tizi-01")[1] == "tizi-01  is disabled, not quarantined: nothing to do\n"
    assert desk.closet("enable", "tizi-01")[0] == 0
    assert state() == ("unknown", "enabled")
    with desk.shelf() as shelf:
        changes = shelf.health_history("tizi-01")
    assert [change.state for change in changes] == [
        Health.UNKNOWN,
        Health.DISABLED,
        Health.UNKNOWN,
        Health.QUARANTINED,
    ]
    assert {change.by for change in changes} == {who()}


@pytest.mark.parametrize("command", ["quarantine", "release", "disable", "enable", "check", "burn-in"])
def test_a_name_with_a_slip_of_the_pen_changes_nothing(command: str, desk: Desk) -> None:
    reason = ["--reason", "x"] if command in {"quarantine", "disable"} else []
    code, _, err = desk.closet(command, "tizi-1", *reason)
    assert code == ExitCode.USAGE
    assert "tizi-01" in err, "what it may have meant"


@pytest.mark.parametrize("command", ["quarantine", "disable"])
def test_a_reason_must_be_given(command: str, desk: Desk) -> None:
    assert desk.closet(command, "tizi-01")[0] == ExitCode.USAGE
    assert desk.closet(command, "tizi-01", "--reason", " \n")[0] == ExitCode.USAGE
    assert "the fan rattles\n" in desk.closet(command, "tizi-01", "--reason", "the fan\n\x1b rattles")[1]


def test_check_tells_what_was_measured_and_fails_for_one_that_is_not_well(desk: Desk) -> None:
    code, out, _ = desk.closet("check", "emulated-01")
    assert code == 0, out
    assert re.search(r"^emulated-01  healthy$", out, re.MULTILINE)
    assert re.search(r"GB free · .*clock [+-]\d", out)
    assert re.search(r"canary right in \d+\.\d s: onnxruntime=", out)
    code, out, _ = desk.closet("check", "--json")
    assert code == ExitCode.NO_VERDICT
    worker, tizi = json.loads(out)
    assert (worker["well"], worker["state"], tizi["well"], tizi["state"]) == (True, "healthy", False, "suspect")
    assert tizi["error"]["kind"] == "UnreachableError"
    assert desk.rows("--no-contact")["emulated-01"]["canary_at"] is not None
    desk.closet("quarantine", "emulated-01", "--reason", "looks odd")
    code, out, _ = desk.closet("check", "emulated-01")
    assert code == ExitCode.NO_VERDICT, "well, and still not given out"
    assert "closet devices release emulated-01" in out


def test_the_file_may_be_named_before_or_after_the_command(desk: Desk) -> None:
    (desk.folder / "devices.yaml").rename(desk.folder / "lab.yaml")
    assert desk.closet("quarantine", "tizi-01", "--reason", "x")[0] == ExitCode.USAGE
    assert desk.closet("--devices", "lab.yaml", "quarantine", "tizi-01", "--reason", "x")[0] == 0
    assert desk.closet("release", "tizi-01", "--devices", "lab.yaml")[0] == 0


def test_burn_in_tells_the_rate_with_its_interval(desk: Desk) -> None:
    code, out, err = desk.closet("burn-in", "emulated-01", "--times", "2")
    assert code == 0, out + err
    assert "0 of 2 canaries failed" in out
    assert "0.00% (95 % 0.00% … 84.19%)" in out
    assert "a canary takes" in out
    assert len(re.findall(r"right in", err)) == 2
    code, out, err = desk.closet("burn-in", "tizi-01", "--times", "1", "--json")
    figures = json.loads(out)
    assert code == ExitCode.NO_VERDICT
    assert (figures["rounds"], figures["failures"], figures["rate"], figures["high"]) == (1, 1, 1.0, 1.0)
    assert "UnreachableError" in figures["causes"][0][0]
    assert desk.closet("burn-in", "tizi-01", "--times", "1", "--hours", "1")[0] == ExitCode.USAGE
    desk.closet("disable", "tizi-01", "--reason", "lent")
    assert desk.closet("burn-in", "tizi-01", "--times", "1")[0] == ExitCode.USAGE


def test_a_burn_in_of_a_device_that_is_never_free_ends_with_what_was_measured(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Checkup("emulated-01", not_run="all its slots are held")
    found = iter([busy, busy, Checkup("emulated-01", run_s=1.0), *[busy] * 3])
    monkeypatch.setattr(Examiner, "check", lambda *_: next(found))
    monkeypatch.setattr("harness.cli.device_burn_in._BUSY_PAUSE_S", 0.0)
    monkeypatch.setattr("harness.cli.device_burn_in._SILENT_PAUSE_S", 0.0)
    monkeypatch.setattr("harness.cli.device_burn_in._MOST_NOT_RUN", 3)
    code, out, err = desk.closet("burn-in", "emulated-01", "--times", "2")
    assert code == ExitCode.NO_VERDICT, "one of two"
    assert "0 of 1 canary failed" in out
    assert "given up after 3 tries in a row" in err
    assert "closet devices" in err


def test_nothing_connects_to_a_disabled_device(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.closet("disable", "tizi-01", "--reason", "lent to the test car")
    connected: list[str] = []

    def listed(device: Device, fleet: Fleet) -> Contact:
        connected.append(device.name)
        return Contact(True, "ready")

    monkeypatch.setattr("harness.cli.device_rows._contact", listed)
    code, out, _ = desk.closet()
    assert connected == ["emulated-01"]
    assert (code, "lent to the test car" in out) == (ExitCode.GATE_OPEN, True)
    assert desk.rows()["tizi-01"]["contact"] is None


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "harness", "devices", *arguments]


def environment(desk: Desk) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"CLOSET_HOME", "CLOSET_SHELF"}}
    ours = {"PYTHONPATH": str(Path(__file__).parents[2]), "PWD": str(desk.folder), "TERM": "xterm", "COLUMNS": "160"}
    return {**kept, **ours}


def test_ctrl_c_ends_a_burn_in_with_what_was_measured(desk: Desk) -> None:
    with subprocess.Popen(
        command("burn-in", "emulated-01", "--hours", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(desk),
        cwd=desk.folder,
        text=True,
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert "right in" in first
    assert process.returncode == 0, err
    assert re.search(r"0 of \d+ canar(y|ies) failed", out)
    assert "Traceback" not in err
    with desk.shelf() as shelf:
        assert shelf.leases() == ()


def test_watch_shows_a_change_while_it_lasts_and_ends_with_ctrl_c(desk: Desk) -> None:
    desk.closet("quarantine", "tizi-01", "--reason", "the first reason")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("--watch"), stdin=theirs, stdout=theirs, stderr=theirs, env=environment(desk), cwd=desk.folder
    )
    os.close(theirs)
    try:
        assert "the first reason" in read_until(ours, "the first reason")
        desk.closet("release", "tizi-01", "--reason", "the second reason")
        shown = read_until(ours, "the second reason")
        assert "the second reason" in shown
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "Traceback" not in read_until(ours, "\0")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_watch_without_a_terminal_prints_what_changed(desk: Desk) -> None:
    with subprocess.Popen(
        command("--watch"), stdout=subprocess.PIPE, env=environment(desk), cwd=desk.folder, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split()[0] == "device"
        desk.closet("disable", "tizi-01", "--reason", "lent to somebody")
        assert any("lent to somebody" in line for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(30) == 0


def test_watch_for_programs_is_a_line_of_json_for_each_change(desk: Desk) -> None:
    with subprocess.Popen(
        command("--watch", "--json"), stdout=subprocess.PIPE, env=environment(desk), cwd=desk.folder, text=True
    ) as process:
        assert process.stdout is not None
        before = json.loads(process.stdout.readline())
        desk.closet("disable", "tizi-01", "--reason", "lent")
        after = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(30) == 0
    states = [{row["name"]: row["state"] for row in rows}["tizi-01"] for rows in (before, after)]
    assert states == ["unknown", "disabled"]


def read_until(terminal: int, text: str, seconds: float = 30.0) -> str:
    """What the terminal shows until `text` appears, it is closed, or the time is up."""
    shown, until = "", time.monotonic() + seconds
    while text not in shown and time.monotonic() < until:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        try:
            piece = os.read(terminal, 65536) if ready else b""
        except OSError:  # the other side is closed
            break
        shown += piece.decode(errors="replace")
    return shown
