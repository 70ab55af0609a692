"""Files of SQLite that may be lost: several processes make one at once, what is damaged is set aside."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import sqlite3
import threading
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from harness.files import lock_folder
from harness.rebuildable import open_rebuildable

FILES, PROCESSES = 60, 4
DEADLINE_S = 120.0


def prepare(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS told (number INTEGER)")


def make_all(folder: Path, barrier: Barrier, told: Connection) -> None:
    """Open each of the files at the moment at which the others do; say what went wrong."""
    for number in range(FILES):
        barrier.wait()
        try:
            connection = open_rebuildable(folder / f"{number}.db", prepare)
            connection.execute("INSERT INTO told VALUES (?)", (number,))
            connection.close()
        except sqlite3.Error as error:
            told.send(f"{number}: {error}")
    told.send(None)


@pytest.mark.parametrize("there", [b"", b"no database at all " * 100])
def test_several_processes_may_make_one_file_at_the_same_moment(tmp_path: Path, there: bytes) -> None:
    """None loses what another one wrote, also where all of them find that it is damaged."""
    for number in range(FILES if there else 0):
        (tmp_path / f"{number}.db").write_bytes(there)
    context = multiprocessing.get_context("spawn")
    barrier, (ours, theirs) = context.Barrier(PROCESSES, timeout=DEADLINE_S), context.Pipe(duplex=False)
    processes = [context.Process(target=make_all, args=(tmp_path, barrier, theirs)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    ended, wrong = 0, list[str]()
    while ended < PROCESSES:
        assert ours.poll(DEADLINE_S), "a process ended without a word"
        said = ours.recv()
        ended += said is None
        wrong += [said] if said else []
    for process in processes:
        process.join(DEADLINE_S)
    assert wrong == []
    for number in range(FILES):
        with sqlite3.connect(tmp_path / f"{number}.db") as connection:
            assert connection.execute("SELECT count(*) FROM told").fetchone() == (PROCESSES,)
        connection.close()


def test_what_is_no_database_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "home" / "some.db"
    path.parent.mkdir()
    path.write_bytes(b"no database at all " * 100)
    connection = open_rebuildable(path, prepare)
    assert connection.execute("SELECT count(*) FROM told").fetchone() == (0,)
    connection.close()
    assert path.with_name("some.db.damaged").read_bytes().startswith(b"no database")


def test_it_is_not_set_aside_under_somebody_who_is_opening_it(tmp_path: Path) -> None:
    """They would go on in the new one's log with the damaged file beneath, and take what is in it with them."""
    path = tmp_path / "some.db"
    path.write_bytes(b"no database at all " * 100)
    opens = threading.Thread(target=lambda: open_rebuildable(path, prepare).close())
    with lock_folder(tmp_path, shared=True):
        opens.start()
        opens.join(1.0)  # whoever set it aside regardless is long done
        assert opens.is_alive()
        assert [entry.name for entry in tmp_path.iterdir()] == ["some.db"]
    opens.join(DEADLINE_S)
    assert not opens.is_alive()
    assert path.with_name("some.db.damaged").exists()
    assert path.read_bytes().startswith(b"SQLite format 3")


def test_whoever_opens_it_is_not_alone_but_keeps_others_from_being_so(tmp_path: Path) -> None:
    def look(connection: sqlite3.Connection) -> None:
        prepare(connection)
        folder = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(folder)

    open_rebuildable(tmp_path / "some.db", look).close()


def test_tables_that_are_refused_are_set_aside_and_nothing_of_them_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    connection = open_rebuildable(path, prepare)
    connection.execute("INSERT INTO told VALUES (7)")
    connection.close()
    seen = list[int]()

    def refuse_the_old(connection: sqlite3.Connection) -> None:
        prepare(connection)
        rows = connection.execute("SELECT count(*) FROM told").fetchone()[0]
        seen.append(rows)
        if rows:
            raise sqlite3.DatabaseError("of another time")

    connection = open_rebuildable(path, refuse_the_old)
    connection.close()
    assert seen == [1, 1, 0], "looked at once more, alone, before it is set aside"
    with sqlite3.connect(path.with_name("some.db.damaged")) as old:
        assert old.execute("SELECT number FROM told").fetchone() == (7,)
    old.close()


def test_a_text_that_is_none_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE told (number INTEGER)")
        connection.execute("INSERT INTO told VALUES (CAST(X'ff' AS TEXT))")
    connection.close()

    def read(connection: sqlite3.Connection) -> None:
        prepare(connection)
        connection.execute("SELECT number FROM told").fetchall()

    open_rebuildable(path, read).close()
    assert path.with_name("some.db.damaged").is_file()


def test_a_place_that_cannot_be_written_is_told_and_left(tmp_path: Path) -> None:
    (tmp_path / "some.db").mkdir()
    with pytest.raises(sqlite3.OperationalError):
        open_rebuildable(tmp_path / "some.db", prepare)
    assert [path.name for path in tmp_path.iterdir()] == ["some.db"]
