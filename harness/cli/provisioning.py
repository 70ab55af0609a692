"""closet devices add and provision: making a device known, and ready."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from harness.cli.device_care import check
from harness.cli.devices import devices_option
from harness.cli.options import who
from harness.closet.interpreter import NOT_PROVISIONED
from harness.closet.provision.enrolment import HostKey, agreed_kind, fetch_host_key, log_in
from harness.closet.provision.installing import Sources, unprovision
from harness.closet.provision.installing import provision as install
from harness.closet.provision.requirements import WORKER_LOCK
from harness.config import load_fleet
from harness.config.entries import add_device, use_environment
from harness.config.text import folder_there
from harness.domain import Device, DeviceKind, Health
from harness.errors import ConfigError, ExitCode, HostKeyError
from harness.pipeline.runs import closet_home
from harness.pipeline.shelf import open_shelf

_KEYS = ("~/.ssh/closet", "~/.ssh/id_ed25519", "~/.ssh/id_rsa")
_WHEELHOUSES = "wheelhouses"


@click.command(
    epilog="\b\nExamples:\n  closet devices add mici-01 10.0.0.21 --key ~/.ssh/closet\n"
    "  closet devices add mici-02 10.0.0.22 --fingerprint SHA256:jM…  # in a script",
    short_help="Make a device known: pin its host key.",
)
@click.argument("name")
@click.argument("address")
@devices_option
@click.option("--kind", type=click.Choice([kind.value for kind in DeviceKind]), help="Default: what the device says.")
@click.option("--user", default="comma", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=22, show_default=True)
@click.option("--key", help=f"A private key that the device accepts. Default: the first of {', '.join(_KEYS)}.")
@click.option("--slots", type=click.IntRange(1, 64), default=1, show_default=True, help="Jobs at a time.")
@click.option("--tag", "tags", multiple=True, help="A label that suites can ask for. May be given more than once.")
@click.option("--work-folder", default="/data/closet", show_default=True, help="The only folder there that is written.")
@click.option("--fingerprint", "known", metavar="SHA256:…", help="The host key's fingerprint, instead of a question.")
def add(
    name: str,
    address: str,
    devices_file: Path,
    kind: str | None,
    user: str,
    port: int,
    key: str | None,
    slots: int,
    tags: tuple[str, ...],
    work_folder: str,
    known: str | None,
) -> None:
    """Write a device into devices.yaml, after its host key was seen and confirmed and a login with the key went well.

    Compare the fingerprint with what `ssh-keygen -lf` says on the device itself: that is the moment at which somebody
    in between would be noticed. Nothing but that key is accepted from the device afterwards.
    """
    try:
        work_folder = folder_there(work_folder)
    except ValueError as error:
        raise ConfigError(
            str(error), where=f"--work-folder {work_folder}", remedy="name one like /data/closet"
        ) from None
    key = key or _default_key()
    key_path = Path(os.path.abspath(Path(key).expanduser()))  # noqa: PTH100 a link to a key stays a link
    if not key_path.is_file():
        raise ConfigError("no private key there", where=str(key_path), remedy="ssh-keygen -t ed25519 makes one")
    _refuse_known(devices_file, name)
    shown = fetch_host_key(address, port)
    click.echo(f"{address}:{port} shows {shown.kind} {shown.fingerprint}")
    _confirm(shown, known, f"{address}:{port}")
    device = Device(
        name=name,
        kind=DeviceKind(kind or DeviceKind.MICI),
        address=address,
        port=port,
        user=user,
        key_path=str(key_path),
        host_key=shown.text,
        work_folder=work_folder,
        python="",
        slots=slots,
        tags=tags,
    )
    said = agreed_kind(log_in(device), kind or "", f"{name} ({address}:{port})")
    device = replace(device, kind=said)
    add_device(devices_file, device, key=key if key.startswith(("~", "/")) else str(key_path))
    click.echo(f"{name}: {said.value}, written to {devices_file}")
    click.echo(f"next: closet devices provision {name}")


@click.command(
    epilog="\b\nExamples:\n  closet devices provision mici-01\n  closet devices provision mici-01 --remove",
    short_help="Make a device ready: a private Python environment.",
)
@click.argument("name")
@devices_option
@click.option("--remove", is_flag=True, help="Take away everything that was brought to the device.")
@click.option(
    "--python", default="", metavar="PATH", help="The Python there to build on. Default: the first that will do."
)
@click.option(
    "--wheelhouse",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Take the wheels from this folder instead of from where pip looks.",
)
@click.option(
    "--requirements",
    "lock",
    type=click.Path(path_type=Path),
    default=WORKER_LOCK,
    metavar="FILE",
    help="Other packages, pinned with hashes. Default: what the replayers need.",
)
@click.option("--force-offline", is_flag=True, help="Only wheels that are kept here already.")
@click.pass_context
def provision(
    context: click.Context,
    name: str,
    devices_file: Path,
    remove: bool,
    python: str,
    wheelhouse: Path | None,
    lock: Path,
    force_offline: bool,
) -> int:
    """Build the environment that jobs run in, in the work folder of the device and nowhere else.

    The wheels are fetched here and sent there: the device needs no internet. What was in use stays in use until the new
    environment has been built and tried; then the device is checked as `closet devices check` does. Does nothing when
    the environment is there already and the device is healthy.
    """
    device = _known(devices_file, name)
    if remove:
        left = unprovision(device, say=click.echo)
        _note_removal(devices_file, device)
        click.echo(f"{name}: removed" + (f"; not ours, and left: {', '.join(left)}" if left else ""))
        return ExitCode.GATE_OPEN
    sources = Sources(closet_home() / _WHEELHOUSES, lock.absolute(), wheelhouse, force_offline)
    done = install(device, sources, python=python, say=click.echo)
    if use_environment(devices_file, name):
        click.echo(f"{devices_file}: `python` of {name} taken out, so that the environment is used")
    with open_shelf(closet_home(), load_fleet(devices_file)) as shelf:
        health = shelf.health(name).state
    well = not done.made and health is Health.HEALTHY
    before = "nothing to do" if well else f"is {health}"
    made = f"ready, {done.staged_bytes / 1e6:.0f} MB sent" if done.made else before
    click.echo(f"{name}: {made}; {done.python} on Python {done.version}")
    return ExitCode.GATE_OPEN if well else int(context.invoke(check, names=(name,), devices_file=devices_file))


def _note_removal(devices_file: Path, device: Device) -> None:
    """What was healthy is not known to be so any more; what was taken off the shelf stays off it."""
    reason = f"{NOT_PROVISIONED}: closet devices provision {device.name}"
    with open_shelf(closet_home(), load_fleet(devices_file)) as shelf:
        shelf.register(device)
        if shelf.health(device.name).given_out:
            shelf.set_health(device.name, Health.UNKNOWN, reason=reason, by=who(), by_person=True)


def _default_key() -> str:
    for key in _KEYS:
        if Path(key).expanduser().is_file():
            return key
    raise ConfigError(f"no private key: none of {', '.join(_KEYS)}", remedy="ssh-keygen -t ed25519 -f ~/.ssh/closet")


def _refuse_known(devices_file: Path, name: str) -> None:
    """Before anybody is asked anything."""
    if devices_file.exists() and any(device.name == name for device in load_fleet(devices_file).devices):
        raise ConfigError(
            f"there is a device {name}", where=str(devices_file), remedy="remove that entry first to replace it"
        )


def _known(devices_file: Path, name: str) -> Device:
    devices = {device.name: device for device in load_fleet(devices_file).devices}
    if name not in devices:
        raise ConfigError(
            f"no device {name}", where=str(devices_file), remedy=f"one of {', '.join(devices) or 'none'}; or add it"
        )
    return devices[name]


def _confirm(shown: HostKey, known: str | None, where: str) -> None:
    """A key is trusted because somebody says so; never because nobody was there to ask."""
    if known is not None:
        if known.removeprefix("SHA256:").rstrip("=") != shown.fingerprint.removeprefix("SHA256:"):
            raise HostKeyError(
                f"another host key: expected {known}, shown {shown.fingerprint}",
                where=where,
                remedy="see which device answers at that address",
            )
        return
    if not sys.stdin.isatty():
        raise ConfigError(
            "nobody is there to confirm the host key",
            where=where,
            remedy=f"compare it, then give --fingerprint {shown.fingerprint}",
        )
    click.confirm("Is that what the device itself says (ssh-keygen -lf on it)?", abort=True)
