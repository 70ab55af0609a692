"""Taking away what we brought to a device, and nothing else.

A folder is ours when our marker or an agent of ours lies in it: what its subfolders are called proves nothing, since
people have a `code` and a `jobs` too.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.closet.agent import bounds
from harness.closet.agent.environment import slots_held
from harness.closet.agent.refusal import Refused
from harness.closet.agent.scratch import clear_scratch
from harness.closet.agent.selfcheck import scratch_prefix

# The folders that an agent makes in its work folder. Everything in them is ours: jobs write nowhere else.
FOLDERS = ("blobs", "cache", "code", "env", "jobs", "pins", "slots")
# The empty file that says that a work folder is ours. It is the first to be made there, and the last to go.
MARKER = ".testing-closet"
# Agents, whole or on their way. Folders from before there was a marker are known by them alone.
AGENT = re.compile(r"agent-[0-9a-f]{16}\.pyz(\.\d+)?")


def remove(root: Path, system: Path = Path("/")) -> dict[str, Any]:
    """Remove everything that is ours below `root`, and `root` when nothing else is in it; says what was left.

    Refused when nothing says that the folder is ours, while a job runs, or while another agent serves: a run is on.
    """
    if not _is_ours(root):
        raise Refused(
            "DeviceUnhealthyError",
            f"the work folder {str(root)!r} is not ours: neither {MARKER} nor an agent lies in it",
            "correct `work_folder`; nothing was removed",
        )
    others = _agents(root, system)
    if others:
        raise Refused(
            "LeaseLostError", f"a run is connected to the device (process {others[0]})", "wait until it has ended"
        )
    with slots_held(root):
        for name in FOLDERS:
            path = root / name
            if path.is_symlink():
                path.unlink()
            else:
                shutil.rmtree(path, ignore_errors=True)
    bounds.sweep(scratch_prefix(root))
    clear_scratch(scratch_prefix(root), system=system)
    for path in root.iterdir():
        if AGENT.fullmatch(path.name):
            path.unlink(missing_ok=True)
    if not any(os.path.lexists(root / name) for name in FOLDERS):  # else the next attempt would be refused
        (root / MARKER).unlink(missing_ok=True)
    left = sorted(path.name for path in root.iterdir() if path.name != MARKER)
    if not left:
        root.rmdir()
    return {"left": left[:20]}


def _is_ours(root: Path) -> bool:
    return any(path.name == MARKER or AGENT.fullmatch(path.name) for path in root.iterdir())


def _agents(root: Path, system: Path) -> list[int]:
    """Living agents that serve this work folder, however its path was written when they were started."""
    found, here = [], os.path.realpath(root)
    for folder in (system / "proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                served = (os.fsdecode(word) for word in words if word.startswith(b"/"))
                if b"serve" in words and any(os.path.realpath(word) == here for word in served):
                    found.append(int(folder.name))
    return sorted(found)
