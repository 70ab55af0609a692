"""What executes models on each kind of device, as far as it is known when planning: what their last canaries ran under.

A job is known by it, so that a trace made by another runtime is never taken for what this one would make.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from harness.closet.canary import plain_runtime
from harness.config import Fleet
from harness.domain import DeviceKind, Health, ReplayJob, RuntimeChoice
from harness.errors import DataError, DeviceUnhealthyError, ErrorDescription
from harness.pipeline.shelf import SHELF_FILE, SHELF_VARIABLE, open_shelf
from harness.replay.runtime import named, runtime_key
from harness.shelf import DeviceHealth
from harness.trace import parse_trace

UNKNOWN_RUNTIME = "as installed on the device"
_NOTHING_CHOSEN: Mapping[DeviceKind, RuntimeChoice] = MappingProxyType({})
_OF_MODELS = "onnxruntime="  # replayers that execute no model name something else, and it is part of their version


def known_healths(home: Path, fleet: Fleet, environment: Mapping[str, str] = os.environ) -> Mapping[str, DeviceHealth]:
    """What the shelf knows of devices; nothing where there is none yet, or nothing but workers of a run's own."""
    named = environment.get(SHELF_VARIABLE) or fleet.shelf
    if not fleet.devices or not (named or (home / SHELF_FILE).is_file()):
        return {}
    with open_shelf(home, fleet, environment) as shelf:
        return shelf.healths()


def planned_runtimes(
    kinds: Iterable[DeviceKind],
    fleet: Fleet,
    healths: Mapping[str, DeviceHealth],
    choices: Mapping[DeviceKind, RuntimeChoice] = _NOTHING_CHOSEN,
) -> dict[DeviceKind, str]:
    """The runtime of each kind: that of its healthy devices where they agree. Emulated ones are this machine's.

    What is chosen for a kind is part of it.
    """
    usual = RuntimeChoice()
    return {
        kind: named(
            runtime_key(usual) if kind is DeviceKind.EMULATED else _agreed(kind, fleet, healths),
            choices.get(kind, usual),
        )
        for kind in kinds
    }


def check_choices(choices: Mapping[DeviceKind, RuntimeChoice], where: str) -> None:
    """ConfigError for a provider that this machine has not, which emulated workers are; a device says so itself."""
    if DeviceKind.EMULATED in choices:
        # Imported here, because onnxruntime takes its time and nearly nobody chooses.
        from harness.replay.sessions import refuse_unavailable  # noqa: PLC0415

        refuse_unavailable(choices[DeviceKind.EMULATED], where)


def changed_runtime(job: ReplayJob, trace: Path, device: str) -> ErrorDescription | None:
    """What is wrong with a trace (of the right digest) that another runtime made than the one its job is known by."""
    if job.runtime.startswith(UNKNOWN_RUNTIME):
        return None
    try:
        made = parse_trace(trace.read_bytes(), where=str(trace), digest_checked=True)
    except DataError:
        return None  # who judges it says what is wrong with it
    made_by = str(made.provenance.get("runtime", ""))
    if made_by == job.runtime or not made_by.startswith(_OF_MODELS):
        return None
    return DeviceUnhealthyError(
        f"runtime changed: {job.runtime} was planned, {made_by[:500]} made the trace",
        where=device,
        remedy=f"closet devices check {device}, then run again: what its canary ran under is planned with",
    ).describe()


def _agreed(kind: DeviceKind, fleet: Fleet, healths: Mapping[str, DeviceHealth]) -> str:
    known = [healths[device.name] for device in fleet.devices if device.kind is kind and device.name in healths]
    runtimes = {plain_runtime(health.runtime) for health in known if health.state is Health.HEALTHY and health.runtime}
    return runtimes.pop() if len(runtimes) == 1 else UNKNOWN_RUNTIME
