"""The proxy does to a connection exactly what it is told, at the byte it is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.chaos.link import Link, Loop, open_link
from tests.chaos.workers import eventually

CONTENT = bytes(range(256)) * 400


class Far:
    """A server that keeps what it gets, and answers every connection with `CONTENT` when it is told to speak."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.got = bytearray()
        self.ended: list[str] = []
        self.speaks = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                stream, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=(stream,), daemon=True).start()

    def _talk(self, stream: socket.socket) -> None:
        with stream:
            try:
                if self.speaks.is_set():
                    stream.sendall(CONTENT)
                while piece := stream.recv(65536):
                    self.got += piece
                self.ended.append("well")
            except OSError as error:
                self.ended.append(type(error).__name__)


@pytest.fixture
def far() -> Iterator[Far]:
    found = Far()
    yield found
    found.listener.close()


@pytest.fixture
def link(loop: Loop, far: Far) -> Iterator[Link]:
    found = open_link(loop, far.listener.getsockname())
    yield found
    loop.call(found.close())


@contextmanager
def near(link: Link) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", link.port), timeout=10.0) as stream:
        yield stream


def received(stream: socket.socket) -> tuple[bytes, str]:
    """Everything, and how it ended."""
    got = bytearray()
    try:
        while piece := stream.recv(65536):
            got += piece
    except OSError as error:
        return bytes(got), type(error).__name__
    return bytes(got), "well"


def send(stream: socket.socket, content: bytes) -> None:
    with suppress(OSError):
        stream.sendall(content)
        stream.shutdown(socket.SHUT_WR)


def test_a_good_link_changes_nothing(link: Link, far: Far) -> None:
    far.speaks.set()
    with near(link) as stream:
        threading.Thread(target=send, args=(stream, CONTENT)).start()
        assert received(stream) == (CONTENT, "well")
    assert eventually(lambda: far.ended == ["well"], 10.0)
    assert bytes(far.got) == CONTENT
    assert (link.up.count, link.down.count) == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("at", [0, 1, 16384, 40_000, len(CONTENT) - 1])
def test_a_cut_lets_so_many_bytes_through_and_no_more(link: Link, far: Far, at: int) -> None:
    link.cut_at(link.up, at)
    with near(link) as stream:
        send(stream, CONTENT)
        assert received(stream)[1] == "ConnectionResetError"
    assert eventually(lambda: far.ended == ["ConnectionResetError"], 10.0)
    assert CONTENT.startswith(bytes(far.got))
    assert link.up.count == at


def test_a_cut_on_the_way_back(link: Link, far: Far) -> None:
    far.speaks.set()
    link.cut_at(link.down, 5000)
    link.silent()  # until we are connected: otherwise it may already be the connecting that is reset
    with near(link) as stream:
        link.speak()
        got, how = received(stream)
    assert how == "ConnectionResetError"
    assert CONTENT[:5000].startswith(got)
    with near(link) as stream:
        assert stream.recv(1) == CONTENT[:1], "only that connection broke"


@pytest.mark.parametrize("at", [0, 16383, 77_777])
def test_one_bit_of_one_byte(link: Link, far: Far, at: int) -> None:
    far.speaks.set()
    link.corrupt_at(link.down, at)
    with near(link) as stream:
        threading.Thread(target=send, args=(stream, b"")).start()
        got, how = received(stream)
    assert how == "well"
    assert [place for place in range(len(CONTENT)) if got[place] != CONTENT[place]] == [at]
    assert (got[at] ^ CONTENT[at]).bit_count() == 1


def test_silence_closes_nothing_and_loses_nothing(link: Link, far: Far) -> None:
    told = threading.Event()
    link.silence_at(link.up, 1000, told.set)
    with near(link) as stream:
        send(stream, CONTENT)
        assert told.wait(10.0)
        assert not eventually(lambda: len(far.got) > 1000 or bool(far.ended), 0.2)
        link.speak()
        assert received(stream) == (b"", "well")
    assert eventually(lambda: far.ended == ["well"], 10.0)
    assert bytes(far.got) == CONTENT


def test_a_slow_link_takes_its_time(link: Link, far: Far) -> None:
    link.bytes_per_s = 400_000
    began = time.monotonic()
    with near(link) as stream:
        send(stream, CONTENT)
        assert received(stream)[1] == "well"
    assert time.monotonic() - began > 0.8 * (len(CONTENT) - 16384) / 400_000
    assert bytes(far.got) == CONTENT


def test_a_delayed_link_answers_later(link: Link, far: Far) -> None:
    far.speaks.set()
    link.delay_s = 0.1
    began = time.monotonic()
    with near(link) as stream:
        stream.recv(1)
    assert time.monotonic() - began >= 0.1


def test_a_worker_that_is_off_refuses(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    link = open_link(loop, address)
    with suppress(ConnectionResetError), near(link) as stream:  # the refusal may come before we are done connecting
        assert received(stream)[0] == b""
    loop.call(link.close())
    assert link.connections == 1
