"""The wire to a worker, in our hands: a TCP proxy that cuts, slows, delays, falls silent and flips bits.

All links of a process share one event loop in a thread; every method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

_PIECE_BYTES = 16384
_BURST_S = 0.05
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Way:
    """One direction. Bytes are counted over all connections; `marks` are (count, what to do there)."""

    count: int = 0
    marks: list[tuple[int, Callable[[], None] | None]] = field(default_factory=list)

    def due(self, size: int) -> tuple[int, Callable[[], None] | None] | None:
        """The first mark within the next `size` bytes: its distance, and what to do there (None: flip a bit)."""
        ahead = [mark for mark in self.marks if self.count <= mark[0] < self.count + size]
        if not ahead:
            return None
        first = min(ahead, key=lambda mark: mark[0])
        self.marks.remove(first)
        return first[0] - self.count, first[1]


class Loop:
    """An event loop in a thread, for the links of this process. A context manager."""

    def __init__(self) -> None:
        self.links: set[Link] = set()

    def __enter__(self) -> Loop:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="chaos links", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10.0)
        self.loop.close()

    def call(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        """Run a coroutine there and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10.0)

    async def _end(self) -> None:
        for link in tuple(self.links):
            await link.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Link:
    """A port here that leads to `address`, which may change. Made by `open_link`."""

    def __init__(self, loop: Loop, address: tuple[str, int]) -> None:
        self._loop, self.address = loop, address
        self.up, self.down = _Way(), _Way()
        self.connections = 0
        self.delay_s = 0.0
        self.bytes_per_s = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def reset(self) -> None:
        """A good wire again: no fault planned, none at work, counters at nought, no connection."""
        self.cut()
        self.up, self.down = _Way(), _Way()
        self.connections, self.delay_s, self.bytes_per_s = 0, 0.0, 0.0
        self.speak()

    def cut(self) -> None:
        """Break every connection at once, as a router that forgot them: with a reset."""
        self._loop.call(self._cut())

    def cut_at(self, way: _Way, count: int) -> None:
        """Break every connection when that byte comes by."""
        way.marks.append((count, self._cut_now))

    def silence_at(self, way: _Way, count: int, told: Callable[[], None]) -> None:
        """Forward nothing from that byte on, and close nothing."""

        def fall_silent() -> None:
            self._flowing.clear()
            told()

        way.marks.append((count, fall_silent))

    def corrupt_at(self, way: _Way, count: int) -> None:
        """Flip a bit of that byte."""
        way.marks.append((count, None))

    def tell_at(self, way: _Way, count: int, told: Callable[[], None]) -> None:
        """Say when that byte comes by."""
        way.marks.append((count, told))

    def silent(self) -> None:
        """Forward nothing from now on, and close nothing."""
        self._loop.loop.call_soon_threadsafe(self._flowing.clear)

    def speak(self) -> None:
        """Forward again."""
        self._loop.loop.call_soon_threadsafe(self._flowing.set)

    async def listen(self) -> None:
        """Begin; `port` is known then."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_PIECE_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Break everything and listen no more."""
        self._loop.links.discard(self)
        await self._cut()
        if self._server is not None:
            self._server.close()

    async def _accept(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far = await asyncio.open_connection(*self.address, limit=_PIECE_BYTES)
        except OSError:
            _reset(near)
            return
        pair = (near, far)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._carry(near_reader, far, self.up), self._carry(far_reader, near, self.down))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._pairs.discard(pair)
            for end in pair:
                end.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: _Way) -> None:
        budget, counted_at = 0.0, time.monotonic()
        while piece := await source.read(_PIECE_BYTES):
            await self._flowing.wait()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if rate := self.bytes_per_s:
                now = time.monotonic()
                budget, counted_at = min(rate * _BURST_S, budget + (now - counted_at) * rate), now
                budget -= len(piece)
                if budget < 0:
                    await asyncio.sleep(-budget / rate)
            await self._pass(bytearray(piece), sink, way)
        if sink.can_write_eof():
            with suppress(OSError):
                sink.write_eof()

    async def _pass(self, piece: bytearray, sink: asyncio.StreamWriter, way: _Way) -> None:
        while piece:
            due = way.due(len(piece))
            if due is None:
                part = len(piece)
            elif due[1] is None:
                piece[due[0]] ^= 0x10
                continue
            else:
                part = due[0]
            if part:
                sink.write(bytes(piece[:part]))
                way.count += part
                del piece[:part]
                await sink.drain()
            if due is not None and due[1] is not None:
                due[1]()
                await asyncio.sleep(0)
                await self._flowing.wait()
                if sink.is_closing():
                    raise ConnectionResetError

    async def _cut(self) -> None:
        self._cut_now()

    def _cut_now(self) -> None:
        for pair in self._pairs:
            for end in pair:
                _reset(end)


def _reset(end: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN, whatever is still to be sent."""
    raw = end.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()


def open_link(loop: Loop, address: tuple[str, int]) -> Link:
    """A link to `address` that listens."""
    link = Link(loop, address)
    loop.call(link.listen())
    loop.links.add(link)
    return link
