"""SQLite files whose content can be worked out again: opened by several processes at once, begun anew when damaged."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from harness.files import lock_folder

_WAIT_S = 30.0
_PAUSE_S = 0.02


def open_rebuildable(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    """The file at `path`, made where there is none, in WAL mode; `prepare` sees to its tables, alone with the file.

    What is no database, or one of which `prepare` says so by a sqlite3.DatabaseError, is set aside as `….damaged`.
    Every statement is a transaction of its own unless the caller begins one. Raises sqlite3.OperationalError when the
    file cannot be used (no room, no rights, locked for a minute at most) and OSError when its folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _when_nobody_changes_it(path, prepare)
    except TimeoutError as error:
        raise sqlite3.OperationalError(f"the folder is locked: {error.strerror}") from error


def _when_nobody_changes_it(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    try:
        # Whoever still has the damaged one in hand takes the log of the new one, which goes by name, for its own.
        with lock_folder(path.parent, shared=True):
            return _when_free(path, prepare)
    except sqlite3.DatabaseError as error:
        if _is_use(error):
            raise
        return _begun_anew(path, prepare)


def _begun_anew(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    with lock_folder(path.parent):
        try:
            return _when_free(path, prepare)  # another process may have found out as well, and was faster
        except sqlite3.DatabaseError as error:
            if _is_use(error):
                raise
        for suffix in ("-wal", "-shm"):  # before its file: those of the next one are not to be taken away
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.replace(path.with_name(f"{path.name}.damaged"))
        return _when_free(path, prepare)


def _when_free(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    # SQLite's own waiting does not cover the change to WAL: two that make one file would deadlock, so one is sent away
    # at once (https://sqlite.org/c3ref/busy_handler.html).
    give_up_s = time.monotonic() + _WAIT_S
    while True:
        try:
            return _opened(path, prepare)
        except sqlite3.OperationalError as error:
            code = _code(error)
            if code is None or code & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_s:
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
    except BaseException:
        connection.close()
        raise
    return connection


def _is_use(error: sqlite3.DatabaseError) -> bool:
    """Whether the file could not be used, which says nothing of what is in it."""
    return isinstance(error, sqlite3.OperationalError) and _code(error) is not None


def _code(error: sqlite3.Error) -> int | None:
    """What SQLite says went wrong; None where Python could not make sense of a value, as of text that is no UTF-8."""
    return getattr(error, "sqlite_errorcode", None)
