"""A segment's page as what its template shows, and as the data that its scripts draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.domain import Json
from harness.report.budget import clean
from harness.report.links import trial_key
from harness.report.page.measures import MeasureFamily, measure_families
from harness.report.page.pack import pack_floats, pack_steps, pack_whole, script_of
from harness.report.page.values import Chart, Drive, Ground, Lane, SegmentView, Trial
from harness.report.trials import devices_of, distinct, every_attempt, in_a_line, repeat_words
from harness.verdict import Attempt, Finding, JobResult, RunRecord, Severity

_CENTIMETRE, _FAR_M, _PERCENT = 0.01, 0.02, 0.01
_LONGEST_LOG = 20_000


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding as a line of the page: `lines` say it, the first one what happened."""

    channel: str
    lines: tuple[str, ...]
    blocks: bool
    frame: int | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try on one device."""

    side: str
    device: str
    epoch: int
    took_s: float
    error: str
    log: str
    measured: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """One trial as text."""

    key: str
    number: int
    result: JobResult
    headline: str
    devices: str
    findings: tuple[FindingRow, ...]
    first_frame: int | None
    error: tuple[str, ...]
    repeats: tuple[str, ...]
    attempts: tuple[AttemptRow, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    charts: int


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """A segment's page as text."""

    segment: str
    trials: tuple[TrialFacts, ...]
    families: tuple[MeasureFamily, ...]
    why: tuple[str, ...]
    notes: tuple[str, ...]
    again: str
    look: str
    has_film: bool
    has_road: bool
    has_time: bool
    film: str
    width: int
    height: int
    calibration: str


def first_wrong_frame(result: JobResult) -> int | None:
    """The first frame that a finding names, what closes the gate before what is noted; None where none does."""
    for blocking in (True, False):
        frames = [
            found.first_frame
            for check in result.checks
            for found in check.findings
            if found.first_frame is not None and (found.severity is Severity.BLOCK) is blocking
        ]
        if frames:
            return min(frames)
    return None


def segment_facts(record: RunRecord, view: SegmentView) -> SegmentFacts:
    """What the template of a segment's page shows."""
    del record
    camera = view.view
    return SegmentFacts(
        view.segment,
        tuple(_trial_facts(number, trial) for number, trial in enumerate(view.trials)),
        measure_families(view.measurements),
        view.why,
        view.notes,
        view.again,
        view.look,
        view.footage is not None,
        any(trial.grounds for trial in view.trials),
        any(len(trial.frames) for trial in view.trials),
        "" if view.footage is None else view.footage.file,
        526 if camera is None else camera.width,
        330 if camera is None else camera.height,
        "" if camera is None else camera.told_by,
    )


def _trial_facts(number: int, trial: Trial) -> TrialFacts:
    result = trial.result
    error = result.error
    return TrialFacts(
        trial_key(result.replayer, result.device_kind),
        number,
        result,
        in_a_line(result),
        devices_of(result),
        tuple(_finding_row(found) for found in distinct(result.checks)),
        first_wrong_frame(result),
        () if error is None else tuple(part for part in (error.problem, error.where, error.remedy) if part),
        tuple(repeat_words(repeat) for repeat in result.confirmations),
        tuple(_attempt_row(attempt) for attempt in every_attempt(result)),
        tuple(sorted(trial.facts.items())),
        trial.notes,
        len(trial.charts),
    )


def _finding_row(found: Finding) -> FindingRow:
    lines = tuple(clean(found.words, 2000).split("\n"))
    return FindingRow(found.channel or found.kind.value, lines, found.severity is Severity.BLOCK, found.first_frame)


def _attempt_row(attempt: Attempt) -> AttemptRow:
    error = attempt.error
    told = "" if error is None else f"{error.kind}: {error.problem}" + (f" ({error.where})" if error.where else "")
    measured = tuple((name, f"{value:g}") for name, value in sorted(attempt.measurements.items()))
    return AttemptRow(
        attempt.side,
        attempt.device,
        attempt.epoch,
        attempt.ended_s - attempt.started_s,
        told,
        clean(attempt.log_tail, _LONGEST_LOG),
        measured,
    )


def segment_data(view: SegmentView) -> str:
    """The script with everything that is drawn."""
    camera, footage = view.view, view.footage
    content: dict[str, Json] = {
        "segment": view.segment,
        "trials": [_trial_data(trial) for trial in view.trials],
        "view": None
        if camera is None
        else {
            "width": camera.width,
            "height": camera.height,
            "focal": [camera.focal_x_px, camera.focal_y_px],
            "rpy": [*camera.rpy],
            "mounted": camera.height_m,
        },
        "stations": [] if camera is None else [*camera.stations_m],
        "planTimes": [] if camera is None else [*camera.plan_t_s],
        "film": None if footage is None else {"t": pack_floats(footage.t_s), "pictures": pack_whole(footage.pictures)},
        "drive": None if view.drive is None else _drive_data(view.drive),
    }
    return script_of("segment", content)


def _trial_data(trial: Trial) -> Json:
    result = trial.result
    return {
        "key": trial_key(result.replayer, result.device_kind),
        "frames": pack_whole(trial.frames),
        "t": pack_floats(trial.t_s),
        "stops": [*sorted(dict.fromkeys(_stops(trial)))],
        "charts": [_chart_data(chart) for chart in trial.charts],
        "lanes": [_lane_data(lane) for lane in trial.lanes],
        "grounds": {ground.side.value: _ground_data(ground) for ground in trial.grounds},
    }


def _stops(trial: Trial) -> Iterator[int]:
    """Frames worth jumping to: where a finding begins, or an event that only one side has."""
    for check in trial.result.checks:
        for found in check.findings:
            if found.first_frame is not None:
                yield found.first_frame


def _chart_data(chart: Chart) -> Json:
    return {
        "name": chart.name,
        "unit": chart.unit,
        "note": chart.note,
        "first": chart.first_frame,
        "blocks": chart.blocks,
        "baseline": pack_floats(chart.baseline),
        "candidate": pack_floats(chart.candidate),
        "limit": None if chart.limit is None else pack_floats(chart.limit),
        "driven": None if chart.driven is None else pack_floats(chart.driven),
    }


def _lane_data(lane: Lane) -> Json:
    spans: list[Json] = [
        [round(span.start_s, 3), round(span.end_s, 3), clean(span.words, 300), span.tone, span.frame]
        for span in lane.spans
    ]
    return {"title": clean(lane.title, 80), "side": lane.side, "differs": lane.differs, "spans": spans}


def _ground_data(ground: Ground) -> Json:
    return {
        "planX": pack_steps(ground.plan[..., 0], _FAR_M),
        "planY": pack_steps(ground.plan[..., 1], _CENTIMETRE),
        "planZ": pack_steps(ground.plan[..., 2], _CENTIMETRE),
        "lines": None if ground.lines is None else pack_steps(ground.lines, _CENTIMETRE),
        "lineZ": None if ground.line_z is None else pack_steps(ground.line_z, _CENTIMETRE),
        "edges": None if ground.edges is None else pack_steps(ground.edges, _CENTIMETRE),
        "edgeZ": None if ground.edge_z is None else pack_steps(ground.edge_z, _CENTIMETRE),
        "sure": None if ground.sure is None else pack_steps(ground.sure, _PERCENT),
        "lead": None if ground.lead is None else pack_steps(ground.lead, _CENTIMETRE),
    }


def _drive_data(drive: Drive) -> Json:
    return {
        "t": pack_floats(drive.t_s),
        "planX": pack_steps(drive.path[..., 0], _FAR_M),
        "planY": pack_steps(drive.path[..., 1], _CENTIMETRE),
        "planZ": pack_steps(drive.path[..., 2], _CENTIMETRE),
        "lanes": [_lane_data(lane) for lane in drive.lanes],
    }
