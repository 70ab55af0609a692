"""Tasks to traces: what is stored is reused, the rest goes to the pool, and every trace lands in the store."""

from __future__ import annotations

import fcntl
import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness.closet.code_bundle import code_bundle
from harness.closet.emulator import emulate
from harness.closet.pool import run_work
from harness.closet.work import Work, WorkOutcome
from harness.config import Fleet
from harness.domain import Blob, Device, Json, ReplayJob, Task, canonical_json
from harness.errors import ProductCrashError
from harness.pipeline.collect import Replayed, collect
from harness.pipeline.events import Observer
from harness.store import Store

JOB_FORMAT = 1


def stored(jobs: Mapping[str, ReplayJob], store: Store) -> dict[str, Replayed]:
    """The jobs whose trace is in the store already."""
    found: dict[str, Replayed] = {}
    for job_id in jobs:
        entry = store.find_trace(job_id)
        if entry is not None:
            found[job_id] = Replayed(job_id, entry.sha256, None, reused=True)
    return found


def replay(
    tasks: tuple[Task, ...],
    fleet: Fleet,
    store: Store,
    *,
    blob_paths: Mapping[str, Path],
    folder: Path,
    observer: Observer,
    stop: threading.Event,
) -> Iterator[Replayed]:
    """Carry out `tasks` on the devices of `fleet` and yield each job as it ends, in the order they end.

    A task of several models that crashes is done again one model at a time, so that the one to blame is known.
    """
    if not tasks:
        return
    _, bundle = code_bundle()
    code = store.put_bytes(bundle)
    with ExitStack() as stack:
        devices = (*fleet.devices, *stack.enter_context(emulated_devices(fleet.emulated, store.home)))
        pending = tasks
        while pending and not stop.is_set():
            works = {task.id: task for task in pending}
            split: list[Task] = []
            for outcome in run_work(
                tuple(_work(task, code) for task in pending),
                devices,
                blob_path=lambda sha256: blob_paths.get(sha256) or store.path(sha256),
                destination=folder / "incoming",
                on_event=observer,
                stop=stop,
            ):
                task = works[outcome.work_id]
                if _is_crash(outcome) and len(task.jobs) > 1:
                    split.extend(replace(task, jobs=(job,)) for job in task.jobs)
                    continue
                yield from collect(task, outcome, store)
            pending = tuple(split)


@contextmanager
def emulated_devices(count: int, home: Path) -> Iterator[tuple[Device, ...]]:
    """Emulated workers for the time of a `with`, or none.

    Their folders outlive the run, so that a segment that was there is not sent again; runs at the same time get
    folders of their own.
    """
    if not count:
        yield ()
        return
    for number in itertools.count():
        folder = home / "emulated" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            with emulate(count, folder) as devices:
                yield devices
            return


def _work(task: Task, code: Blob) -> Work:
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
        "cache_folder": "../../cache",
    }
    return Work(
        id=task.id,
        device_kind=task.device_kind,
        tags=task.tags,
        blobs=tuple(sorted(task.blobs.values())),
        job_text=canonical_json(job),
        arguments=("-m", "harness.replay", "job.json"),
        code=code,
        cost_s=task.cost_s,
        deadline_s=task.deadline_s,
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
