"""A connection may break, lie or fall silent at any byte of its beginning: it is told as that, and in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest

from harness.closet.session import open_session
from harness.errors import ClosetError
from tests.chaos.link import Link, Loop, open_link
from tests.chaos.workers import EmulatedWorker, Worker, eventually

# Banner, key exchange, log-in, then the agent: 20 kB up and the first beat down.
UP = (0, 3, 30, 700, 1500, 2000, 2600, 4000, 11_000, 20_000, 24_000)
DOWN = (0, 5, 40, 900, 1400, 1900, 2400, 2700)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, loop: Loop) -> Iterator[Worker]:
    found = EmulatedWorker("emulated-01", tmp_path_factory.mktemp("worker"), loop)
    found.wipe()
    found.start()
    yield found
    assert eventually(lambda: not found.guests(), 20.0), "nothing is left of so many beginnings"
    found.close()


def _close(loop: Loop, link: Link) -> None:
    loop.call(link.close())


def problem(worker: Worker, link: Link) -> tuple[str, float]:
    """The kind of the error that connecting through `link` ends in, "" for none, and after how long."""
    began = time.monotonic()
    try:
        session = open_session(replace(worker.device(1), port=link.port), on_lost=lambda _: None)
        session.close()
    except ClosetError as error:
        return type(error).__name__, time.monotonic() - began
    return "", time.monotonic() - began


@pytest.mark.parametrize("harm", ["cut", "corrupt"])
def test_a_beginning_that_breaks(worker: Worker, loop: Loop, harm: str) -> None:
    for at, up in [*((at, True) for at in UP), *((at, False) for at in DOWN)]:
        link = open_link(loop, worker.link.address)
        way = link.up if up else link.down
        if harm == "cut":
            link.cut_at(way, at)
        else:
            link.corrupt_at(way, at)
        kind, _ = problem(worker, link)
        _close(loop, link)
        assert kind in {"", "UnreachableError", "DeviceTimeoutError"}, f"{harm} at {at} {'up' if up else 'down'}"
        assert kind or way.count < at, "what broke is noticed"


def test_a_beginning_that_falls_silent(worker: Worker, loop: Loop) -> None:
    """In the handshake the five seconds of a connection are the limit."""
    with ExitStack() as stack:
        links = []
        for at in (0, 30, 700, 1500):
            link = open_link(loop, worker.link.address)
            stack.callback(_close, loop, link)
            link.silence_at(link.down, at, lambda: None)
            links.append(link)
        with ThreadPoolExecutor(len(links)) as pool:
            ends = list(pool.map(lambda link: problem(worker, link), links))
    assert {kind for kind, _ in ends} == {"UnreachableError"}
    assert max(seconds for _, seconds in ends) < 12.0
