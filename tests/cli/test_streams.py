"""Who reads the output, and whether anybody does, must not change what a gate says with its exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import ExitCode
from tests.cli.conftest import Desk


@pytest.fixture
def regressed(desk: Desk) -> Desk:
    """A desk with a run on it that closed the gate."""
    code, out, err = desk.closet(*_run(desk))
    assert code == ExitCode.REGRESSION, out + err
    return desk


def _run(desk: Desk, *more: object) -> list[object]:
    sides = ("--baseline", desk.model("release"), "--candidate", desk.model("curve_bias"))
    return ["run", desk.suite, *sides, "--no-confirm", *more]


@contextmanager
def _stream(kind: str) -> Iterator[int]:
    """A descriptor to write to: of a pipe that nobody reads, or of a disk that is full."""
    if kind == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _closet(desk: Desk, words: list[object], *, redirect: str = "", **streams: int) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own; `redirect` is a shell's (`2>&-` closes standard error)."""
    command = [sys.executable, "-m", "harness", *(str(word) for word in words)]
    if redirect:
        command = ["bash", "-c", f'exec "$@" {redirect}', "closet", *command]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PWD": str(desk.folder)}
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run(command, env=environment, text=True, timeout=120, check=False, **given)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("kind", ["unread", "full"])
def test_a_regression_is_one_whoever_reads_of_it(regressed: Desk, kind: str) -> None:
    with _stream(kind) as nowhere:
        done = _closet(regressed, _run(regressed), stdout=nowhere)
        assert done.returncode == ExitCode.REGRESSION, done.stderr
        assert "Traceback" not in done.stderr
        done = _closet(regressed, ["report", "last", "--format", "json"], stdout=nowhere)
        assert done.returncode == ExitCode.REGRESSION, done.stderr
        done = _closet(regressed, _run(regressed), stderr=nowhere)
        assert done.returncode == ExitCode.REGRESSION, "a run goes on when nobody watches it"
        assert "gate CLOSED, exit 1" in done.stdout
    assert _reports(regressed) == 3


def test_a_regression_is_one_when_streams_are_closed(regressed: Desk) -> None:
    for redirect in ("2>&-", "<&- >&- 2>&-"):
        assert _closet(regressed, _run(regressed), redirect=redirect).returncode == ExitCode.REGRESSION
    assert _reports(regressed) == 3


def _reports(desk: Desk) -> int:
    """How many runs there are, each of which has its JUnit report."""
    runs = sorted((desk.folder / ".closet" / "runs").iterdir())
    assert all((run / "junit.xml").read_bytes().startswith(b"<?xml") for run in runs)
    return len(runs)


def test_a_closed_reader_is_no_error_and_a_full_disk_is_one(desk: Desk) -> None:
    log = next(desk.demo.routes_folder.rglob("rlog.zst"))
    with _stream("unread") as nowhere:
        done = _closet(desk, ["log", "cat", log, "carState"], stdout=nowhere)
        assert (done.returncode, done.stderr) == (0, "")
        assert _closet(desk, ["check", "nowhere.yaml"], stderr=nowhere).returncode == ExitCode.USAGE
    with _stream("full") as nowhere:
        done = _closet(desk, ["check", desk.suite], stdout=nowhere)
    assert done.returncode == ExitCode.NO_VERDICT
    assert "No space left" in done.stderr


def test_a_report_that_cannot_be_written_is_told_before_anything_starts(desk: Desk) -> None:
    (desk.folder / "file").touch()
    for target in ("file/j.xml", "."):
        code, _, err = desk.closet(*_run(desk, "--junit", target))
        assert (code, target.split("/", maxsplit=1)[0] in err) == (ExitCode.USAGE, True), err
    assert not (desk.folder / ".closet" / "runs").exists(), "nothing was begun"
    code, _, err = desk.closet(*_run(desk, "--run-dir", "file"))
    assert (code, "no run can be kept there" in err) == (ExitCode.USAGE, True), err


def test_the_report_of_an_earlier_run_is_not_left_when_a_run_is_killed(desk: Desk) -> None:
    (desk.folder / "j.xml").write_text("<testsuites/>")
    command = [sys.executable, "-m", "harness", *(str(word) for word in _run(desk, "--junit", "j.xml"))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PWD": str(desk.folder)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        assert b"tiny" in process.stderr.readline(), "the header says that the run has begun"
        code, _, err = desk.closet("resume", "last")
        assert (code, "another program is at work" in err) == (ExitCode.USAGE, True), err
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert not (desk.folder / "j.xml").exists()
    code, out, err = desk.closet("resume", "last", "--junit", "j.xml")
    assert code == ExitCode.REGRESSION, out + err
    assert (desk.folder / "j.xml").stat().st_size > 100
