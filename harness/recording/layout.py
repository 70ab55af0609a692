"""How the files of segments lie in folders, and finding them there.

| layout | where a file is |
|---|---|
| device | `<log_id>--<n>/rlog.zst`; the dongle id stands in the log's initData |
| segment folders | `<dongle>_<log_id>--<n>/rlog.zst`, also with a bar for the underscore |
| explorer | `<dongle>_<log_id>--<n>--rlog.zst` |
| route folders | `<route>/<n>/rlog.zst`, the route as `<dongle>_<log_id>` or as two folders |
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.domain import Route, SegmentId
from harness.errors import ConfigError, DataError
from harness.recording.container import unpack_head
from harness.recording.log import parse_log
from harness.recording.names import DONGLE, LOG_ID

LOG_STEMS = ("rlog", "qlog")
CAMERA_STEMS = ("fcamera", "ecamera", "dcamera", "qcamera")
STEMS = LOG_STEMS + CAMERA_STEMS
_LOG_SUFFIXES = (".zst", ".bz2", "")  # in order of preference, as in openpilot's tools
_CAMERA_SUFFIXES = (".hevc", ".ts", ".mp4")
_NAMES = {f"{stem}{suffix}": (stem, rank) for stem in LOG_STEMS for rank, suffix in enumerate(_LOG_SUFFIXES)} | {
    f"{stem}{suffix}": (stem, rank) for stem in CAMERA_STEMS for rank, suffix in enumerate(_CAMERA_SUFFIXES)
}

UNREGISTERED_DONGLE = "0" * 16  # stands for a device that was never registered: its logs carry no dongle id
_HEAD_BYTES = 4 << 20  # initData is the first message; its parameters and command output are well under this
_HEAD_PACKED_BYTES = 1 << 20

_SEGMENT_FOLDER = re.compile(rf"(?:(?P<dongle>{DONGLE})[|_])?(?P<log_id>{LOG_ID})--(?P<number>[0-9]+)")
_ROUTE_FOLDER = re.compile(rf"(?P<dongle>{DONGLE})[|_](?P<log_id>{LOG_ID})")
_EXPLORER_FILE = re.compile(rf"(?P<dongle>{DONGLE})[|_](?P<log_id>{LOG_ID})--(?P<number>[0-9]+)--(?P<file>.+)")


@dataclass(frozen=True, slots=True)
class Recording:
    """The files of one segment, by stem: rlog, qlog, fcamera, ecamera, dcamera, qcamera."""

    segment: SegmentId
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of a segment, whose dongle id may not be known yet. `rank` prefers one suffix to another."""

    dongle_id: str
    log_id: str
    number: int
    stem: str
    rank: int
    path: Path


def find_recordings(folder: Path) -> tuple[Recording, ...]:
    """Every segment in `folder`, sorted. `folder` may also be a route's or a segment's own folder.

    No log is read, except one of each route in the device's layout, for its dongle id.
    """
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where=str(folder), remedy="name a folder of recordings")
    found = list(_scan(folder))
    dongles = _find_dongles([entry for entry in found if not entry.dongle_id])
    segments: dict[SegmentId, dict[str, _Found]] = defaultdict(dict)
    for entry in found:
        route = Route(entry.dongle_id or dongles[entry.log_id], entry.log_id)
        files = segments[SegmentId(route, entry.number)]
        known = files.get(entry.stem)
        if known is None or (entry.rank, str(entry.path)) < (known.rank, str(known.path)):
            files[entry.stem] = entry
    return tuple(
        Recording(segment, {stem: files[stem].path for stem in STEMS if stem in files})
        for segment, files in sorted(segments.items())
    )


def open_recording(folder: Path, segment: SegmentId) -> Recording:
    """The recording of one segment; DataError saying what there is instead when it is missing."""
    recordings = find_recordings(folder)
    for recording in recordings:
        if recording.segment == segment:
            return recording
    numbers = [str(entry.segment.number) for entry in recordings if entry.segment.route == segment.route]
    there = f"of its route there is {', '.join(numbers)}" if numbers else f"there are {len(recordings)} other segments"
    raise DataError(f"segment {segment} is not there", where=str(folder), remedy=there)


def _scan(folder: Path) -> Iterator[_Found]:
    """Find out what `folder` itself is by its name, then what lies in it."""
    resolved = folder.resolve()
    name, parent, grandparent = resolved.name, resolved.parent.name, resolved.parent.parent.name
    if name.isdecimal() and (route := _route_of(parent, grandparent)):
        yield from _files(folder, *route, int(name))
    elif match := _SEGMENT_FOLDER.fullmatch(name):
        dongle = match["dongle"] or (parent if re.fullmatch(DONGLE, parent) else "")
        yield from _files(folder, dongle, match["log_id"], int(match["number"]))
    elif route := _route_of(name, parent):
        yield from _numbered(folder, *route)
    else:
        yield from _children(folder, name if re.fullmatch(DONGLE, name) else "")


def _route_of(name: str, parent: str) -> tuple[str, str] | None:
    if match := _ROUTE_FOLDER.fullmatch(name):
        return match["dongle"], match["log_id"]
    if re.fullmatch(LOG_ID, name) and re.fullmatch(DONGLE, parent):
        return parent, name
    return None


def _children(folder: Path, dongle: str) -> Iterator[_Found]:
    """What lies in a folder of segments or routes; `dongle` is set in a dongle's own folder."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if match := _SEGMENT_FOLDER.fullmatch(path.name):
                yield from _files(path, match["dongle"] or dongle, match["log_id"], int(match["number"]))
            elif route := _route_of(path.name, dongle):
                yield from _numbered(path, *route)
            elif not dongle and re.fullmatch(DONGLE, path.name):
                yield from _children(path, path.name)
        elif (match := _EXPLORER_FILE.fullmatch(path.name)) and match["file"] in _NAMES:
            stem, rank = _NAMES[match["file"]]
            yield _Found(match["dongle"], match["log_id"], int(match["number"]), stem, rank, path)


def _numbered(folder: Path, dongle: str, log_id: str) -> Iterator[_Found]:
    for path in sorted(folder.iterdir()):
        if path.name.isdecimal() and path.is_dir():
            yield from _files(path, dongle, log_id, int(path.name))


def _files(folder: Path, dongle: str, log_id: str, number: int) -> Iterator[_Found]:
    for path in sorted(folder.iterdir()):
        if path.name in _NAMES and path.is_file():
            stem, rank = _NAMES[path.name]
            yield _Found(dongle, log_id, number, stem, rank, path)


def _find_dongles(found: list[_Found]) -> dict[str, str]:
    """The dongle id of each log id, from the first log of it that tells; a qlog, which is smaller, before an rlog."""
    dongles: dict[str, str] = {}
    logs = [entry for entry in found if entry.stem in LOG_STEMS]
    for entry in sorted(logs, key=lambda entry: (entry.log_id, entry.number, entry.stem)):
        if entry.log_id not in dongles and (dongle := _dongle_in(entry.path)):
            dongles[entry.log_id] = dongle
    for entry in found:
        if entry.log_id not in dongles:
            raise DataError(
                "no log here tells which device recorded this",
                where=str(entry.path.parent),
                remedy=f"rename the folder to <dongle>_{entry.log_id}--{entry.number}",
            )
    return dongles


def _dongle_in(path: Path) -> str:
    """The dongle id in a log's initData; empty when there is none to be read."""
    with path.open("rb") as stream:
        head = unpack_head(stream.read(_HEAD_PACKED_BYTES), _HEAD_BYTES)
    try:
        log = parse_log(head, where=str(path))
        for message in log.messages("initData"):
            dongle = str(message.payload.dongleId)
            return dongle if re.fullmatch(DONGLE, dongle) else UNREGISTERED_DONGLE
    except DataError:
        return ""
    return ""
