"""A label that nobody could ever serve is told when planning."""

from __future__ import annotations

import pytest

from harness.domain import Device, DeviceKind, Health
from harness.errors import ConfigError
from harness.shelf import DeviceHealth, name_of_run, refuse_unavailable


def _device(name: str, kind: DeviceKind, *tags: str) -> Device:
    return Device(name, kind, "10.0.0.1", 22, "comma", "key", "ssh-ed25519 AAAA", "/data/closet", "python3", tags=tags)


DEVICES = [
    _device("mici-02", DeviceKind.MICI, "desk"),
    _device("mici-01", DeviceKind.MICI, "desk", "fast"),
    _device("tizi-01", DeviceKind.TIZI),
]
SMOKE = DeviceHealth("mici-01", Health.QUARANTINED, "smoke", "2026-11-02T10:00:00Z", "ann")


def test_one_that_is_given_out_is_enough() -> None:
    refuse_unavailable(DeviceKind.MICI, ["desk"], DEVICES, {"mici-01": SMOKE})
    refuse_unavailable(DeviceKind.MICI, ["fast"], DEVICES, {"mici-01": DeviceHealth("mici-01", Health.SUSPECT)})
    refuse_unavailable(DeviceKind.TIZI, [], DEVICES, {})


def test_no_device_has_it() -> None:
    with pytest.raises(ConfigError) as refused:
        refuse_unavailable(DeviceKind.TIZI, ["fast", "desk"], DEVICES, {}, where="suites/pr.yaml:7")
    assert str(refused.value) == (
        "suites/pr.yaml:7: no device is tizi with desk, fast (there are: mici with desk; mici with desk, fast; tizi)"
    )
    with pytest.raises(ConfigError, match="no device is tici "):
        refuse_unavailable(DeviceKind.TICI, [], DEVICES, {})
    with pytest.raises(ConfigError, match="closet devices add"):
        refuse_unavailable(DeviceKind.TICI, [], [], {})


def test_only_quarantined_devices_have_it() -> None:
    with pytest.raises(ConfigError) as refused:
        refuse_unavailable(DeviceKind.MICI, ["fast"], DEVICES, {"mici-01": SMOKE})
    assert str(refused.value) == (
        "no device is mici with fast: only quarantined devices are: mici-01 (smoke, 2026-11-02T10:00:00Z)"
        " (mend it, then closet devices release mici-01)"
    )


def test_quarantined_and_disabled_ones() -> None:
    off = DeviceHealth("mici-02", Health.DISABLED, "", "2026-11-03T10:00:00Z", "ann")
    with pytest.raises(ConfigError) as refused:
        refuse_unavailable(DeviceKind.MICI, [], DEVICES, {"mici-01": SMOKE, "mici-02": off})
    assert refused.value.problem == (
        "no device is mici: only quarantined or disabled devices are: "
        "mici-01 (smoke, 2026-11-02T10:00:00Z), mici-02 (disabled, 2026-11-03T10:00:00Z)"
    )


def test_a_disabled_one_is_enabled_not_released() -> None:
    lent = DeviceHealth("tizi-01", Health.DISABLED, "lent")
    with pytest.raises(ConfigError) as refused:
        refuse_unavailable(DeviceKind.TIZI, [], DEVICES, {"tizi-01": lent})
    assert str(refused.value) == (
        "no device is tizi: only disabled devices are: tizi-01 (lent) (mend it, then closet devices enable tizi-01)"
    )


def test_one_that_its_hook_may_bring_back_could_be_given_out() -> None:
    by_run = DeviceHealth("tizi-01", Health.QUARANTINED, "canary: differs", by=name_of_run("r", "r-0123456789ab"))
    refuse_unavailable(DeviceKind.TIZI, [], DEVICES, {"tizi-01": by_run}, recoverable={"tizi-01"})
    with pytest.raises(ConfigError):
        refuse_unavailable(DeviceKind.TIZI, [], DEVICES, {"tizi-01": by_run})
    by_person = DeviceHealth("tizi-01", Health.QUARANTINED, "open", by="ann")
    with pytest.raises(ConfigError):
        refuse_unavailable(DeviceKind.TIZI, [], DEVICES, {"tizi-01": by_person}, recoverable={"tizi-01"})
