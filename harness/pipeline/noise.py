"""A/A replays: the same jobs again and again on every kind of device, and how far their traces were apart."""

from __future__ import annotations

import datetime
import getpass
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.domain import Priority, ReplayJob
from harness.errors import DataError, from_description
from harness.noise import NoiseFloor, NoiseMeter
from harness.pipeline.collect import Replayed
from harness.pipeline.events import Observer, Planned
from harness.pipeline.execute import Replays
from harness.pipeline.prepare import Prepared
from harness.store import Store
from harness.trace import Trace


@dataclass(slots=True)
class _Repeats:
    """What came of one job's repeats: traces in the store, and the devices they were made on."""

    job: ReplayJob
    traces: list[str] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)


def measure_noise(
    prepared: Prepared,
    store: Store,
    *,
    folder: Path,
    repeats: int,
    threads: tuple[int, ...],
    twin: Mapping[str, str],
    observer: Observer,
    stop: threading.Event,
) -> tuple[NoiseFloor, ...]:
    """Replay everything that is planned and keep the noise floor of each replayer, kind of device and runtime.

    `repeats` times each, with each number of `threads`. With a `twin` (replayer to its name) the plan's baseline is
    replayed too, and the floor says how far both are apart. The first error of a replay is raised: a floor of what
    happened to work would be too low.
    """
    plan = prepared.plan
    observer(
        Planned(
            folder,
            plan,
            plan.tasks * repeats * max(1, len(threads)),
            len(prepared.fleet.devices) + prepared.fleet.emulated,
        )
    )
    found = {trial.candidate.id: _Repeats(trial.candidate) for trial in plan.trials}
    beside = {trial.baseline_job.id: trial.candidate.id for trial in plan.trials if trial.baseline_job is not None}
    with Replays(
        prepared.fleet,
        store,
        blob_paths=prepared.blob_paths,
        folder=folder,
        suite=plan.suite,
        priority=Priority.PROMPT,
        observer=observer,
        stop=stop,
        runtimes=prepared.suite.runtimes,
    ) as replays:
        for count in threads or (0,):
            for number in range(repeats):
                replays.submit(plan.tasks, label=f"repeat {number + 1} with {count} threads", threads=count)
        for replayed in replays.ended():
            _take(replayed, found[beside.get(replayed.job_id, replayed.job_id)])
    if stop.is_set():
        return ()
    floors = tuple(_floors(found, prepared, store, repeats, threads, twin))
    for floor in floors:
        store.noise.add(floor)
    return floors


def _take(replayed: Replayed, repeats: _Repeats) -> None:
    if replayed.error is not None:
        raise from_description(replayed.error)
    repeats.traces.append(replayed.trace_sha256)
    repeats.devices |= {attempt.device for attempt in replayed.attempts if attempt.error is None}


def _floors(
    found: Mapping[str, _Repeats],
    prepared: Prepared,
    store: Store,
    repeats: int,
    threads: tuple[int, ...],
    twin: Mapping[str, str],
) -> Iterator[NoiseFloor]:
    groups: dict[tuple[str, str, str], list[_Repeats]] = {}
    for entry in found.values():
        runtimes = {str(store.load_trace(trace).provenance.get("runtime", "")) for trace in entry.traces}
        if len(runtimes) != 1:
            raise DataError(
                f"the devices of kind {entry.job.device_kind} have different runtimes: {'; '.join(sorted(runtimes))}",
                where=str(entry.job.segment),
                remedy="closet devices provision brings them to the same one",
            )
        groups.setdefault((entry.job.replayer, entry.job.device_kind.value, runtimes.pop()), []).append(entry)
    for (replayer, kind, runtime), entries in sorted(groups.items()):
        meter = NoiseMeter()
        for entry in entries:
            meter.take(_traces(entry, store))
        yield NoiseFloor(
            replayer,
            entries[0].job.replayer_version,
            kind,
            runtime,
            meter.channels(),
            when=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            who=getpass.getuser(),
            suite=prepared.plan.suite,
            repeats=repeats,
            threads=threads,
            segments=tuple(sorted(str(entry.job.segment) for entry in entries)),
            devices=tuple(sorted(set().union(*(entry.devices for entry in entries)))),
            model=prepared.candidate.get(replayer, ""),
            twin=twin.get(replayer, ""),
            traces=tuple(sorted({trace for entry in entries for trace in entry.traces})),
        )


def _traces(entry: _Repeats, store: Store) -> Iterator[Trace]:
    """Each distinct trace once, and the first again where all repeats gave the same bytes."""
    distinct = list(dict.fromkeys(entry.traces))
    for digest in distinct if len(distinct) > 1 else distinct * min(2, len(entry.traces)):
        yield store.load_trace(digest)
