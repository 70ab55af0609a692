"""Whether the canaries that devices passed still count, for the length of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from harness.closet.canary import canary_due
from harness.closet.upkeep import Upkeep
from harness.closet.work import DeviceFacts
from harness.domain import Device
from harness.shelf import DeviceHealth


class Proofs:
    """By what `health` says, by name, that the shelf knows of the devices."""

    def __init__(self, devices: Sequence[Device], upkeep: Upkeep, health: Callable[[str], DeviceHealth | None]) -> None:
        self._canaries = {
            device.name: upkeep.canaries[device.kind] for device in devices if device.kind in upkeep.canaries
        }
        self._every_h, self._health = upkeep.canary_every_h, health
        self._told: dict[str, float] = {}  # the canary, by when it was passed, that was told to be too old

    def proved(self, device: Device, facts: DeviceFacts) -> bool:
        """Whether it passed its canary not long ago, as it is now."""
        canary, health = self._canaries.get(device.name), self._health(device.name)
        if canary is None or health is None:
            return False
        return not canary_due(health, facts, canary.work.code.sha256, self._every_h, time.time())

    def outlived(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those whose canary came to be too long ago: a run may last longer than one counts.

        Each is named once, as it takes a moment until the shelf has said that the next one was passed.
        """
        found = []
        for name in names:
            health = self._health(name) if name in self._canaries else None
            passed = None if health is None else health.canary_at
            if passed is not None and passed != self._told.get(name) and time.time() - passed > self._every_h * 3600:
                self._told[name] = passed
                found.append(name)
        return tuple(found)
