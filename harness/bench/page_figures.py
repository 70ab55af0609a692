"""Figures of a run's page: how long it takes to write, and how large what a browser must read becomes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.bench.figure import Better, Figure
from harness.bench.workbench import Workbench
from harness.domain import Json
from harness.pipeline.page import write_page
from harness.pipeline.runs import write_run
from harness.report.links import SEGMENTS
from harness.store import Store
from harness.trace import Channel, Trace, write_trace
from harness.verdict import (
    Attempt,
    CheckResult,
    Closeness,
    Finding,
    FindingKind,
    JobResult,
    RunRecord,
    Severity,
    Verdict,
)

_FRAMES = 1200
_ONE_IN = 20  # trials that FAIL
_PLAN_T_S = 10.0 * (np.arange(33) / 32.0) ** 2
_PLANS = ("position", "velocity", "acceleration", "orientation", "orientationRate")
_KIND = "emulated"
_MOVED = ("action.desiredCurvature", "position.y", "laneLines.y")


@dataclass(frozen=True, slots=True)
class _Written:
    seconds: float
    largest_mb: float


def page_written(bench: Workbench) -> float:
    """Seconds to write the page of a run: the overview of all its trials, and a page a minute that FAILed."""
    return _page(bench).seconds


def page_size(bench: Workbench) -> float:
    """Megabytes of the largest segment's page with its data and all that it loads, the film apart."""
    return _page(bench).largest_mb


def _page(bench: Workbench) -> _Written:
    return bench.once("page", lambda: _measure(bench))


def _measure(bench: Workbench) -> _Written:
    folder = bench.fresh("page")
    run, target = folder / "run", folder / "page"
    with Store(folder / "home") as store:
        make_run(run, store, bench.scale.page_jobs)
        begin, busy = time.perf_counter(), _processor_s()
        written = write_page(run, store, target)
        seconds = time.perf_counter() - begin
    bench.tell(
        f"the page of {bench.scale.page_jobs} jobs, {written.segments} of them with pages: "
        f"{_processor_s() - busy:.1f} s of processor, all processes together"
    )
    shared = sum(path.stat().st_size for path in (target / "assets").iterdir())
    pages = list((target / SEGMENTS).glob("*.html"))
    largest = max(path.stat().st_size + path.with_suffix(".js").stat().st_size for path in pages)
    return _Written(seconds, (largest + shared) / 1e6)


def _processor_s() -> float:
    """What this process and its children that have ended have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def make_run(folder: Path, store: Store, jobs: int) -> None:
    """The record of a run of so many minutes in `folder`, with traces for those that FAIL in the store."""
    results = []
    for number in range(jobs):
        segment = f"{number // 10:016x}/{number // 10:08x}--0123456789/{number % 10}"
        results.append(_failed(segment, number, store, folder) if number % _ONE_IN == 0 else _passed(segment, number))
    record = RunRecord(
        "2026-01-01-001",
        "bench",
        "2026-01-01T00:00:00+00:00",
        ("closet", "run", "bench.yaml"),
        {"driving_model": "next"},
        {"driving_model": "release"},
        tuple({"name": f"emulated-{place:02d}", "kind": _KIND} for place in range(8)),
        {},
        tuple(results),
        duration_s=3600.0,
    )
    write_run(folder, record)


def _result(segment: str, number: int, verdict: Verdict, *checks: CheckResult, traces: tuple[str, str]) -> JobResult:
    return JobResult(
        f"{segment} · driving_model · {_KIND}",
        segment,
        "driving_model",
        _KIND,
        verdict,
        checks=(CheckResult("replay", Closeness.EXACT), *checks),
        attempts=(Attempt("candidate", f"emulated-{number % 8:02d}", 1, number, number + 30.0),),
        candidate_trace=traces[0],
        baseline_trace=traces[1],
    )


def _passed(segment: str, number: int) -> JobResult:
    check = CheckResult("action", Closeness.EXACT, (), 3, _FRAMES)
    return _result(segment, number, Verdict.PASS, check, traces=("", ""))


def _failed(segment: str, number: int, store: Store, folder: Path) -> JobResult:
    findings = tuple(
        Finding(
            FindingKind.CHANGED,
            Severity.BLOCK,
            channel,
            "leaves at frame 412 (20.60 s), peak 431, back after 2.3 s\nexpected 0.0031, observed 0.0058",
            *(412, 457, 431, 20.6, 22.85, 21.55),
        )
        for channel in _MOVED
    )
    traces = []
    for side in ("candidate", "baseline"):
        path = folder / f"{side}.trace"
        write_trace(path, _trace(segment, number, moved=side == "candidate"))
        traces.append(store.put_file(path).sha256)
        path.unlink()
    check = CheckResult("action", Closeness.BEYOND, findings, 60, _FRAMES)
    return _result(segment, number, Verdict.FAIL, check, traces=(traces[0], traces[1]))


def _trace(segment: str, number: int, *, moved: bool) -> Trace:
    """A minute of plausible driving: every channel of a driving model, of its shape, smooth and nowhere constant."""
    rng = np.random.default_rng(number)
    t_s = np.arange(_FRAMES) / 20.0
    wave = np.sin(t_s / 7.0 + number)[:, None]
    channels: dict[str, Channel] = {}

    def add(name: str, unit: str, *shape: int) -> None:
        noise = rng.normal(scale=0.01, size=(_FRAMES, *shape))
        base = wave.reshape(-1, *[1] * len(shape)) * rng.normal(size=shape) if shape else wave[:, 0]
        values = (base + noise).astype(np.float32)
        if moved and name in _MOVED:
            values[412:458] += np.float32(0.1)
        channels[name] = Channel(name, unit, values)

    for name in ("action.desiredCurvature", "action.desiredAcceleration", "meta.engagedProb"):
        add(name, "")
    for plan in _PLANS:
        for axis in "xyz":
            add(f"{plan}.{axis}", "m", 33)
    add("laneLines.y", "m", 4, 33)
    add("laneLines.z", "m", 4, 33)
    add("roadEdges.y", "m", 2, 33)
    add("roadEdges.z", "m", 2, 33)
    add("laneLineStds", "m", 4)
    add("roadEdgeStds", "m", 2)
    for part in ("x", "y", "v", "a"):
        add(f"leadsV3.{part}", "m", 3, 6)
    channels["position.x"] = Channel("position.x", "m", np.tile((20 * _PLAN_T_S).astype(np.float32), (_FRAMES, 1)))
    channels["vEgo"] = Channel("vEgo", "m/s", (20 + wave[:, 0]).astype(np.float32))
    for name, count in (("laneLineProbs", 4), ("leadsV3.prob", 3)):
        channels[name] = Channel(name, "", np.full((_FRAMES, count), 0.9, np.float32))
    frames = np.arange(_FRAMES, dtype=np.int64)
    provenance: dict[str, Json] = {
        "calibration_rpy_rad": [0.0, 0.01, 0.0],
        "device": "mici",
        "sensor": "os04c10",
        "side": str(moved),
    }
    return Trace("driving_model", segment, frames, frames * 50_000_000, channels, provenance)


FIGURES = (
    Figure("page of 500 jobs written", "s", 10.0, Better.LOWER, page_written),
    Figure("page of a segment, the film apart", "MB", 3.0, Better.LOWER, page_size),
)
