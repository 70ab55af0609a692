"""closet devices and emulate: the shelf."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from harness.cli.options import echo_json, json_option
from harness.closet.contact import contact
from harness.closet.emulator import emulate as start_emulated
from harness.config import load_fleet
from harness.domain import Device
from harness.errors import ClosetError, ConfigError, ExitCode
from harness.files import write_text


@click.group(
    invoke_without_command=True,
    epilog="\b\nExample:\n  closet devices --devices devices.yaml --json",
    short_help="List the devices and whether each answers; add and provision them.",
)
@click.option(
    "--devices", "devices_file", type=click.Path(path_type=Path), default=Path("devices.yaml"), show_default=True
)
@click.option("--no-contact", is_flag=True, help="Only list, do not connect.")
@json_option
@click.pass_context
def devices(context: click.Context, devices_file: Path, no_contact: bool, as_json: bool) -> int:
    """List the shelf: each device's kind, address, tags, and what it says of itself when contacted."""
    if context.invoked_subcommand is not None:
        return ExitCode.GATE_OPEN
    fleet = load_fleet(devices_file)
    rows: list[dict[str, object]] = []
    answered = True
    for device in fleet.devices:
        row: dict[str, object] = {
            "name": device.name,
            "kind": device.kind.value,
            "address": f"{device.user}@{device.address}:{device.port}",
            "slots": device.slots,
            "tags": list(device.tags),
        }
        if not no_contact:
            answered = _ask(device, row) and answered
        rows.append(row)
    if fleet.emulated:
        rows.append({"name": f"emulated × {fleet.emulated}", "kind": "emulated", "state": "started by each run"})
    if as_json:
        echo_json(rows)
    else:
        for row in rows:
            click.echo("  ".join(str(value) for value in row.values() if value not in ([], "")))
    return ExitCode.GATE_OPEN if answered else ExitCode.NO_VERDICT


def _ask(device: Device, row: dict[str, object]) -> bool:
    """Connect, and add what the device says to its row; False when it does not answer."""
    try:
        facts = contact(device)
    except ClosetError as error:
        row["state"] = str(error)
        return False
    packages = ", ".join(f"{name} {version}" for name, version in sorted(facts.packages.items()))
    row["state"] = (
        f"ready: Python {facts.python}, {facts.machine}, {facts.cpus} cores, "
        f"{facts.free_bytes / 1e9:.1f} GB free, {packages}"
    )
    return True


@click.command(
    epilog="\b\nExample:\n  closet emulate 3 --folder /tmp/shelf\n"
    "  closet run suites/pr.yaml --candidate models/next --devices /tmp/shelf/devices.yaml",
    short_help="Start emulated workers until Ctrl-C.",
)
@click.argument("count", type=click.IntRange(1, 64))
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".closet/shelf"), show_default=True)
def emulate(count: int, folder: Path) -> None:
    """Start COUNT emulated workers: real SSH servers on loopback, each with its own root folder.

    Writes FOLDER/devices.yaml, which names them, and runs until Ctrl-C.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"no shelf can be kept there: {error.strerror}", where=str(folder), remedy="name another --folder"
        ) from error
    with start_emulated(count, folder) as shelf:
        path = folder / "devices.yaml"
        write_text(path, render_devices(shelf))
        for device in shelf:
            click.echo(f"{device.name}  {device.user}@{device.address}:{device.port}")
        click.echo(f"{path}  (Ctrl-C ends the workers)")
        stop.wait()


def render_devices(shelf: tuple[Device, ...]) -> str:
    """The devices as the text of a devices.yaml."""
    lines = ["devices:"]
    for device in shelf:
        lines += [
            f"  {device.name}:",
            f"    kind: {device.kind.value}",
            f"    address: {device.address}",
            f"    port: {device.port}",
            f"    user: {device.user}",
            f"    key: {device.key_path}",
            f"    host_key: {device.host_key}",
            f"    work_folder: {device.work_folder}",
            *([f"    python: {device.python}"] if device.python else []),
            f"    slots: {device.slots}",
        ]
        if device.tags:
            lines.append(f"    tags: [{', '.join(device.tags)}]")
    return "\n".join(lines) + "\n"
