"""Brings the environment to a device, and takes it away again: nothing needed from the internet there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from harness.closet.answers import chosen, plain_text, sequence
from harness.closet.deadline import Deadline
from harness.closet.interpreter import ENVIRONMENT_PYTHON
from harness.closet.provision.reach import Reached, Say, reach
from harness.closet.provision.requirements import WORKER_LOCK
from harness.closet.provision.survey import Interpreter, Survey, choose, take_survey
from harness.closet.provision.target import Target
from harness.closet.provision.wheelhouse import Wheelhouse, open_wheelhouse
from harness.closet.staging import FileMover
from harness.closet.transport import CONNECT_S, connect
from harness.domain import Device
from harness.errors import DeviceUnhealthyError, OnroadError, StagingFailedError

_ASK_S = 20.0
_BUILD_S = 900.0
_VERIFY_S = 240.0
_REMOVE_S = 120.0
_SLOWEST_BYTES_S = 200_000  # a phone's modem, say
_RESERVE_BYTES = 256 << 20
_PIN = "provision"
_MOST_LEFT = 20
_VERSION = 1  # of how an environment is made; raise it when that changes


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the wheels come from: `shelf` keeps them here; a folder, or pip unless `offline`."""

    shelf: Path
    lock: Path = WORKER_LOCK
    folder: Path | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What came of it. `python` is the environment's on the device, `base` the one that it was made from."""

    python: str
    base: str
    version: str
    target: Target
    made: bool
    staged_bytes: int


def provision(device: Device, sources: Sources, *, python: str = "", say: Say = lambda _line: None) -> Provisioned:
    """Make sure that the device has the environment; says `made=False` when it had it already.

    The old one stays in use until the new one has been built and tried there. DeviceError when the device is not fit,
    is busy or cannot be reached; ConfigError when the wheels cannot be had.
    """
    where, survey = _survey(device, python)
    base, target = choose(survey, _named(device, python), where)
    say(f"Python {base.version} at {base.executable}, {target}, {survey.free_bytes / 1e9:.1f} GB free")
    wheelhouse = open_wheelhouse(
        sources.shelf, sources.lock, target, source=sources.folder, offline=sources.offline, say=say
    )
    key = _environment_key(wheelhouse, base)
    done = Provisioned(
        f"{device.work_folder}/{ENVIRONMENT_PYTHON}", base.executable, base.version, target, made=False, staged_bytes=0
    )
    with reach(device, base.executable) as reached:
        if survey.environment == key and _works(reached, wheelhouse):
            return done
        staged = _stage(reached, wheelhouse, say)
        spec = {
            "key": key,
            "base": base.executable,
            "wheels": [(wheel.path.name, wheel.blob.sha256) for wheel in wheelhouse.wheels],
            "imports": wheelhouse.imports,
        }
        reached.command("build", spec, Deadline.after(_BUILD_S), say)
    return replace(done, made=True, staged_bytes=staged)


def unprovision(device: Device, *, say: Say = lambda _line: None) -> tuple[str, ...]:
    """Remove everything of ours from the device; returns what else is in its work folder, which stays.

    Refused with LeaseLostError while a job runs there or a run is connected.
    """
    where, survey = _survey(device, "")
    # Not the environment's own: it goes.
    able = next((entry.base for entry in survey.interpreters if entry.target is not None), None)
    if able is None:
        raise DeviceUnhealthyError(
            "no Python there can run the agent, so none of ours was ever made",
            where=where,
            remedy=f"see what is in {device.work_folder}",
        )
    with reach(device, able) as reached:
        reached.link.close()  # it would be a run that is connected
        done = reached.command("remove", {}, Deadline.after(_REMOVE_S), say)
    left = sequence(done.get("left"), where, _MOST_LEFT)
    return tuple(plain_text(name, 200) for name in left)


def _survey(device: Device, python: str) -> tuple[str, Survey]:
    connection = connect(device, Deadline.after(CONNECT_S))
    try:
        folder, named = device.work_folder, _named(device, python)
        survey = take_survey(connection, folder, (named or f"{folder}/{ENVIRONMENT_PYTHON}",))
        if not named and survey.environment_base:  # what is beneath the environment that is there is built on again
            survey = take_survey(connection, folder, (survey.environment_base,))
        if not named and all(entry.target is None for entry in survey.interpreters):
            survey = take_survey(connection, folder)
        return connection.where, survey
    finally:
        connection.close()


def _named(device: Device, python: str) -> str:
    """The Python that somebody wants built on; not an environment of ours, which is what is being made."""
    if python:
        return python
    return "" if device.python.startswith(f"{device.work_folder}/env/") else device.python


def _environment_key(wheelhouse: Wheelhouse, base: Interpreter) -> str:
    """Another one when packages, the Python beneath, or the way it is made change."""
    return hashlib.sha256(f"{_VERSION}\0{wheelhouse.key}\0{base.base}\0{base.version}".encode()).hexdigest()


def _works(reached: Reached, wheelhouse: Wheelhouse) -> bool:
    """Whether the environment that is there still imports what it should."""
    try:
        reached.command("verify", {"imports": wheelhouse.imports}, Deadline.after(_VERIFY_S), lambda _line: None)
    except OnroadError:
        raise
    except DeviceUnhealthyError:
        return False
    return True


def _stage(reached: Reached, wheelhouse: Wheelhouse, say: Say) -> int:
    """Bring the wheels that are not there yet, if there is room for them and for what they become."""
    where = reached.connection.where
    paths = {wheel.blob.sha256: wheel.path for wheel in wheelhouse.wheels}
    offered = {wheel.blob.sha256: wheel.blob for wheel in wheelhouse.wheels}
    listed = sorted((blob.sha256, blob.size_bytes) for blob in offered.values())
    beside = wheelhouse.unpacked_bytes
    said = reached.link.ask("need", Deadline.after(_ASK_S), pin=_PIN, blobs=listed, beside_bytes=beside)
    missing = chosen(said, offered, where)
    total = sum(blob.size_bytes for blob in missing)
    facts = reached.again(Deadline.after(_ASK_S))  # older blobs may have made room
    needed = total + beside + max(_RESERVE_BYTES, facts.for_drives_bytes)
    if facts.free_bytes < needed:
        raise StagingFailedError(
            f"disk full: {facts.free_bytes / 1e6:.0f} MB free of {needed / 1e6:.0f} MB needed",
            where=where,
            remedy="free space on the device",
        )
    if not missing:
        return 0
    deadline = Deadline.after(_ASK_S + total / _SLOWEST_BYTES_S)
    mover = FileMover(reached.connection, reached.path, reached.root, deadline)
    try:
        for number, blob in enumerate(missing, 1):
            path = paths[blob.sha256]
            say(f"sending {number}/{len(missing)} {path.name}, {blob.size_bytes / 1e6:.1f} MB")
            mover.put(blob, path, deadline, lambda _count: None)
    finally:
        mover.close()
    return total
