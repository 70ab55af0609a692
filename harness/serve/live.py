"""What runs now, told as it changes: one look a second at the shelf for all viewers together, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial

from starlette.concurrency import run_in_threadpool

from harness.errors import ClosetError

MOST_VIEWERS = 500
_EVERY_S = 1.0
_HEARTBEAT_S = 15.0


class Live:
    """Fragments of the page by name, and those who watch them. Of one event loop, but for `end`.

    A viewer that reads slowly misses what was in between, and holds up nobody.
    """

    def __init__(self, look: Callable[[], Mapping[str, str]]) -> None:
        self._look = look
        self._fragments: dict[str, tuple[int, str]] = {}
        self._version = 0
        self._changed = asyncio.Condition()
        self._watched = asyncio.Event()
        self._ended = False
        self.viewers = 0

    async def keep_looking(self) -> None:
        """Look while somebody watches; cancelled when the server ends."""
        while not self._ended:
            await self._watched.wait()
            # A database that does not answer for a while: what was seen stays, and the page's time shows that.
            with suppress(ClosetError):
                await self._take(await run_in_threadpool(self._look))
            await asyncio.sleep(_EVERY_S)

    async def end(self) -> None:
        """No more is told: all streams end."""
        self._ended = True
        self._watched.set()
        async with self._changed:
            self._changed.notify_all()

    async def stream(self) -> AsyncIterator[bytes]:
        """What one viewer is sent: everything, then what changes."""
        self.viewers += 1
        self._watched.set()
        seen = 0
        try:
            yield b"retry: 3000\n\n"
            while not self._ended:
                news = [(name, text) for name, (version, text) in self._fragments.items() if version > seen]
                seen = self._version
                if news:
                    yield "".join(_event(name, text) for name, text in news).encode()
                    continue
                async with self._changed:
                    try:
                        await asyncio.wait_for(self._changed.wait_for(partial(self._is_news, seen)), _HEARTBEAT_S)
                    except TimeoutError:
                        yield b": still here\n\n"
            yield _event("ended", "the dashboard was stopped").encode()
        finally:
            self.viewers -= 1
            if not self.viewers:
                self._watched.clear()

    def _is_news(self, seen: int) -> bool:
        return self._ended or self._version > seen

    async def _take(self, found: Mapping[str, str]) -> None:
        changed = {name: text for name, text in found.items() if self._fragments.get(name, (0, None))[1] != text}
        if changed:
            self._version += 1
            self._fragments |= {name: (self._version, text) for name, text in changed.items()}
            async with self._changed:
                self._changed.notify_all()


def _event(name: str, text: str) -> str:
    """One server-sent event; every line of the text is one of its data."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n"
