"""Limits, recovery hooks, canaries and burn-in as devices.yaml says them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import load_fleet
from harness.config.upkeep import EMULATED_LIMITS, Limits, RecoveryHook
from harness.domain import Device, DeviceKind
from harness.errors import ConfigMistakesError

DEVICES = """\
devices:
  mici-01: &device
    kind: mici
    address: 10.0.0.1
    key: key
    host_key: ssh-ed25519 AAAA
{more}
  worker: {{kind: emulated, address: 127.0.0.1, key: key, host_key: ssh-ed25519 AAAA}}
  emulated: 1
{top}
"""


def write(folder: Path, more: str = "", top: str = "") -> Path:
    (folder / "key").touch()
    path = folder / "devices.yaml"
    indented = "\n".join(f"    {line}" for line in more.splitlines())
    path.write_text(DEVICES.format(more=indented, top=top))
    return path


def test_what_is_not_said_is_sensible(tmp_path: Path) -> None:
    fleet = load_fleet(write(tmp_path))
    mici, worker = fleet.devices
    assert fleet.limits_of(mici) == Limits()
    assert fleet.limits_of(worker) == fleet.emulated_limits == EMULATED_LIMITS
    assert (fleet.recoveries, fleet.canary_every_h, fleet.burn_in_h, fleet.shelf) == ({}, 24.0, 12.0, "")


def test_a_device_says_it_for_itself_over_what_the_file_says_for_all(tmp_path: Path) -> None:
    top = "limits: {max_temperature_c: 70, os_version: '19.6', leftovers: null}\ncanary_every_h: 6\nburn_in: {hours: 2}"
    more = "limits: {max_temperature_c: 80.5, os_version: ['19.6', '20'], max_load_per_cpu: null}"
    fleet = load_fleet(write(tmp_path, more, top))
    mici, worker = fleet.devices
    limits = fleet.limits_of(mici)
    assert (limits.max_temperature_c, limits.os_version, limits.leftovers) == (80.5, ("19.6", "20"), None)
    assert limits.max_load_per_cpu is None
    assert limits.min_free_bytes == Limits().min_free_bytes
    assert fleet.limits_of(worker).max_temperature_c == 70.0, "said for all is said for emulated ones too"
    started = Device("emulated-01", DeviceKind.EMULATED, "", 1, "", "", "", "", "")
    assert fleet.limits_of(started).os_version == ("19.6",)
    assert (fleet.canary_every_h, fleet.burn_in_h) == (6.0, 2.0)


def test_a_recovery_hook(tmp_path: Path) -> None:
    more = "recovery: {command: [power, cycle, '3'], deadline_s: 120, cool_down_s: 60.5, most_a_day: 2}"
    assert load_fleet(write(tmp_path, more)).recoveries == {
        "mici-01": RecoveryHook(("power", "cycle", "3"), 120.0, 60.5, 2)
    }


@pytest.mark.parametrize(
    ("more", "top", "said"),
    [
        ("recovery: {command: 'power cycle 3'}", "", "7: devices.mici-01.recovery.command: should be a valid list"),
        ("recovery: {command: []}", "", "7: devices.mici-01.recovery.command: List should have at least 1 item"),
        ("recovery: {command: [x], shell: true}", "", "7: devices.mici-01.recovery.shell: unknown key"),
        ("recovery: {command: [x], most_a_day: 0}", "", "7: devices.mici-01.recovery.most_a_day"),
        ("limits: {max_temprature_c: 80}", "", "7: devices.mici-01.limits.max_temprature_c: unknown key"),
        ("limits: {os_version: 19.6}", "", "7: devices.mici-01.limits.os_version"),
        ("", "limits: {max_load_per_cpu: .nan}", "10: limits.max_load_per_cpu"),
        ("", "canary_every_h: 0", "10: canary_every_h"),
        ("", "burn_in: {days: 1}", "10: burn_in.days: unknown key"),
    ],
)
def test_mistakes_are_told_with_their_line(more: str, top: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, more, top)
    with pytest.raises(ConfigMistakesError) as caught:
        load_fleet(path)
    assert f"{path}:{said.split(': ', 1)[0]}: {said.split(': ', 1)[1]}" in str(caught.value), str(caught.value)
