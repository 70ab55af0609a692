"""What is done before each job: see that the device is parked, and take away what lost jobs of ours left in memory.

Clocks are not set, processor cores and their governor are left alone, and nothing is removed that we did not make.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.closet.agent.refusal import Refused
from harness.closet.agent.scratch import clear_scratch
from harness.closet.agent.selfcheck import held_jobs, scratch_prefix

_PARAMS = "data/params/d"
_MOST_BYTES = 64
_OURS = b"CLOSET_JOB="
_HOME = "/data/openpilot"
# The last word of what started them: openpilot's manager, and processes that only live during a drive.
_MANAGER = frozenset({"manager"})
_DRIVING = frozenset({"selfdrived", "controlsd", "card"})


def device_root() -> Path:
    """Where the files of the device's system are: `/`, except on an emulated device, which has its own."""
    return Path(os.environ.get("CLOSET_DEVICE_ROOT") or "/")


def onroad(device: Path) -> str:
    """Why the device belongs to its driver now; empty when it is parked, or no comma device.

    openpilot's manager says with the parameter IsOffroad whether the car is on and openpilot runs for it; until 2026
    it said the same with IsOnroad. Both are files that outlive a power cut, so that they count only while openpilot
    runs. Ignition is known to the panda alone, and these parameters are what the manager makes of it.
    """
    params = device / _PARAMS
    told = [name for name, value in (("IsOffroad", "0"), ("IsOnroad", "1")) if _param(params, name) == value]
    if not told and (_param(params, "IsOffroad") == "1" or not params.is_dir()):
        return ""
    running = _programs(device)
    driving = running is None or bool(running & (_MANAGER | _DRIVING)) if told else bool(running and running & _DRIVING)
    return _words(max((_written_at(params / name) for name in told), default="")) if driving else ""


def prelude(root: Path, running: Collection[str], device: Path, system: Path = Path("/")) -> dict[str, Any]:
    """Refuse while the device is onroad, else clear away; says what was removed and what this clock shows."""
    refuse_onroad(device)
    return {"removed": clear(root, running, system), "unix_s": time.time()}


def refuse_onroad(device: Path) -> None:
    """A device that is driven is left alone: Refused with OnroadError."""
    if why := onroad(device):
        raise refusal(why)


def refusal(why: str) -> Refused:
    """How the agent says that the device belongs to its driver."""
    return Refused("OnroadError", why, "park the car; jobs wait until then")


def clear(root: Path, running: Collection[str], system: Path = Path("/")) -> int:
    """Remove what jobs of the work folder `root` that run no more left in /dev/shm and /tmp; how many there were."""
    live: list[str] = []

    def lives(rest: str) -> bool:
        if not live:  # looked at once, and only where there is something at all
            live.extend(("\0", *running, *held_jobs(root)))
        return rest.startswith(tuple(live))

    return clear_scratch(scratch_prefix(root), lives, system)


def _param(params: Path, name: str) -> str:
    try:
        with (params / name).open("rb") as stream:
            return stream.read(_MOST_BYTES).decode(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def _written_at(path: Path) -> str:
    """When a parameter was written, by the device's clock."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OSError, OverflowError, ValueError):
        return ""


def _words(since: str) -> str:
    return f"onroad{f' since {since}' if since else ''}: jobs wait until it is parked"


def _programs(device: Path) -> set[str] | None:
    """Which of openpilot's programs run, jobs of ours left out; None when it cannot be seen."""
    found: set[str] = set()
    try:
        folders = [path for path in (device / "proc").iterdir() if path.name.isdecimal()]
    except OSError:
        return None
    for folder in folders:
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes()[:4096].split(b"\0")
            names = {_name(word.decode(errors="replace")) for word in words[:3]} & (_MANAGER | _DRIVING)
            if names and not _is_ours(folder) and _is_openpilots(folder, words):
                found |= names
    return found


def _name(word: str) -> str:
    """`./manager.py`, `openpilot.system.manager.manager` and `/data/openpilot/selfdrive/card` by their last part."""
    return word.rpartition("/")[2].removesuffix(".py").rpartition(".")[2]


def _is_ours(folder: Path) -> bool:
    try:
        return any(entry.startswith(_OURS) for entry in (folder / "environ").read_bytes().split(b"\0"))
    except OSError:
        return False


def _is_openpilots(folder: Path, words: list[bytes]) -> bool:
    """It was started below /data/openpilot, or says so; what cannot be seen counts: a drive is not risked."""
    if any(b"openpilot" in word or b"selfdrive" in word for word in words):
        return True
    try:
        return (folder / "cwd").readlink().is_relative_to(_HOME)
    except OSError:
        return True
