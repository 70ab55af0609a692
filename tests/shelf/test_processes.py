"""Several processes on one shelf: no slot is given twice, whoever is killed at whatever moment."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from harness.shelf import Shelf
from tests.shelf import contender

ROOT = Path(__file__).parents[2]
_TURNS = 8
_DEVICES, _SLOTS = 2, 1


def _start(address: str, folder: Path, turns: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", contender.__name__, address, folder, turns, _DEVICES, _SLOTS]
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def test_no_slot_is_given_twice(fresh_address: str, tmp_path: Path) -> None:
    """The database is fresh: all of them open it at once. Half of them are killed while they use it."""
    folder = tmp_path / "proof"
    folder.mkdir()
    with ExitStack() as stack:
        steady, victims = (
            [stack.enter_context(_start(fresh_address, folder, turns)) for _ in range(2)] for turns in (_TURNS, 0)
        )
        for victim in victims:
            assert victim.stdout is not None
            for _ in range(3):
                assert victim.stdout.readline()
            victim.kill()
            victim.wait()
        for process in steady:
            _, errors = process.communicate(timeout=200)
            assert (process.returncode, errors) == (0, "")
    epochs: dict[str, list[int]] = defaultdict(list)
    turns: dict[str, int] = defaultdict(int)
    for line in (folder / "log").read_text().splitlines():
        place, epoch, pid = line.split()
        epochs[place].append(int(epoch))
        turns[pid] += 1
    assert len(epochs) == _DEVICES * _SLOTS
    for place, seen in epochs.items():
        assert seen == sorted(set(seen)), place
    assert all(turns[str(process.pid)] >= _TURNS for process in steady)
    with Shelf(fresh_address) as shelf:
        shelf.reconcile()
        assert shelf.leases() == ()
        assert shelf.holders() == ()
