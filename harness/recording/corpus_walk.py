"""Every recording below a folder, however deep it lies, with stamps that tell whether its files have changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.domain import SegmentId
from harness.errors import DataError
from harness.recording.layout import LOG_STEMS, Recording, find_recordings

_DEEPEST = 16  # folders within folders


@dataclass(frozen=True, slots=True)
class Place:
    """A segment in a folder: its log (the rlog, or else the qlog) and files.

    Stamps are path, size and time of the log, and of all files. `error` says why it cannot even be named: then `id` is
    None and `segment` the name of its folder.
    """

    segment: str
    folder: str
    id: SegmentId | None
    log: Path | None
    log_stem: str
    log_stamp: str
    files: str
    files_stamp: str
    error: str = ""


def walk_recordings(folder: Path) -> list[Place]:
    """All segments below `folder`. What cannot be read or made sense of is told, and does not stop the walk."""
    return list(_walk(folder, 0, set()))


def _walk(folder: Path, depth: int, seen: set[str]) -> Iterator[Place]:
    real = os.path.realpath(folder)
    if real in seen or depth > _DEEPEST:
        return
    seen.add(real)
    try:
        children = sorted(child for child in folder.iterdir() if child.is_dir())
        found = find_recordings(folder)
    except DataError as error:
        # One segment whose device cannot be told spoils the whole folder: so each of its folders is looked at alone.
        if children:
            for child in children:
                yield from _walk(child, depth + 1, seen)
        else:
            yield _nameless(folder, error.problem)
        return
    except OSError as error:
        yield _nameless(folder, f"cannot be read: {error.strerror}")
        return
    yield from (_place(recording) for recording in found)
    taken = {path.parent for recording in found for path in recording.files.values()}
    above = {parent for path in taken for parent in path.parents}
    for child in children:
        if child not in taken and child not in above:
            yield from _walk(child, depth + 1, seen)


def _place(recording: Recording) -> Place:
    log_stem = next((stem for stem in LOG_STEMS if stem in recording.files), "")
    log = recording.files.get(log_stem)
    first = log or next(iter(recording.files.values()))
    return Place(
        str(recording.segment),
        str(first.parent),
        recording.segment,
        log,
        log_stem,
        _stamp(log) if log else "",
        "".join(f" {stem}" for stem in recording.files) + " ",
        "\n".join(_stamp(path) for path in recording.files.values()),
    )


def _nameless(folder: Path, problem: str) -> Place:
    return Place(folder.name, str(folder.parent), None, None, "", "", "", "", problem)


def _stamp(path: Path) -> str:
    """Path, size and time of a file; what is gone again has a stamp of its own."""
    try:
        stat = path.stat()
    except OSError:
        return f"{path} gone"
    return f"{path} {stat.st_size} {stat.st_mtime_ns}"
