"""The canary of a device kind: a work whose answer is known, and who judges the answer of a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from harness.closet.work import Work
from harness.domain import Device
from harness.errors import ErrorDescription

Verify: TypeAlias = Callable[[Device, Mapping[str, Path]], ErrorDescription | None]
"""Given the device and the files it left in out/: None when the answer is right, else what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One job with a known answer for one kind of device.

    `work` has `canary=True`, and each time it runs it is given an id of its own. `verify` may be called from any
    thread; it keeps the answer, and tells the shelf that the device passed.
    """

    work: Work
    verify: Verify
