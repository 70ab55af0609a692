"""Whether any device that is wanted could ever be given out: asked when planning, so that nothing waits for ever."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from harness.domain import Device, DeviceKind, Health
from harness.errors import ConfigError
from harness.shelf.values import DeviceHealth


def refuse_unavailable(
    kind: DeviceKind,
    tags: Iterable[str],
    devices: Iterable[Device],
    healths: Mapping[str, DeviceHealth],
    where: str = "",
    recoverable: Container[str] = (),
) -> None:
    """ConfigError when no known device is of this kind with these labels, or none of them is given out.

    One of the `recoverable` that a run quarantined could be: the next run has its hook bring it back.
    """
    wanted = sorted(set(tags))
    label = " with ".join(filter(None, (kind.value, ", ".join(wanted))))
    known = sorted(devices, key=lambda device: device.name)
    suited = [device.name for device in known if device.kind is kind and set(wanted) <= set(device.tags)]
    if not suited:
        there = sorted({" with ".join(filter(None, (device.kind.value, ", ".join(device.tags)))) for device in known})
        raise ConfigError(
            f"no device is {label}",
            where=where,
            remedy=f"there are: {'; '.join(there)}" if there else "closet devices add NAME",
        )
    known_healths = [healths.get(name, DeviceHealth(name)) for name in suited]
    if any(
        health.given_out or (health.quarantined_by_run and health.device in recoverable) for health in known_healths
    ):
        return
    states = " or ".join(sorted({health.state.value for health in known_healths}, reverse=True))
    names = [
        f"{health.device} ({', '.join(filter(None, (health.reason or health.state.value, health.since)))})"
        for health in known_healths
    ]
    free = "enable" if known_healths[0].state is Health.DISABLED else "release"
    raise ConfigError(
        f"no device is {label}: only {states} devices are: {', '.join(names)}",
        where=where,
        remedy=f"mend {'it' if len(suited) == 1 else 'one'}, then closet devices {free} {suited[0]}",
    )
