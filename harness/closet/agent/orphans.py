"""Jobs whose agent was killed in cold blood: their slot is free, and they run on until somebody finds them.

An agent that ends a job removes its folder before it lets go of the slot. So a folder whose slot nobody holds is an
orphan's.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.closet.agent import bounds
from harness.closet.agent.processes import end_processes
from harness.closet.agent.scratch import clear_scratch
from harness.closet.agent.selfcheck import scratch_prefix

_GRACE_S = 0.5


def slot_state(root: Path, slot: int) -> dict[str, Any]:
    """The last `epoch` of a slot and the `job` that it was claimed for; empty when it never was."""
    with suppress(OSError, ValueError):
        state: dict[str, Any] = json.loads((root / "slots" / f"{slot}.json").read_text())
        return state
    return {}


def end_orphan(root: Path, slot: int) -> list[int]:
    """End and remove what a killed agent left on a slot that the caller holds; the processes that outlived SIGKILL.

    What outlives it keeps its folder, so that the next one to come finds it too.
    """
    name = slot_state(root, slot).get("job")
    folder = next((path for path in (root / "jobs").iterdir() if path.name == name), None)
    return [] if folder is None else _end(root, folder)


def sweep_orphans(root: Path) -> None:
    """End and remove every job whose slot nobody holds. No job begins on a free slot meanwhile."""
    folders = list((root / "jobs").iterdir())  # before the locks: what begins in between is not among these
    locks, held = [], set()
    for path in (root / "slots").glob("*.lock"):
        lock = path.open("ab")
        locks.append(lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.add(slot_state(root, int(path.stem)).get("job"))
        else:
            path.with_suffix(".part").unlink(missing_ok=True)
    for folder in folders:
        if folder.name not in held:
            _end(root, folder)
    for lock in locks:
        lock.close()


def _end(root: Path, folder: Path) -> list[int]:
    _, survivors = end_processes(0, f"CLOSET_JOB={folder}", _GRACE_S)
    if not survivors:
        scratch = f"{scratch_prefix(root)}{folder.name}"
        clear_scratch(f"{scratch}-")
        bounds.sweep(scratch)
        shutil.rmtree(folder, ignore_errors=True)  # last: by it whoever is next knows of the rest
    return survivors
