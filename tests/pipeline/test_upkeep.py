"""Recovery hooks as a run uses them: remembered by the shelf, their output kept, never more than allowed."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.closet.emulator import emulate
from harness.config import Fleet
from harness.config.upkeep import RecoveryHook
from harness.domain import Blob, Device, DeviceKind
from harness.pipeline.upkeep import bring_back, make_upkeep, past_recoveries
from harness.redaction import REDACTED
from harness.shelf import Shelf


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with emulate(1, tmp_path_factory.mktemp("shelf")) as (device,):
        yield device


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "shelf.db") as shelf:
        yield shelf


def hook(program: str, **limits: float) -> RecoveryHook:
    return RecoveryHook((sys.executable, "-c", program), deadline_s=20.0, **limits)


def test_a_device_that_answers_after_its_command_is_worth_a_canary(
    device: Device, shelf: Shelf, tmp_path: Path
) -> None:
    stop = threading.Event()
    assert bring_back(device, hook("print('power off, power on')"), shelf, tmp_path, stop) is None
    (log,) = (tmp_path / "recovery").iterdir()
    assert log.name.startswith("emulated-01-")
    assert log.read_text() == "power off, power on\n"
    assert len(past_recoveries(shelf, device)) == 1


def test_another_orchestrator_on_the_shelf_waits_for_the_cool_down_too(
    device: Device, shelf: Shelf, tmp_path: Path
) -> None:
    once = hook(f"open({str(tmp_path / 'ran')!r}, 'a').write('x')", cool_down_s=600.0)
    assert bring_back(device, once, shelf, tmp_path, threading.Event()) is None
    with Shelf(tmp_path / "shelf.db") as other:
        error = bring_back(device, once, other, tmp_path / "elsewhere", threading.Event())
    assert error is not None
    assert error.kind == "DeviceUnhealthyError"
    assert "cools down" in error.problem
    assert (tmp_path / "ran").read_text() == "x"
    assert not (tmp_path / "elsewhere").exists()


def test_no_more_than_so_many_a_day_also_when_they_fail(device: Device, shelf: Shelf, tmp_path: Path) -> None:
    twice = hook("raise SystemExit('no such outlet')", cool_down_s=0.0, most_a_day=2)
    said = [bring_back(device, twice, shelf, tmp_path, threading.Event()) for _ in range(3)]
    problems = [error.problem for error in said if error is not None]
    assert ["no such outlet" in problem for problem in problems] == [True, True, False]
    assert "2 times within a day" in problems[2]


def test_what_a_command_says_is_kept_and_told_without_secrets(
    device: Device, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTLET_PASSWORD", "only-we-know-this")
    program = "import os; secret = os.environ['OUTLET_PASSWORD']; print('on', secret); raise SystemExit('no ' + secret)"
    error = bring_back(device, hook(program), shelf, tmp_path, threading.Event())
    assert error is not None
    assert error.problem.endswith(f"no {REDACTED}")
    (log,) = (tmp_path / "recovery").iterdir()
    assert log.read_text().count(REDACTED) == 2
    assert "only-we-know-this" not in log.read_text() + repr(error)


def test_a_run_that_is_stopped_ends_the_command(device: Device, shelf: Shelf, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    error = bring_back(device, hook("import time; time.sleep(600)"), shelf, tmp_path, stop)
    assert error is not None
    assert "did not end" in error.problem


def test_when_the_run_is_over_its_command_still_ends_and_nobody_waits_for_the_device(
    device: Device, shelf: Shelf, tmp_path: Path
) -> None:
    over = threading.Event()
    over.set()
    gone = replace(device, port=9)
    began_s = time.monotonic()
    error = bring_back(gone, hook("print('off, on')"), shelf, tmp_path, threading.Event(), over)
    assert error is not None
    assert "the recovery command ran, but the device does not answer" in error.problem
    assert time.monotonic() - began_s < 10.0


def test_what_devices_yaml_says_is_what_the_pool_gets(device: Device, shelf: Shelf, tmp_path: Path) -> None:
    fleet = Fleet((device,), 0, recoveries={device.name: hook("print()")}, canary_every_h=6.0)
    upkeep = make_upkeep(fleet, Blob("c" * 64, 1), shelf, tmp_path, threading.Event(), unproved=["started"])
    assert upkeep.unproved == {"started"}
    assert set(upkeep.canaries) == {DeviceKind.EMULATED}
    assert upkeep.canary_every_h == 6.0
    assert upkeep.limits is not None
    assert upkeep.limits(device) == fleet.limits_of(device)
    assert upkeep.recoveries[device.name](device, "canary answered X") is None
    assert len(past_recoveries(shelf, device)) == 1
