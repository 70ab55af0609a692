"""Figures of the way around a replay: planning, staging, starting, judging; and of runs that need no replay."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from harness.bench.clock import best_wall_s
from harness.bench.drives import model, segment, segment_id
from harness.bench.figure import Better, Figure
from harness.bench.onnx_models import BenchModel
from harness.bench.workbench import Workbench
from harness.closet.code_bundle import code_bundle
from harness.closet.emulator import emulate
from harness.closet.pool import run_work
from harness.closet.work import Work
from harness.config import Fleet
from harness.domain import Blob, Device, DeviceKind
from harness.errors import ClosetError, ErrorDescription
from harness.files import file_sha256
from harness.pipeline import execute_run, prepare
from harness.pipeline.request import ModelChoice, Request
from harness.store import Store
from harness.verdict import RunRecord

# So few frames that what is around the replay can be seen.
_FRAMES = 2
_DEADLINE_S = 300.0
_LEAVE_A_FILE = "import pathlib; pathlib.Path('out/done').write_text('done')"


@dataclass(frozen=True, slots=True)
class _Runs:
    """One suite carried out twice: seconds of the first run, of its workers in it, and of the second run."""

    jobs: int
    first_s: float
    workers_s: float
    again_s: float


def orchestration(bench: Workbench) -> float:
    """Milliseconds a job costs in a run above the time its worker process takes, on one emulated device."""
    runs = _runs(bench)
    bench.tell(f"{runs.jobs} short jobs: {runs.first_s:.2f} s in a run, of which the workers {runs.workers_s:.2f} s")
    return (runs.first_s - runs.workers_s) / runs.jobs * 1e3


def cached_run(bench: Workbench) -> float:
    """Milliseconds a job costs in a run whose segments and traces are all there."""
    runs = _runs(bench)
    return runs.again_s / runs.jobs * 1e3


def staging(bench: Workbench) -> float:
    """Megabytes a second that reach an emulated worker over SSH, checked by digest on arrival."""
    folder = bench.fresh("staging")
    size = bench.scale.staged_mb * 1_000_000
    with emulate(1, folder / "closet") as devices:
        speeds = [_staged(folder, devices[0], size, number) for number in range(bench.scale.staging_goes)]
    listed = ", ".join(f"{speed:.0f}" for speed in speeds)
    bench.tell(f"staging {bench.scale.staged_mb} MB: {listed} MB/s")
    return max(speeds)


def _staged(folder: Path, device: Device, size: int, number: int) -> float:
    """Send a file that nobody has sent before as part of a work, and see how fast it went."""
    path = folder / f"{number}.blob"
    path.write_bytes(os.urandom(size))
    _, bundle = code_bundle()
    code_path = folder / "code.tar"
    code_path.write_bytes(bundle)
    blob, code = (Blob(file_sha256(each), each.stat().st_size) for each in (path, code_path))
    work = Work(
        id=f"{number:064x}",
        device_kind=DeviceKind.EMULATED,
        tags=(),
        blobs=(blob,),
        job_text="{}",
        arguments=("-c", _LEAVE_A_FILE),
        code=code,
        cost_s=1.0,
        deadline_s=_DEADLINE_S,
    )
    paths = {blob.sha256: path, code.sha256: code_path}
    (outcome,) = run_work(
        (work,),
        (device,),
        blob_path=paths.__getitem__,
        destination=folder / "results",
        on_event=lambda _: None,
        stop=threading.Event(),
    )
    path.unlink()
    _expect_none(outcome.error)
    measurements = outcome.attempts[-1].measurements
    return measurements["staged_bytes"] / 1e6 / measurements["staging_s"]


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
        folders = iter(range(1000))
        again_s = best_wall_s(
            lambda: _run(request, store, devices, home / f"again-{next(folders)}"), bench.scale.repeats
        )
    workers_s = sum(result.attempts[-1].measurements["run_s"] for result in record.results)
    return _Runs(count, first_s, workers_s, again_s)


def _request(
    folder: Path, recording: dict[str, Path], numbers: range, candidate: BenchModel, baseline: BenchModel
) -> Request:
    """A suite in `folder` over segments of these numbers, all of the same files."""
    for number in numbers:
        place = folder / "routes" / segment_id(number).folder_name
        place.mkdir(parents=True)
        for name, path in recording.items():
            (place / name).symlink_to(path)
    suite = {
        "suite": "bench",
        "routes": ["routes"],
        "replayers": {
            "driving_model": {
                "options": {"frames": _FRAMES},
                "checks": {
                    "pictures": {"channels": ["pictures.*"]},
                    "plan": {"channels": ["action.*", "position.*", "velocity.*"], "tolerance": {"absolute": 1e6}},
                },
            }
        },
        "devices": {"kinds": ["emulated"]},
    }
    path = folder / "bench.yaml"
    path.write_text(json.dumps(suite))
    sides = (ModelChoice("", candidate.folder),), (ModelChoice("", baseline.folder),)
    return Request(path, None, *sides, command=(sys.executable, "-m", "harness", "bench"))


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
        _expect_none(result.error)


def _expect_none(error: ErrorDescription | None) -> None:
    if error is not None:
        raise ClosetError(f"{error.kind}: {error.problem}", where=error.where, remedy=error.remedy)


FIGURES = (
    Figure("run of cached jobs", "ms a job", 20.0, Better.LOWER, cached_run),
    Figure("run above the worker's time", "ms a job", 150.0, Better.LOWER, orchestration),
    Figure("staging to an emulated worker", "MB/s", 200.0, Better.HIGHER, staging),
)
