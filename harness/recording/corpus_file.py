"""The file of the corpus index: its tables, and what goes wrong with it.

Everything in it can be read again from the logs; a damaged or older file is set aside and a new one begun.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import DataError
from harness.rebuildable import open_rebuildable
from harness.recording.corpus_columns import COLUMNS

_FORMAT = 1
_DISABLING_COLUMNS = "segment_id INTEGER, type TEXT, name TEXT, start_s REAL, end_s REAL, engaged INTEGER, outcome TEXT"
_TABLES = (
    "CREATE TABLE segments (id INTEGER PRIMARY KEY, "
    + ", ".join(f"{column.name} {column.type.value}" for column in COLUMNS)
    + ", UNIQUE (segment, place))",
    "CREATE TABLE stamps (id INTEGER PRIMARY KEY, log TEXT NOT NULL, files TEXT NOT NULL)",
    f"CREATE TABLE disablings ({_DISABLING_COLUMNS})",
    "CREATE INDEX disablings_by_segment ON disablings (segment_id)",
    "CREATE INDEX disablings_by_name ON disablings (name, segment_id)",
)


def open_index(path: Path) -> sqlite3.Connection:
    """The index at `path`, made where there is none. DataError when it cannot be; a full disk as in `full_disk`."""
    try:
        with full_disk(path):
            connection = open_rebuildable(path, _prepare)
    except sqlite3.Error as error:
        raise DataError(f"cannot be used: {error}", where=str(path), remedy="is CLOSET_HOME writable?") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise DataError(f"cannot be made: {error.strerror}", where=str(path)) from error
    connection.execute("PRAGMA mmap_size = 1073741824")
    connection.isolation_level = "DEFERRED"  # a block of several statements is kept whole or not at all
    return connection


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """A database for which there is no room fails as any other file does: callers wait until there is."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # The second: no room for the index of its log, which is a file of its own (https://sqlite.org/rescode.html).
        if getattr(error, "sqlite_errorcode", None) not in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error


def _prepare(connection: sqlite3.Connection) -> None:
    made = json.dumps([_FORMAT, *_TABLES])
    connection.execute("CREATE TABLE IF NOT EXISTS about (made TEXT NOT NULL)")
    row = connection.execute("SELECT made FROM about").fetchone()
    if row is None or row[0] != made:
        for table in ("segments", "stamps", "disablings"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute("DELETE FROM about")
        connection.execute("INSERT INTO about VALUES (?)", (made,))
