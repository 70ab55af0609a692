"""How many processes a job may have at once: a fork bomb must not take the device with it.

Three bounds, each where it works. The kernel's limit on processes of a user (RLIMIT_NPROC) stops further forks of jobs
that do not run as root. A cgroup of its own (pids controller, v2 or v1) stops those of root, where the agent may make
one. And the agent counts: a family that is too large is ended, which also says why. Memory is not bounded.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

MOST_PROCESSES = 256
_MOST_TASKS = 1024  # threads count here
_WORTH_COUNTING = 128  # tasks more on the whole machine
_CGROUPS = Path("/sys/fs/cgroup")


class Bounds:
    """The bounds of one job. `name` is its cgroup's, unique on the machine; `release` when nothing of it runs."""

    def __init__(self, name: str, pid: int) -> None:
        self._before = _tasks()
        self._group = _join_group(name, pid)
        with suppress(OSError, ValueError, ProcessLookupError):
            most = self._before + _MOST_TASKS
            _, hard = resource.prlimit(pid, resource.RLIMIT_NPROC)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(pid, resource.RLIMIT_NPROC, (most, most))
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))  # a crash must not fill the disk

    def worth_counting(self) -> bool:
        """Whether so many tasks appeared since it was last asked that the job's family should be counted. Cheap."""
        now = _tasks()
        if now - self._before > _WORTH_COUNTING:
            self._before = now
            return True
        self._before = min(self._before, now)
        return False

    def release(self) -> None:
        """Remove the cgroup."""
        if self._group is not None:
            with suppress(OSError):
                self._group.rmdir()


def sweep(prefix: str) -> None:
    """Remove the cgroups of jobs that an agent left when it was killed; those in use stay."""
    for base in _bases():
        with suppress(OSError):
            for group in base.glob(f"{prefix}*"):
                with suppress(OSError):
                    group.rmdir()


def _tasks() -> int:
    """Threads on the whole machine, as far as it can be seen."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/loadavg").read_text("ascii").split()[3].partition("/")[2])
    return 0


def _bases() -> list[Path]:
    """Where a cgroup with a limit on processes can be made: below our own group, or the controller's root of v1."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text("ascii").splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0" and not controllers and (_CGROUPS / "cgroup.controllers").exists():
                return [_CGROUPS / path.lstrip("/")]
            if controllers == "pids":
                return [_CGROUPS / "pids" / path.lstrip("/")]
    return []


def _join_group(name: str, pid: int) -> Path | None:
    for base in _bases():
        group = base / name
        try:
            group.mkdir()
            (group / "pids.max").write_text(str(_MOST_TASKS))
            (group / "cgroup.procs").write_text(str(pid))
        except OSError:  # not ours to make, or no such controller here
            with suppress(OSError):
                group.rmdir()
        else:
            return group
    return None
