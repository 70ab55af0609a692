"""Replays as a worker runs them: a process of its own with a job file, its time, processor time and memory."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.bench.onnx_models import BenchModel
from harness.domain import SegmentId
from harness.errors import ClosetError

_LOOK_EVERY_S = 0.05
_PEAK = "VmHWM:"


@dataclass(frozen=True, slots=True)
class Usage:
    """What one replay took: wall and processor seconds of the process, its peak memory, and what it says itself."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    measurements: Mapping[str, Mapping[str, float]]


def write_job(
    folder: Path,
    segment: SegmentId,
    recording: Mapping[str, Path],
    models: Mapping[str, BenchModel],
    cache: Path | None,
    *,
    frames: int | None = None,
) -> Path:
    """A JOB.json in `folder` that replays `segment` through `models`, together; only the first `frames` if given."""
    job = {
        "format": 1,
        "segment": str(segment),
        "replayer": "driving_model",
        "options": {} if frames is None else {"frames": frames},
        "recording": {name: str(path) for name, path in recording.items()},
        "replays": [
            {"job": name, "model": {file: str(path) for file, path in model.files.items()}, "provenance": {}}
            for name, model in models.items()
        ],
        "output_folder": "out",
        "cache_folder": None if cache is None else str(cache),
    }
    path = folder / "JOB.json"
    path.write_text(json.dumps(job))
    return path


def run_job(job: Path, threads: int) -> Usage:
    """Run one job to its end; ClosetError with its last words when it fails."""
    environment = {**os.environ, "CLOSET_THREADS": str(threads), "PYTHONPATH": str(Path(harness.__file__).parents[1])}
    errors = job.with_suffix(".stderr")
    begin = time.perf_counter()
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.replay", str(job)],
            stdout=subprocess.DEVNULL,
            stderr=stream,
            env=environment,
        )
        peaks = [0.0]
        watcher = threading.Thread(target=_watch, args=(process.pid, peaks), daemon=True)
        watcher.start()
        _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.join()
    if process.returncode:
        words = errors.read_text(errors="replace").strip()
        raise ClosetError(f"the replay ended with {process.returncode}: {words[-500:]}", where=str(job))
    answer = json.loads((job.parent / "out" / "result.json").read_text())
    measurements = {name: entry["measurements"] for name, entry in answer["replays"].items()}
    return Usage(wall_s, used.ru_utime + used.ru_stime, max(peaks), measurements)


def run_jobs(jobs: Sequence[Path], slots: int) -> tuple[float, float]:
    """Run jobs on `slots` one-threaded workers at a time, as a device does.

    Wall seconds from the first start to the last end, and processor seconds of all.
    """
    waiting: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    failures: list[Exception] = []
    used: list[Usage] = []

    def work() -> None:
        try:
            while True:
                used.append(run_job(waiting.get_nowait(), 1))
        except queue.Empty:
            return
        except (ClosetError, OSError) as error:
            failures.append(error)

    begin = time.perf_counter()
    workers = [threading.Thread(target=work, daemon=True) for _ in range(slots)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - begin, sum(usage.cpu_s for usage in used)


def _watch(pid: int, peaks: list[float]) -> None:
    """Keep the process's peak resident memory in megabytes, as the system counts it, until the process ends.

    What the process reports of itself will not do: its count starts with the memory of whoever started it.
    """
    status = Path(f"/proc/{pid}/status")
    try:
        while True:
            lines = status.read_text().splitlines()
            values = [line.split()[1] for line in lines if line.startswith(_PEAK)]
            if not values:
                return
            peaks.append(int(values[0]) * 1024 / 1e6)
            time.sleep(_LOOK_EVERY_S)
    except OSError:
        return
