"""The corpus index: one row a segment in an SQLite file, so that the minutes that matter are found at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from harness.domain import SegmentId
from harness.errors import ConfigError
from harness.recording.corpus_columns import COLUMNS, EVENT_TYPES, Value
from harness.recording.corpus_file import full_disk, open_index
from harness.recording.corpus_query import Query
from harness.recording.corpus_readers import Answer, read_logs
from harness.recording.corpus_rows import ROW_VERSION
from harness.recording.corpus_walk import Place, walk_recordings

CORPUS_FILE = "corpus.db"
NO_LOG = "there is no rlog or qlog"

DisablingRow: TypeAlias = tuple[str, str, float, float, bool, str]  # type, name, start_s, end_s, engaged, outcome

_ROWS_A_COMMIT = 64  # so that a walk that is stopped keeps nearly all it has read
_NAMES = tuple(column.name for column in COLUMNS)
_INSERT = f"INSERT INTO segments ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"  # noqa: S608 our names


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a walk found: segments in all, logs read now, rows left as they were, rows dropped, logs with an error."""

    segments: int
    read: int
    unchanged: int
    removed: int
    broken: tuple[tuple[str, str], ...]


class Corpus:
    """The index in the file at `path`. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path, self._connection = path, open_index(path)

    def __enter__(self) -> Corpus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def index(
        self, folders: Sequence[Path], *, workers: int | None = None, progress: Callable[[int, int], None] | None = None
    ) -> IndexReport:
        """Bring the rows of all recordings below `folders` up to date; only what changed is read.

        `progress` is told how many logs of how many are read. A log that cannot be read is a row with its error. A full
        disk is an OSError that says so; what was read until then stays.
        """
        with full_disk(self.path):
            return self._index(folders, workers or os.cpu_count() or 1, progress)

    def _index(self, folders: Sequence[Path], workers: int, progress: Callable[[int, int], None] | None) -> IndexReport:
        places: dict[tuple[str, str], Place] = {}
        for folder in folders:
            if not folder.is_dir():
                raise ConfigError("there is no such folder", where=str(folder), remedy="name a folder of recordings")
            places |= {
                (place.segment, place.folder): place for place in walk_recordings(Path(os.path.realpath(folder)))
            }
        known = self._known(folders)
        removed = [row_id for key, (row_id, _, _) in known.items() if key not in places]
        to_read: list[Place] = []
        with self._connection:
            self._drop(removed)
            for key, place in places.items():
                row_id, log_stamp, files_stamp = known.get(key, (0, "", ""))
                if place.error or log_stamp != _stamped(place.log_stamp):
                    to_read.append(place)
                elif files_stamp != place.files_stamp:
                    self._connection.execute("UPDATE segments SET files = ? WHERE id = ?", (place.files, row_id))
                    self._connection.execute("UPDATE stamps SET files = ? WHERE id = ?", (place.files_stamp, row_id))
        self._read(to_read, workers, progress)
        broken = [
            (f"{place}{os.sep}{segment}" if "/" not in segment else segment, error)
            for segment, place, error in self._connection.execute(
                "SELECT segment, place, error FROM segments WHERE error <> '' ORDER BY segment, place"
            )
            if (segment, place) in places
        ]
        return IndexReport(len(places), len(to_read), len(places) - len(to_read), len(removed), tuple(broken))

    def add(self, rows: Iterable[tuple[Mapping[str, Value], Iterable[DisablingRow]]]) -> None:
        """Put rows in as they are: values by column, and disabling events. A full disk is told as `index` does."""
        with full_disk(self.path), self._connection:
            for values, disablings in rows:
                self._insert(values, disablings, "", "")

    def find(self, query: Query | None = None, columns: Sequence[str] = _NAMES) -> list[dict[str, Value]]:
        """The rows that `query` picks, or all, by segment; `columns` are names of COLUMNS."""
        names = [name for name in columns if name in _NAMES]
        condition = f" WHERE {query.sql}" if query else ""
        cursor = self._connection.execute(
            f"SELECT {', '.join(names)} FROM segments{condition} ORDER BY segment, place",  # noqa: S608 bound values
            query.values if query else (),
        )
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def disablings(self, query: Query) -> dict[tuple[str, str], list[dict[str, Value]]]:
        """The disabling events of the segments that `query` picks, in time order, by segment and place."""
        names = ("type", "name", "start_s", "end_s", "engaged", "outcome")
        cursor = self._connection.execute(
            f"SELECT segment, place, {', '.join(names)} FROM disablings JOIN segments ON id = segment_id "  # noqa: S608
            f"WHERE {query.sql} ORDER BY start_s, type, name",
            query.values,
        )
        found: dict[tuple[str, str], list[dict[str, Value]]] = {}
        for segment, place, *values in cursor:
            found.setdefault((segment, place), []).append(dict(zip(names, values, strict=True)))
        return found

    def select(self, folder: Path, query: Query) -> tuple[set[str], set[str]]:
        """The segments below `folder` that `query` picks, and those that it cannot judge: their log was not read."""
        below = "(place = ? OR substr(place, 1, ?) = ?)"
        root = os.path.realpath(folder)
        inside = (root, len(root) + 1, root + os.sep)
        picked = self._connection.execute(
            f"SELECT segment FROM segments WHERE {below} AND {query.sql}",  # noqa: S608 bound values
            (*inside, *query.values),
        )
        unread = self._connection.execute(
            f"SELECT segment FROM segments WHERE {below} AND error <> ''",  # noqa: S608 bound values
            inside,
        )
        return {row[0] for row in picked}, {row[0] for row in unread}

    def count(self) -> int:
        """How many rows there are."""
        return int(self._connection.execute("SELECT count(*) FROM segments").fetchone()[0])

    def event_counts(self) -> list[tuple[str, str, str, str, int]]:
        """(car, device, event type, event name, how many came while engaged), sorted."""
        return [
            (row[0], row[1], row[2], row[3], int(row[4]))
            for row in self._connection.execute(
                "SELECT car, device, type, name, count(*) FROM disablings JOIN segments ON id = segment_id "
                "WHERE engaged = 1 GROUP BY car, device, type, name ORDER BY car, device, type, name"
            )
        ]

    def totals(self) -> list[tuple[str, str, str, int, float, float]]:
        """(brand, car, device, segments, seconds, seconds engaged) of all whose log was read, sorted."""
        return [
            (row[0], row[1], row[2], int(row[3]), float(row[4] or 0), float(row[5] or 0))
            for row in self._connection.execute(
                "SELECT brand, car, device, count(*), sum(length_s), sum(engaged_s) FROM segments "
                "WHERE error = '' GROUP BY brand, car, device ORDER BY brand, car, device"
            )
        ]

    def _known(self, folders: Sequence[Path]) -> dict[tuple[str, str], tuple[int, str, str]]:
        """(row id, log stamp, files stamp) of what is indexed below `folders`, by segment and place."""
        roots = [os.path.realpath(folder) for folder in folders]
        rows = self._connection.execute(
            "SELECT segment, place, segments.id, stamps.log, stamps.files FROM segments JOIN stamps USING (id)"
        )
        return {
            (segment, place): (row_id, log, files)
            for segment, place, row_id, log, files in rows
            if any(place == root or place.startswith(root + os.sep) for root in roots)
        }

    def _read(self, places: Sequence[Place], workers: int, progress: Callable[[int, int], None] | None) -> None:
        with_log = [place for place in places if place.log is not None and not place.error]
        with self._connection:
            for place in places:
                if place.log is None or place.error:
                    self._replace(place, {"error": place.error or NO_LOG})
        pending: list[tuple[Place, Answer]] = []
        try:
            answers = read_logs([place.log for place in with_log if place.log is not None], workers)
            for done, (number, answer) in enumerate(answers, 1):
                pending.append((with_log[number], answer))
                if len(pending) >= _ROWS_A_COMMIT:
                    self._commit(pending)
                if progress is not None:
                    progress(done, len(with_log))
        finally:
            self._commit(pending)

    def _commit(self, pending: list[tuple[Place, Answer]]) -> None:
        with self._connection:
            for place, answer in pending:
                self._replace(place, answer)
        pending.clear()

    def _replace(self, place: Place, answer: Answer) -> None:
        known = self._connection.execute(
            "SELECT id FROM segments WHERE segment = ? AND place = ?", (place.segment, place.folder)
        ).fetchall()
        self._drop([row[0] for row in known])
        values: dict[str, Value] = {
            "error": "", "damage": "", "car": "", "brand": "", "device": "", "version": "",
            **answer.get("values", {}),
            "segment": place.segment,
            "place": place.folder,
            "files": place.files,
            "log": place.log_stem,
            **_names_of(place.id),
        }  # fmt: skip
        if "error" in answer:
            values["error"] = str(answer["error"]) or "unknown"
        disablings = [
            (entry["type"], entry["name"], entry["start_s"], entry["end_s"], entry["engaged"], entry["outcome"])
            for entry in answer.get("disablings", ())
        ]
        self._insert(values, disablings, _stamped(place.log_stamp), place.files_stamp)

    def _insert(
        self,
        values: Mapping[str, Value],
        disablings: Iterable[DisablingRow],
        log_stamp: str,
        files_stamp: str,
    ) -> None:
        cursor = self._connection.execute(_INSERT, [values.get(name) for name in _NAMES])
        self._connection.execute("INSERT INTO stamps VALUES (?, ?, ?)", (cursor.lastrowid, log_stamp, files_stamp))
        self._connection.executemany(
            "INSERT INTO disablings VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(cursor.lastrowid, *entry) for entry in disablings if entry[0] in EVENT_TYPES],
        )

    def _drop(self, row_ids: Sequence[int]) -> None:
        for table, name in (("segments", "id"), ("stamps", "id"), ("disablings", "segment_id")):
            self._connection.executemany(
                f"DELETE FROM {table} WHERE {name} = ?",  # noqa: S608 our own names
                [(row_id,) for row_id in row_ids],
            )


def _stamped(log_stamp: str) -> str:
    """A log's stamp with the version of what is read from it."""
    return f"{ROW_VERSION} {log_stamp}"


def _names_of(segment: SegmentId | None) -> dict[str, Value]:
    if segment is None:
        return {}
    return {"route": str(segment.route), "dongle": segment.route.dongle_id, "number": segment.number}
