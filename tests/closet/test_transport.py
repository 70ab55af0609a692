from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from harness.closet.deadline import Deadline
from harness.closet.emulator import write_key
from harness.closet.remote_process import RemoteProcess
from harness.closet.transport import Connection, connect, fingerprint
from harness.domain import Device
from harness.errors import DeviceTimeoutError, HostKeyError, UnreachableError


def soon() -> Deadline:
    return Deadline.after(10.0)


def test_a_command_answers_and_says_how_it_exited(devices) -> None:
    connection = connect(devices[0], soon())
    try:
        process = connection.run(["sh", "-c", "read line; echo got $line; echo oh >&2; exit 3"], soon())
        process.write(b"this\n", soon())
        assert process.read_line(soon()) == b"got this"
        with pytest.raises(UnreachableError, match="the command ended: oh"):
            process.read_line(soon())
        assert process.exit_status(soon()) == 3
        process.close()
    finally:
        connection.close()


class Flooding:
    """A channel of a device that has closed its stdout and writes to stderr for ever."""

    def __init__(self, word: bytes) -> None:
        self.word, self.reads = word, 0
        self.in_buffer = self

    def set_event(self, event: threading.Event) -> None:
        event.set()

    def recv(self, _size: int) -> bytes:
        return b""

    def recv_stderr_ready(self) -> bool:
        return True

    def recv_stderr(self, size: int) -> bytes:
        self.reads += 1
        assert self.reads < 1000, "it would be read for ever"
        return self.word[:size]


@pytest.mark.parametrize("word", [b"x", b"PASSWORD=only-we-know-this\n" * 10_000], ids=["letters", "pages"])
def test_a_complaint_without_end_is_read_to_a_bound(word: bytes) -> None:
    flooding = Flooding(word)
    process = RemoteProcess(flooding, "there", lambda: None)
    with pytest.raises(UnreachableError, match="the command ended: ") as ended:
        process.read_line(soon())
    assert len(ended.value.problem) < 2100
    assert "only-we-know-this" not in ended.value.problem
    assert flooding.reads <= 16


class CutOff(Flooding):
    """The channel of a connection that was cut a moment ago: paramiko finds out as it tells the peer something."""

    def recv_stderr(self, _size: int) -> bytes:
        raise EOFError

    def close(self) -> None:
        raise EOFError


def test_a_connection_that_was_cut_is_the_devices_error_whatever_is_said_to_it_next() -> None:
    given_back: list[bool] = []
    process = RemoteProcess(CutOff(b""), "there", lambda: given_back.append(True))
    with pytest.raises(UnreachableError, match="the command ended: without a word"):
        process.read_line(soon())
    process.close()
    process.close()
    assert given_back == [True]


class GoneSilent:
    """A transport whose peer says nothing any more, and the channel on it that nobody can be told the end of."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def open_session(self, timeout: float) -> GoneSilent:
        assert timeout > 0
        return self

    def exec_command(self, _command: str) -> None:
        assert self._closed.wait(10)
        raise EOFError

    def close(self) -> None:
        self._closed.set()
        raise EOFError


def test_a_deadline_that_cannot_be_told_to_the_peer_is_over_without_a_traceback(devices) -> None:
    # What a thread dies of is an error of the test that it belongs to.
    with pytest.raises(UnreachableError, match="no channel for a command"):
        Connection(devices[0], GoneSilent()).run(["true"], Deadline.after(0.05))
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(10)


def test_arguments_arrive_as_they_are(devices) -> None:
    connection = connect(devices[0], soon())
    try:
        process = connection.run(["printf", "%s\n", "a 'b' \"c\" $HOME; *", ""], soon())
        assert process.read_line(soon()) == b"a 'b' \"c\" $HOME; *"
        assert process.read_line(soon()) == b""
    finally:
        connection.close()


def test_megabytes_go_there_and_back(devices) -> None:
    content = os.urandom(8_000_000)
    connection = connect(devices[0], soon())
    try:
        process = connection.run(["cat"], soon())
        sender = threading.Thread(target=lambda: (process.write(content, soon()), process.end_of_input()))
        sender.start()
        back = hashlib.sha256()
        size = 0
        while piece := process.read(1 << 18, soon()):
            back.update(piece)
            size += len(piece)
        sender.join()
        assert size == len(content)
        assert back.digest() == hashlib.sha256(content).digest()
        assert process.exit_status(soon()) == 0
    finally:
        connection.close()


def test_another_host_key_is_shown_beside_the_pinned_one(devices, tmp_path: Path) -> None:
    device: Device = devices[0]
    other = write_key(tmp_path / "other").with_suffix(".pub").read_text()
    with pytest.raises(HostKeyError) as caught:
        connect(replace(device, host_key=other), soon())
    assert fingerprint(other) in caught.value.problem
    assert fingerprint(device.host_key) in caught.value.problem
    assert "set up anew" in caught.value.remedy


def test_a_host_key_of_another_type_is_not_the_pinned_one(devices) -> None:
    rsa = paramiko.RSAKey.generate(2048)
    with pytest.raises(HostKeyError, match="expected SHA256:"):
        connect(replace(devices[0], host_key=f"ssh-rsa {rsa.get_base64()}"), soon())


def test_a_comment_after_the_pinned_key_does_no_harm(devices) -> None:
    connect(replace(devices[0], host_key=devices[0].host_key + " root@comma"), soon()).close()


def test_the_fingerprint_is_what_paramiko_says() -> None:
    key = paramiko.ECDSAKey.generate()
    assert fingerprint(f"{key.get_name()} {key.get_base64()} somebody") == key.fingerprint


@pytest.mark.parametrize("wrong", ["key", "user"])
def test_who_may_not_log_in_is_told_with_which_key(devices, tmp_path: Path, wrong: str) -> None:
    other = write_key(tmp_path / "other")
    device = replace(devices[0], key_path=str(other)) if wrong == "key" else replace(devices[0], user="somebody-else")
    with pytest.raises(UnreachableError, match="may not log in") as caught:
        connect(device, soon())
    assert "authorized_keys" in caught.value.remedy
    if wrong == "key":
        assert fingerprint(other.with_suffix(".pub").read_text()) in caught.value.problem


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN nothing", b"\x00\xff" * 50])
def test_a_client_key_that_is_none(devices, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreachableError, match=r"client key .* cannot be used"):
        connect(replace(devices[0], key_path=str(path)), soon())


def test_nobody_listens(devices) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError, match="no answer"):
        connect(replace(devices[0], port=port), soon())


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-nothing\r\n"])
def test_what_listens_is_no_ssh_server(devices, greeting: bytes) -> None:
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            stream, _ = listener.accept()
            accepted.append(stream)
            stream.sendall(greeting)

        thread = threading.Thread(target=accept)
        thread.start()
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="no SSH handshake"):
            connect(replace(devices[0], port=listener.getsockname()[1]), Deadline.after(0.5))
        assert time.monotonic() - began < 3.0
        thread.join()
        accepted[0].close()


def test_nine_commands_at_once_wait_for_their_turn(devices) -> None:
    connection = connect(devices[0], soon())
    try:
        running = [connection.run(["cat"], soon()) for _ in range(8)]
        with pytest.raises(DeviceTimeoutError, match="no free channel"):
            connection.run(["cat"], Deadline.after(0.05))
        running[0].close()
        running[0].close()
        ninth = connection.run(["echo", "now"], soon())
        assert ninth.read_line(soon()) == b"now"
    finally:
        connection.close()


def test_waits_end_with_their_deadline(devices) -> None:
    connection = connect(devices[0], soon())
    try:
        process = connection.run(["sh", "-c", "sleep 60"], soon())
        with pytest.raises(DeviceTimeoutError, match="said nothing"):
            process.read_line(Deadline.after(0.05))
        with pytest.raises(DeviceTimeoutError, match="took no more bytes"):
            process.write(bytes(64_000_000), Deadline.after(0.5))
    finally:
        connection.close()


def test_an_endless_line_is_refused(devices) -> None:
    connection = connect(devices[0], soon())
    try:
        process = connection.run(["head", "-c", "9000000", "/dev/zero"], soon())
        with pytest.raises(UnreachableError, match="not a line"):
            process.read_line(soon())
    finally:
        connection.close()


def test_a_closed_connection_is_an_error_not_a_hang(devices) -> None:
    connection = connect(devices[0], soon())
    process = connection.run(["cat"], soon())
    connection.close()
    with pytest.raises(UnreachableError):
        process.write(b"x" * 100, soon())
    with pytest.raises(UnreachableError):
        process.read_line(soon())
    with pytest.raises(UnreachableError, match="no channel"):
        connection.run(["cat"], soon())


def test_a_deadline_only_ever_gets_shorter() -> None:
    assert Deadline.after(10.0).within(1.0).left_s <= 1.0
    assert Deadline.after(1.0).within(10.0).left_s <= 1.0
    assert Deadline.after(-1.0).passed
    assert Deadline.after(-1.0).left_s == 0.0
    assert not Deadline.after(10.0).passed
