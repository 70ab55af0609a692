"""Tasks to traces: what is stored is reused, the rest goes to the pool, and every trace lands in the store."""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from harness.closet.code_bundle import code_bundle
from harness.closet.pool import Pool, open_pool
from harness.closet.work import Work, WorkOutcome
from harness.config import Fleet
from harness.domain import Device, DeviceKind, Priority, ReplayJob, RuntimeChoice, Task
from harness.errors import ClosetError, ErrorDescription, ProductCrashError
from harness.files import remove_files
from harness.pipeline.canary import with_canary
from harness.pipeline.collect import Replayed, collect, what_failed_here
from harness.pipeline.emulated import emulated_devices
from harness.pipeline.events import Observer
from harness.pipeline.shelf import open_shelf
from harness.pipeline.task_works import expected_s, history_key, make_work
from harness.pipeline.upkeep import make_upkeep
from harness.store import Store

_NOTHING_CHOSEN: Mapping[DeviceKind, RuntimeChoice] = MappingProxyType({})


def stored(jobs: Mapping[str, ReplayJob], store: Store) -> dict[str, Replayed]:
    """The jobs whose trace is in the store already."""
    found: dict[str, Replayed] = {}
    for job_id in jobs:
        entry = store.find_trace(job_id)
        if entry is not None:
            found[job_id] = Replayed(job_id, entry.sha256, None, reused=True)
    return found


class Replays:
    """The replays of one run: `submit` gives tasks to the devices, `ended` yields each job as it ends.

    A context manager around the run. Devices are only connected to once something is submitted.
    """

    def __init__(
        self,
        fleet: Fleet,
        store: Store,
        *,
        blob_paths: Mapping[str, Path],
        folder: Path,
        suite: str,
        priority: Priority,
        observer: Observer,
        stop: threading.Event,
        anew: bool = False,
        runtimes: Mapping[DeviceKind, RuntimeChoice] = _NOTHING_CHOSEN,
    ) -> None:
        """With `anew` devices recall nothing of what they made of the same pictures before.

        `runtimes` say by kind of device what models are executed by, where that is chosen.
        """
        self._anew, self._runtimes = anew, runtimes
        self._fleet, self._store, self._blob_paths, self._folder = fleet, store, blob_paths, folder
        self._suite, self._priority, self._observer, self._stop = suite, priority, observer, stop
        self._stack = ExitStack()
        self._tasks: dict[str, tuple[Task, str, tuple[str, ...], tuple[str, ...]]] = {}
        self._costs: dict[str, float] | None = None
        self._devices: tuple[Device, ...] = ()
        self._pool: Pool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    @property
    def devices(self) -> tuple[Device, ...]:
        """All that can be asked, whether or not they answer; emulated ones are started for it."""
        self._pool = self._pool or self._open()
        return self._devices

    def submit(
        self,
        tasks: Sequence[Task],
        *,
        label: str = "",
        only_devices: tuple[str, ...] = (),
        not_devices: tuple[str, ...] = (),
        threads: int = 0,
    ) -> None:
        """Have tasks replayed, also while others are. With a `label` of its own a task is replayed once more.

        `threads` is how many each may use, as many as its share of the device when 0.
        """
        if not tasks or self._stop.is_set():
            return
        pool = self._pool = self._pool or self._open()
        if self._costs is None:
            self._costs = self._past_costs(tasks)
        works = [
            replace(
                make_work(
                    task,
                    self._code,
                    label,
                    anew=bool(label) or self._anew,
                    runtime=self._runtimes.get(task.device_kind),
                ),
                cost_s=cost_s,
                only_devices=only_devices,
                not_devices=not_devices,
                threads=threads,
            )
            for task, cost_s in zip(tasks, expected_s(tasks, self._costs), strict=True)
        ]
        self._tasks |= {
            work.id: (task, label, only_devices, not_devices) for work, task in zip(works, tasks, strict=True)
        }
        pool.submit(works)

    def _past_costs(self, tasks: Sequence[Task]) -> dict[str, float]:
        """What tasks like these took; nothing if the shelf does not answer, which is no reason to end a run.

        Asked once, before anything runs: who waits here for a database that stands still hears nothing of it meanwhile.
        """
        try:
            return dict(self._shelf.costs([history_key(task) for task in tasks]))
        except ClosetError:
            return {}

    def suspect(self, device: str, reason: str) -> None:
        """The device runs its canary before its next job."""
        if self._pool is not None:
            self._pool.suspect(device, reason)

    def ended(self) -> Iterator[Replayed]:
        """Each job as it ends, in the order they end, until nothing that was submitted is unfinished.

        A task of several models that crashes is done again one model at a time, so that the one to blame is known.
        """
        for outcome in self._pool.outcomes() if self._pool is not None else ():
            task, label, only_devices, not_devices = self._tasks.pop(outcome.work_id)
            if outcome.error is None and self._costs is not None:
                last = outcome.attempts[-1]
                self._costs[history_key(task)] = last.ended_s - last.started_s
            if _is_crash(outcome) and len(task.jobs) > 1:
                remove_files(outcome.files.values())
                parts = [replace(task, jobs=(job,)) for job in task.jobs]
                self.submit(parts, label=label, only_devices=only_devices, not_devices=not_devices)
                continue
            for replayed in collect(task, outcome, self._store, remember=not label):
                yield replace(replayed, label=label)

    def _judge(self, work: Work, device: str, files: Mapping[str, Path]) -> ErrorDescription | None:
        given = self._tasks.get(work.id)  # none any more where this try was given up, and the work has ended without it
        return None if given is None else what_failed_here(given[0], work.id, device, files)

    def _open(self) -> Pool:
        fleet, store = self._fleet, self._store
        _, bundle = code_bundle()
        self._code = store.put_bytes(bundle)
        self._shelf = self._stack.enter_context(open_shelf(store.home, fleet))
        # A shelf with a URL is one of several machines, which all bring emulated workers of their own.
        host = platform.node() if "://" in self._shelf.address else ""
        started = self._stack.enter_context(emulated_devices(fleet.emulated, store.home, host))
        names = [device.name for device in started]  # they are this machine, which judges
        upkeep = make_upkeep(fleet, self._code, self._shelf, store.home, self._stop, unproved=names)
        self._devices = (*fleet.devices, *started)
        return self._stack.enter_context(
            open_pool(
                self._devices,
                shelf=self._shelf,
                run=self._folder.name,
                suite=self._suite,
                priority=self._priority,
                blob_path=with_canary(lambda sha256: self._blob_paths.get(sha256) or store.path(sha256)),
                destination=self._folder / "incoming",
                on_event=self._observer,
                stop=self._stop,
                upkeep=upkeep,
                judge=self._judge,
            )
        )


def _is_crash(outcome: WorkOutcome) -> bool:
    return outcome.error is not None and outcome.error.kind == ProductCrashError.__name__
