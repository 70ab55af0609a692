"""How the agent says no: any error as the plain value that travels."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

RESERVE_BYTES = 64 << 20


class Refused(Exception):  # noqa: N818 it travels as an answer
    """A request that cannot be met; `kind` is the class of the error on the other side."""

    def __init__(self, kind: str, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.answer = {"kind": kind, "problem": problem, "remedy": remedy}


def no_room(root: Path, needed_bytes: int, for_drives_bytes: int = 0) -> Refused:
    """The refusal for a full disk, in megabytes. `for_drives_bytes` of those needed are left to openpilot's drives."""
    free, needed = shutil.disk_usage(root).free // 1_000_000, -(-needed_bytes // 1_000_000)
    problem, remedy = f"disk full: {free} MB free of {needed} MB needed", "free space on the device"
    if for_drives_bytes:
        problem += f", {for_drives_bytes // 1_000_000} MB of them so that openpilot deletes no drives"
        remedy = "upload drives, then remove them from /data/media/0/realdata"
    return Refused("StagingFailedError", problem, remedy)


def is_full(error: BaseException) -> bool:
    """True when a write failed because there was no room."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def described(error: BaseException, root: Path) -> dict[str, str]:
    """Any error as the plain value that travels."""
    if isinstance(error, Refused):
        return error.answer
    if is_full(error):
        return no_room(root, RESERVE_BYTES).answer
    return {
        "kind": "DeviceUnhealthyError",
        "problem": f"{type(error).__name__}: {error}",
        "remedy": "see whether the work folder can be written and the python there is whole",
    }
