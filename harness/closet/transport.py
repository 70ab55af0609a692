"""One SSH connection a device (paramiko): pinned host key, key-only login, at most eight channels, every wait bounded.

Measured reasons: an open connection answers a command in milliseconds where a fresh one takes hundreds, but only with
TCP_NODELAY on its socket; aes128-gcm is the fastest cipher both sides have; sshd refuses the eleventh session. paramiko
does not notice a dead peer, so nothing waits without a deadline; and where it waits itself, it goes by the time of day,
which jumps, or waits for ever: so we end its waiting from outside.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import shlex
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from harness.closet.deadline import Deadline
from harness.closet.remote_process import BROKEN, RemoteProcess, reason
from harness.domain import Device
from harness.errors import DeviceTimeoutError, ErrorDescription, HostKeyError, UnreachableError

CONNECT_S = 5.0
_CHANNELS = 8
_KEEPALIVE_S = 10
_WINDOW_BYTES = 16 * 1024 * 1024
_PACKET_BYTES = 128 * 1024
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # our errors say it; no stray lines on a terminal


def fingerprint(host_key: str) -> str:
    """The SHA256 fingerprint of a public key given as `type base64`, in the form ssh-keygen shows."""
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class KeyRefusedError(UnreachableError):
    """The device is there and does not take our key, or we have none: trying again soon changes nothing."""

    def describe(self) -> ErrorDescription:
        """For a job and its record it is as good as not there."""
        return replace(super().describe(), kind=UnreachableError.__name__)


class Connection:
    """An authenticated connection to one device. Made by `connect`."""

    def __init__(self, device: Device, transport: paramiko.Transport) -> None:
        self.device = device
        self._transport = transport
        self._channels = threading.BoundedSemaphore(_CHANNELS)

    @property
    def where(self) -> str:
        """How errors name the device."""
        return _where(self.device)

    def run(self, command: Sequence[str], deadline: Deadline) -> RemoteProcess:
        """Start one command on a channel of its own; waits for a free channel when eight are in use."""
        if not self._channels.acquire(timeout=deadline.left_s):
            raise DeviceTimeoutError(f"no free channel among {_CHANNELS}", where=self.where, remedy="use fewer slots")
        try:
            channel = self._transport.open_session(timeout=max(0.01, deadline.left_s))
            with _ended_at(deadline, channel.close):
                channel.exec_command(shlex.join(command))
        except Exception as error:  # paramiko raises here whatever a peer's bytes led to in its own thread
            self._channels.release()
            raise UnreachableError(
                f"no channel for a command: {reason(error)}", where=self.where, remedy="see whether the device is up"
            ) from error
        return RemoteProcess(channel, self.where, self._channels.release)

    def close(self) -> None:
        """End the connection and with it every channel."""
        self._transport.close()


def connect(device: Device, deadline: Deadline) -> Connection:
    """Open the one connection to `device`: HostKeyError, or UnreachableError saying why and what to do."""
    where = _where(device)
    key = _client_key(device)
    try:
        stream = socket.create_connection((device.address, device.port), timeout=max(0.01, deadline.left_s))
    except OSError as error:
        raise UnreachableError(
            f"no answer: {reason(error)}", where=where, remedy="see whether it is powered and on the network"
        ) from error
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport: paramiko.Transport | None = None
    try:
        transport = paramiko.Transport(stream, default_window_size=_WINDOW_BYTES, default_max_packet_size=_PACKET_BYTES)
        with _ended_at(deadline, transport.close):
            _negotiate(transport, device, deadline)
            _authenticate(transport, device, key)
        transport.set_keepalive(_KEEPALIVE_S)
    except BaseException:
        if transport is not None:
            transport.close()
        stream.close()
        raise
    return Connection(device, transport)


@contextmanager
def _ended_at(deadline: Deadline, end: Callable[[], None]) -> Iterator[None]:
    """What the block waits for is over by the deadline: `end` makes every wait in it fail."""

    def end_quietly() -> None:
        with suppress(*BROKEN):  # the peer is told so, who may be gone
            end()

    timer = threading.Timer(deadline.left_s, end_quietly)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _client_key(device: Device) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(Path(device.key_path).expanduser())
    except (OSError, ValueError, TypeError, paramiko.SSHException, UnknownKeyType) as error:
        raise KeyRefusedError(
            f"the client key {device.key_path} cannot be used: {reason(error)}",
            where=_where(device),
            remedy="give `key` an unencrypted private key that only you can read",
        ) from error


def _negotiate(transport: paramiko.Transport, device: Device, deadline: Deadline) -> None:
    """Key exchange and the check of the pinned host key, before anything secret is said."""
    left_s = max(0.01, deadline.left_s)
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = left_s
    options = transport.get_security_options()
    options.ciphers = tuple(cipher for cipher in _CIPHERS if cipher in options.ciphers)
    pinned_kind = device.host_key.split()[0]
    kinds = ("rsa-sha2-512", "rsa-sha2-256") if pinned_kind == "ssh-rsa" else (pinned_kind,)
    options.key_types = (
        *(kind for kind in kinds if kind in options.key_types),
        *(kind for kind in options.key_types if kind not in kinds),
    )
    try:
        transport.start_client(timeout=left_s)
        shown = transport.get_remote_server_key()
    except Exception as error:  # whatever a peer's bytes led to in paramiko's thread: also a broken seal, or no number
        raise UnreachableError(
            f"no SSH handshake: {reason(error)}",
            where=_where(device),
            remedy="see whether an SSH server listens there and is not overloaded",
        ) from error
    shown_key = f"{shown.get_name()} {shown.get_base64()}"
    if shown_key.split() != device.host_key.split()[:2]:
        raise HostKeyError(
            "the host key is not the pinned one: "
            f"expected {fingerprint(device.host_key)}, shown {fingerprint(shown_key)}",
            where=_where(device),
            remedy="find out whether the device was set up anew or is another one; "
            "only then pin the shown key as `host_key` of the device",
        )


def _authenticate(transport: paramiko.Transport, device: Device, key: paramiko.PKey) -> None:
    try:
        transport.auth_publickey(device.user, key)
    except Exception as error:  # as above
        public = fingerprint(f"{key.get_name()} {key.get_base64()}")
        refused = isinstance(error, paramiko.AuthenticationException) and transport.is_active()
        raise (KeyRefusedError if refused else UnreachableError)(
            f"user {device.user} may not log in with the key {device.key_path} ({public}): {reason(error)}",
            where=_where(device),
            remedy="put its public half into the device's authorized_keys, or correct `user` and `key`",
        ) from error


def _where(device: Device) -> str:
    return f"{device.name} ({device.user}@{device.address}:{device.port})"
