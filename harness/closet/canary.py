"""The canary of a device kind: a work whose answer is known, who judges an answer, and when one is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from harness.closet.work import DeviceFacts, Work
from harness.domain import Device, Health
from harness.errors import ErrorDescription
from harness.shelf.values import DeviceHealth

Verify: TypeAlias = Callable[[Device, Mapping[str, Path]], ErrorDescription | None]
"""Given the device and the files it left in out/: None when the answer is right, else what is wrong with it."""

_CODE = " code="
_CODE_DIGITS = 12
_LIBRARIES = ("onnxruntime", "numpy", "av")
_CLOCKS_APART_S = 60.0


@dataclass(frozen=True, slots=True)
class Canary:
    """One job with a known answer for one kind of device.

    `work` has `canary=True`, and each time it runs it is given an id of its own. `verify` may be called from any
    thread; it keeps the answer, and tells the shelf that the device passed.
    """

    work: Work
    verify: Verify


def passed_with(runtime: str, code_sha256: str) -> str:
    """What the shelf remembers of a passed canary: the runtime, and the code that was replayed with."""
    return f"{runtime}{_CODE}{code_sha256[:_CODE_DIGITS]}"


def plain_runtime(remembered: str) -> str:
    """The runtime in what `passed_with` made."""
    return remembered.partition(_CODE)[0]


def canary_due(health: DeviceHealth, facts: DeviceFacts, code_sha256: str, every_h: float, now_s: float) -> str:
    """Why a device must run its canary before its next job; empty when it need not. `now_s` is Unix time."""
    if health.state is not Health.HEALTHY:
        return f"it is {health.state}"
    if health.canary_at is None:
        return "it never passed one"
    age_s = now_s - health.canary_at
    if age_s > every_h * 3600:
        return f"the last one was {age_s / 3600:.1f} h ago"
    if age_s < -_CLOCKS_APART_S:
        return "the last one is in the future: a clock was changed"
    runtime, _, code = health.runtime.partition(_CODE)
    if code != code_sha256[:_CODE_DIGITS]:
        return "the last one was replayed by other code"
    known = dict(word.split("=", 1) for word in runtime.split() if "=" in word)
    now = {**{name: facts.packages[name] for name in _LIBRARIES if name in facts.packages}, "machine": facts.machine}
    changed = [f"{name} is {version}" for name, version in now.items() if known.get(name) != version]
    return f"the last one ran under another runtime: now {', '.join(changed)}" if changed else ""
