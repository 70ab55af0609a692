"""Figures of runs: what planning, starting, judging and recording cost beside the replays themselves."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.bench.drives import model, segment, segment_id
from harness.bench.figure import Better, Figure
from harness.bench.onnx_models import BenchModel
from harness.bench.workbench import Workbench
from harness.closet.emulator import emulate
from harness.config import Fleet
from harness.domain import Device, Plan
from harness.errors import ClosetError, from_description
from harness.pipeline import execute_run, prepare
from harness.pipeline.request import ModelChoice, Request
from harness.store import Store
from harness.trace import Trace, write_trace
from harness.verdict import RunRecord

# So few frames that what is around the replay can be seen.
_FRAMES = 2
_FRAMES_OF_A_MINUTE = 1200
_TOLERANCE = 1e6  # the models are random: all that is judged is near enough


@dataclass(frozen=True, slots=True)
class _Runs:
    """One suite carried out again and again: seconds of the first run, of its workers in it, and of later runs.

    `anew_s` is a run whose traces are a minute long and stored, but which has to compare them.
    """

    jobs: int
    first_s: float
    workers_s: float
    again_s: float
    anew_s: float


def orchestration(bench: Workbench) -> float:
    """Milliseconds a job costs in a run above the time its worker process takes, on one emulated device."""
    runs = _runs(bench)
    bench.tell(f"{runs.jobs} short jobs: {runs.first_s:.2f} s in a run, of which the workers {runs.workers_s:.2f} s")
    return (runs.first_s - runs.workers_s) / runs.jobs * 1e3


def cached_run(bench: Workbench) -> float:
    """Milliseconds a job costs in a run that was carried out before: traces and comparisons are all there."""
    runs = _runs(bench)
    return runs.again_s / runs.jobs * 1e3


def compared_anew(bench: Workbench) -> float:
    """Milliseconds a job costs where all traces of a minute are there, but were not compared in this way before."""
    runs = _runs(bench)
    return runs.anew_s / runs.jobs * 1e3


def _runs(bench: Workbench) -> _Runs:
    return bench.once("runs", lambda: _carry_out(bench))


def _carry_out(bench: Workbench) -> _Runs:
    count = bench.scale.run_jobs
    home = bench.fresh("runs")
    recording = segment(bench, 0, length=0.25)
    candidate, baseline = model(bench), model(bench, policy_seed=3)
    first = _request(home / "warm", recording, range(count, count + 1), candidate, baseline)
    request = _request(home / "suite", recording, range(count), candidate, baseline)
    with Store(home / "home") as store, emulate(1, home / "closet") as devices:
        bench.tell("a first run brings files to the worker")
        _run(first, store, devices, home / "warm-run")
        bench.tell(f"{count} short jobs in a run")
        first_s, record = _run(request, store, devices, home / "first-run")
        numbers = itertools.count()

        def again(tolerance: float) -> float:
            _write_suite(request.suite, tolerance)
            return _run(request, store, devices, home / f"again-{next(numbers)}")[0]

        repeats = range(bench.scale.repeats)
        again_s = min(again(_TOLERANCE) for _ in repeats)
        _lengthen_traces(prepare(request, store).plan, store, bench.fresh("traces"))
        anew_s = min(again(_TOLERANCE + 1 + number) for number in repeats)
    workers_s = sum(result.attempts[-1].measurements["run_s"] for result in record.results)
    return _Runs(count, first_s, workers_s, again_s, anew_s)


def _lengthen_traces(plan: Plan, store: Store, folder: Path) -> None:
    """Put traces of a minute in the place of the short ones. Both sides of a trial get the same values.

    That is what a gate sees most: software that does the same, whose traces differ only in where they come from.
    """
    for trial in plan.trials:
        found = store.find_trace(trial.candidate.id)
        if found is None:
            raise ClosetError("a trace is not in the store", where=trial.name)
        long = _lengthened(store.load_trace(found.sha256))
        for job in trial.jobs:
            path = folder / f"{job.id}.trace"
            write_trace(path, replace(long, provenance={**long.provenance, "job": job.id}))
            blob = store.put_file(path)
            store.remember_trace(job.id, blob.sha256, {"segment": long.segment})
            path.unlink()


def _lengthened(trace: Trace) -> Trace:
    """The same frames over and over, to the length of a minute."""
    rows = np.arange(_FRAMES_OF_A_MINUTE) % len(trace.frame_ids)
    count = np.arange(_FRAMES_OF_A_MINUTE, dtype=np.int64)
    channels = {name: replace(channel, values=channel.values[rows]) for name, channel in trace.channels.items()}
    return replace(trace, frame_ids=count, t_ns=count * 50_000_000, channels=channels)


def _request(
    folder: Path, recording: dict[str, Path], numbers: range, candidate: BenchModel, baseline: BenchModel
) -> Request:
    """A suite in `folder` over segments of these numbers, all of the same files."""
    for number in numbers:
        place = folder / "routes" / segment_id(number).folder_name
        place.mkdir(parents=True)
        for name, path in recording.items():
            (place / name).symlink_to(path)
    path = folder / "bench.yaml"
    _write_suite(path, _TOLERANCE)
    sides = (ModelChoice("", candidate.folder),), (ModelChoice("", baseline.folder),)
    return Request(path, None, *sides, command=(sys.executable, "-m", "harness", "bench"))


def _write_suite(path: Path, tolerance: float) -> None:
    replayer = {
        "options": {"frames": _FRAMES},
        "checks": {
            "pictures": {"channels": ["pictures.*", "vEgo"]},
            "outputs": {"channels": ["*"], "tolerance": {"absolute": tolerance}},
        },
    }
    suite = {
        "suite": "bench",
        "routes": ["routes"],
        "replayers": {"driving_model": replayer},
        "devices": {"kinds": ["emulated"]},
    }
    path.write_text(json.dumps(suite))


def _run(request: Request, store: Store, devices: tuple[Device, ...], folder: Path) -> tuple[float, RunRecord]:
    """Seconds from the request to the written record, and that; ClosetError when a job has no verdict."""
    begin = time.perf_counter()
    prepared = replace(prepare(request, store), fleet=Fleet(devices, 0))
    record = execute_run(request, prepared, store, folder=folder, observer=lambda _: None, stop=threading.Event())
    taken = time.perf_counter() - begin
    _check(record)
    return taken, record


def _check(record: RunRecord) -> None:
    if record.harness_error:
        raise ClosetError(record.harness_error, where="closet bench")
    for result in record.results:
        if result.error is not None:
            raise from_description(result.error)


FIGURES = (
    Figure("run of cached jobs", "ms a job", 20.0, Better.LOWER, cached_run),
    Figure("run of cached jobs, compared anew", "ms a job", 20.0, Better.LOWER, compared_anew),
    Figure("run above the worker's time", "ms a job", 150.0, Better.LOWER, orchestration),
)
