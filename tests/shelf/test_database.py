"""The schema and its migrations, and what a database may do to a shelf: be locked, go away, be another's."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from harness import shelf as package
from harness.errors import ConfigError, DataError
from harness.shelf import Shelf, parse_address
from harness.shelf.database import Database, Transaction
from harness.shelf.schema import REVISION, metadata, slots
from harness.shelf.upgrade import ADVISORY_LOCK
from tests.postgres import standing_still
from tests.shelf.conftest import ask, join, want

# Held for longer than the database itself waits for a lock, a quarter of the deadline.
_DEADLINE_S, _HELD_S = 4.0, 1.3


def test_the_migrations_make_what_the_schema_says(fresh_address: str) -> None:
    Shelf(fresh_address).close()
    database = Database(parse_address(fresh_address))

    def differences(transaction: Transaction) -> object:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(transaction.connection, opts=options), metadata)

    def indexes(transaction: Transaction) -> set[object]:
        inspector = sa.inspect(transaction.connection)
        return {(table, index["name"]) for table in metadata.tables for index in inspector.get_indexes(table)}

    assert database.read(differences) == []
    assert database.read(indexes) == {
        (table.name, index.name) for table in metadata.tables.values() for index in table.indexes
    }
    database.close()


def test_the_program_knows_its_own_newest_migration() -> None:
    folder = Path(package.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [REVISION]


def _open_at_once(address: str, begin: Callable[[], None]) -> None:
    opened = []

    def open_it() -> None:
        with Shelf(address) as shelf:
            opened.append(shelf.leases())

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    begin()
    for thread in threads:
        thread.join()
    assert opened == [(), (), (), ()]


def test_several_open_a_fresh_file_at_once(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "shelf.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    _open_at_once(str(tmp_path / "shelf.db"), threading.Timer(0.2, lambda: other.execute("COMMIT")).start)
    other.close()


def test_several_open_a_fresh_database_at_once(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])

        def begin() -> None:
            give_up_s = time.monotonic() + 60
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while other.execute(waiting).fetchone() == (0,) and time.monotonic() < give_up_s:
                pass
            assert other.execute("SELECT to_regclass('leases')").fetchone() == (None,)
            other.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])

        _open_at_once(postgres_url, begin)


def test_an_opened_shelf_is_opened_again(fresh_address: str) -> None:
    with Shelf(fresh_address) as first, Shelf(fresh_address) as second:
        lease = ask(first, join(first))
        assert lease is not None
        assert second.leases() == (lease,)


def test_a_database_of_a_newer_program_is_left_alone(fresh_address: str) -> None:
    with Shelf(fresh_address) as shelf:
        join(shelf)
        database = Database(parse_address(fresh_address))
        database.write(
            lambda transaction: transaction.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        )
        database.close()
        with pytest.raises(ConfigError, match="newer program: its schema is 9999") as refused:
            Shelf(fresh_address)
        assert "update testing-closet" in refused.value.remedy
        assert len(shelf.holders()) == 1


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "shelf.db"
    path.write_bytes(b"precious notes" * 1000)
    with pytest.raises(DataError, match="not a database"):
        Shelf(path)
    assert path.read_bytes() == b"precious notes" * 1000


def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "shelf.db"
    with Shelf(path, deadline_s=_DEADLINE_S) as shelf, Shelf(path, deadline_s=0.2) as impatient:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        assert shelf.holders() == (), "who only reads is not held up"
        with pytest.raises(DataError, match="was locked for 0 s") as refused:
            join(impatient)
        assert str(path) in str(refused.value)
        threading.Timer(_HELD_S, lambda: other.execute("COMMIT")).start()
        join(shelf)
        other.close()
        assert len(shelf.holders()) == 1


def test_a_locked_row_is_waited_for(postgres_url: str) -> None:
    with Shelf(postgres_url, deadline_s=_DEADLINE_S) as shelf, Shelf(postgres_url, deadline_s=0.2) as impatient:
        holder = join(shelf)
        lease = ask(shelf, holder)
        assert lease is not None
        shelf.release(lease, "done")
        with psycopg.connect(postgres_url) as other:
            other.execute("SELECT * FROM slots FOR UPDATE")
            with pytest.raises(DataError, match="was locked"):
                ask(impatient, holder)
            threading.Timer(_HELD_S, other.commit).start()
            assert ask(shelf, holder) is not None


def test_a_process_that_froze_in_a_transaction_holds_up_nobody_for_long(postgres_url: str) -> None:
    with Shelf(postgres_url) as shelf:
        holder = join(shelf)
        ask(shelf, holder)
        frozen, inside, done = (
            Database(parse_address(postgres_url), idle_s=0.5),
            threading.Event(),
            threading.Event(),
        )

        def freeze(transaction: Transaction) -> None:
            if not transaction.again:
                transaction.execute(sa.select(slots).with_for_update())
                inside.set()
                done.wait()
            transaction.execute(sa.select(slots))

        thread = threading.Thread(target=frozen.write, args=(freeze,))
        thread.start()
        inside.wait()
        assert ask(shelf, holder) is not None
        done.set()
        thread.join()
        frozen.close()


def test_a_lost_connection_is_made_anew(postgres_url: str) -> None:
    with Shelf(postgres_url) as shelf:
        holder = join(shelf)
        for _ in range(3):
            with psycopg.connect(postgres_url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            assert ask(shelf, holder) is not None
            assert shelf.renew(holder) is not None


def test_a_server_that_went_away_is_told(postgres_url: str, postgres_server: Path) -> None:
    with Shelf(postgres_url) as shelf:
        holder = join(shelf)
        name = postgres_url.split("/")[3].partition("?")[0]
        with psycopg.connect(host=str(postgres_server), user="postgres", dbname="postgres", autocommit=True) as other:
            other.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        with pytest.raises(DataError, match="does not answer") as refused:
            shelf.renew(holder)
        assert name in refused.value.where
        assert "server" in refused.value.remedy


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not answer") as refused:
        Shelf(f"postgresql://ann:hunter2@/closet?host={tmp_path}")
    assert "hunter2" not in str(refused.value)


def test_threads_share_a_shelf(shelf: Shelf) -> None:
    holders, wrong = [join(shelf, f"run {number}") for number in range(4)], []
    barrier = threading.Barrier(len(holders))
    taken: list[tuple[int, int]] = []

    def live(holder: str) -> None:
        barrier.wait()
        try:
            for _ in range(8):
                for slot in range(2):
                    want(shelf, holder, 1)
                    lease = ask(shelf, holder, slot=slot)
                    if lease is not None:
                        taken.append((slot, lease.epoch))
                        shelf.renew(holder)
                        assert shelf.release(lease, "done")
        except BaseException as error:
            wrong.append(error)
            raise

    threads = [threading.Thread(target=live, args=(holder,)) for holder in holders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(taken) == len(set(taken)) > 0
    assert shelf.leases() == ()


def test_bounds_of_the_postgres_session(postgres_url: str) -> None:
    """What keeps a frozen orchestrator, or a frozen server, from holding up the others for ever."""
    database = Database(parse_address(postgres_url))

    def shown(transaction: Transaction) -> dict[str, str]:
        names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        return {name: transaction.connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names}

    assert all(re.fullmatch(r"[1-9]\d*s", value) for value in database.read(shown).values())
    database.close()


@pytest.mark.timeout(60)
def test_a_server_that_stands_still_is_given_up(
    postgres_url: str, postgres_server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine acknowledges every byte, and none of its own limits runs."""
    monkeypatch.setattr("harness.shelf.database._ANSWER_S", 0.3)
    with Shelf(f"{postgres_url}&connect_timeout=2") as shelf:
        holder = join(shelf)
        with standing_still(postgres_server), pytest.raises(DataError, match="does not answer"):
            shelf.renew(holder)
        assert shelf.renew(holder) == ()
