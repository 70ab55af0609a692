"""A candidate's own machine.py: in a process of its own, under limits; whatever it does, it fails only itself."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

from fixtures.safety import SCRIPTS
from harness.errors import ProductCrashError
from harness.replay.selfdrive import machine as our_machine
from harness.replay.selfdrive.run import Course, run_machine
from harness.replay.selfdrive.user_machine import own_machine
from tests.replay.selfdrive.conftest import Replay

OURS = inspect.getsource(our_machine)
SCRIPT = next(script for script in SCRIPTS if script.name == "transitions")


def course(rows: int = 500, seed: int = 5) -> Course:
    types = np.random.default_rng(seed).integers(0, 1024, rows).astype(np.uint16)
    return Course(types, np.arange(rows) % 7 == 3, 2, 300)


def run(tmp_path: Path, source: str, wall_limit_s: float = 30.0) -> str:
    path = tmp_path / "machine.py"
    path.write_text(source)
    with pytest.raises(ProductCrashError) as caught:
        own_machine(path, wall_limit_s=wall_limit_s)(course())
    return caught.value.problem


def test_a_copy_of_ours_gives_the_same(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "m.py"
    path.write_text(OURS)
    theirs, ours = own_machine(path)(course()), run_machine(course())
    assert theirs.states.tolist() == ours.states.tolist()
    assert theirs.timers.tolist() == ours.timers.tolist()
    assert theirs.alerts.tolist() == ours.alerts.tolist()
    plain, own = replay(SCRIPT), replay(SCRIPT, machine=OURS)
    assert (plain.channels["state"].values == own.channels["state"].values).all()
    assert own.provenance["machine"] != plain.provenance["machine"] == "built in"


def test_a_changed_one_changes_the_trace(replay: Replay) -> None:
    changed = OURS.replace("timer = max(0, timer - 1)", "timer = max(0, timer - 2)")
    assert changed != OURS
    for mode in ("recorded", "derived"):
        state = replay(SCRIPT, machine=changed, mode=mode).channels["state"].values
        assert np.flatnonzero(state[450:800] == 0)[0] == 150


def test_a_crash_is_the_products_and_tells_where(replay: Replay) -> None:
    error = replay(SCRIPT, machine="def step(state, timer, types, frames):\n    return 1 / 0\n", code=1)
    assert error["kind"] == "ProductCrashError"
    assert "raised ZeroDivisionError: division by zero, machine.py line 2, " in error["problem"]
    assert "in row 0, state 0, timer 0, types" in error["problem"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def step(s, t, y, f): return s", "int"),
        ("def step(s, t, y, f): return 9, 0, 0", "answered state 9 in row 0, there are 0 to 4"),
        ("def step(s, t, y, f): return 0, 0, 4096", "answered alert types 4096"),
        ("def step(s, t, y, f): return 0, -1, 0", "OverflowError"),
        ("def step(s, t, y, f): return 1.5, 0, 0", "TypeError"),
        ("x = 1", "machine.py defines no step"),
        ("def step(:", "SyntaxError"),
        ("import os\nos._exit(0)", "answered 0 bytes for 500 rows"),
        ("import os\nos._exit(7)", "ended with code 7"),
        ("raise SystemExit(0)", "SystemExit"),
        ("a = [0] * (1 << 30)", "MemoryError"),
        ("import os\nos.fork()", "a machine may not do this: os.fork"),
        ("import subprocess\nsubprocess.run(['true'])", "a machine may not do this: subprocess.Popen"),
        ("import os\nos.system('true')", "a machine may not do this: os.system"),
        ("import os, signal\nsignal.raise_signal(signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("import numpy", "ModuleNotFoundError"),
        ("import harness", "ModuleNotFoundError"),
    ],
)
def test_whatever_it_does_it_fails_only_itself(source: str, words: str, tmp_path: Path) -> None:
    assert words in run(tmp_path, source)


def test_it_cannot_write_a_file(tmp_path: Path) -> None:
    target = tmp_path / "written"
    problem = run(tmp_path, f"with open({str(target)!r}, 'w') as f: f.write('x' * 10)")
    assert "too large" in problem or "SIGXFSZ" in problem
    assert not target.exists() or not target.read_bytes()


def test_one_that_never_ends_is_ended(tmp_path: Path) -> None:
    assert run(tmp_path, "while True: pass", wall_limit_s=0.5) == "the candidate's machine took longer than 0.5 s"


def test_what_it_prints_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "machine.py"
    path.write_text(OURS + "\nprint('hello ' * 100)\n")
    assert own_machine(path)(course()).states.tolist() == run_machine(course()).states.tolist()
