"""Emulated devices: as many SSH servers on loopback as asked for, each its own process and root folder."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from harness.closet.deadline import Deadline
from harness.domain import Device, DeviceKind
from harness.errors import DeviceUnhealthyError

_READY_S = 20.0
_END_S = 10.0


@dataclass(frozen=True, slots=True)
class EmulatedDevice:
    """A running emulator: the device as the pool sees it, and the process that plays it."""

    device: Device
    root: Path
    process: subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class EmulatedCloset:
    """All emulators that were started together."""

    members: tuple[EmulatedDevice, ...]

    @property
    def devices(self) -> tuple[Device, ...]:
        """What to give to the pool."""
        return tuple(member.device for member in self.members)


@contextmanager
def emulate(count: int, folder: Path, *, slots: int = 1, tags: tuple[str, ...] = ()) -> Iterator[tuple[Device, ...]]:
    """`count` emulated devices below `folder`, gone with everything they run when the block ends.

    Keys and blob caches in `folder` are kept, so that the next start there finds its blobs again. Each device gets an
    equal share of the machine's cores.
    """
    with emulated_closet(count, folder, slots=slots, tags=tags) as closet:
        yield closet.devices


@contextmanager
def emulated_closet(
    count: int, folder: Path, *, slots: int = 1, tags: tuple[str, ...] = ()
) -> Iterator[EmulatedCloset]:
    """Like `emulate`, with the processes and root folders in reach."""
    folder = folder.absolute()
    client_key = write_key(folder / "client_key")
    threads = max(1, (os.cpu_count() or 1) // max(1, count * slots))
    with ExitStack() as stack:
        members = []
        for number in range(1, count + 1):
            name = f"emulated-{number:02d}"
            root = folder / name
            root.mkdir(parents=True, exist_ok=True)
            host_key = write_key(folder / f"{name}.host_key")
            process = stack.enter_context(_running(root, host_key, client_key, threads))
            members.append((name, root, host_key, process))
        yield EmulatedCloset(
            tuple(
                EmulatedDevice(
                    Device(
                        name=name,
                        kind=DeviceKind.EMULATED,
                        address="127.0.0.1",
                        port=_port(process, name),
                        user="comma",
                        key_path=str(client_key),
                        host_key=" ".join(host_key.with_suffix(".pub").read_text().split()[:2]),
                        work_folder=str(root / "closet"),
                        python=sys.executable,
                        slots=slots,
                        tags=tags,
                    ),
                    root,
                    process,
                )
                for name, root, host_key, process in members
            )
        )


def write_key(path: Path) -> Path:
    """An ed25519 key pair at `path` and `path.pub`, made when it is not there; only the owner can read it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        key = Ed25519PrivateKey.generate()
        path.with_suffix(".pub").write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        Path(temporary).replace(path)
    return path


@contextmanager
def _running(root: Path, host_key: Path, client_key: Path, threads: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "harness.closet.emulator_server", "--root", str(root)]
    command += ["--host-key", str(host_key), "--client-key", str(client_key.with_suffix(".pub"))]
    package_parent = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "CLOSET_THREADS": str(threads), "PYTHONPATH": package_parent},
        start_new_session=True,  # Ctrl-C is for who started it; it ends with its stdin
    )
    try:
        yield process
    finally:
        assert process.stdin is not None  # noqa: S101 made with a pipe
        assert process.stdout is not None  # noqa: S101 made with a pipe
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _port(process: subprocess.Popen[bytes], name: str) -> int:
    """The port an emulator says it listens on."""
    assert process.stdout is not None  # noqa: S101 made with a pipe
    ready, _, _ = select.select([process.stdout], [], [], Deadline.after(_READY_S).left_s)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise DeviceUnhealthyError("the emulator does not start", where=name, remedy="see its message above")
    return int(json.loads(line)["port"])
