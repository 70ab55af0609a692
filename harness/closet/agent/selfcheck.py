"""What this machine measures of itself: room, heat, clock, load, memory, system version, and what was left behind.

Nothing is judged here. The limits are the orchestrator's, and so is the judgement.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

_MOST_LISTED = 20
_MARKER = b"CLOSET_JOB="


def scratch_prefix(root: Path) -> str:
    """How names in /dev/shm and /tmp begin that jobs of the work folder `root` make; the job's name follows.

    It carries the folder, because several emulated devices share one machine's /dev/shm.
    """
    return f"closet-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}-"


def selfcheck(
    root: Path, running: Collection[str], device: Path = Path("/"), system: Path = Path("/")
) -> dict[str, Any]:
    """Measure. `running` are the jobs of this agent; `device` and `system` are where files of the system lie.

    They differ on an emulated device, whose version and temperatures are its own and whose processes are its host's.

    The first and the last thing taken is the clock, so that the asker can tell its offset from the time on the way.
    """
    received_unix_s = time.time()
    measured = {
        "free_bytes": shutil.disk_usage(root).free,
        "temperatures_c": _temperatures(device),
        "load": os.getloadavg()[0],
        "cpus": os.cpu_count() or 1,
        "memory_bytes": _memory(system),
        "os_version": _text(device / "VERSION"),
        "uptime_s": _number(_text(system / "proc/uptime").partition(" ")[0]),
        "leftovers": leftovers(root, running, system),
        "monotonic_s": time.monotonic(),
    }
    return {**measured, "received_unix_s": received_unix_s, "sent_unix_s": time.time()}


def leftovers(root: Path, running: Collection[str], system: Path = Path("/")) -> list[str]:
    """Folders, files and processes of jobs of this work folder that no agent runs any more, in words."""
    folders = sorted(path.name for path in (root / "jobs").iterdir())
    live = {*running, *held_jobs(root)}  # looked at after the folders: what began in between is not among these
    gone = [name for name in folders if name not in live and (root / "jobs" / name).exists()]
    found = [f"job folder {name}" for name in gone]
    prefix = scratch_prefix(root)
    for place in ("dev/shm", "tmp"):
        with suppress(OSError):
            names = sorted(path.name for path in (system / place).iterdir() if path.name.startswith(prefix))
            found += [
                f"/{place}/{name}" for name in names if not name.removeprefix(prefix).startswith(tuple(live) or ("\0",))
            ]
    for pid, name in _marked(root, system):
        if name not in live:
            found.append(f"process {pid} of job {name}")
    return found if len(found) <= _MOST_LISTED else [*found[:_MOST_LISTED], f"{len(found) - _MOST_LISTED} more"]


def held_jobs(root: Path) -> set[str]:
    """Jobs whose slot somebody holds: other orchestrators have agents of their own here."""
    held = set()
    for path in (root / "slots").glob("*.lock"):
        with path.open("rb") as lock:
            try:
                # Shared, and for a blink: an agent that wants the slot just then tries again.
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                with suppress(OSError, ValueError, KeyError):
                    held.add(str(json.loads(path.with_suffix(".json").read_text())["job"]))
    return held


def _marked(root: Path, system: Path) -> list[tuple[int, str]]:
    """Living processes that carry the mark of a job of this work folder, and that job's name."""
    found = []
    begin = _MARKER + str(root / "jobs").encode() + b"/"
    for folder in (system / "proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError, IndexError):
            for entry in (folder / "environ").read_bytes().split(b"\0"):
                if entry.startswith(begin):
                    if (folder / "stat").read_bytes().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}:
                        found.append((int(folder.name), entry.removeprefix(begin).decode(errors="replace")))
                    break
    return sorted(found)


def _temperatures(device: Path) -> dict[str, float]:
    """°C by zone. Zones that cannot be read now, as sleeping sensors cannot, are left out."""
    found = {}
    for zone in sorted((device / "sys/class/thermal").glob("thermal_zone*")):
        value = _number(_text(zone / "temp"))
        if value is not None:
            found[f"{_text(zone / 'type') or 'unnamed'} ({zone.name.removeprefix('thermal_zone')})"] = value / 1000
    return found


def _memory(system: Path) -> float | None:
    for line in _text(system / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            kibibytes = _number(line.split()[1])
            return None if kibibytes is None else kibibytes * 1024
    return None


def _text(path: Path) -> str:
    """A small file of the system; empty where it is not there or cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(65536).decode(errors="replace").strip()
    except OSError:
        return ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
