"""What keeps the devices of a run in order: plain values that whoever opens a pool gives it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.closet.canary import Canary
from harness.config.upkeep import Limits
from harness.domain import Device, DeviceKind
from harness.errors import ErrorDescription

Recovery = Callable[[Device, str], ErrorDescription | None]
"""Try to bring a device back, told why it was quarantined: None when it is worth another canary."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What keeps devices in order during a run; without it they are taken as they are.

    `canaries` by kind; one that a device passed at most `canary_every_h` ago, with this code and its libraries of now,
    is not run before its first job. Devices in `unproved` never run one. `recoveries` by device; `over` is set when the
    run is, and nobody waits any more for what a recovery brings back.
    """

    canaries: Mapping[DeviceKind, Canary] = field(default_factory=dict)
    canary_every_h: float = 24.0
    unproved: frozenset[str] = frozenset()
    limits: Callable[[Device], Limits] | None = None
    recoveries: Mapping[str, Recovery] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def proves(self, device: Device) -> bool:
        """Whether a device has a canary to prove itself by."""
        return device.kind in self.canaries and device.name not in self.unproved
