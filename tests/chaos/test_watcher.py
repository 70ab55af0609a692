"""A runner that is itself killed leaves nothing, also of what stands still; and a code that changed counts anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.chaos.ledger import Ledger, code_digest
from tests.chaos.nursery import ROOT
from tests.chaos.processes import state
from tests.chaos.workers import eventually

_RUNNER = """
import os, signal, subprocess, sys, time
from harness.closet.agent.selfcheck import scratch_prefix
from tests.chaos.link import Loop
from tests.chaos.watcher import watched_folder
from tests.chaos.workers import SCRATCH, EmulatedWorker

with watched_folder() as folder, Loop() as loop:
    worker = EmulatedWorker("emulated-01", folder / "emulated-01", loop)
    worker.start()
    worker.freeze()
    sleeps = "import os, time; os.fork(); time.sleep(600)"
    drive = subprocess.Popen([sys.executable, "-c", sleeps, str(folder / "order.json")], start_new_session=True)
    os.kill(drive.pid, signal.SIGSTOP)
    scratch = SCRATCH[0] / f"{scratch_prefix(worker.work_folder)}x-0-1-chaos"
    scratch.touch()
    print(folder, scratch, worker.process.pid, drive.pid, flush=True)
    time.sleep(600)
"""


def test_a_killed_runner_leaves_nothing() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _RUNNER]
    runner = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    with runner.stdout:
        folder, scratch, *pids = runner.stdout.readline().split()
    assert len(pids) == 2
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    assert eventually(lambda: all(state(int(pid)) in {"", "Z"} for pid in pids), 60.0)
    assert eventually(lambda: not Path(folder).exists(), 60.0)
    assert not Path(scratch).exists()


def test_what_was_played_is_kept_for_this_code_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, code_digest())
    ledger.add(7, {"violations": []})
    ledger.add(9, {"violations": ["wrong"]})
    path = next(tmp_path.iterdir())
    path.write_text(path.read_text() + '{"seed": 11, "viol')  # its writer was killed
    Ledger(tmp_path, ledger.code).add(12, {"violations": []})
    again = Ledger(tmp_path, ledger.code).played
    assert {seed: told["violations"] for seed, told in again.items()} == {7: [], 9: ["wrong"], 12: []}
    assert Ledger(tmp_path, "another").played == {}
