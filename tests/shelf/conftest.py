"""A shelf in each kind of database, and a way to let time pass on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.domain import DeviceKind, Lease, Priority, Want
from harness.shelf import Shelf, parse_address
from harness.shelf.database import Database
from harness.shelf.schema import holders, leases, metadata, offers, wants
from tests.postgres import create_database

MICI = DeviceKind.MICI


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a shelf that nobody has opened yet, in each kind of database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return str(tmp_path / "shelf.db")


@pytest.fixture(scope="session")
def used_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A shelf that tests use one after the other: wiping it takes less than making one."""
    return str(tmp_path_factory.mktemp("shelf") / "shelf.db")


@pytest.fixture(scope="session")
def used_database(postgres_server: Path) -> str:
    """The same in PostgreSQL."""
    return create_database(postgres_server)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> str:
    """The address of a shelf with nothing on it, in each kind of database."""
    used = str(request.getfixturevalue("used_database" if request.param == "postgresql" else "used_file"))
    Shelf(used).close()
    database = Database(parse_address(used))
    wipe(database)
    database.close()
    return used


def wipe(database: Database) -> None:
    """Take everything off the shelf."""
    database.write(lambda transaction: [transaction.execute(sa.delete(table)) for table in metadata.sorted_tables])


@pytest.fixture
def shelf(address: str) -> Iterator[Shelf]:
    with Shelf(address) as opened:
        yield opened


@pytest.fixture
def execute(address: str) -> Iterator[Callable[[sa.Executable], None]]:
    """Change the tables behind the shelf's back."""
    database = Database(parse_address(address))

    def run(statement: sa.Executable) -> None:
        database.write(lambda transaction: transaction.execute(statement))

    yield run
    database.close()


@pytest.fixture
def pass_time(execute: Callable[[sa.Executable], None]) -> Callable[[float], None]:
    """Let seconds pass on the shelf's clock: everything that was noted by it lies so much further back."""

    noted = {holders: ["renew_by_s"], leases: ["renew_by_s", "hard_end_s"], wants: ["since_s"], offers: ["offered_s"]}

    def pass_s(seconds: float) -> None:
        for table, names in noted.items():
            execute(sa.update(table).values({name: table.c[name] - seconds for name in names}))

    return pass_s


def join(shelf: Shelf, run: str = "run", priority: Priority = Priority.PROMPT) -> str:
    return shelf.join(run, suite="pr", priority=priority)


def ask(
    shelf: Shelf,
    holder: str,
    device: str = "mici-01",
    slot: int = 0,
    *,
    kind: DeviceKind = MICI,
    tags: tuple[str, ...] = (),
    hard_end_s: float = 600.0,
    least_epoch: int = 0,
    proving: bool = False,
) -> Lease | None:
    given = {"kind": kind, "tags": tags, "hard_end_s": hard_end_s, "least_epoch": least_epoch, "proving": proving}
    return shelf.acquire(holder, device, slot, **given)


def want(shelf: Shelf, holder: str, count: int = 1, tags: tuple[str, ...] = ()) -> None:
    shelf.want(holder, [Want(MICI, tags, count)] if count else [])
