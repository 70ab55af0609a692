"""closet devices check, quarantine, release, disable, enable: what a person does about a device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Event

import click

from harness.cli.devices import devices_option
from harness.cli.options import echo_json, json_option, open_store, who
from harness.cli.stopping import stopping
from harness.closet.canary import plain_runtime
from harness.closet.health import Vitals
from harness.config import Fleet, load_fleet
from harness.domain import Device, Health
from harness.errors import ConfigError, ExitCode
from harness.pipeline.canary import BY_VOTE
from harness.pipeline.changes import Person
from harness.pipeline.checkup import Checkup, Examiner
from harness.pipeline.device_changes import DeviceChange, change_device
from harness.pipeline.emulated import emulated_devices
from harness.pipeline.runs import closet_home
from harness.pipeline.shelf import open_shelf
from harness.shelf import DeviceHealth, Shelf

_AT_A_TIME = 8
_POLL_S = 0.2


def _one_line(_: click.Context, option: click.Parameter, text: str) -> str:
    """A reason as one line; a required one says something."""
    if option.required and not text.strip():
        raise click.BadParameter("say why: who looks at it next will read this")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


_reason = click.option(
    "--reason",
    required=True,
    callback=_one_line,
    metavar="TEXT",
    help="Why: who looks at it next will read this.",
)
_name = click.argument("name")


@click.command(
    epilog="\b\nExamples:\n  closet devices check\n  closet devices check mici-01 tizi-02\n"
    "  closet devices check mici-01 --relearn",
    short_help="Self-check and canary now.",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@devices_option
@click.option(
    "--relearn",
    is_flag=True,
    help="Take what these devices answer for the right answer of their kind and runtime from now on.",
)
@json_option
def check(names: tuple[str, ...], devices_file: Path, relearn: bool, as_json: bool) -> int:
    """Look at devices now, all without a NAME: each measures itself, and runs its canary when a slot is free.

    A wrong canary quarantines the device; a broken limit, or no answer, makes it suspect. One that is quarantined stays
    so until it is released, whatever is found. Exit code 3 unless all that were looked at are well and in use.
    """
    fleet = load_fleet(devices_file)
    with ExitStack() as stack:
        shelf = stack.enter_context(open_shelf(closet_home(), fleet))
        chosen = stack.enter_context(reachable(fleet, names))
        examiner = stack.enter_context(Examiner(fleet, shelf, open_store(), name=f"check by {who()}", relearn=relearn))
        found = look(examiner, shelf, chosen)
        healths = shelf.healths()
    if as_json:
        echo_json([_plain(entry, healths[entry.device]) for entry in found])
    else:
        for entry in found:
            click.echo("\n".join(_lines(entry, healths[entry.device])))
    # A disabled device says nothing about the others, unless it was asked for.
    counted = [entry for entry in found if names or healths[entry.device].state is not Health.DISABLED]
    well = all(entry.well and healths[entry.device].given_out for entry in counted)
    return ExitCode.GATE_OPEN if counted and well else ExitCode.NO_VERDICT


@click.command(
    epilog='\b\nExample:\n  closet devices quarantine mici-01 --reason "answers, but the picture has lines"',
    short_help="Give no more jobs to a device.",
)
@_name
@_reason
@devices_option
def quarantine(name: str, reason: str, devices_file: Path) -> None:
    """Give no more jobs to a device until it is released. What runs on it ends in peace."""
    _change(devices_file, name, DeviceChange.QUARANTINE, reason)


@click.command(
    epilog='\b\nExample:\n  closet devices release mici-01 --reason "a new fan"',
    short_help="End a quarantine.",
)
@_name
@click.option("--reason", default="", callback=_one_line, metavar="TEXT", help="What was done about it.")
@devices_option
def release(name: str, reason: str, devices_file: Path) -> None:
    """End a device's quarantine: it runs its canary, and then jobs again."""
    _change(devices_file, name, DeviceChange.RELEASE, reason or "released")


@click.command(
    epilog='\b\nExample:\n  closet devices disable mici-01 --reason "lent to the camera team until Friday"',
    short_help="Take a device off the shelf.",
)
@_name
@_reason
@devices_option
def disable(name: str, reason: str, devices_file: Path) -> None:
    """Take a device off the shelf: nothing connects to it until it is enabled, no recovery either."""
    _change(devices_file, name, DeviceChange.DISABLE, reason)


@click.command(epilog="\b\nExample:\n  closet devices enable mici-01", short_help="Put a device back on the shelf.")
@_name
@click.option("--reason", default="", callback=_one_line, metavar="TEXT", help="Why it is back.")
@devices_option
def enable(name: str, reason: str, devices_file: Path) -> None:
    """Put a disabled device back on the shelf: it runs its canary, and then jobs again."""
    _change(devices_file, name, DeviceChange.ENABLE, reason or "enabled")


COMMANDS = (check, quarantine, release, disable, enable)


@contextmanager
def reachable(fleet: Fleet, names: tuple[str, ...]) -> Iterator[tuple[Device, ...]]:
    """The devices of these names, all without one; emulated workers are started where they are meant.

    ConfigError for a name that no device has.
    """
    wanted = set(names) - {device.name for device in fleet.devices}
    started = fleet.emulated if wanted or not names else 0
    with emulated_devices(started, closet_home()) as emulated:
        known = {device.name: device for device in (*fleet.devices, *emulated)}
        for name in names:
            if name not in known:
                listed = ", ".join(known) or "none"
                raise ConfigError(f"no device {name}", where=str(fleet.path), remedy=f"one of {listed}")
        yield tuple(known[name] for name in dict.fromkeys(names)) if names else tuple(known.values())


def look(examiner: Examiner, shelf: Shelf, chosen: tuple[Device, ...]) -> tuple[Checkup, ...]:
    """Check these devices, several at a time; Ctrl-C ends their canaries.

    Where a later answer showed that an earlier one was right after all, or wrong, that device is looked at once more.
    """
    with stopping("ending the canaries") as stop, ThreadPoolExecutor(_AT_A_TIME) as pool:
        found = finished([pool.submit(examiner.check, device) for device in chosen], examiner, stop)
        healths = shelf.healths()
        again = [device for device in chosen if healths[device.name].by == BY_VOTE and not stop.is_set()]
        last = {entry.device: entry for entry in found}
        for entry in finished([pool.submit(examiner.check, device) for device in again], examiner, stop):
            last[entry.device] = entry
    return tuple(last.values())


def finished(checks: Sequence[Future[Checkup]], examiner: Examiner, stop: Event) -> tuple[Checkup, ...]:
    """What was found, once all have ended; when `stop` is set their canaries are ended."""
    while wait(checks, _POLL_S).not_done:
        if stop.is_set():
            examiner.stop()
    return tuple(check.result() for check in checks)


def _change(devices_file: Path, name: str, change: DeviceChange, reason: str) -> None:
    fleet = load_fleet(devices_file)
    with open_shelf(closet_home(), fleet) as shelf:
        _, words = change_device(shelf, fleet, name, change, reason=reason, person=Person(who(), "command line"))
    click.echo(f"{name}  {words}")


def _lines(found: Checkup, health: DeviceHealth) -> list[str]:
    lines = [f"{found.device}  {health.state if found.well or not health.given_out else 'not well'}"]
    if found.error is not None:
        lines.append(f"    {found.error.problem}")
        lines += [f"    {found.error.remedy}"] if found.error.remedy else []
    elif not health.given_out:
        lines.append(f"    {health.reason} ({health.by}, {health.since})")
        if health.state is Health.QUARANTINED and not found.not_run:
            lines.append(f"    it is well now: closet devices release {found.device}")
    if found.vitals is not None:
        lines.append(f"    {_measured(found.vitals)}")
    if found.not_run:
        lines.append(f"    canary not run: {found.not_run}")
    elif found.error is None and found.run_s is not None:
        lines.append(f"    canary right in {found.run_s:.1f} s: {plain_runtime(health.runtime)}")
    return lines


def _measured(vitals: Vitals) -> str:
    parts = [f"{vitals.free_bytes / 1e9:.1f} GB free"]
    if vitals.hottest is not None:
        parts.append(f"{vitals.hottest[0]} {vitals.hottest[1]:.0f} °C")
    parts.append(f"clock {round(vitals.clock_offset_s, 2) + 0.0:+.2f} s (± {vitals.clock_bound_s:.2f} s)")
    parts.append(f"load {vitals.load / vitals.cpus:.2f} a core")
    if vitals.memory_bytes is not None:
        parts.append(f"{vitals.memory_bytes / 1e9:.1f} GB memory available")
    if vitals.uptime_s is not None:
        parts.append(f"up {vitals.uptime_s / 3600:.1f} h")
    return " · ".join([*parts, f"/VERSION {vitals.os_version}"] if vitals.os_version else parts)


def _plain(found: Checkup, health: DeviceHealth) -> dict[str, object]:
    return {
        "name": found.device,
        "well": found.well,
        "state": health.state.value,
        "reason": health.reason,
        "runtime": plain_runtime(health.runtime),
        "error": None if found.error is None else asdict(found.error),
        "limits": [asdict(broken) for broken in found.broken],
        "vitals": None if found.vitals is None else asdict(found.vitals),
        "canary_not_run": found.not_run,
        "canary_s": found.run_s,
    }
