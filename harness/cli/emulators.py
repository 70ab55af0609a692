"""closet emulate: workers on this machine, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from harness.closet.emulator import emulate as start_emulated
from harness.domain import Device
from harness.errors import ConfigError
from harness.files import write_text


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
