"""Tasks to traces: what is stored is reused, the rest goes to the pool, and every trace lands in the store."""

from __future__ import annotations

import fcntl
import itertools
import json
import platform
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from harness.closet.code_bundle import code_bundle
from harness.closet.emulator import emulate
from harness.closet.pool import Pool, open_pool
from harness.closet.work import Work, WorkOutcome
from harness.config import Fleet
from harness.domain import (
    Blob,
    Device,
    DeviceKind,
    Json,
    Priority,
    ReplayJob,
    RuntimeChoice,
    Task,
    canonical_json,
    json_digest,
)
from harness.errors import ClosetError, ErrorDescription, ProductCrashError
from harness.files import remove_files
from harness.pipeline.canary import with_canary
from harness.pipeline.collect import Replayed, collect, what_failed_here
from harness.pipeline.events import Observer
from harness.pipeline.runs import LOCK
from harness.pipeline.shelf import open_shelf
from harness.pipeline.upkeep import make_upkeep
from harness.replay.models import FEATURES_TRACE
from harness.store import Store

JOB_FORMAT = 1
EMULATED = "emulated"
"""Below the closet's home: a folder for each run at a time that brings emulated workers, held by its own lock."""
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
        costs = self._costs(tasks)
        works = [
            replace(
                _work(
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
            for task, cost_s in zip(tasks, _expected_s(tasks, costs), strict=True)
        ]
        self._tasks |= {
            work.id: (task, label, only_devices, not_devices) for work, task in zip(works, tasks, strict=True)
        }
        pool.submit(works)

    def _costs(self, tasks: Sequence[Task]) -> Mapping[str, float]:
        """What tasks like these took; nothing while the shelf does not answer, which is no reason to end a run."""
        try:
            return self._shelf.costs([_history_key(task) for task in tasks])
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


@contextmanager
def emulated_devices(count: int, home: Path, host: str = "") -> Iterator[tuple[Device, ...]]:
    """Emulated workers for the time of a `with`, or none.

    Their folders outlive the run, so that a segment that was there is not sent again; runs at the same time get
    folders, and names, of their own. `host` becomes part of the names.
    """
    if not count:
        yield ()
        return
    for number in itertools.count():
        folder = home / EMULATED / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            with emulate(count, folder) as devices:
                yield tuple(replace(device, name=_emulated_name(device.name, number, host)) for device in devices)
            return


def _emulated_name(name: str, number: int, host: str) -> str:
    """Its name on a shelf that other runs bring emulated workers of their own to."""
    kind, _, ordinal = name.rpartition("-")
    return "-".join(part for part in (kind, host, str(number) if number else "", ordinal) if part)


def _history_key(task: Task) -> str:
    """What the cost of tasks like it is remembered under: the models on trial change, the work they are does not."""
    first = task.jobs[0]
    follows = " on given features" if any(entry.name == FEATURES_TRACE for entry in first.model) else ""
    return f"{first.segment} {first.replayer} {first.device_kind} x{len(task.jobs)}{follows}"


def _expected_s(tasks: Sequence[Task], costs: Mapping[str, float]) -> list[float]:
    """How long each will take: what tasks like it took, else the plan's guess in the measure of those."""
    known = [costs[_history_key(task)] / task.cost_s for task in tasks if _history_key(task) in costs and task.cost_s]
    scale = statistics.median(known) if known else 1.0
    return [costs.get(_history_key(task), task.cost_s * scale) for task in tasks]


def _work(task: Task, code: Blob, label: str, *, anew: bool, runtime: RuntimeChoice | None) -> Work:
    """The argument list and the job file for one task, with paths as they are on every device."""
    first = task.jobs[0]
    job: dict[str, Json] = {
        "format": JOB_FORMAT,
        "segment": str(first.segment),
        "replayer": first.replayer,
        "options": json.loads(first.options),
        "recording": {entry.name: _on_device(entry.blob) for entry in first.recording},
        "replays": [
            {
                "job": entry.id,
                "model": {named.name: _on_device(named.blob) for named in entry.model},
                "provenance": _provenance(entry),
            }
            for entry in task.jobs
        ],
        "output_folder": "out",
        # A repeat that recalled what the device once made of the pictures would repeat that, right or wrong.
        "cache_folder": None if anew else "../../cache",
    }
    if runtime is not None:
        job["runtime"] = {"provider": runtime.provider, "threads": runtime.threads}
    return Work(
        id=json_digest([task.id, label]) if label else task.id,
        device_kind=task.device_kind,
        tags=task.tags,
        blobs=tuple(sorted(task.blobs.values())),
        job_text=canonical_json(job),
        arguments=("-m", "harness.replay", "job.json"),
        code=code,
        cost_s=task.cost_s,
        deadline_s=task.deadline_s,
        history_key=_history_key(task),
    )


def _on_device(blob: Blob) -> str:
    return f"../../blobs/{blob.sha256}"


def _provenance(job: ReplayJob) -> dict[str, Json]:
    return {
        "job": job.id,
        "device_kind": job.device_kind.value,
        "replayer_version": job.replayer_version,
        "options": job.options,
        "recording": {entry.name: entry.blob.sha256 for entry in job.recording},
        "model": {entry.name: entry.blob.sha256 for entry in job.model},
    }


def _is_crash(outcome: WorkOutcome) -> bool:
    return outcome.error is not None and outcome.error.kind == ProductCrashError.__name__
