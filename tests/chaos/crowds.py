"""Fifty workers with two thousand short jobs, and two orchestrators that want the same ten devices all the time."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.driver import Order
from tests.chaos.link import Loop
from tests.chaos.nursery import ROOT
from tests.chaos.watcher import watched_folder
from tests.chaos.workers import EmulatedWorker, Worker

_LOG = "uses.log"
# Says on the device, in a line of its own each time, that a job of this epoch is alive: O_APPEND keeps lines whole.
_PROGRAM = """
import os, random, time
folder = os.environ["CLOSET_JOB"]
slot, epoch = map(int, folder.rpartition("/")[2].rsplit("-", 2)[1:])
log = os.open(os.path.join(folder, "../../..", "uses.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
until = time.monotonic() + random.uniform(0.05, 0.6)
while True:
    over = time.monotonic() >= until
    os.write(log, b"%d %d %d %d\\n" % (time.monotonic_ns(), slot, epoch, os.getpid()))
    if over:
        break
    time.sleep(0.02)
"""


@dataclass(slots=True)
class Rivalry:
    """What two orchestrators did to the same devices. `doubles` should be empty."""

    seconds: float = 0.0
    jobs: int = 0
    uses: int = 0
    freezes: int = 0
    doubles: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)


def crowd(workers: int, jobs: int) -> dict[str, Any]:
    """So many emulated workers and short jobs, one orchestrator: how long, how much memory, how evenly."""
    with watched_folder() as folder, ExitStack() as stack:
        shelf = _switch_on(workers, folder, stack)
        devices = tuple(worker.device(1) for worker in shelf)
        order = Order("crowd", folder, folder / "shelf.db", devices, "pass", jobs)
        return _result(_start(order))


def rivalry(devices: int, seconds: float, *, freeze_every_s: float = 0.0) -> Rivalry:
    """Two orchestrators, one shelf, the same devices; one of them is frozen now and then, longer than leases last."""
    with watched_folder() as folder, ExitStack() as stack:
        shelf = _switch_on(devices, folder, stack)
        given = tuple(worker.device(1) for worker in shelf)
        began_s = time.monotonic()
        rivals = [
            _start(Order(f"rival-{n}", folder / f"rival-{n}", folder / "shelf.db", given, _PROGRAM, 200, seconds))
            for n in (1, 2)
        ]
        found = Rivalry()
        for turn in itertools.count():
            if not freeze_every_s or time.monotonic() - began_s + freeze_every_s > seconds:
                break
            time.sleep(freeze_every_s / 2)
            rivals[turn % 2].send_signal(signal.SIGSTOP)
            time.sleep(freeze_every_s / 2)
            rivals[turn % 2].send_signal(signal.SIGCONT)
            found.freezes += 1
        found.told = [_result(rival) for rival in rivals]
        found.seconds = time.monotonic() - began_s
        found.jobs = sum(told["well"] for told in found.told)
        for worker in shelf:
            uses, doubles = check_uses((worker.work_folder.parent / _LOG).read_text())
            found.uses += uses
            found.doubles += [f"{worker.name}: {double}" for double in doubles]
        return found


def check_uses(log: str) -> tuple[int, list[str]]:
    """How many jobs used a device by its own log, and every sign that two did so at a time, or in the wrong order.

    Each line is a time in ns, slot, epoch, and process. No line of one epoch may come after the first line of a later
    one on the same slot, and an epoch is one process.
    """
    lines: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for line in log.splitlines():
        at_ns, slot, epoch, pid = map(int, line.split())
        lines[slot].append((at_ns, epoch, pid))
    doubles = []
    for number, told in sorted(lines.items()):
        newest = 0
        processes: dict[int, int] = {}
        for at_ns, epoch, pid in sorted(told):
            if epoch < newest:
                doubles.append(f"slot {number}: epoch {epoch} at {at_ns} ns, when {newest} had begun")
            if processes.setdefault(epoch, pid) != pid:
                doubles.append(f"slot {number}: epoch {epoch} at {at_ns} ns by process {pid}, not {processes[epoch]}")
            newest = max(newest, epoch)
    return sum(len({epoch for _, epoch, _ in told}) for told in lines.values()), doubles


def _switch_on(count: int, folder: Path, stack: ExitStack) -> Sequence[Worker]:
    loop = stack.enter_context(Loop())
    workers = [EmulatedWorker(f"worker-{n:02d}", folder / f"worker-{n:02d}", loop) for n in range(1, count + 1)]
    for worker in workers:
        stack.callback(worker.close)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda worker: worker.start(), workers))
    return workers


def _start(order: Order) -> subprocess.Popen[str]:
    path = order.folder / f"{order.run}.json"
    order.write(path)
    command = [sys.executable, "-m", "tests.chaos", "drive", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = process.communicate()
    told: dict[str, Any] = json.loads(said.splitlines()[-1])
    return told
