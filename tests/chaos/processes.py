"""Which processes belong to a worker, told by what only ours carry."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress


def state(pid: int) -> str:
    """The letter of ps; "" when it is gone."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return fields[0].decode() if fields else ""


def carrying(assignment: str) -> list[int]:
    """Living processes with exactly `NAME=value` in their environment."""
    _refuse_short(assignment)
    return _those(_with_word("environ", assignment.encode() + b"\0"))


def carrying_prefix(assignment: str) -> list[int]:
    """Living processes with a variable in their environment that begins so."""
    _refuse_short(assignment)
    return _those(_with_word("environ", assignment.encode()))


def with_argument(text: str) -> list[int]:
    """Living processes with an argument that contains `text`."""
    _refuse_short(text)
    return _those(lambda pid: text.encode() in _read(pid, "cmdline"))


def mentioning(text: str) -> list[int]:
    """Living processes with `text` in an argument or in their environment."""
    _refuse_short(text)
    return _those(lambda pid: any(text.encode() in _read(pid, name) for name in ("cmdline", "environ")))


def families(pids: list[int]) -> list[int]:
    """These with their children, and theirs."""
    found = list(pids)
    for pid in found:  # which grows
        children = _read(pid, f"task/{pid}/children").split()
        found += [child for child in map(int, children) if child not in found]
    return found


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
    return " ".join(_read(pid, "cmdline").decode(errors="replace").split("\0"))[:200]


def _those(wanted: Callable[[int], bool]) -> list[int]:
    """Bytes and plain numbers, since everything is looked through, some twenty times a scenario."""
    own = os.getpid()
    numbers = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 ten times as fast
    return [pid for pid in numbers if pid != own and wanted(pid) and state(pid) not in {"", "Z", "X"}]


def _with_word(name: str, begins: bytes) -> Callable[[int], bool]:
    """Whether one of the words, each of which ends with a zero byte, begins so."""
    return lambda pid: b"\0" + begins in b"\0" + _read(pid, name)


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError), open(f"/proc/{pid}/{name}", "rb", buffering=0) as stream:  # noqa: PTH123 as above
        return stream.read()
    return b""


def _namespace(pid: int) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115 as above
    return ""


def _refuse_short(text: str) -> None:
    """What is found may be killed: a text that could mean anybody is a mistake."""
    if len(text) < 12:
        raise ValueError(f"{text!r} could be anybody's")
