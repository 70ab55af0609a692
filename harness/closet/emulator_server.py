"""One emulated device: a real SSH server (asyncssh) on a loopback port, with a root folder and exactly one client key.

`python -m harness.closet.emulator_server --root R --host-key K --client-key P` serves until its stdin ends, so that no
emulator outlives who started it. Commands run as real subprocesses in sessions of their own. When a connection drops,
their pipes close at once, as sshd does it, and what is still alive after a grace is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import secrets
import signal
import sys
from contextlib import suppress
from pathlib import Path

import asyncssh

from harness.closet.agent.processes import end_processes

_WINDOW_BYTES = 16 * 1024 * 1024
_PACKET_BYTES = 256 * 1024
_PIPE_BYTES = 1024 * 1024
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux
_GRACE_S = 3.0
_USER = "comma"


class _Command(asyncssh.SSHServerSession[bytes]):
    """One exec channel: a shell command whose pipes are the channel."""

    def __init__(self, root: Path, running: set[asyncio.Task[None]]) -> None:
        self._root, self._running = root, running
        self._loop = asyncio.get_running_loop()
        self._command = ""
        self._marker = f"CLOSET_COMMAND={secrets.token_hex(16)}"
        self._input = -1
        self._pending = bytearray()
        self._input_ended = False
        self._outputs: dict[int, int | None] = {}
        self._drained = asyncio.Event()
        self._gone = asyncio.Event()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """The channel is open."""
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        """Commands are run; shells and subsystems are not."""
        self._command = command
        return True

    def session_started(self) -> None:
        """Run the command; the task is kept so that the server can wait for it."""
        task = self._loop.create_task(self._run())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self) -> None:
        process_input, command_input = os.pipe()
        output, process_output = os.pipe()
        errors, process_errors = os.pipe()
        for descriptor in (command_input, output):
            with suppress(OSError):
                fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE_BYTES)
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            self._command,
            stdin=process_input,
            stdout=process_output,
            stderr=process_errors,
            cwd=self._root,
            env={**_environment(self._root), **_assignment(self._marker)},
            start_new_session=True,
        )
        for descriptor in (process_input, process_output, process_errors):
            os.close(descriptor)
        for descriptor in (command_input, output, errors):
            os.set_blocking(descriptor, False)
        self._input = command_input
        self._outputs = {output: None, errors: asyncssh.EXTENDED_DATA_STDERR}
        self.resume_writing()
        self._write_input()
        if self._gone.is_set():
            self._close_pipes()
        waits = {self._loop.create_task(process.wait()), self._loop.create_task(self._gone.wait())}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if self._gone.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _GRACE_S)
            await asyncio.to_thread(end_processes, process.pid, self._marker, 0.0)
        status = await process.wait()
        for wait in waits:
            wait.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._drained.wait(), _GRACE_S)
        self._close_pipes()
        if not self._channel.is_closing():
            if status < 0:
                self._channel.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
            else:
                self._channel.exit(status)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Bytes for the command's stdin; the client is held back while its pipe is full."""
        del datatype
        self._pending += data
        self._write_input()

    def eof_received(self) -> bool:
        """The client has no more input; its command may still have output."""
        self._input_ended = True
        self._write_input()
        return True

    def _write_input(self) -> None:
        if self._input < 0:
            return  # not started yet
        try:
            while self._pending:
                with memoryview(self._pending) as view:
                    written = os.write(self._input, view)
                del self._pending[:written]
        except BlockingIOError:
            self._loop.add_writer(self._input, self._write_input)
            self._channel.pause_reading()
            return
        except OSError:
            self._pending = bytearray()  # the command reads no more, what it does not take is dropped
            self._input_ended = True
        self._loop.remove_writer(self._input)
        if self._input_ended:
            os.close(self._input)
            self._input = os.open(os.devnull, os.O_WRONLY | os.O_NONBLOCK)
        self._channel.resume_reading()  # the last thing: it may deliver data, and the end, before it returns

    def pause_writing(self) -> None:
        """The client does not keep up."""
        for descriptor in self._outputs:
            self._loop.remove_reader(descriptor)

    def resume_writing(self) -> None:
        """It does again."""
        for descriptor in self._outputs:
            self._loop.add_reader(descriptor, self._forward, descriptor)

    def _forward(self, descriptor: int) -> None:
        try:
            piece = os.read(descriptor, _PACKET_BYTES)
        except BlockingIOError:
            return
        if piece:
            with suppress(BrokenPipeError):  # nobody listens any more, and we are about to be told
                self._channel.write(piece, self._outputs[descriptor])
        else:
            self._close_output(descriptor)

    def _close_output(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)
        del self._outputs[descriptor]
        os.close(descriptor)
        if not self._outputs:
            self._drained.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is gone: the command's pipes close."""
        del exc
        self._gone.set()
        self._close_pipes()

    def _close_pipes(self) -> None:
        if self._input >= 0:
            self._loop.remove_writer(self._input)
            os.close(self._input)
            self._input = -1
        for descriptor in tuple(self._outputs):
            self._close_output(descriptor)


class _Login(asyncssh.SSHServer):
    """Lets one user in with one key."""

    def __init__(self, root: Path, client_key: asyncssh.SSHKey, running: set[asyncio.Task[None]]) -> None:
        self._root, self._client_key, self._running = root, client_key, running

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """A client connected."""
        self._connection = conn

    def public_key_auth_supported(self) -> bool:
        """Keys are the only way in."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Exactly the one client key, and the user that comma devices have."""
        return username == _USER and key.public_data == self._client_key.public_data

    def session_requested(self) -> tuple[asyncssh.SSHServerChannel[bytes], _Command]:
        """A channel with large packets and a large window."""
        channel = self._connection.create_server_channel(None, "strict", _WINDOW_BYTES, _PACKET_BYTES)
        return channel, _Command(self._root, self._running)


async def serve(root: Path, host_key: Path, client_key: Path, port: int = 0) -> None:
    """Serve until stdin ends, on a free port unless one is named; the line on stdout says which."""
    running: set[asyncio.Task[None]] = set()
    key = asyncssh.read_public_key(client_key)
    server = await asyncssh.create_server(
        lambda: _Login(root, key, running),
        "127.0.0.1",
        port,
        server_host_keys=[str(host_key)],
        encryption_algs=["aes128-gcm@openssh.com"],
        compression_algs=["none"],
        keepalive_interval=0,
        login_timeout=10,
        rekey_bytes="8G",
    )
    with suppress(BrokenPipeError):  # whoever started this was killed meanwhile: stdin ends too
        os.write(sys.stdout.fileno(), json.dumps({"port": server.sockets[0].getsockname()[1]}).encode() + b"\n")
    await asyncio.to_thread(sys.stdin.buffer.read)
    server.close()
    for connection in tuple(running):
        connection.cancel()
    await asyncio.to_thread(end_processes, 0, _marker(root), 1.0)


def _marker(root: Path) -> str:
    """What every process of this device carries in its environment, so that switching it off ends them all."""
    return f"CLOSET_EMULATED={root}"


def _environment(root: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in ("PATH", "CLOSET_THREADS", "LD_LIBRARY_PATH") if name in os.environ}
    own = {"HOME": str(root), "LANG": "C.UTF-8", "USER": _USER}
    if (root / "system").is_dir():  # somebody made this device a system of its own: parameters, sensors, processes
        own["CLOSET_DEVICE_ROOT"] = str(root / "system")
    return {**passed, **own, **_assignment(_marker(root))}


def _assignment(marker: str) -> dict[str, str]:
    name, _, value = marker.partition("=")
    return {name: value}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--host-key", type=Path, required=True)
    parser.add_argument("--client-key", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    asyncio.run(serve(options.root.absolute(), options.host_key, options.client_key, options.port))


if __name__ == "__main__":
    main()
