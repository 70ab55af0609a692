"""Which blobs are needed right now, by every agent of the device: several orchestrators have one each.

Each agent keeps its pins in a file of its own that it holds locked; the kernel frees the lock of one that died, and
with it its pins.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Pins:
    """The pins below `folder`. What is read and what follows from it belongs into one `alone()`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._mine: dict[str, list[str]] = {}
        self._path = folder / f"{os.getpid()}.{os.urandom(4).hex()}"
        with self.alone():
            self._file = self._path.open("wb", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other agent changes its pins, or makes room, meanwhile."""
        with (self._folder / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def pin(self, name: str, digests: Iterable[str]) -> None:
        """These are needed from now on, until the same name is unpinned."""
        self._mine[name] = sorted(digests)
        self._write()

    def unpin(self, name: str) -> None:
        """They are not needed any more by this name."""
        if self._mine.pop(name, None) is not None:
            self._write()

    def everybodys(self) -> frozenset[str]:
        """What any living agent needs; files of the dead are removed."""
        needed = {digest for digests in self._mine.values() for digest in digests}
        for path in self._folder.iterdir():
            if path in {self._path, self._folder / ".lock"}:
                continue
            with suppress(OSError), path.open("rb") as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    with suppress(ValueError):
                        needed.update(map(str, json.loads(stream.read() or b"[]")))
                else:
                    path.unlink()
        return frozenset(needed)

    def close(self) -> None:
        """Nothing is needed by this agent any more."""
        self._path.unlink(missing_ok=True)
        self._file.close()

    def _write(self) -> None:
        content = json.dumps(sorted({digest for digests in self._mine.values() for digest in digests})).encode()
        self._file.seek(0)
        self._file.truncate()
        self._file.write(content)
