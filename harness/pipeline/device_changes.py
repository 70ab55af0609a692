"""What a person does about a device: quarantine, release, disable, enable. For the commands and the dashboard."""

from __future__ import annotations

from enum import StrEnum

from harness.config import Fleet
from harness.domain import Health
from harness.errors import ConfigError
from harness.pipeline.changes import Person, audited
from harness.shelf import Shelf


class DeviceChange(StrEnum):
    """What can be done about a device by hand."""

    QUARANTINE = "quarantine"
    RELEASE = "release"
    DISABLE = "disable"
    ENABLE = "enable"


_INTO = {DeviceChange.QUARANTINE: Health.QUARANTINED, DeviceChange.DISABLE: Health.DISABLED}
_OUT_OF = {DeviceChange.RELEASE: Health.QUARANTINED, DeviceChange.ENABLE: Health.DISABLED}


def change_device(
    shelf: Shelf, fleet: Fleet, name: str, change: DeviceChange, *, reason: str, person: Person
) -> tuple[bool, str]:
    """Do it: whether anything was changed, and how the device is now. ConfigError where no device has the name."""
    require_known(fleet, shelf, name)
    if change in _OUT_OF and (health := shelf.health(name)).state is not _OUT_OF[change]:
        return False, f"is {health.state}, not {_OUT_OF[change]}: nothing to do"
    state = _INTO.get(change, Health.UNKNOWN)
    with audited(shelf.archive, person, f"{change} device", name, reason):
        shelf.set_health(name, state, reason=reason, by=person.name, by_person=True)
    return True, f"{state}: {reason}"


def require_known(fleet: Fleet, shelf: Shelf, name: str) -> None:
    """A name with a slip of the pen would be quarantined for nothing, and the device meant not at all."""
    for device in fleet.devices:
        shelf.register(device)
    names = [device.name for device in fleet.devices]
    names += [f"emulated-{number:02d}" for number in range(1, fleet.emulated + 1)]
    if name not in {*names, *shelf.healths()}:
        raise ConfigError(f"no device {name}", where=str(fleet.path), remedy=f"one of {', '.join(names)}")
