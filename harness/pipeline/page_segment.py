"""One segment of a run gathered for its page: traces, recording, truth, metrics, and why it moved.

Whatever is missing is left out of the page and told there; only a bug of ours is raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.compare.align import align
from harness.errors import ClosetError
from harness.explanation import Explained
from harness.pipeline.page_charts import make_charts
from harness.pipeline.page_lanes import drive_lanes, event_lanes, finding_lanes
from harness.pipeline.page_measures import measure_trial, measurements
from harness.pipeline.page_road import Film, film_of, ground_of, path_of, view_of
from harness.pipeline.page_sources import Sources
from harness.recording.log import Log
from harness.replay.drive import load_whole_log
from harness.report import render_explanation, replay_command
from harness.report.page.values import Chart, Drive, Footage, Measurement, SegmentView, Side, Trial, View
from harness.store import Store
from harness.trace import Trace
from harness.verdict import JobResult, RunRecord


@dataclass(frozen=True, slots=True)
class Gathered:
    """A page's content, and the digest of the film that lies beside it, "" where there is none."""

    view: SegmentView
    film_sha256: str = ""


@dataclass(slots=True)
class _Found:
    """What was found of a segment so far."""

    notes: list[str] = field(default_factory=list)
    log: Log | None = None
    driven: Trace | None = None
    measurements: tuple[Measurement, ...] = ()
    view: View | None = None
    film: Film | None = None


@dataclass(frozen=True, slots=True)
class _Loaded:
    result: JobResult
    baseline: Trace | None
    candidate: Trace | None
    note: str = ""

    @property
    def first(self) -> Trace | None:
        """The trace whose frames the trial is told over."""
        return self.baseline or self.candidate


def gather_segment(
    record: RunRecord,
    segment: str,
    sources: Sources,
    store: Store,
    *,
    explained: Explained | None,
    run_folder: str,
    films: bool = True,
    film_name: str = "",
) -> Gathered:
    """Everything for the page of `segment`; `run_folder` is how the reader reaches the run."""
    results = [result for result in record.results if result.segment == segment]
    loaded = [_load(result, store) for result in results]
    found = _Found([*sources.notes])
    lead = next((each for each in loaded if each.first is not None and ground_of(each.first, Side.BASELINE)), None)
    lead = lead or next((each for each in loaded if each.first is not None), None)
    if lead is not None and lead.first is not None:
        _gather_recording(record, lead, lead.first, sources, store, found, films=films)
    starts = [int(trace.t_ns[0]) for each in loaded if (trace := each.first) is not None and len(trace.t_ns)]
    start_ns = min(starts, default=0)
    view = SegmentView(
        segment,
        tuple(_trial(each, sources, found.driven, start_ns) for each in loaded),
        found.view,
        _footage(found.film, None if lead is None else lead.first, start_ns, film_name),
        None if found.driven is None else _drive(found.driven, start_ns),
        found.measurements,
        _why(explained, results),
        tuple(dict.fromkeys(found.notes)),
        replay_command(record.command, segment),
        f"closet diff {run_folder} {segment}",
    )
    return Gathered(view, "" if found.film is None else found.film.sha256)


def _load(result: JobResult, store: Store) -> _Loaded:
    sides: list[Trace | None] = []
    notes = []
    for side, digest in (("baseline", result.baseline_trace), ("candidate", result.candidate_trace)):
        try:
            sides.append(store.load_trace(digest) if digest else None)
        except ClosetError as error:
            sides.append(None)
            notes.append(f"the {side}'s trace is not in the store any more: {error.problem}")
    return _Loaded(result, sides[0], sides[1], "; ".join(notes))


def _gather_recording(
    record: RunRecord, lead: _Loaded, trace: Trace, sources: Sources, store: Store, found: _Found, *, films: bool
) -> None:
    files, why_not = sources.files(lead.result, store)
    if why_not:
        found.notes.append(f"no film and no driven path: {why_not}")
    if "rlog" in files:
        try:
            found.log = load_whole_log(files["rlog"], "rlog")
        except ClosetError as error:
            found.notes.append(f"no driven path: {error}")
    _measure(record, lead, files, sources, store, found)
    if ground_of(trace, Side.BASELINE) is None:
        return
    if films and "fcamera" in files:
        try:
            found.film = film_of(trace, files, found.log, store)
        except ClosetError as error:
            found.notes.append(f"no film: {error}")
    try:
        size = None if found.film is None else (found.film.width, found.film.height)
        found.view = view_of(trace, files, found.log, size)
    except ClosetError as error:
        found.notes.append(f"the road is drawn from above only: {error}")


def _measure(
    record: RunRecord, lead: _Loaded, files: dict[str, Path], sources: Sources, store: Store, found: _Found
) -> None:
    """The metrics, and with them the truth, of the trial that tells the road."""
    log = files.get("rlog") if found.log is not None else None
    checks, _ = sources.checks_of(lead.result)
    try:
        digest = store.digest_file(log).sha256 if log is not None else ""
        measured = measure_trial(lead.result, log, digest, checks, store)
    except ClosetError as error:
        found.notes.append(f"not measured: {error}")
        return
    if measured is None:
        return
    if measured.error is not None:
        found.notes.append(f"not measured: {measured.error.problem}")
        return
    found.measurements = measurements(measured, record.claims)
    if measured.truth_sha256:
        found.driven = store.load_trace(measured.truth_sha256)


def _trial(loaded: _Loaded, sources: Sources, driven: Trace | None, start_ns: int) -> Trial:
    result, baseline, candidate, first = loaded.result, loaded.baseline, loaded.candidate, loaded.first
    notes = [loaded.note] if loaded.note else []
    if first is None:
        return Trial(result, np.zeros(0, np.int64), np.zeros(0), notes=tuple(notes), facts=result.provenance)
    t_s = (first.t_ns - start_ns) / 1e9
    seconds_of = dict(zip(first.frame_ids.tolist(), t_s.tolist(), strict=True))
    checks, why_not = sources.checks_of(result)
    notes += [why_not] if why_not else []
    lanes = finding_lanes(result, seconds_of, float(t_s[-1]) if len(t_s) else 0.0)
    charts: tuple[Chart, ...] = ()
    if baseline is not None and candidate is not None:
        try:
            lanes = (*lanes, *event_lanes(baseline, candidate, checks, start_ns))
            charts = make_charts(baseline, candidate, checks, result, driven)
        except ClosetError as error:
            notes.append(f"the two traces cannot be held together: {error}")
    sides = ((Side.BASELINE, baseline), (Side.CANDIDATE, candidate))
    grounds = [ground_of(_over(trace, first), side) for side, trace in sides if trace is not None]
    return Trial(
        result,
        first.frame_ids,
        t_s,
        charts,
        lanes,
        tuple(ground for ground in grounds if ground is not None),
        tuple(notes),
        _facts(result, first),
    )


def _over(trace: Trace, frames: Trace) -> Trace:
    """`trace` over the frames of another: what it lacks has no numbers."""
    if trace is frames or np.array_equal(trace.frame_ids, frames.frame_ids):
        return trace
    matched = align(frames, trace)
    rows = slice(None) if matched.expected_rows is None else matched.expected_rows
    channels = {}
    for name, channel in trace.channels.items():
        if channel.values.dtype.kind != "f":
            continue
        spread = np.full((len(frames.frame_ids), *channel.values.shape[1:]), np.nan, channel.values.dtype)
        spread[rows] = matched.of_observed(channel.values)
        channels[name] = type(channel)(name, channel.unit, spread, channel.exactness)
    return Trace(trace.replayer, trace.segment, frames.frame_ids, frames.t_ns, channels, trace.provenance)


def _facts(result: JobResult, trace: Trace) -> dict[str, str]:
    """Where the traces come from, as text: the record's own, and what the replay says of itself."""
    facts = dict(result.provenance)
    facts |= {"candidate_trace": result.candidate_trace, "baseline_trace": result.baseline_trace}
    for name in ("device", "sensor", "device_kind"):
        if name in trace.provenance:
            facts[f"recorded_{name}" if name != "device_kind" else name] = str(trace.provenance[name])
    return {name: value for name, value in facts.items() if value}


def _footage(film: Film | None, trace: Trace | None, start_ns: int, name: str) -> Footage | None:
    if film is None or trace is None:
        return None
    times = trace.t_ns[np.searchsorted(trace.frame_ids, film.frames)]
    return Footage(name, (times - start_ns) / 1e9, film.pictures)


def _drive(driven: Trace, start_ns: int) -> Drive:
    t_s = (driven.t_ns - start_ns) / 1e9
    source = str(driven.provenance.get("source", ""))
    return Drive(driven.frame_ids, t_s, path_of(driven), drive_lanes(driven, start_ns), source)


def _why(explained: Explained | None, results: Sequence[JobResult]) -> tuple[str, ...]:
    if explained is None:
        return ()
    names = {result.name for result in results}
    return tuple(render_explanation(each) for each in explained.explanations if each.name in names)
