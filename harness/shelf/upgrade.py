"""Brings a shelf's database to the schema of this program. Several processes may open a fresh one at once."""

from __future__ import annotations

import threading
from pathlib import Path

import sqlalchemy as sa

from harness.errors import ConfigError
from harness.shelf.database import Database
from harness.shelf.schema import REVISION

_FOLDER = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = threading.Lock()  # Alembic keeps what it is at in globals of the process
ADVISORY_LOCK = 0x636C6F736574  # "closet": any number that nobody else in this database uses


def upgrade(database: Database) -> None:
    """Make the tables what this program expects; ConfigError when a newer program made them."""
    if database.run(lambda _: _revision(database.engine)) == REVISION:
        return
    with _ONE_AT_A_TIME:
        database.run(lambda _: _upgrade(database))


def _upgrade(database: Database) -> None:
    """In one transaction, one process after the other; one that dies meanwhile leaves what was there.

    In SQLite the transaction has the file to itself from its beginning. PostgreSQL needs a lock to have it so.
    """
    if database.address.path is not None:
        with database.engine.connect().execution_options(begin="") as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
        if mode != "wal":
            raise ConfigError(
                "this file system cannot hold a shelf that several processes share",
                where=str(database.address),
                remedy="keep it on a local disk, or in PostgreSQL",
            )
    with database.engine.connect().execution_options(begin="BEGIN IMMEDIATE") as connection, connection.begin():
        if database.address.path is None:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        _migrate(connection, str(database.address))


def _migrate(connection: sa.Connection, where: str) -> None:
    # Imported here: it takes a tenth of a second, and a database is seldom older than the program.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = _revision_of(connection)
    if found is not None and found not in known:
        raise ConfigError(
            f"the shelf's database is of a newer program: its schema is {found}, this one knows {REVISION}",
            where=where,
            remedy="update testing-closet here, or name another shelf with CLOSET_SHELF",
        )
    command.upgrade(config, "head")


def _revision(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        return _revision_of(connection)


def _revision_of(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)
