"""How much of a comma device's disk is left to its drives: openpilot deletes the oldest when too little is free."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from harness.closet.agent.refusal import no_room

# Below either, openpilot's deleter removes the oldest drive (MIN_BYTES and MIN_PERCENT, system/loggerd/deleter.py).
DELETER_BYTES = 5 << 30
DELETER_PERCENT = 10
# What a job may still write after it was seen that there is room: its results and its unpacked program.
MARGIN_BYTES = (1 << 30) + (64 << 20)

_PARAMS = "data/params/d"
_DRIVES = "data/media/0/realdata"


def _is_emulated() -> bool:
    """Whether this device has a system of its own making, and its disk is its host's."""
    return bool(os.environ.get("CLOSET_DEVICE_ROOT"))


def drives_reserve(root: Path, device: Path = Path("/")) -> int:
    """Bytes that stay free on the disk of `root`; 0 when it is no comma device's, or its drives lie on another disk."""
    if _is_emulated() or not (device / _PARAMS).is_dir():
        return 0
    with suppress(OSError):  # no drive was recorded yet: they will lie on that disk
        if (device / _DRIVES).stat().st_dev != root.stat().st_dev:
            return 0
    return max(DELETER_BYTES, shutil.disk_usage(root).total * DELETER_PERCENT // 100) + MARGIN_BYTES


def refuse_deleting(root: Path, coming_bytes: int, device: Path) -> None:
    """Refused where what is still on its way would have openpilot delete drives: others fill the disk meanwhile."""
    reserve = drives_reserve(root, device)
    if not reserve:
        return
    least = reserve - MARGIN_BYTES
    if shutil.disk_usage(root).free - coming_bytes < least:
        raise no_room(root, coming_bytes + least, least)
