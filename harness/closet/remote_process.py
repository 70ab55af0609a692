"""A command that runs on a device, over one channel of its SSH connection. What is waited for, is waited for by us."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import paramiko

from harness.closet.deadline import Deadline
from harness.errors import DeviceTimeoutError, UnreachableError
from harness.redaction import known_secrets, redact

# What paramiko raises wherever it tells the peer something, also that a window is larger or a channel closed: a write
# that fails is EOFError.
BROKEN = (OSError, EOFError, paramiko.SSHException)
WRITE_BYTES = 256 * 1024
_READ_BYTES = 64 * 1024
_ROOM_PAUSE_S = 0.002
_COMPLAINT_LETTERS, _KEPT_BYTES = 2000, 64 * 1024  # more is kept than told: half a line may hide what is secret
_COMPLAINT_READS = 16  # of 64 KiB each: who writes faster than that is read has no say in how long we listen
_LINE_LIMIT_BYTES = 4 * 1024 * 1024


class RemoteProcess:
    """A command that runs on a device: its stdin and stdout as bytes and lines, each wait under a deadline."""

    def __init__(self, channel: paramiko.Channel, where: str, release: Callable[[], None]) -> None:
        self._channel = channel
        self._where = where
        self._release = release
        self._buffer = bytearray()
        self._errors = bytearray()
        self._closed = threading.Lock()
        self._readable = threading.Event()
        channel.in_buffer.set_event(self._readable)

    def write(self, content: bytes | memoryview, deadline: Deadline) -> None:
        """Send all of `content` to the command's stdin."""
        view = memoryview(content)
        try:
            while view:
                while not self._channel.send_ready():
                    if deadline.passed:
                        raise self._too_late("took no more bytes")
                    time.sleep(_ROOM_PAUSE_S)
                view = view[self._channel.send(view[:WRITE_BYTES]) :]  # type: ignore[arg-type]
        except BROKEN as error:
            raise self._broken(error) from error

    def end_of_input(self) -> None:
        """Close the command's stdin."""
        try:
            self._channel.shutdown_write()
        except BROKEN as error:
            raise self._broken(error) from error

    def read(self, size: int, deadline: Deadline) -> bytes:
        """At least one and at most `size` bytes of stdout; b'' at its end."""
        if self._buffer:
            piece = bytes(self._buffer[:size])
            del self._buffer[:size]
            return piece
        return self._receive(size, deadline)

    def read_line(self, deadline: Deadline) -> bytes:
        """The next line of stdout without its end; UnreachableError when there is none any more."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > _LINE_LIMIT_BYTES:
                raise UnreachableError("the answer is not a line", where=self._where, remedy="see what runs there")
            piece = self._receive(_READ_BYTES, deadline)
            if not piece:
                raise UnreachableError(
                    f"the command ended: {self.complaint() or 'without a word'}",
                    where=self._where,
                    remedy="see whether the device is up and its python and work folder are right",
                )
            self._buffer += piece
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def complaint(self) -> str:
        """What the command wrote to stderr so far, at most its end, without secrets. Reads at most a MiB."""
        with suppress(*BROKEN):  # paramiko tells the peer what it took: it may be gone by now
            for _ in range(_COMPLAINT_READS):
                if not self._channel.recv_stderr_ready():
                    break
                self._errors += self._channel.recv_stderr(_READ_BYTES)
                del self._errors[:-_KEPT_BYTES]
        return redact(self._errors.decode(errors="replace"), known_secrets()).strip()[-_COMPLAINT_LETTERS:]

    def exit_status(self, deadline: Deadline) -> int | None:
        """How the command exited; None when it has not, or nobody can say: a broken connection, a signal."""
        status = self._channel.recv_exit_status() if self._channel.status_event.wait(deadline.left_s) else -1
        return None if status == -1 else status

    def close(self) -> None:
        """Give the channel back. The command sees the end of its input and output."""
        if self._closed.acquire(blocking=False):
            with suppress(*BROKEN):  # the peer is told so, who may be gone
                self._channel.close()
            self._release()

    def _receive(self, size: int, deadline: Deadline) -> bytes:
        if not self._readable.wait(deadline.left_s):
            raise self._too_late("said nothing")
        try:
            return self._channel.recv(size)
        except BROKEN as error:
            raise self._broken(error) from error

    def _too_late(self, what: str) -> DeviceTimeoutError:
        return DeviceTimeoutError(f"the device {what} within the deadline", where=self._where, remedy="see if it hangs")

    def _broken(self, error: BaseException) -> UnreachableError:
        return UnreachableError(
            f"the connection broke: {reason(error)}", where=self._where, remedy="see whether the device is up"
        )


def reason(error: BaseException) -> str:
    """Why something broke, in words."""
    return str(error).strip().rstrip(".") or type(error).__name__
