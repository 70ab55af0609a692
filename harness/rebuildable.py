"""SQLite files whose content can be worked out again: opened by several processes at once, begun anew when damaged."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

_WAIT_S = 30.0
_PAUSE_S = 0.02


def open_rebuildable(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    """The file at `path`, made where there is none, in WAL mode; `prepare` sees to its tables, alone with the file.

    What is no database, or one of which `prepare` says so by a sqlite3.DatabaseError, is set aside as `….damaged`.
    Every statement is a transaction of its own unless the caller begins one. Raises sqlite3.OperationalError when the
    file cannot be used (no room, no rights, locked for half a minute) and OSError when its folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _when_free(path, prepare)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        path.replace(path.with_name(f"{path.name}.damaged"))
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _when_free(path, prepare)


def _when_free(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    # SQLite's own waiting does not cover the change to WAL: two that make one file would deadlock, so one is sent away
    # at once (https://sqlite.org/c3ref/busy_handler.html).
    give_up_s = time.monotonic() + _WAIT_S
    while True:
        try:
            return _opened(path, prepare)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_s:
                raise
        time.sleep(_PAUSE_S)


def _opened(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            prepare(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
