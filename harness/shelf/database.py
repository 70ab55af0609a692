"""Transactions on the shelf's database: one code for SQLite and PostgreSQL, with a deadline on every wait.

SQLite runs in WAL mode with synchronous=NORMAL: a transaction is not fsynced when it commits, so it takes a millisecond
and a killed process loses nothing, but a power cut may lose the last ones. That is enough here. After a power cut every
lease is over anyway (the boot is another one), and an epoch that was lost with it cannot be given out twice: each
device keeps its own, refuses an older one, and says so when it is next asked (`least_epoch`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, NoSuchModuleError

from harness.errors import ConfigError, DataError
from harness.shelf.address import Address
from harness.shelf.clock import boottime_s
from harness.shelf.hangup import answered_within

Result = TypeVar("Result")

DEADLINE_S = 30.0
IDLE_S = 10.0
_LOCK_S = 5.0
_STATEMENT_S = 20.0
_ANSWER_S = 25.0  # the server's own limits come first; one that is frozen keeps none
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# Serialisation failure, deadlock, lock not available, statement timeout: another transaction was in the way.
_IN_THE_WAY = frozenset({"40001", "40P01", "55P03", "57014"})
_POSTGRES_CONNECT = {
    "connect_timeout": 10,
    "application_name": "closet",
    "tcp_user_timeout": 15_000,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction. `now_s` is of the shelf's clock, `unix_s` is the date.

    `again`: the one before it broke off, and it is not known whether it was committed.
    """

    connection: sa.Connection
    now_s: float
    unix_s: float
    again: bool

    @property
    def one_machine(self) -> bool:
        """True when all holders are of this machine."""
        return self.connection.dialect.name == "sqlite"

    def execute(self, statement: sa.Executable, **values: object) -> sa.CursorResult[Any]:
        """What the statement gives, with values for the parameters it names."""
        return self.connection.execute(statement, values)

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that can say what to do about a row that is there already."""
        return sqlite.insert(table) if self.one_machine else postgresql.insert(table)


class Database:
    """The connections to one shelf. Thread-safe.

    Waits for others are over after `deadline_s`. A PostgreSQL server ends a session that sits in a transaction for
    `idle_s`: it is of a frozen process, which shall not hold up the others.
    """

    def __init__(self, address: Address, deadline_s: float = DEADLINE_S, idle_s: float = IDLE_S) -> None:
        self.address = address
        self._deadline_s = deadline_s
        lock_s = min(_LOCK_S, deadline_s / 4)
        self.engine = (
            _open_file(address.path, lock_s) if address.path is not None else _open_server(address, lock_s, idle_s)
        )

    def read(self, work: Callable[[Transaction], Result]) -> Result:
        """What `work`, which writes nothing, gives."""
        return self.run(partial(self._transact, work, "BEGIN"))

    def write(self, work: Callable[[Transaction], Result]) -> Result:
        """What `work` gives; all of what it writes is kept, or nothing. It may be called again when it broke off."""
        return self.run(partial(self._transact, work, "BEGIN IMMEDIATE"))

    def close(self) -> None:
        """Drop the connections."""
        self.engine.dispose()

    def run(self, attempt: Callable[[bool], Result]) -> Result:
        """`attempt(again)`, repeated while another transaction is in the way, and once when the connection was lost."""
        give_up_s = time.monotonic() + self._deadline_s
        pause_s, again = 0.01, False
        while True:
            try:
                return attempt(again)
            except DBAPIError as error:
                if _is_in_the_way(error) and time.monotonic() < give_up_s:
                    time.sleep(pause_s)
                    pause_s = min(2 * pause_s, 0.5)
                elif _is_lost(error) and not again:
                    again = True
                else:
                    refused = self._refusal(error)
                    if refused is None:
                        raise
                    raise refused from error

    def _transact(self, work: Callable[[Transaction], Result], begin: str, again: bool) -> Result:
        if self.address.path is not None:
            with self.engine.connect().execution_options(begin=begin) as connection, connection.begin():
                return work(Transaction(connection, boottime_s(), time.time(), again))
        with self.engine.connect() as connection, answered_within(connection, _ANSWER_S), connection.begin():
            server_s = float(connection.execute(_SERVER_CLOCK).scalar_one())
            return work(Transaction(connection, server_s, server_s, again))

    def _refusal(self, error: DBAPIError) -> DataError | None:
        """What to say when the database does not do it; None for what is a bug of ours."""
        where = str(self.address)
        said = str(error.orig).strip().partition("\n")[0]
        if _is_in_the_way(error):
            problem = f"the shelf's database was locked for {self._deadline_s:.0f} s"
            return DataError(problem, where=where, remedy="see which process holds it open, and end that")
        if _is_lost(error):
            return DataError(
                f"the shelf's database does not answer: {said}",
                where=where,
                remedy="see whether the server runs and lets this user in; closet resume goes on with a run",
            )
        if isinstance(error, sa.exc.OperationalError) or type(error) is sa.exc.DatabaseError:
            remedy = "make room, or mend the file's permissions; a damaged one may be moved away while nothing runs"
            return DataError(f"the shelf's database refuses: {said}", where=where, remedy=remedy)
        if getattr(error.orig, "sqlstate", None) == "42501":  # insufficient_privilege
            remedy = "give this user the rights to create and change tables there"
            return DataError(f"the shelf's database refuses: {said}", where=where, remedy=remedy)
        return None


_SERVER_CLOCK = sa.select(sa.func.extract("epoch", sa.func.clock_timestamp()))


def _open_file(path: Path, lock_s: float) -> sa.Engine:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"no folder for the shelf: {error.strerror}", where=str(path.parent)) from None
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), pool_size=8, max_overflow=56)

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself: see `begin`
        connection.execute(f"PRAGMA busy_timeout = {1000 * lock_s:.0f}")
        connection.execute("PRAGMA synchronous = NORMAL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        how = connection.get_execution_options().get("begin", "BEGIN")
        if how:
            connection.exec_driver_sql(how)

    return engine


def _open_server(address: Address, lock_s: float, idle_s: float) -> sa.Engine:
    url = address.url
    assert url is not None  # noqa: S101 an address is one or the other
    given = {name: value for name, value in _POSTGRES_CONNECT.items() if name not in url.query}
    try:
        engine = sa.create_engine(url, connect_args=given, pool_size=8, max_overflow=56)
    except (ModuleNotFoundError, NoSuchModuleError):
        remedy = "pip install 'testing-closet[postgres]'"
        raise ConfigError("a shelf in PostgreSQL needs psycopg", where=str(address), remedy=remedy) from None

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            for name, most_s in (
                ("lock_timeout", lock_s),
                ("statement_timeout", _STATEMENT_S),
                ("idle_in_transaction_session_timeout", idle_s),
            ):
                cursor.execute(f"SET {name} = {1000 * most_s:.0f}")
        connection.commit()

    return engine


def _is_in_the_way(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _LOCKED
    return getattr(error.orig, "sqlstate", None) in _IN_THE_WAY


def _is_lost(error: DBAPIError) -> bool:
    """The connection broke, or there was none: class 08 (connection), 57P (shutdown), 25P03 (idle in transaction)."""
    if isinstance(error.orig, sqlite3.Error) or isinstance(error, IntegrityError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or isinstance(error, sa.exc.OperationalError)
    return str(state).startswith(("08", "57P")) or state == "25P03"
