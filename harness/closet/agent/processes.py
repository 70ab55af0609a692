"""Finding and ending every process of a job, also those that left its process group or session."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_HARD_S = 5.0
_MANY = 64  # so many are not asked politely: they may be making more


def members(session: int, marker: str) -> list[int]:
    """Living processes of a session, and those that left it but still carry `marker` in their environment.

    A session or marker that could mean anybody else is refused: what is found here will be killed.
    """
    name, separator, value = marker.partition("=")
    if not (name and separator and value):
        raise ValueError(f"marker {marker!r} is not NAME=value")
    if session < 0 or (session and session in {1, os.getsid(0)}):
        raise ValueError(f"session {session} is not a job's")
    found, me, sought = [], os.getpid(), marker.encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == me:
            continue
        with suppress(OSError, ValueError, IndexError):
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] in {b"Z", b"X"}:
                continue
            if int(fields[3]) == session > 0 or sought in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def end_processes(session: int, marker: str, grace_s: float) -> tuple[int, list[int]]:
    """SIGTERM, a grace, SIGKILL, until none is left; how many there were at first, and who survived even that."""
    living = members(session, marker)
    first = len(living)
    if first > _MANY:
        grace_s = 0.0
        _freeze(living, session, marker)
    soft_until = time.monotonic() + grace_s
    told: set[int] = set()
    while living and time.monotonic() < soft_until + _HARD_S:
        for pid in living:
            with suppress(ProcessLookupError, PermissionError):
                if time.monotonic() >= soft_until:
                    os.kill(pid, signal.SIGKILL)
                elif pid not in told:
                    told.add(pid)
                    os.kill(pid, signal.SIGTERM)
        time.sleep(0.01)
        living = members(session, marker)
    return first, living


def _freeze(living: list[int], session: int, marker: str) -> None:
    """Stop a family that grows, so that killing it comes to an end."""
    frozen: set[int] = set()
    until = time.monotonic() + _HARD_S
    while (running := set(living) - frozen) and time.monotonic() < until:
        for pid in running:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGSTOP)
        frozen |= running
        living = members(session, marker)
