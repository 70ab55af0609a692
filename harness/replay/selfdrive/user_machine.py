"""A candidate's own state machine, machine.py: run in a process of its own, under limits, never in ours.

The file defines `step(state, timer, types, soft_disable_frames) -> (state, timer, alert types)` with plain numbers, as
`machine.py` beside this module does (a copy of it is a good beginning). It is called once a row, in order; rows before
initialisation are left out. The process has LIMITS of memory and processor time, may start no other process,
opens no connection, and its standard output is nobody's. A machine that raises, dies, takes too long or answers what
is no state fails that replay as a product crash: it is the software on trial.

The protocol, for who reads the child: one line of JSON {"rows", "start", "soft_disable_frames"}, then the types as
16-bit numbers, then the held flags as bytes, all on standard input; back come states (bytes), timers and alerts
(16-bit numbers), then the mark b"done". Numbers are little-endian.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np

from harness.errors import ProductCrashError
from harness.replay.selfdrive import user_machine_child
from harness.replay.selfdrive.events import TYPE_NAMES
from harness.replay.selfdrive.machine import OVERRIDING
from harness.replay.selfdrive.run import Course, Machine, MachineRun

WALL_LIMIT_S = 60.0
_CHILD = Path(user_machine_child.__file__)
_MARK = user_machine_child.MARK
_REMEDY = "see the traceback; a machine.py defines step(state, timer, types, soft_disable_frames)"
_SAID_CHARS = 600


def own_machine(path: Path, *, wall_limit_s: float = WALL_LIMIT_S) -> Machine:
    """The machine of a machine.py. Calling it raises ProductCrashError for whatever is wrong with that file."""
    return partial(_run, path, wall_limit_s)


def _run(path: Path, wall_limit_s: float, course: Course) -> MachineRun:
    head = {"rows": len(course.types), "start": course.start, "soft_disable_frames": course.soft_disable_frames}
    question = b"".join(
        [
            json.dumps(head).encode() + b"\n",
            course.types.astype("<u2").tobytes(),
            course.held.astype(np.uint8).tobytes(),
        ]
    )
    process = subprocess.Popen(
        # Isolated: no environment, no user site, nothing of ours on its path.
        [sys.executable, "-I", "-S", "-B", str(_CHILD), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        start_new_session=True,
    )
    try:
        answer, said = process.communicate(question, timeout=wall_limit_s)
    except subprocess.TimeoutExpired as error:
        raise _crash(path, f"took longer than {wall_limit_s:g} s") from error
    finally:
        _end(process)
    if process.returncode:
        raise _crash(path, _how_it_ended(process.returncode, said.decode(errors="replace")))
    return _parse(path, answer, len(course.types))


def _parse(path: Path, answer: bytes, rows: int) -> MachineRun:
    if len(answer) != rows * 5 + len(_MARK) or not answer.endswith(_MARK):
        raise _crash(path, f"answered {len(answer)} bytes for {rows} rows")
    states = np.frombuffer(answer, np.uint8, rows)
    timers = np.frombuffer(answer, "<u2", rows, rows).astype(np.uint16)
    alerts = np.frombuffer(answer, "<u2", rows, rows * 3).astype(np.uint16)
    for what, values, most in (("state", states, OVERRIDING), ("alert types", alerts, (1 << len(TYPE_NAMES)) - 1)):
        bad = np.flatnonzero(values > most)
        if bad.size:
            raise _crash(path, f"answered {what} {values[bad[0]]} in row {bad[0]}, there are 0 to {most}")
    return MachineRun(states, timers, alerts)


def _how_it_ended(code: int, said: str) -> str:
    last = (said.strip().splitlines() or [""])[-1][:_SAID_CHARS]
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"was ended by {name}"
    return last or f"ended with code {code}"


def _crash(path: Path, problem: str) -> ProductCrashError:
    return ProductCrashError(f"the candidate's machine {problem}", where=path.name, remedy=_REMEDY)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever is left of it: the session is its own, so nobody else is in the group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.poll()
    process.communicate()
