"""Which processes belong to a worker, told by what only ours carry."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path


def living() -> list[int]:
    """Every process that runs, zombies not."""
    numbers = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()]
    return [pid for pid in numbers if state(pid) not in {"", "Z", "X"}]


def state(pid: int) -> str:
    """The letter of ps; "" when it is gone."""
    with suppress(OSError, IndexError):
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    return ""


def carrying(assignment: str) -> list[int]:
    """Living processes with exactly `NAME=value` in their environment."""
    _refuse_short(assignment)
    return _those(lambda pid: assignment in _words(pid, "environ"))


def carrying_prefix(assignment: str) -> list[int]:
    """Living processes with a variable in their environment that begins so."""
    _refuse_short(assignment)
    return _those(lambda pid: any(word.startswith(assignment) for word in _words(pid, "environ")))


def with_argument(text: str) -> list[int]:
    """Living processes with an argument that contains `text`."""
    _refuse_short(text)
    return _those(lambda pid: any(text in word for word in _words(pid, "cmdline")))


def in_namespace_of(pid: int) -> list[int]:
    """Living processes in the PID namespace of `pid`; refused when it is our own."""
    wanted = _namespace(pid)
    if wanted in {"", _namespace(os.getpid())}:
        return []
    return _those(lambda other: _namespace(other) == wanted)


def tell(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def command_line(pid: int) -> str:
    """What was started, for reports."""
    return " ".join(_words(pid, "cmdline"))[:200]


def _those(wanted: Callable[[int], bool]) -> list[int]:
    return [pid for pid in living() if pid != os.getpid() and wanted(pid)]


def _words(pid: int, name: str) -> list[str]:
    with suppress(OSError):
        return Path("/proc", str(pid), name).read_bytes().decode(errors="replace").split("\0")
    return []


def _namespace(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    return ""


def _refuse_short(text: str) -> None:
    """What is found may be killed: a text that could mean anybody is a mistake."""
    if len(text) < 12:
        raise ValueError(f"{text!r} could be anybody's")
