"""The emulated workers that a run brings for itself."""

from __future__ import annotations

import fcntl
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.closet.emulator import emulate
from harness.domain import Device
from harness.pipeline.runs import LOCK

EMULATED = "emulated"
"""Below the closet's home: a folder for each run at a time that brings emulated workers, held by its own lock."""


@contextmanager
def emulated_devices(count: int, home: Path, host: str = "") -> Iterator[tuple[Device, ...]]:
    """Emulated workers for the time of a `with`, or none.

    Their folders outlive the run, so that a segment that was there is not sent again; runs at the same time get
    folders, and names, of their own. `host` becomes part of the names.
    """
    if not count:
        yield ()
        return
    for number in itertools.count():
        folder = home / EMULATED / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            with emulate(count, folder) as devices:
                yield tuple(replace(device, name=_emulated_name(device.name, number, host)) for device in devices)
            return


def _emulated_name(name: str, number: int, host: str) -> str:
    """Its name on a shelf that other runs bring emulated workers of their own to."""
    kind, _, ordinal = name.rpartition("-")
    return "-".join(part for part in (kind, host, str(number) if number else "", ordinal) if part)
