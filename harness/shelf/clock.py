"""The clock of leases, and who is still there.

In SQLite all holders are of one machine, and its clock since the boot tells the time (CLOCK_BOOTTIME): changing the
date does nothing to it and it goes on while the machine sleeps. It begins anew with each boot, and leases of another
boot are over. In PostgreSQL the server's clock tells the time, so the orchestrators' own need not agree.

On the holder's own machine it is also seen whether its process still lives. Other machines wait for its renewal.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STARTED_FIELD = 19  # proc_pid_stat(5): starttime is field 22; after the command's name, state is the first


@dataclass(frozen=True, slots=True)
class Process:
    """A process that cannot be mistaken for a later one of the same number.

    `pid_space` is the PID namespace in which `pid` counts; 0 when /proc shows another one: then nothing can be said.
    """

    host: str
    boot: str
    pid_space: int
    pid: int
    started: int

    def is_gone(self) -> bool:
        """True when it certainly does not run any more: only ever of a process of this boot and PID namespace."""
        here = this_process()
        if not self.pid_space or (self.boot, self.pid_space) != (here.boot, here.pid_space):
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        seen = _state_and_start(self.pid)
        return seen is not None and (seen[0] in {"Z", "X"} or seen[1] != self.started)


def this_process() -> Process:
    """The process that asks."""
    return _process(os.getpid())


def boottime_s() -> float:
    """Seconds since the boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def _process(pid: int) -> Process:
    proc_is_ours = Path("/proc/self").readlink().name == str(pid)
    seen = _state_and_start(pid) if proc_is_ours else None
    return Process(
        host=platform.node(),
        boot=_BOOT_ID.read_text("ascii").strip(),
        pid_space=Path("/proc/self/ns/pid").stat().st_ino if seen else 0,
        pid=pid,
        started=seen[1] if seen else 0,
    )


def _state_and_start(pid: int) -> tuple[str, int] | None:
    """State letter and start, in clock ticks since the boot; None when /proc does not show the process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[_STARTED_FIELD])
