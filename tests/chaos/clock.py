"""Clocks that jump, for processes that are started with `fake_clock` as their environment."""

from __future__ import annotations

import atexit
import functools
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


@functools.cache
def clock_library() -> Path | None:
    """What such processes preload; None where nothing compiles C."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    folder = tempfile.mkdtemp(prefix="chaos-clock-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = Path(folder, "clock.so")
    made = subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE)], check=False)
    return library if made.returncode == 0 else None


def fake_clock(path: Path) -> Mapping[str, str]:
    """Environment for a process whose time of day is off by what `path` says."""
    library = clock_library()
    if library is None:
        raise AssertionError("no C compiler here")
    path.write_bytes(struct.pack("=q", 0))
    return {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(path)}


def jump(path: Path, seconds: float) -> None:
    """The clock at `path` is off by that much from now on."""
    with path.open("r+b") as clock:
        clock.write(struct.pack("=q", int(seconds * 1e9)))
