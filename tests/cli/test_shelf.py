"""The shelf through the command line: workers that are started, keys that do not fit, disks that are full."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.emulators import render_devices
from harness.closet.emulator import emulate, write_key
from harness.config import load_fleet
from harness.errors import ExitCode
from harness.pipeline.runs import load_run
from tests.cli.conftest import Desk
from tests.disks import small_disk


def run_once(desk: Desk) -> tuple[int, str]:
    """Run the suite on `devices.yaml`; the exit code and the error of the only job."""
    models = ("--baseline", desk.model("release"), "--candidate", desk.model("reexport"))
    code, _, _ = desk.closet("run", desk.suite, *models, "--devices", "devices.yaml")
    (folder,) = (desk.folder / ".closet" / "runs").iterdir()
    (result,) = load_run(folder).results
    error = result.error
    return code, f"{error.kind}: {error.problem} ({error.remedy})" if error else ""


def test_devices_written_are_devices_read(tmp_path: Path) -> None:
    with emulate(2, tmp_path / "shelf", slots=2, tags=("a", "b")) as shelf:
        (tmp_path / "devices.yaml").write_text(render_devices(shelf))
        assert load_fleet(tmp_path / "devices.yaml").devices == shelf


def test_emulated_workers_serve_until_interrupted(desk: Desk) -> None:
    command = [sys.executable, "-m", "harness", "emulate", "2", "--folder", "shelf"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PWD": str(desk.folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert "devices.yaml" in lines[-1]
        code, out, _ = desk.closet("devices", "--devices", "shelf/devices.yaml", "--json")
        rows = json.loads(out)
        assert code == 0
        assert [row["contact"]["said"].split(":")[0] for row in rows] == ["ready", "ready"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert desk.closet("devices", "--devices", "shelf/devices.yaml")[0] == ExitCode.NO_VERDICT, "they are gone"


def test_a_device_that_shows_another_host_key_is_not_used(desk: Desk) -> None:
    other = write_key(desk.folder / "other").with_suffix(".pub").read_text().split()[:2]
    with emulate(1, desk.folder / "shelf") as (device,):
        (desk.folder / "devices.yaml").write_text(render_devices((device,)).replace(device.host_key, " ".join(other)))
        code, error = run_once(desk)
    assert code == ExitCode.NO_VERDICT
    assert error.startswith("HostKeyError")
    assert "SHA256:" in error, "both fingerprints, to compare"


def test_a_key_that_the_device_does_not_know(desk: Desk) -> None:
    other = write_key(desk.folder / "other")
    with emulate(1, desk.folder / "shelf") as (device,):
        (desk.folder / "devices.yaml").write_text(render_devices((device,)).replace(device.key_path, str(other)))
        code, error = run_once(desk)
    assert code == ExitCode.NO_VERDICT
    assert error.startswith("UnreachableError")
    assert "key" in error


def test_a_full_disk_of_ours_is_told_and_nothing_half_written_is_used(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = desk.folder / "home"
    models = ("--baseline", desk.model("release"), "--candidate", desk.model("reexport"))
    with small_disk(home, 2), emulate(1, desk.folder / "shelf") as shelf:
        monkeypatch.setenv("CLOSET_HOME", str(home))
        (desk.folder / "devices.yaml").write_text(render_devices(shelf))
        code, out, err = desk.closet("run", desk.suite, *models, "--devices", "devices.yaml")
        assert code == ExitCode.NO_VERDICT, out + err
        assert "No space left" in out + err
        assert "bug of the harness" not in err
        subprocess.run(["mount", "-o", "remount,size=16m", str(home)], check=True)
        code, out, err = desk.closet("plan", desk.suite, *models, "--devices", "devices.yaml", "--json")
        assert code == 0, err
        stored = [task["stored"] for task in json.loads(out)["tasks"]]
        assert stored != [2], "no trace that was not wholly written counts as stored"
