"""Noise floors as they were measured, one line of JSON each; the newest of a replayer, kind and runtime counts."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from harness.noise import NoiseFloor, parse_floor, render_floor


class NoiseLedger:
    """The floors in the file `path`. Lines are only ever added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content = b""
        self._floors: tuple[NoiseFloor, ...] = ()
        self._digests: dict[tuple[str, str], list[str]] = {}

    def add(self, floor: NoiseFloor) -> None:
        """Keep a measurement."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            content = stream.read()
            stream.truncate(content.rfind(b"\n") + 1)  # over the torn line of a writer that was killed
            stream.write(render_floor(floor).encode())
            stream.flush()
            os.fsync(stream.fileno())

    def floors(self) -> tuple[NoiseFloor, ...]:
        """Every measurement, oldest first."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        content = content[: content.rfind(b"\n") + 1]
        if content != self._content:
            lines = content.splitlines()
            self._floors = tuple(
                parse_floor(line, where=f"{self.path}:{number}") for number, line in enumerate(lines, 1)
            )
            self._content = content
            self._digests = {}
        return self._floors

    def digests(self, replayer: str, device_kind: str) -> list[str]:
        """What names every measurement of a replayer on a kind of device, oldest first."""
        of = (replayer, device_kind)
        floors = self.floors()
        if of not in self._digests:
            self._digests[of] = [floor.digest for floor in floors if (floor.replayer, floor.device_kind) == of]
        return self._digests[of]

    def find(self, replayer: str, device_kind: str, runtime: str) -> NoiseFloor | None:
        """The floor that counts; None where nothing was measured."""
        wanted = (replayer, device_kind, runtime)
        return next(
            (
                floor
                for floor in reversed(self.floors())
                # How far two precisions of a model are apart is worth knowing, but it is not noise.
                if not floor.twin and (floor.replayer, floor.device_kind, floor.runtime) == wanted
            ),
            None,
        )
