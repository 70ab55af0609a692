"""What the agent measures: over a made /sys and /proc, and on real devices through SSH."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.closet.agent.selfcheck import leftovers, scratch_prefix, selfcheck
from harness.closet.health import judge_vitals
from harness.closet.session import open_session
from harness.config.upkeep import EMULATED_LIMITS, Limits
from harness.domain import Device

JOB = "0123456789abcdef-7"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A work folder."""
    for name in ("jobs", "slots"):
        (tmp_path / "closet" / name).mkdir(parents=True)
    return tmp_path / "closet"


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """The parts of a comma device's system that are read."""
    system = tmp_path / "system"
    for number, (kind, text) in enumerate((("cpu0-silver", "51300"), ("gpu", "48000"), ("asleep", ""), ("odd", "x"))):
        zone = system / f"sys/class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "type").write_text(kind + "\n")
        (zone / "temp").write_text(text)
    (system / "proc").mkdir()
    (system / "proc/uptime").write_text("1234.50 9000.00\n")
    (system / "proc/meminfo").write_text("MemTotal: 4000000 kB\nMemAvailable:    1500000 kB\n")
    (system / "VERSION").write_text("19.6\n")
    for place in ("dev/shm", "tmp"):
        (system / place).mkdir(parents=True)
    return system


def test_what_a_comma_device_measures(root: Path, system: Path) -> None:
    before = time.time()
    said = selfcheck(root, (), system, system)
    assert before <= said["received_unix_s"] <= said["sent_unix_s"] <= time.time()
    assert said["temperatures_c"] == {"cpu0-silver (0)": 51.3, "gpu (1)": 48.0}
    assert (said["os_version"], said["uptime_s"], said["memory_bytes"]) == ("19.6", 1234.5, 1_536_000_000)
    assert said["leftovers"] == []
    assert said["free_bytes"] > 0
    json.dumps(said, allow_nan=False)


def test_a_system_that_shows_nothing_is_measured_all_the_same(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty/proc").mkdir(parents=True)
    said = selfcheck(root, (), tmp_path / "empty", tmp_path / "empty")
    assert (said["temperatures_c"], said["os_version"], said["memory_bytes"], said["uptime_s"]) == ({}, "", None, None)


def test_what_lost_jobs_left_is_found_and_what_runs_is_not(root: Path, system: Path) -> None:
    prefix = scratch_prefix(root)
    for job in (JOB, "running-1", "others-2"):
        (root / "jobs" / job).mkdir()
        (system / "dev/shm" / f"{prefix}{job}-ring").touch()
    (system / "tmp" / f"{prefix}{JOB}").mkdir()
    (system / "tmp" / "somebody-elses").touch()
    (system / "dev/shm" / f"{scratch_prefix(root / 'another')}{JOB}").touch()
    (root / "slots/1.json").write_text(json.dumps({"epoch": 2, "job": "others-2"}))
    (root / "slots/0.json").write_text(json.dumps({"epoch": 7, "job": JOB}))
    (root / "slots/0.lock").touch()
    with (root / "slots/1.lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = leftovers(root, {"running-1"}, system)
    assert found[0] == f"job folder {JOB}"
    assert [Path(entry).name for entry in found[1:]] == [f"{prefix}{JOB}-ring", f"{prefix}{JOB}"]
    assert len(leftovers(root, {"running-1"}, system)) == 5, "nobody holds the other slot any more"


def test_looking_does_not_hold_a_slot(root: Path, system: Path) -> None:
    (root / "slots/0.lock").touch()
    leftovers(root, (), system)
    with (root / "slots/0.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_process_without_a_lease_is_found_by_its_mark(root: Path) -> None:
    environment = {**os.environ, "CLOSET_JOB": f"{root}/jobs/{JOB}"}
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert leftovers(root, ()) == [f"process {process.pid} of job {JOB}"]
        assert leftovers(root, {JOB}) == []
        process.communicate(b"\n")
    assert leftovers(root, ()) == []


def test_a_list_without_end_is_cut(root: Path, system: Path) -> None:
    for number in range(50):
        (root / "jobs" / f"{number:02d}").mkdir()
    found = leftovers(root, (), system)
    assert len(found) == 21
    assert found[-1] == "30 more"


def test_a_device_is_checked_over_ssh(devices: tuple[Device, ...]) -> None:
    session = open_session(devices[0], on_lost=lambda _error: None)
    try:
        vitals = session.check()
    finally:
        session.close()
    assert abs(vitals.clock_offset_s) <= vitals.clock_bound_s + 0.01, "it is this machine's clock"
    assert vitals.clock_bound_s < 5.0
    assert vitals.free_bytes > 0
    assert vitals.uptime_s is not None
    assert judge_vitals(vitals, EMULATED_LIMITS) == ()
    (broken,) = judge_vitals(vitals, Limits(1 << 60, None, None, None, None))
    assert broken.name == "min_free_bytes"
