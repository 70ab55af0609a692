"""Recordings from elsewhere into our own layout: `<to>/<dongle>_<log_id>--<n>/` with rlog, qlog and camera files.

Each segment appears whole or not at all, an equal one is left as it is, and a different one is never overwritten.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import numpy as np

from harness.domain import Route, SegmentId
from harness.errors import ConfigError, DataError
from harness.files import atomic_writer, file_sha256
from harness.recording.comma2k19 import comma2k19_log, find_comma2k19, load_comma2k19
from harness.recording.layout import CAMERA_STEMS, LOG_STEMS, Recording, find_recordings
from harness.recording.log import load_log
from harness.recording.log_writer import encode_event, write_log
from harness.recording.qlog import write_qlogs
from harness.recording.segment_events import CAMERA_SERVICES, camera_events, mark_events
from harness.recording.video import detect_container, open_video

RLOG_NAME = "rlog.zst"
QLOG_NAME = "qlog.zst"

_NS = 1_000_000_000
_VIDEO_BEGINS_NS = _NS
_KEPT_SUFFIXES = (".zst", ".bz2", ".hevc", ".ts", ".mp4")

Progress = Callable[[str], None]
"""Told, before each segment, which of how many it is."""


def _silent(text: str) -> None:
    """Progress for nobody."""


class SourceKind(StrEnum):
    """What there is to import."""

    COMMA2K19 = "comma2k19"
    OPENPILOT = "openpilot"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Imported:
    """A segment that is now in `folder`. `fresh` is False when an equal one was there; `notes` are for a person."""

    segment: SegmentId
    folder: Path
    kind: SourceKind
    fresh: bool
    notes: tuple[str, ...]


def detect_source(path: Path) -> SourceKind:
    """Find out what `path` is; ConfigError when nothing in it can be imported."""
    if path.is_file():
        try:
            detect_container(path)
        except DataError as error:
            raise ConfigError(
                f"cannot be imported: {error.problem}",
                where=str(path),
                remedy="name a video, or the folder of a recording",
            ) from error
        return SourceKind.VIDEO
    if not path.is_dir():
        raise ConfigError("there is no such file or folder", where=str(path))
    if find_comma2k19(path):
        return SourceKind.COMMA2K19
    if find_recordings(path):
        return SourceKind.OPENPILOT
    raise ConfigError(
        "holds neither openpilot recordings nor comma2k19 segments",
        where=str(path),
        remedy="an openpilot segment is a folder like <dongle>_<log_id>--<n> with an rlog; "
        "a comma2k19 segment is a folder <dongle>|<log_id>/<n> with global_pose and processed_log",
    )


def import_recordings(
    source: Path,
    to: Path,
    *,
    progress: Progress = _silent,
    camera: str = "fcamera",
    platform: str = "",
) -> tuple[Imported, ...]:
    """Bring everything in `source` into `to`.

    `camera` says which camera a bare video is; `platform` names the car of comma2k19 segments (as opendbc does) where
    their CAN addresses do not tell.
    """
    if camera not in CAMERA_SERVICES:
        raise ConfigError(f"there is no camera {camera!r}", remedy=f"it is one of {', '.join(CAMERA_SERVICES)}")
    kind = detect_source(source)
    work: list[tuple[str, Callable[[], Imported]]]
    if kind is SourceKind.VIDEO:
        work = [(source.name, partial(_import_video, source, to, camera))]
    elif kind is SourceKind.COMMA2K19:
        work = [
            (f"{folder.parent.name}/{folder.name}", partial(_import_comma2k19, folder, to, platform))
            for folder in find_comma2k19(source)
        ]
    else:
        work = [
            (str(recording.segment), partial(_import_recording, recording, to)) for recording in find_recordings(source)
        ]
    imported = []
    for place, (name, run) in enumerate(work, 1):
        progress(f"{place}/{len(work)} {name}")
        imported.append(run())
    return tuple(imported)


def _import_comma2k19(folder: Path, to: Path, platform: str) -> Imported:
    minute = load_comma2k19(folder)
    sizes = None
    if minute.video:
        video = open_video(minute.video)
        if video.frame_count != len(minute.frame_t_ns):
            raise DataError(
                f"has {video.frame_count} pictures, its poses are of {len(minute.frame_t_ns)} frames",
                where=str(minute.video),
                remedy="copy the segment again",
            )
        sizes = video.packet_sizes
    log = comma2k19_log(minute, platform=platform, packet_sizes=sizes)
    with _staged(to, minute.segment) as stage:
        write_log(stage.folder / RLOG_NAME, log.events)
        _write_qlog(stage.folder)
        if minute.video:
            _copy(minute.video, stage.folder / "fcamera.hevc")
        fresh = stage.publish()
    notes = log.notes if minute.video else (*log.notes, "no video in this copy: only its log was imported")
    return Imported(minute.segment, stage.target, SourceKind.COMMA2K19, fresh, notes)


def _import_recording(recording: Recording, to: Path) -> Imported:
    notes = []
    with _staged(to, recording.segment) as stage:
        for stem, path in recording.files.items():
            suffix = path.suffix if path.suffix in _KEPT_SUFFIXES else ""
            if stem in CAMERA_STEMS:
                open_video(path)
            _copy(path, stage.folder / f"{stem}{suffix}")
        rlog = recording.files.get("rlog")
        if rlog is None:
            notes.append("has no rlog: it cannot be replayed")
        else:
            damage = load_log(rlog).damage
            if damage:
                notes.append(f"rlog is damaged at byte {damage.offset_bytes}: {damage.reason}")
            if "qlog" not in recording.files:
                _write_qlog(stage.folder)
                notes.append("qlog made from the rlog")
        fresh = stage.publish()
    return Imported(recording.segment, stage.target, SourceKind.OPENPILOT, fresh, tuple(notes))


def _import_video(path: Path, to: Path, camera: str) -> Imported:
    """A video alone, with the least log a replay needs: when each picture was taken. Its route is its digest."""
    video = open_video(path)
    digest = file_sha256(path)
    segment = SegmentId(Route(digest[:16], f"{digest[16:24]}--{digest[24:34]}"), 0)
    notes = (
        f"{camera} of {video.frame_count} pictures, {video.width}×{video.height}, at {video.fps:g} Hz",
        "its times are counted from its frame rate; how it was mounted is not known, taken as level",
    )
    end_t_ns = _VIDEO_BEGINS_NS + np.round(np.arange(1, video.frame_count + 1) * (_NS / video.fps)).astype(np.int64)
    calibration = {
        "calStatus": "uncalibrated",
        "rpyCalib": [0.0, 0.0, 0.0],
        "rpyCalibSpread": [0.0, 0.0, 0.0],
        "wideFromDeviceEuler": [0.0, 0.0, 0.0],
    }
    timed = [
        (_VIDEO_BEGINS_NS, encode_event("extrinsicsCalibration", _VIDEO_BEGINS_NS, calibration)),
        *camera_events(camera, 0, end_t_ns, video.packet_sizes),
    ]
    timed.sort(key=lambda entry: entry[0])
    head, tail = mark_events(
        segment,
        first_t_ns=_VIDEO_BEGINS_NS,
        last_t_ns=timed[-1][0],
        wall_t_ns=0,
        device_type="unknown",
        version="video",
        notes=notes,
    )
    with _staged(to, segment) as stage:
        write_log(stage.folder / RLOG_NAME, (*head, *(event for _, event in timed), *tail))
        _write_qlog(stage.folder)
        _copy(path, stage.folder / f"{camera}.{video.container}")
        fresh = stage.publish()
    return Imported(segment, stage.target, SourceKind.VIDEO, fresh, notes)


def _write_qlog(folder: Path) -> None:
    """The qlog beside the rlog.

    loggerd counts over a whole drive; here each segment begins anew, so that its qlog does not depend on which others
    were imported with it.
    """
    rlog = next(path for path in sorted(folder.iterdir()) if path.name.split(".")[0] == LOG_STEMS[0])
    write_qlogs([(load_log(rlog), folder / QLOG_NAME)])


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reader, atomic_writer(target) as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A segment in the making: its files go to `folder`, out of sight, until `publish` puts them at `target`."""

    folder: Path
    target: Path

    def publish(self) -> bool:
        """Put the segment in its place; False when an equal one is there. A different one is never overwritten."""
        if self.target.exists():
            differing = _differing(self.folder, self.target)
            if differing:
                raise ConfigError(
                    f"another recording of this segment is there already, {', '.join(differing)} differ",
                    where=str(self.target),
                    remedy="move it away, or import into another folder",
                )
            return False
        self.folder.chmod(0o755)
        self.folder.rename(self.target)
        return True


@contextmanager
def _staged(to: Path, segment: SegmentId) -> Iterator[_Stage]:
    try:
        to.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{segment.folder_name}.", suffix=".part", dir=to))
        try:
            yield _Stage(folder, to / segment.folder_name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"segment {segment} cannot be written: {error.strerror}",
            where=str(to),
            remedy="make room, or import to a folder that can be written",
        ) from error


def _differing(one: Path, other: Path) -> list[str]:
    """Names of files that are not the same in both folders."""
    names = {path.name for folder in (one, other) for path in folder.iterdir()}
    return [
        name
        for name in sorted(names)
        if not ((one / name).is_file() and (other / name).is_file())
        or file_sha256(one / name) != file_sha256(other / name)
    ]
