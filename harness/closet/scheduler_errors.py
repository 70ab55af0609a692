"""What a work that came to nothing is reported with, and what is refused before anything is leased. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from harness.closet.work import Work
from harness.domain import Device
from harness.errors import (
    ConfigError,
    DeviceError,
    ErrorDescription,
    LeaseLostError,
    OnroadError,
    ProductCrashError,
    UnreachableError,
    from_description,
)
from harness.verdict import Attempt

_GENERAL = {"UnreachableError", "LeaseLostError", "DeviceTimeoutError"}


def can_run(work: Work, device: Device) -> bool:
    """Whether the device is of the kind the work asks for, has all its tags, and is not left out by name."""
    return (
        device.kind is work.device_kind
        and set(work.tags) <= set(device.tags)
        and device.slots > 0
        and (not work.only_devices or device.name in work.only_devices)
        and device.name not in work.not_devices
    )


def refuse_impossible(works: Sequence[Work], devices: Sequence[Device]) -> None:
    """ConfigError naming every kind, label and name that no device has, before anything is leased."""
    wanted = {_asked_for(work) for work in works if not any(can_run(work, device) for device in devices)}
    if wanted:
        raise ConfigError(
            f"no device is: {'; '.join(sorted(wanted))}",
            where="devices",
            remedy="add such a device, correct its kind and tags, or ask for others in the suite",
        )
    refuse_twice("work", [work.id for work in works])


def refuse_twice(what: str, names: Sequence[str]) -> None:
    """ConfigError when a name is given twice."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ConfigError(f"{what} {twice[0]} is there twice", where="devices", remedy="give each its own name")


def _asked_for(work: Work) -> str:
    tags = f" with tags {', '.join(work.tags)}" if work.tags else ""
    only = f" named {' or '.join(work.only_devices)}" if work.only_devices else ""
    other = f" other than {', '.join(work.not_devices)}" if work.not_devices else ""
    return f"{work.device_kind}{tags}{only}{other}"


def is_crash(attempt: Attempt) -> bool:
    """Whether the software on trial crashed in it."""
    return attempt.error is not None and attempt.error.kind == ProductCrashError.__name__


def is_onroad(error: ErrorDescription | None) -> bool:
    """Whether a device belonged to its driver."""
    return error is not None and error.kind == OnroadError.__name__


def doubts_device(error: ErrorDescription) -> bool:
    """Whether after this error nothing is known of the device any more.

    A lost lease says nothing of it, and one that belongs to its driver now is well.
    """
    known = from_description(error)
    return isinstance(known, DeviceError) and not isinstance(known, LeaseLostError | OnroadError)


def why_away(error: ErrorDescription) -> str:
    """Why a device is not there, as the shelf has it for people."""
    return f"unreachable: {error.problem}" if error.kind == UnreachableError.__name__ else error.problem


def nobody_left(work: Work, reasons: Sequence[tuple[str, ErrorDescription]]) -> ErrorDescription:
    """Why no device can do a work: what kept all of them away when it was the same, else that they are unreachable."""
    told = "; ".join(f"{name}: {error.problem}" for name, error in reasons)
    remedies = {error.kind: error.remedy for _, error in reasons}
    kind, remedy = next(iter(remedies.items())) if len(remedies) == 1 else (UnreachableError.__name__, "")
    remedy = remedy or "see whether the devices are up"
    return ErrorDescription(
        kind, f"no {work.device_kind} device is left: {told}", remedy=f"{remedy}, then resume the run"
    )


def reported_error(attempts: Sequence[Attempt], then: ErrorDescription | None = None) -> ErrorDescription | None:
    """What a work that failed is reported with; `then` is why no further try could come, if that is known.

    The first specific cause, else the first. A crash comes before them once it was seen twice; one that every other try
    was too unwell to confirm is no more than a device's word, so that it is an error of the lab, which tells of it.
    """
    failed = [attempt.error for attempt in attempts if attempt.error is not None and not is_crash(attempt)]
    specific = [error for error in failed if error.kind not in _GENERAL]
    cause = next(iter((*specific, *failed)), then)
    crashes = [(attempt.device, attempt.error) for attempt in attempts if attempt.error and is_crash(attempt)]
    if not crashes:
        return cause
    device, crash = crashes[0]
    devices = sorted({name for name, _ in crashes})
    if len(devices) > 1:
        return replace(crash, problem=f"{crash.problem}; crashed on {' and on '.join(devices)}")
    if len(crashes) > 1:
        told = f"crashed {len(crashes)} times on {device}, no other device could tell product from device"
        return replace(crash, problem=f"{crash.problem}; {told}")
    if cause is None:
        return replace(crash, problem=f"{crash.problem}; crashed on {device}, no second try told product from device")
    told = f"crashed on {device} ({crash.problem}), and no other try could tell product from device"
    return replace(cause, problem=f"{told}: {cause.problem}")
