"""How long it takes until a peer that is frozen, unplugged or killed is noticed: measured, many times."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from harness.closet.pool import open_pool
from harness.closet.work import DeviceLost, JobStarted, PoolEvent
from harness.shelf import Shelf
from tests.chaos.link import Loop
from tests.chaos.processes import tell
from tests.chaos.watcher import watched_folder
from tests.chaos.workers import BoxedWorker, EmulatedWorker, Worker, boxes_possible
from tests.chaos.works import Works

_SLEEPS = "import time; time.sleep(600)"
_WORKERS = 8
_PATIENCE_S = 60.0


def noticing(rounds: int) -> dict[str, list[float]]:
    """Seconds from the harm to the loss being told, `rounds` × 8 times a harm, each while a job runs there."""
    harms: dict[str, Callable[[Worker], None]] = {
        "frozen (SIGSTOP)": lambda worker: worker.freeze(),
        "silent link": lambda worker: worker.link.silent(),
        "killed (SIGKILL)": lambda worker: worker.power_cut(),
        "agent killed (SIGKILL)": _kill_agent,
    }
    found: dict[str, list[float]] = {}
    with watched_folder() as folder, ExitStack() as stack:
        loop = stack.enter_context(Loop())
        emulated: list[Worker] = [EmulatedWorker(f"e-{n:02d}", folder / f"e{n}", loop) for n in range(_WORKERS)]
        for worker in emulated:
            stack.callback(worker.close)
        for harm, do in harms.items():
            found[harm] = [s for n in range(rounds) for s in _round(emulated, do, folder / f"{harm[:5]}{n}")]
        if not boxes_possible():
            boxed: list[Worker] = [BoxedWorker(f"b-{n:02d}", folder / f"b{n}", loop, n) for n in range(_WORKERS)]
            for worker in boxed:
                stack.callback(worker.close)
            found["cable pulled"] = [
                s for n in range(rounds) for s in _round(boxed, lambda w: w.plug(into=False), folder / f"cable{n}")
            ]
    return found


def _kill_agent(worker: Worker) -> None:
    tell(worker.agents(), signal.SIGKILL)


def _round(workers: Sequence[Worker], harm: Callable[[Worker], None], folder: Path) -> list[float]:
    """Every worker runs a job; each is harmed a moment after the other, and its loss awaited."""
    for worker in workers:
        worker.wipe()
        worker.start()
    works, stop = Works(folder / "blobs"), threading.Event()
    harmed: dict[str, float] = {}
    noticed: dict[str, float] = {}
    running: set[str] = set()

    def told(event: PoolEvent) -> None:
        now = time.monotonic()
        if isinstance(event, JobStarted):
            running.add(event.device)
        elif isinstance(event, DeviceLost) and event.device in harmed:
            noticed.setdefault(event.device, now - harmed[event.device])

    def do_harm() -> None:
        until = time.monotonic() + _PATIENCE_S
        while len(running) < len(workers) and time.monotonic() < until:
            time.sleep(0.05)
        for number, worker in enumerate(workers):
            time.sleep(0.13 * (number % 5))  # anywhere between two heartbeats
            harmed[worker.name] = time.monotonic()
            harm(worker)
        while len(noticed) < len(workers) and time.monotonic() < until:
            time.sleep(0.05)
        for worker in workers:
            worker.thaw()
            worker.link.speak()
        stop.set()

    with Shelf(folder / "shelf.db") as shelf:
        pool = open_pool(
            [worker.device(1) for worker in workers],
            shelf=shelf,
            run="noticing",
            blob_path=works.blob_path,
            destination=folder / "results",
            on_event=told,
            stop=stop,
            max_attempts=1,
        )
        harmer = threading.Thread(target=do_harm)
        with pool:
            pool.submit([works.work(f"{folder}{worker.name}", _SLEEPS, deadline_s=600.0) for worker in workers])
            harmer.start()
            for _ in pool.outcomes():
                pass
            harmer.join()
    return [noticed.get(worker.name, float("inf")) for worker in workers]
