"""How a device becomes known: its host key is seen and confirmed by a person, then it says what it is."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

import paramiko

from harness.closet.deadline import Deadline
from harness.closet.transport import CONNECT_S, Connection, connect, fingerprint
from harness.domain import Device, DeviceKind
from harness.errors import ConfigError, UnreachableError

# In this order, when the device has several: the one that everybody has, small and fast.
_PREFERRED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_MODEL = "/sys/firmware/devicetree/base/model"
_ANSWER_BYTES = 4096
# The folder in front is where an emulated device keeps such files; a real one has none.
_LOOK = f'cat "${{CLOSET_DEVICE_ROOT:-}}{_MODEL}" 2>/dev/null; true'


@dataclass(frozen=True, slots=True)
class HostKey:
    """The public key a device shows: `text` is `type base64`, `fingerprint` what a person compares."""

    text: str
    fingerprint: str

    @property
    def kind(self) -> str:
        """Its type, as in `ssh-ed25519`."""
        return self.text.split()[0]


def fetch_host_key(address: str, port: int, deadline: Deadline | None = None) -> HostKey:
    """The key that a server shows; nobody logs in. UnreachableError when none answers."""
    deadline = deadline or Deadline.after(CONNECT_S)
    where = f"{address}:{port}"
    try:
        stream = socket.create_connection((address, port), timeout=max(0.01, deadline.left_s))
    except (OSError, UnicodeError) as error:
        raise UnreachableError(
            f"no answer: {error}", where=where, remedy="see whether it is powered and on the network"
        ) from error
    transport: paramiko.Transport | None = None
    try:
        transport = paramiko.Transport(stream)
        transport.banner_timeout = transport.handshake_timeout = max(0.01, deadline.left_s)
        options = transport.get_security_options()
        options.key_types = (
            *(kind for kind in _PREFERRED if kind in options.key_types),
            *(kind for kind in options.key_types if kind not in _PREFERRED),
        )
        transport.start_client(timeout=max(0.01, deadline.left_s))
        shown = transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnreachableError(
            f"no SSH handshake: {error}", where=where, remedy="see whether an SSH server listens there"
        ) from error
    finally:
        if transport is not None:
            transport.close()
        stream.close()
    text = f"{shown.get_name()} {shown.get_base64()}"
    return HostKey(text, fingerprint(text))


def log_in(device: Device) -> DeviceKind | None:
    """Log in with the key alone, and return the kind of comma device that it says it is, None when it does not."""
    connection = connect(device, Deadline.after(CONNECT_S))
    try:
        return parse_model(_run(connection, ("sh", "-c", _LOOK)))
    finally:
        connection.close()


def parse_model(content: bytes) -> DeviceKind | None:
    """The kind in a device tree's model, `comma mici` followed by a zero byte; None for any other."""
    maker, _, name = content.rstrip(b"\0\n ").decode(errors="replace").rpartition(" ")
    real = {kind.value: kind for kind in DeviceKind if kind is not DeviceKind.EMULATED}
    return real.get(name) if maker.endswith("comma") else None


def agreed_kind(said: DeviceKind | None, wanted: str, where: str) -> DeviceKind:
    """What the device is: what it says, which must not be otherwise than what a person says."""
    if said is None and not wanted:
        kinds = ", ".join(kind.value for kind in DeviceKind)
        raise ConfigError("it does not say what it is", where=where, remedy=f"give --kind ({kinds})")
    if said is not None and wanted and said.value != wanted:
        raise ConfigError(f"it says that it is a {said.value}", where=where, remedy="leave --kind out")
    return said or DeviceKind(wanted)


def _run(connection: Connection, command: Sequence[str]) -> bytes:
    """The first bytes that a command writes."""
    deadline = Deadline.after(CONNECT_S)
    process = connection.run(command, deadline)
    content = b""
    try:
        while len(content) < _ANSWER_BYTES and (piece := process.read(_ANSWER_BYTES, deadline)):
            content += piece
    finally:
        process.close()
    return content[:_ANSWER_BYTES]
