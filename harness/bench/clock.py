"""Time taken, robust on a machine that does other things too: processor time, or the best of several goes."""

from __future__ import annotations

import time
from collections.abc import Callable


def cpu_s(work: Callable[[], object]) -> float:
    """Processor seconds (user and system) this thread spends on `work`."""
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def best_wall_s(work: Callable[[], object], repeats: int) -> float:
    """Wall seconds of the fastest of several goes."""
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def best_cpu_s(work: Callable[[], object], repeats: int) -> float:
    """Processor seconds of the fastest of several goes."""
    return min(cpu_s(work) for _ in range(repeats))
