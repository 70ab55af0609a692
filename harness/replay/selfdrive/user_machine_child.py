"""The process a candidate's machine.py runs in. Standard library only: it is run alone, isolated from everything."""

from __future__ import annotations

import array
import json
import os
import resource
import sys
import traceback
from collections.abc import Callable
from typing import Any

MARK, NAME = b"done", "machine.py"
MEMORY_BYTES = 512 << 20
CPU_S = 20

_REFUSED = (
    *("os.fork", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.kill", "subprocess.", "pty.", "socket."),
    *("ctypes.", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil."),
)


def main() -> None:
    """Answer the question on standard input; the exit code is 1, with a traceback, when the machine fails."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the machine prints is no answer
    question = sys.stdin.buffer.read()
    head, _, rest = question.partition(b"\n")
    asked = json.loads(head)
    rows = asked["rows"]
    types = _words(rest[: rows * 2])
    held = rest[rows * 2 :]
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs this process its start
        source = file.read()
    _limit()
    try:
        states, timers, alerts = _drive(_step_of(source), types, held, asked["start"], asked["soft_disable_frames"])
    except BaseException:  # noqa: BLE001 - whatever a stranger's code raises, it is told and ends here
        traceback.print_exc()
        sys.stderr.write(f"\n{_in_a_line()}\n")
        sys.stderr.flush()
        os._exit(1)
    answer.write(bytes(states) + _bytes(timers) + _bytes(alerts) + MARK)
    answer.flush()
    os._exit(0)  # nothing a stranger left behind runs any more


def _in_a_line() -> str:
    """What went wrong, where in machine.py, in which row: the last line of what this process says."""
    error = sys.exc_info()[1]
    row = f", {error}" if isinstance(error, _RowError) else ""
    cause = error.__cause__ if isinstance(error, _RowError) else error
    trail = traceback.extract_tb(None if cause is None else cause.__traceback__)
    lines = [entry.lineno for entry in trail if entry.filename == NAME]
    place = f", {NAME} line {lines[-1]}" if lines else ""
    return f"raised {type(cause).__name__}: {cause}{place}{row}".replace("\n", " ")


class _RowError(Exception):
    """The row in which the cause happened."""


def _step_of(source: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {"__name__": "machine"}
    exec(compile(source, NAME, "exec"), scope)  # noqa: S102 - that is what this process is for
    step: Callable[..., Any] | None = scope.get("step")
    if not callable(step):
        raise TypeError("machine.py defines no step(state, timer, types, soft_disable_frames)")
    return step


def _drive(
    step: Callable[..., Any], types: array.array[int], held: bytes, state: int, frames: int
) -> tuple[bytearray, array.array[int], array.array[int]]:
    timer = 0
    states, timers, alerts = bytearray(), array.array("H"), array.array("H")
    for row, present in enumerate(types):
        shown = 0
        if not held[row]:
            try:
                state, timer, shown = step(state, timer, present, frames)
                states.append(state)
                timers.append(timer)
                alerts.append(shown)
            except Exception as error:
                raise _RowError(f"in row {row}, state {state}, timer {timer}, types {present}") from error
        else:
            states.append(state)
            timers.append(timer)
            alerts.append(0)
    return states, timers, alerts


def _limit() -> None:
    """From here on: so much memory, so much time, no file larger than nothing, nobody else started."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))

    # The count of processes does not bind root, and threads are not all it counts: so it is refused by name as well.
    def refuse(event: str, _arguments: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"a machine may not do this: {event}")

    sys.addaudithook(refuse)


def _words(content: bytes) -> array.array[int]:
    words = array.array("H")
    words.frombytes(content)
    if sys.byteorder == "big":
        words.byteswap()
    return words


def _bytes(words: array.array[int]) -> bytes:
    if sys.byteorder == "big":
        words.byteswap()
    return words.tobytes()


if __name__ == "__main__":
    main()
