"""A trial of a run, or two trace files, made ready for export: traces, findings, recording, the way the car took."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.config import load_suite
from harness.errors import ClosetError, DataError
from harness.export import Camera, Pictures, Segment
from harness.export.segment import BASELINE, CANDIDATE, DRIVEN
from harness.pipeline.request import load_request
from harness.pipeline.runs import REQUEST
from harness.pipeline.selection import select
from harness.recording.layout import Recording
from harness.recording.log import Log
from harness.recording.video import open_video
from harness.replay.cameras import find_cameras, fit_to_picture
from harness.replay.drive import camera_frames, device_and_sensor, first_calibration, load_whole_log
from harness.replay.driven import driven_trace
from harness.replay.warp import rotation_from_rpy
from harness.store import Store
from harness.trace import Trace
from harness.verdict import JobResult, RunRecord

_LOG, _ROAD = "rlog", "fcamera"


@dataclass(frozen=True, slots=True)
class _Found:
    """The files of the recording that a trace was made from, or why they are not at hand."""

    recording: Recording | None = None
    why_not: str = ""


def segment_of_run(record: RunRecord, result: JobResult, folder: Path, store: Store) -> Segment:
    """What there is to export of a trial. DataError where it has no trace; what else is missing stands in the notes."""
    sides = {
        side: store.load_trace(sha256)
        for side, sha256 in ((BASELINE, result.baseline_trace), (CANDIDATE, result.candidate_trace))
        if sha256
    }
    if not sides:
        why = result.error.problem if result.error else "no trace was kept"
        raise DataError(f"no trace to export: {why}", where=result.name, remedy="closet run replays it")
    facts = {
        "run": record.run,
        "suite": record.suite,
        "verdict": result.verdict.value,
        "device_kind": result.device_kind,
        "candidate": record.candidate.get(result.replayer, ""),
        "baseline": record.baseline.get(result.replayer, ""),
        "harness_version": record.harness_version,
    }
    findings = tuple(dict.fromkeys(found for check in result.checks for found in check.findings))
    segment = Segment(result.segment, result.replayer, sides, findings, facts=facts)
    return _with_recording(segment, _find_recording(result, folder, store))


def segment_of_traces(expected: Trace, observed: Trace) -> Segment:
    """Two traces of one replayer on one segment, and nothing beside them."""
    if (expected.segment, expected.replayer) != (observed.segment, observed.replayer):
        raise DataError(
            f"{expected.replayer} on {expected.segment} is not {observed.replayer} on {observed.segment}",
            remedy="export traces of one replayer on one segment",
        )
    return Segment(expected.segment, expected.replayer, {BASELINE: expected, CANDIDATE: observed})


def _find_recording(result: JobResult, folder: Path, store: Store) -> _Found:
    """The recording in the suite's folders, if it is still the one that was replayed."""
    try:
        suite = load_suite(load_request(folder / REQUEST).suite)
        found = [each for source in suite.routes for each in select(source) if str(each.segment) == result.segment]
    except ClosetError as error:
        return _Found(why_not=str(error))
    if not found:
        return _Found(why_not=f"the suite's folders no longer have {result.segment}")
    for stem, path in found[0].files.items():
        known = [
            sha256
            for name, sha256 in result.provenance.items()
            if name.startswith("recording ") and name.removeprefix("recording ").partition(".")[0] == stem
        ]
        if known and store.digest_file(path).sha256 != known[0]:
            return _Found(why_not=f"{path} is not the file that was replayed")
    return _Found(found[0])


def _with_recording(segment: Segment, found: _Found) -> Segment:
    """The segment with the way the car took, the camera and its pictures, as far as the recording has them."""
    if found.recording is None or _LOG not in found.recording.files:
        return replace(segment, notes=(f"no recording: {found.why_not or 'it has no rlog'}",))
    notes: list[str] = []
    files = found.recording.files
    try:
        log = load_whole_log(files[_LOG], files[_LOG].name)
        segment = replace(segment, sides={**segment.sides, DRIVEN: _cut(driven_trace(log, segment.name), segment)})
    except ClosetError as error:
        return replace(segment, notes=(f"no driven path: {error}",))
    if _ROAD not in files:
        return replace(segment, notes=("no pictures: the recording has no fcamera",))
    try:
        segment = replace(segment, pictures=_pictures(log, files[_ROAD]))
        segment = replace(segment, camera=_camera(log, files[_ROAD]))
    except ClosetError as error:
        notes.append(f"no pictures, or no calibration: {error}")
    return replace(segment, notes=tuple(notes))


def _cut(driven: Trace, segment: Segment) -> Trace:
    """The driven path on the frames that were replayed: a suite may ask for the first seconds only."""
    frames = np.unique(np.concatenate([trace.frame_ids for trace in segment.sides.values()]))
    rows = np.isin(driven.frame_ids, frames)
    channels = {name: replace(channel, values=channel.values[rows]) for name, channel in driven.channels.items()}
    return replace(driven, frame_ids=driven.frame_ids[rows], t_ns=driven.t_ns[rows], channels=channels)


def _pictures(log: Log, path: Path) -> Pictures:
    frames = camera_frames(log, "narrowRoadEncodeIdx", open_video(path), _ROAD)
    ids, rows, times = (
        np.array(values, np.int64) for values in zip(*((f.frame_id, f.row, f.eof_ns) for f in frames), strict=True)
    )
    return Pictures(path, ids, times, rows)


def _camera(log: Log, path: Path) -> Camera:
    video = open_video(path)
    width, height = video.width, video.height
    lens = fit_to_picture(find_cameras(*device_and_sensor(log), width, height).narrow, width, height, _ROAD)
    return Camera(width, height, lens.focal_px, rotation_from_rpy(*first_calibration(log)))
