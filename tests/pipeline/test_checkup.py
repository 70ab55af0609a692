"""Devices looked at outside a run, over SSH: well, wrong, busy, silent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.closet.emulator import EmulatedDevice, emulated_closet
from harness.config import Fleet
from harness.config.upkeep import EMULATED_LIMITS
from harness.domain import Device, Health, Priority
from harness.pipeline.checkup import Examiner
from harness.shelf import Shelf
from harness.store import Store
from tests.closet.conftest import assert_clean, eventually, openssh
from tests.pipeline.lab import faulty


@dataclass
class Lab:
    """A shelf, a store and emulated workers."""

    folder: Path
    shelf: Shelf
    store: Store
    members: tuple[EmulatedDevice, ...]

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple(member.device for member in self.members)

    def examiner(self, fleet: Fleet | None = None) -> Examiner:
        return Examiner(fleet or Fleet(self.devices, 0), self.shelf, self.store, name="check by a test")

    def state(self, device: Device) -> Health:
        return self.shelf.health(device.name).state


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmulatedDevice, ...]]:
    with emulated_closet(3, tmp_path_factory.mktemp("shelf")) as closet:
        yield closet.members
        for member in closet.members:
            assert_clean(member.device)


@pytest.fixture
def lab(tmp_path: Path, members: tuple[EmulatedDevice, ...]) -> Iterator[Lab]:
    with Shelf(tmp_path / "shelf.db") as shelf:
        yield Lab(tmp_path, shelf, Store(tmp_path / "home"), members)


def test_devices_that_are_well_confirm_each_other_and_one_that_computes_wrongly_is_quarantined(lab: Lab) -> None:
    one, two, three = lab.devices
    wrong = faulty(three, lab.folder / "faulty")
    with lab.examiner() as examiner:
        for device in (one, two):
            found = examiner.check(device)
            assert found.well, found
            assert found.run_s is not None
            assert found.run_s > 0
            assert lab.state(device) is Health.HEALTHY
        found = examiner.check(wrong)
        assert not found.well
        assert found.canary_error is not None
        said = found.canary_error.problem
        assert "2 other devices of this kind and runtime answered" in said
        health = lab.shelf.health(wrong.name)
        assert (health.state, health.reason, health.by) == (Health.QUARANTINED, said, "check by a test")
        again = examiner.check(three)
        assert again.well, "with another Python it is well"
        assert lab.state(three) is Health.QUARANTINED, "and stays so until somebody releases it"
    assert lab.shelf.leases() == ()
    assert lab.shelf.holders() == ()
    assert [attempt.canary for attempt in lab.shelf.attempts()] == [True] * 4


def test_a_broken_limit_makes_a_device_suspect_although_its_canary_is_right(lab: Lab) -> None:
    device = lab.devices[0]
    limits = replace(EMULATED_LIMITS, min_free_bytes=1 << 60, os_version=("19.6",))
    with lab.examiner(Fleet(lab.devices, 0, limits={device.name: limits})) as examiner:
        found = examiner.check(device)
    assert [broken.name for broken in found.broken] == ["min_free_bytes", "os_version"]
    assert found.run_s is not None
    assert found.canary_error is None
    assert not found.well
    health = lab.shelf.health(device.name)
    assert health.state is Health.SUSPECT
    assert "min_free_bytes" in health.reason
    assert health.canary_at is not None


def test_a_slot_that_a_run_has_is_not_taken(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.pipeline.checkup._TURN_S", 0.3)
    device = lab.devices[0]
    lab.shelf.register(device)
    holder = lab.shelf.join("nightly-7", suite="nightly", priority=Priority.NIGHTLY)
    lease = lab.shelf.acquire(
        holder, device.name, 0, kind=device.kind, tags=(), hard_end_s=60.0, least_epoch=0, proving=False
    )
    assert lease is not None
    with lab.examiner() as examiner:
        found = examiner.check(device)
        assert (found.well, found.run_s, found.not_run) == (True, None, "in use by nightly-7")
        assert found.vitals is not None
        lab.shelf.release(lease, "done")
        assert examiner.check(device).not_run == ""


def test_a_device_that_is_not_there_is_suspect_and_a_disabled_one_is_left_alone(lab: Lab) -> None:
    gone = replace(lab.devices[0], port=9)
    with lab.examiner() as examiner:
        found = examiner.check(gone)
        assert found.error is not None
        assert found.error.kind == "UnreachableError"
        assert lab.state(gone) is Health.SUSPECT
        device = lab.devices[1]
        lab.shelf.set_health(device.name, Health.DISABLED, reason="lent", by="me", by_person=True)
        found = examiner.check(device)
        assert (found.not_run, found.vitals) == ("it is disabled", None)
        assert lab.state(device) is Health.DISABLED


def test_a_device_without_a_python_is_suspect_until_it_has_one(lab: Lab) -> None:
    device = lab.devices[0]
    with lab.examiner() as examiner:
        found = examiner.check(replace(device, python="/no/such/python3"))
        assert found.error is not None
        assert "python" in found.error.problem
        assert lab.state(device) is Health.SUSPECT
        assert examiner.check(device).well
    assert lab.state(device) is Health.HEALTHY


def test_stopping_ends_the_canary_and_proves_nothing(lab: Lab) -> None:
    device = lab.devices[0]
    with lab.examiner() as examiner:
        found = []
        thread = threading.Thread(target=lambda: found.append(examiner.check(device)))
        thread.start()
        while thread.is_alive():
            examiner.stop()
            thread.join(0.01)
    assert found[0].not_run == "stopped"
    assert lab.state(device) is Health.UNKNOWN
    assert lab.shelf.attempts() == ()
    assert eventually(lambda: lab.shelf.leases() == ())


def test_an_openssh_server_is_a_device_too(tmp_path: Path) -> None:
    with (
        openssh(1, tmp_path / "shelf") as (device,),
        Shelf(tmp_path / "shelf.db") as shelf,
        Examiner(Fleet((device,), 0), shelf, Store(tmp_path / "home"), name="check by a test") as examiner,
    ):
        found = examiner.check(device)
        assert found.well, found
        assert shelf.health(device.name).state is Health.HEALTHY
        assert "onnxruntime=" in shelf.health(device.name).runtime
