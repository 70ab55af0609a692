"""Clocks that jump, for processes that are started with `fake_clock` as their environment."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
_KEPT = Path(__file__).parents[2] / ".closet" / "fixtures"


@functools.cache
def clock_library() -> Path | None:
    """What such processes preload; None where nothing compiles C."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = _KEPT / f"clock-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    if library.exists():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    part = library.with_suffix(f".{os.getpid()}.part")
    made = subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(part), str(SOURCE)], check=False)
    return part.rename(library) if made.returncode == 0 else None


def fake_clock(path: Path) -> dict[str, str]:
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
