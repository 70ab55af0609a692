"""Figures of replays: how near to the floor they run, what they reuse, how much memory they take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.bench.clock import Neighbours
from harness.bench.drives import model, segment, segment_id
from harness.bench.figure import Better, Figure
from harness.bench.stages import StageCosts, mean_costs, measure_stages
from harness.bench.workbench import Workbench
from harness.bench.worker import Usage, run_job, run_jobs, write_job

T = TypeVar("T")

# Of a segment: ratios of processor time need no whole minute.
_SHORT = 0.375


def throughput(bench: Workbench) -> float:
    """Wall time of several segments on all cores, one one-threaded worker a core, over their floor."""
    count = bench.scale.segments
    jobs = [_job(bench, number, ("a",), fresh_cache=True) for number in range(count)]

    def run() -> tuple[float, float]:
        return run_jobs(jobs, bench.cores)

    (wall_s, cpu_s), costs = _between_floors(bench, run)
    floor_s = count * _frames(bench) * costs.total_s / bench.cores
    busy = f"{cpu_s / bench.cores:.1f} s of processor a core"
    bench.tell(f"{count} segments on {bench.cores} cores: {wall_s:.1f} s, floor {floor_s:.1f} s; {busy}")
    return wall_s / floor_s


def latency(bench: Workbench) -> float:
    """Wall time of one segment with all cores for it, over its floor."""
    usages, costs = _with_all_cores(bench)
    wall_s, floor_s = min(usage.wall_s for usage in usages), _frames(bench) * costs.total_s / bench.cores
    cpu_s = min(usage.cpu_s for usage in usages)
    bench.tell(f"one segment: {wall_s:.1f} s, floor {floor_s:.1f} s; {cpu_s / bench.cores:.1f} s of processor a core")
    return wall_s / floor_s


def memory(bench: Workbench) -> float:
    """Most memory a worker ever had in one segment, with all cores: the busiest way to run."""
    usages, _ = _with_all_cores(bench)
    return max(usage.peak_mb for usage in usages)


def memory_of_long(bench: Workbench) -> float:
    """The same over a segment twice as long."""
    bench.tell("replaying a segment twice as long")
    return run_job(_job(bench, 0, ("a",), length=2.0, fresh_cache=True), bench.cores).peak_mb


def policy_change(bench: Workbench) -> float:
    """Processor time of a replay whose vision features are known, over that of the full replay that made them."""
    full, cache = _full_replay(bench)
    changed = run_job(_job(bench, 0, ("a with another policy",), cache=cache, length=_SHORT), 1)
    bench.tell(f"full replay {full.cpu_s:.1f} s, with features kept {changed.cpu_s:.1f} s of processor time")
    return changed.cpu_s / full.cpu_s


def both_together(bench: Workbench) -> float:
    """Processor time of two models in one replay, over both one after the other. Vision and policy differ."""
    first, _ = _full_replay(bench)
    second = run_job(_job(bench, 0, ("b",), fresh_cache=True, length=_SHORT), 1)
    together = run_job(_job(bench, 0, ("a", "b"), fresh_cache=True, length=_SHORT), 1)
    apart_s = first.cpu_s + second.cpu_s
    bench.tell(f"one after the other {apart_s:.1f} s, together {together.cpu_s:.1f} s of processor time")
    return together.cpu_s / apart_s


_MODELS = {
    "a": {"vision_seed": 1, "policy_seed": 2},
    "a with another policy": {"vision_seed": 1, "policy_seed": 3},
    "b": {"vision_seed": 4, "policy_seed": 5},
}


def _job(
    bench: Workbench,
    number: int,
    names: tuple[str, ...],
    *,
    length: float = 1.0,
    cache: Path | None = None,
    fresh_cache: bool = False,
) -> Path:
    """A job in a folder of its own; `fresh_cache` gives it an empty one, which it fills."""
    folder = bench.fresh("job")
    models = {name.replace(" ", "-"): model(bench, **_MODELS[name]) for name in names}
    recording = segment(bench, number, length=length)
    return write_job(folder, segment_id(number), recording, models, folder / "cache" if fresh_cache else cache)


def _full_replay(bench: Workbench) -> tuple[Usage, Path]:
    """One segment on one thread from nothing, and the folder where its features were kept."""

    def run() -> tuple[Usage, Path]:
        job = _job(bench, 0, ("a",), fresh_cache=True, length=_SHORT)
        bench.tell("replaying a part of a segment on one thread")
        return run_job(job, 1), job.parent / "cache"

    return bench.once("full replay", run)


def _between_floors(bench: Workbench, run: Callable[[], T]) -> tuple[T, StageCosts]:
    """What `run` gives, and the stages measured alone just before and just after it."""
    recording, frames = segment(bench, 0), max(1, _frames(bench) // 8)
    before = measure_stages(recording, model(bench), frames)
    bench.tell(f"stages alone, {before.shares()}")
    neighbours = Neighbours()
    value = run()
    bench.tell(f"meanwhile other programs used {neighbours.share():.0%} of the machine")
    after = measure_stages(recording, model(bench), frames)
    bench.tell(f"stages alone, {after.shares()}")
    return value, mean_costs(before, after)


def _frames(bench: Workbench) -> int:
    return bench.scale.groups * 30


def _with_all_cores(bench: Workbench) -> tuple[list[Usage], StageCosts]:
    """One segment with all cores for it, and the costs of its stages."""

    def run() -> list[Usage]:
        jobs = [_job(bench, 0, ("a",), fresh_cache=True) for _ in range(bench.scale.replay_goes)]
        return [run_job(job, bench.cores) for job in jobs]

    return bench.once("all cores", lambda: _between_floors(bench, run))


FIGURES = (
    Figure("replay throughput", "× floor", 1.12, Better.LOWER, throughput),
    Figure("replay latency", "× floor", 1.25, Better.LOWER, latency),
    Figure("replay memory", "MB", 600.0, Better.LOWER, memory),
    Figure("replay memory, twice as long", "MB", 600.0, Better.LOWER, memory_of_long),
    Figure("replay of a changed policy", "× full", 0.45, Better.LOWER, policy_change),
    Figure("replay of two models together", "× apart", 0.85, Better.LOWER, both_together),
)
