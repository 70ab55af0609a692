"""Brings the environment to a device, and takes it away again: nothing needed from the internet there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.closet.channel import AgentLink, described_error, start_agent
from harness.closet.deadline import Deadline
from harness.closet.interpreter import ENVIRONMENT_PYTHON
from harness.closet.provision.requirements import WORKER_LOCK
from harness.closet.provision.survey import Interpreter, Survey, choose, take_survey
from harness.closet.provision.target import Target
from harness.closet.provision.wheelhouse import Wheelhouse, open_wheelhouse
from harness.closet.staging import FileMover
from harness.closet.transport import CONNECT_S, Connection, connect
from harness.domain import Device
from harness.errors import DeviceUnhealthyError, StagingFailedError

_START_S = 30.0
_ASK_S = 20.0
_BUILD_S = 900.0
_VERIFY_S = 240.0
_REMOVE_S = 120.0
_SLOWEST_BYTES_S = 200_000  # a phone's modem, say
_RESERVE_BYTES = 256 << 20
_VERSION = 1  # of how an environment is made; raise it when that changes

Say = Callable[[str], None]


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
    with _agent(device, base.executable) as (connection, link, root):
        path = f"{root}/{link.agent_name}"
        if survey.environment == key and _works(connection, path, root, wheelhouse):
            return done
        staged = _stage(connection, link, path, root, wheelhouse, say)
        spec = {
            "key": key,
            "base": base.executable,
            "wheels": [(wheel.path.name, wheel.blob.sha256) for wheel in wheelhouse.wheels],
            "imports": wheelhouse.imports,
        }
        _command(connection, path, root, "build", spec, Deadline.after(_BUILD_S), say)
    return replace(done, made=True, staged_bytes=staged)


def unprovision(device: Device, *, say: Say = lambda _line: None) -> tuple[str, ...]:
    """Remove everything of ours from the device; returns what else is in its work folder, which stays.

    Refused with LeaseLostError while a job runs there or a run is connected.
    """
    where, survey = _survey(device, "")
    able = next((entry for entry in survey.interpreters if entry.target is not None), None)
    if able is None:
        raise DeviceUnhealthyError(
            "no Python there can run the agent, so none of ours was ever made",
            where=where,
            remedy=f"see what is in {device.work_folder}",
        )
    with _agent(device, able.executable) as (connection, link, root):
        path = f"{root}/{link.agent_name}"
        link.close()
        done = _command(connection, path, root, "remove", {}, Deadline.after(_REMOVE_S), say)
    left = done.get("left")
    return tuple(str(name)[:200] for name in left[:20]) if isinstance(left, list) else ()


def _survey(device: Device, python: str) -> tuple[str, Survey]:
    connection = connect(device, Deadline.after(CONNECT_S))
    try:
        named = _named(device, python)
        return connection.where, take_survey(connection, device.work_folder, (named,) if named else ())
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


@contextmanager
def _agent(device: Device, python: str) -> Iterator[tuple[Connection, AgentLink, str]]:
    """A connection with an agent under the Python that will carry the environment."""
    device = replace(device, python=python)
    connection = connect(device, Deadline.after(CONNECT_S))
    try:
        deadline = Deadline.after(_START_S)
        link = start_agent(connection, deadline, on_lost=lambda _error: None)
        try:
            hello = link.ask("hello", deadline, slots=device.slots)
            if not isinstance(hello, Mapping) or not isinstance(hello.get("root"), str):
                raise DeviceUnhealthyError(
                    "its agent is not ours", where=connection.where, remedy="see what runs there"
                )
            yield connection, link, str(hello["root"])
        finally:
            link.close()
    finally:
        connection.close()


def _works(connection: Connection, path: str, root: str, wheelhouse: Wheelhouse) -> bool:
    spec = {"imports": wheelhouse.imports}
    try:
        _command(connection, path, root, "verify", spec, Deadline.after(_VERIFY_S), lambda _line: None)
    except DeviceUnhealthyError:
        return False
    return True


def _stage(connection: Connection, link: AgentLink, path: str, root: str, wheelhouse: Wheelhouse, say: Say) -> int:
    """Bring the wheels that are not there yet, if there is room for them and for what they become."""
    by_digest = {wheel.blob.sha256: wheel for wheel in wheelhouse.wheels}
    listed = sorted((digest, wheel.blob.size_bytes) for digest, wheel in by_digest.items())
    missing = link.ask("need", Deadline.after(_ASK_S), pin="provision", blobs=listed)
    if not isinstance(missing, Sequence) or not set(missing) <= by_digest.keys():
        raise DeviceUnhealthyError(
            "asks for what was not offered", where=connection.where, remedy="see what runs there"
        )
    total = sum(by_digest[digest].blob.size_bytes for digest in missing)
    free = _free_bytes(link, connection.where)
    needed = total + wheelhouse.unpacked_bytes + _RESERVE_BYTES
    if free < needed:
        raise StagingFailedError(
            f"disk full: {free / 1e6:.0f} MB free of {needed / 1e6:.0f} MB needed",
            where=connection.where,
            remedy="free space on the device",
        )
    sent = 0
    deadline = Deadline.after(_ASK_S + total / _SLOWEST_BYTES_S)
    if missing:
        mover = FileMover(connection, path, root, deadline)
        try:
            for number, digest in enumerate(missing, 1):
                wheel = by_digest[digest]
                say(f"sending {number}/{len(missing)} {wheel.path.name}, {wheel.blob.size_bytes / 1e6:.1f} MB")
                mover.put(wheel.blob, wheel.path, deadline, lambda _count: None)
                sent += wheel.blob.size_bytes
        finally:
            mover.close()
    return sent


def _free_bytes(link: AgentLink, where: str) -> int:
    said = link.ask("hello", Deadline.after(_ASK_S), slots=1)
    free = said.get("free_bytes") if isinstance(said, Mapping) else None
    if not isinstance(free, int):
        raise DeviceUnhealthyError("does not say how much room it has", where=where, remedy="see what runs there")
    return free


def _command(
    connection: Connection, path: str, root: str, what: str, spec: Mapping[str, object], deadline: Deadline, say: Say
) -> Mapping[str, Any]:
    """Run one of the agent's upkeep commands to its last word."""
    process = connection.run([connection.device.python, path, what, "--root", root], deadline)
    try:
        process.write(json.dumps(spec).encode() + b"\n", deadline)
        while True:
            try:
                said = json.loads(process.read_line(deadline))
            except (ValueError, RecursionError):
                said = None
            if not isinstance(said, dict):
                raise DeviceUnhealthyError(
                    "an answer that is none", where=connection.where, remedy="see that the login shell prints nothing"
                )
            if "error" in said:
                raise described_error(said["error"], connection.where)
            if isinstance(done := said.get("done"), dict):
                return done
            say(_step(said))
    finally:
        process.close()


def _step(said: Mapping[str, Any]) -> str:
    text = str(said.get("step", ""))[:100]
    if "name" in said:
        text += f" {said.get('number')}/{said.get('of')} {said['name']}"
    return text[:200] if text.isprintable() else ascii(text[:200])
