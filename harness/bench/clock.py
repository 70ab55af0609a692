"""Time taken, robust on a machine that does other things too: processor time, and how much others took."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path


def cpu_s(work: Callable[[], object]) -> float:
    """Processor seconds (user and system) this thread spends on `work`."""
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def best_cpu_s(work: Callable[[], object], repeats: int) -> float:
    """Processor seconds of the fastest of several goes."""
    return min(cpu_s(work) for _ in range(repeats))


class Neighbours:
    """How much of the machine others use, from when this is made: what makes wall times worthless."""

    def __init__(self) -> None:
        self._begin_s = time.monotonic()
        self._busy_s, self._own_s = _busy_s(), _own_s()

    def share(self) -> float:
        """Their part of all cores' time so far, 0 to 1; NaN where the system does not tell."""
        elapsed_s = (time.monotonic() - self._begin_s) * (os.cpu_count() or 1)
        return (_busy_s() - self._busy_s - (_own_s() - self._own_s)) / max(elapsed_s, 1e-9)


def _own_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _busy_s() -> float:
    """Processor seconds all processes have had since the system started, and what the host took away."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return float("nan")
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = (int(field) for field in fields[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")
