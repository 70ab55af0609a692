"""What was worked out before, in one SQLite file: traces of jobs, results of comparisons and repeats, digests of files.

Everything here can be worked out again, so a damaged database is set aside and a new one begun.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.domain import Blob, canonical_json
from harness.errors import DataError
from harness.files import file_sha256
from harness.rebuildable import open_rebuildable
from harness.verdict import CheckResult, Confirmation

_VERSION = 1
_TABLES = (
    "CREATE TABLE IF NOT EXISTS traces (job_id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, facts TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS checks (key TEXT PRIMARY KEY, checks TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS metrics (key TEXT PRIMARY KEY, content BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS repeats (key TEXT PRIMARY KEY, told TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS digests (path TEXT PRIMARY KEY, stat TEXT NOT NULL, sha256 TEXT NOT NULL)",
)
_CHECKS = TypeAdapter(tuple[CheckResult, ...])
# A file written this recently may be written again within the same time stamp; its digest is not kept.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """The trace a job gave: its digest, and facts that were kept with it (device, measurements, runtime)."""

    sha256: str
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Repeats:
    """What repeating a failed trial told, in the words of the `run` that did."""

    run: str
    words: str
    confirmations: tuple[Confirmation, ...]


_REPEATS = TypeAdapter(Repeats)


class Index:
    """The database at `path`; shared by threads, and by processes through SQLite's own locks.

    The digest of a file is kept once the file has rested for `settled_ns`.
    """

    def __init__(self, path: Path, *, settled_ns: int = _SETTLED_NS) -> None:
        self.path = path
        self._settled_ns = settled_ns
        self._lock = threading.Lock()
        try:
            self._connection = open_rebuildable(path, _prepare)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def remember_trace(self, job_id: str, trace_sha256: str, facts: Mapping[str, str]) -> None:
        """Job `job_id` gave this trace."""
        self._write("INSERT OR REPLACE INTO traces VALUES (?, ?, ?)", job_id, trace_sha256, canonical_json(dict(facts)))

    def find_trace(self, job_id: str) -> StoredTrace | None:
        """The trace of an equal job, if one is known."""
        row = self._read("SELECT sha256, facts FROM traces WHERE job_id = ?", job_id)
        return StoredTrace(row[0], json.loads(row[1])) if row else None

    def remember_checks(self, key: str, checks: tuple[CheckResult, ...]) -> None:
        """Comparison `key` (both digests, tolerances, COMPARE_VERSION) came out as `checks`."""
        self._write("INSERT OR REPLACE INTO checks VALUES (?, ?)", key, _CHECKS.dump_json(checks).decode())

    def find_checks(self, key: str) -> tuple[CheckResult, ...] | None:
        """The result of an equal comparison, if it is known and still readable by this program."""
        row = self._read("SELECT checks FROM checks WHERE key = ?", key)
        try:
            return _CHECKS.validate_json(row[0]) if row else None
        except ValidationError:
            return None

    def remember_metrics(self, key: str, content: bytes) -> None:
        """A segment's values `key` (digests of trace and truth, METRICS_VERSION) are these bytes."""
        self._write("INSERT OR REPLACE INTO metrics VALUES (?, ?)", key, content)

    def find_metrics(self, key: str) -> bytes | None:
        """The values of an equal measurement, if they are known."""
        row = self._read("SELECT content FROM metrics WHERE key = ?", key)
        return row[0] if row else None

    def forget_trace(self, job_id: str) -> None:
        """What job `job_id` gave is not to be relied on."""
        self._write("DELETE FROM traces WHERE job_id = ?", job_id)

    def remember_repeats(self, key: str, told: Repeats) -> None:
        """A failed trial `key` (its traces and checks) was repeated, and need not be again."""
        self._write("INSERT OR REPLACE INTO repeats VALUES (?, ?)", key, _REPEATS.dump_json(told).decode())

    def find_repeats(self, key: str) -> Repeats | None:
        """What the repeats of an equal failed trial told, if they are known and still readable by this program."""
        row = self._read("SELECT told FROM repeats WHERE key = ?", key)
        try:
            return _REPEATS.validate_json(row[0]) if row else None
        except ValidationError:
            return None

    def digest_file(self, path: Path) -> Blob:
        """Digest of a file, read again only when its size, times or inode changed."""
        path = path.absolute()
        try:
            before = path.stat()
            stat = f"{before.st_size} {before.st_mtime_ns} {before.st_ctime_ns} {before.st_ino} {before.st_dev}"
            row = self._read("SELECT stat, sha256 FROM digests WHERE path = ?", str(path))
            if row and row[0] == stat:
                return Blob(row[1], before.st_size)
            digest = file_sha256(path)
            after = path.stat()
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(path), remedy="check the path") from error
        if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
            raise DataError("changed while it was being read", where=str(path), remedy="try again when it is complete")
        if time.time_ns() - max(before.st_mtime_ns, before.st_ctime_ns) > self._settled_ns:
            self._write("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", str(path), stat, digest)
        return Blob(digest, before.st_size)

    def _write(self, statement: str, *values: str | bytes) -> None:
        try:
            with self._lock:
                self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _read(self, statement: str, *values: str) -> tuple[Any, ...] | None:
        try:
            with self._lock:
                row: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return row

    def _failed(self, error: sqlite3.Error) -> DataError:
        return DataError(
            f"the closet's database does not work: {error}",
            where=str(self.path),
            remedy="free space, or delete the file: what it holds is worked out again",
        )


def _prepare(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in {0, _VERSION}:
        raise sqlite3.DatabaseError(f"version {version} of this program's tables is not known")
    for table in _TABLES:
        connection.execute(table)
    connection.execute(f"PRAGMA user_version = {_VERSION}")
