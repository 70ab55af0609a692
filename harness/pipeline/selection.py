"""Which recordings a suite means: folders, selectors, conditions over the corpus index."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path

from harness.config import ReplayerConfig, RouteSource, Suite
from harness.domain import SegmentId
from harness.errors import ConfigError, NothingToRunError
from harness.recording.corpus import CORPUS_FILE, Corpus
from harness.recording.corpus_query import Query, parse_query
from harness.recording.layout import Recording, find_recordings
from harness.recording.names import parse_selector
from harness.store import Store


def segments_of(suite: Suite, replayer: str, home: Path) -> tuple[SegmentId, ...]:
    """The segments that one replayer of a suite would replay; none where the suite does not have it."""
    config = next((entry for entry in suite.replayers if entry.name == replayer), None)
    if config is None:
        return ()
    found = {str(entry.segment): entry for source in suite.routes for entry in select(source, home)}
    names = replayed_by(config, suite, list(found.values()), home)
    return tuple(found[name].segment for name in sorted(names))


def check_same(first: Recording, other: Recording, source: RouteSource, store: Store) -> None:
    """Refuse two recordings of one segment: which of them is replayed must not depend on the order of folders."""
    if {stem: path.resolve() for stem, path in first.files.items()} == {
        stem: path.resolve() for stem, path in other.files.items()
    }:
        return
    ours, theirs = ({stem: store.digest_file(path) for stem, path in entry.files.items()} for entry in (first, other))
    differing = [stem for stem in sorted(ours.keys() | theirs.keys()) if ours.get(stem) != theirs.get(stem)]
    if differing:
        raise ConfigError(
            f"another recording of {other.segment} lies in {_folder(first)}: {', '.join(differing)} differ",
            where=source.where,
            remedy=f"keep one, here or in {_folder(other)}",
        )


def _folder(recording: Recording) -> Path:
    return next(iter(recording.files.values())).parent


def is_wanted(segment: str, only: tuple[str, ...]) -> bool:
    return not only or any(fnmatch.fnmatchcase(segment, f"*{pattern.replace('|', '/')}*") for pattern in only)


def tagged_segments(suite: Suite, condition: str, segments: Sequence[SegmentId]) -> list[SegmentId]:
    """The segments for which one of the suite's own conditions holds."""
    return [segment for segment in segments if is_wanted(str(segment), suite.conditions[condition])]


def select(source: RouteSource, home: Path | None = None) -> list[Recording]:
    """The recordings of a source. Its condition is checked, and held against the corpus index if `home` is given."""
    query = parse_query(source.condition, where=source.where) if source.condition else None
    if source.optional and not (source.folder.is_dir() and find_recordings(source.folder)):
        return []
    if not source.folder.is_dir():
        raise ConfigError(
            f"no folder {source.folder}", where=source.where, remedy="closet routes import SOURCE --to DIR fills one"
        )
    found = find_recordings(source.folder)
    if not found:
        raise ConfigError(
            f"no recording in {source.folder}", where=source.where, remedy="closet routes ls shows a folder"
        )
    if query is not None and home is not None:
        found = _where(source, query, found, home)
    if not source.select:
        return list(found)
    selected: list[Recording] = []
    for text in source.select:
        try:
            selector = parse_selector(text)
            of_route = {entry.segment.number: entry for entry in found if entry.segment.route == selector.route}
            numbers = selector.numbers(sorted(of_route)) if of_route else []
        except ConfigError as error:
            raise ConfigError(error.problem, where=source.where, remedy=error.remedy) from error
        if not numbers:
            raise ConfigError(
                f"{text} selects nothing in {source.folder}",
                where=source.where,
                remedy="closet routes ls FOLDER lists what is there",
            )
        selected.extend(of_route[number] for number in numbers)
    return selected


def replayed_by(config: ReplayerConfig, suite: Suite, chosen: Sequence[Recording], home: Path) -> set[str]:
    """Names of the chosen segments that a replayer's own condition picks."""
    names = {str(recording.segment) for recording in chosen}
    if not config.condition:
        return names
    query = parse_query(config.condition, where=config.where)
    folders = [source.folder for source in suite.routes if source.folder.is_dir()]
    names &= set().union(*(_picked(query, folder, home) for folder in folders))
    if not names and not config.optional:
        raise NothingToRunError(
            f"no selected segment fits {config.condition}, as {config.name} asks",
            where=config.where,
            remedy="closet routes find shows what does; `optional: true` lets it replay none",
        )
    return names


def _picked(query: Query, folder: Path, home: Path) -> set[str]:
    """Names of the segments in a folder that a condition picks, by an index brought up to date for it.

    A log that cannot be read may be what was looked for: unless the condition speaks of errors itself, it stays in, and
    its trial says what is wrong with it.
    """
    with Corpus(home / CORPUS_FILE) as corpus:
        corpus.index([folder])
        picked, unread = corpus.select(folder, query)
    return picked if "error" in query.names else picked | unread


def _where(source: RouteSource, query: Query, found: Sequence[Recording], home: Path) -> tuple[Recording, ...]:
    """Those that a source's condition picks."""
    chosen = _picked(query, source.folder, home)
    kept = tuple(recording for recording in found if str(recording.segment) in chosen)
    if not kept and not source.optional:
        raise NothingToRunError(
            f"no segment in {source.folder} fits {source.condition}",
            where=source.where,
            remedy="closet routes index and closet routes find show what does",
        )
    return kept
