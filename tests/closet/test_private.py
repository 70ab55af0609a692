"""What is on a device is its user's alone, and what is said there is an argument, never shell."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.closet.agent.removal import MARKER
from harness.closet.contact import contact
from harness.closet.emulator import emulated_closet
from harness.closet.interpreter import interpreter
from harness.closet.session import open_session
from harness.domain import Device
from tests.closet.conftest import Bench

NASTY = "it's $(touch pwned) `touch pwned`; touch pwned # \"*?~\\"


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """A device whose user lets everybody read and write what it makes."""
    before = os.umask(0)
    try:
        with emulated_closet(1, tmp_path_factory.mktemp("careless")) as closet:
            os.umask(before)
            yield closet.devices[0]
    finally:
        os.umask(before)


def test_nobody_else_can_read_or_write_anything_of_a_run(careless: Device, bench: Bench) -> None:
    blob = bench.blob(b"a drive")
    work = bench.work(
        "import os, pathlib, subprocess\n"
        "pathlib.Path('out/made').write_text('x')\n"
        "modes = subprocess.run(['find', '../..', '-printf', '%m %y %P\\n'], capture_output=True, text=True).stdout\n"
        "pathlib.Path('out/modes').write_text(modes)\n",
        blobs=[blob],
    )
    (outcome,) = bench.run([work], [careless]).values()
    assert outcome.error is None
    seen = [line.split(" ", 2) for line in outcome.files["modes"].read_text().splitlines()]
    assert {"blobs", "jobs", "slots", f"blobs/{blob.sha256}"} <= {name for _, _, name in seen}
    assert any(name.endswith("out/made") for _, _, name in seen)
    assert ["700", "d", "code"] in seen, "what is unpacked there has the modes that equal sources have"
    assert [entry for entry in seen if int(entry[0], 8) & 0o077 and not entry[2].startswith("code/")] == []
    assert {kind for _, kind, _ in seen} == {"d", "f"}, "no socket and no pipe that somebody else could open"


def test_folders_that_were_open_are_closed(careless: Device) -> None:
    Path(careless.work_folder).mkdir(exist_ok=True)
    Path(careless.work_folder, MARKER).touch()
    for name in ("blobs", "jobs"):
        path = Path(careless.work_folder, name)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)
    contact(careless)
    assert stat.S_IMODE(Path(careless.work_folder, "blobs").stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(careless.work_folder, "jobs").stat().st_mode) == 0o700


@pytest.mark.parametrize("python", ["", "a link"])
def test_paths_are_arguments_whatever_is_in_them(careless: Device, tmp_path: Path, python: str) -> None:
    """Also without `python`, where a line of shell looks for the environment."""
    folder = tmp_path / NASTY.replace("/", "")
    (folder / "env" / "current" / "bin").mkdir(parents=True)
    (folder / MARKER).touch()
    program = folder / "env" / "current" / "bin" / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    device = replace(careless, work_folder=str(folder), python=str(program) if python else "")
    assert contact(device).python == sys.version.split()[0]
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith("agent-")) == [
        *(MARKER, "blobs", "cache", "code", "env", "jobs", "pins", "slots")
    ]
    assert not list(tmp_path.rglob("pwned"))
    assert not list(Path(careless.key_path).parent.rglob("pwned"))


def test_what_a_job_says_is_a_file_and_no_argument(careless: Device, bench: Bench) -> None:
    program = (
        "import pathlib\n"
        "pathlib.Path('out/command').write_bytes(pathlib.Path('/proc/self/cmdline').read_bytes())\n"
        "pathlib.Path('out/job').write_text(pathlib.Path('job.json').read_text())\n"
    )
    work = bench.work(program, job_text=json.dumps({"segment": NASTY}))
    (outcome,) = bench.run([work], [careless]).values()
    assert outcome.error is None
    assert outcome.files["command"].read_bytes().split(b"\0") == [sys.executable.encode(), b"-c", program.encode(), b""]
    assert json.loads(outcome.files["job"].read_text()) == {"segment": NASTY}


def test_the_environment_is_used_from_the_moment_it_is_there(careless: Device, tmp_path: Path) -> None:
    device = replace(careless, work_folder=str(tmp_path / "closet"), python="")
    assert interpreter(device)[0] == "sh"
    assert interpreter(replace(device, python="/usr/bin/python3")) == ("/usr/bin/python3",)
    (tmp_path / "closet" / "env" / "current" / "bin").mkdir(parents=True)
    (tmp_path / "closet" / MARKER).touch()
    program = tmp_path / "closet" / "env" / "current" / "bin" / "python"
    program.write_text(f'#!/bin/sh\ntouch {tmp_path}/used\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    open_session(device, on_lost=lambda _error: None).close()
    assert (tmp_path / "used").exists()
