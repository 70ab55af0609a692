"""A shelf that was in use before runs were remembered is brought on with all that is on it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from harness.domain import DeviceKind, Health
from harness.shelf import Shelf, parse_address
from harness.shelf import upgrade as upgrading
from harness.shelf.database import Database, Transaction
from tests.shelf.conftest import ask, join

DAY_S = 86_400.0


def _make_first(address: str) -> Database:
    """A database as the first program left it."""
    database = Database(parse_address(address))

    def make(transaction: Transaction) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(upgrading.__file__).parent / "migrations"))
        config.attributes["connection"] = transaction.connection
        command.upgrade(config, "0001")

    database.write(make)
    return database


def test_what_was_on_it_is_there_and_counted(fresh_address: str) -> None:
    database = _make_first(fresh_address)
    noon_s = (time.time() // DAY_S) * DAY_S + 43_200.0  # where rounding and cutting off are not the same
    rows = [
        ("mici-01", noon_s - 10, noon_s, ""),
        ("mici-01", noon_s - 20, noon_s + 3600, "UnreachableError"),
        ("tizi-01", noon_s - DAY_S - 5, noon_s - DAY_S, ""),
    ]
    written = sa.text(
        "INSERT INTO attempts (run, device, kind, cost_key, started_at, ended_at, error_kind, canary) "
        "VALUES ('r', :device, 'mici', 'k', :began, :ended, :kind, :canary)"
    )
    for device, began_s, ended_s, kind in rows:
        told = {"device": device, "began": began_s, "ended": ended_s, "kind": kind, "canary": False}
        database.write(lambda transaction, told=told: transaction.execute(written, **told))  # type: ignore[misc]
    device = sa.text(
        "INSERT INTO devices (name, kind, slots, tags, seen_at, state, reason, changed_by, since_at, runtime, uses) "
        "VALUES ('mici-01', 'mici', 1, '[]', 0, 'quarantined', 'the fan rattles', 'lena', 1, '', 7)"
    )
    database.write(lambda transaction: transaction.execute(device))
    database.close()
    with Shelf(fresh_address) as shelf:
        health = shelf.health("mici-01")
        assert (health.state, health.reason) == (Health.QUARANTINED, "the fan rattles")
        assert shelf.uses() == {"mici-01": 7}
        assert len(shelf.attempts(device="mici-01")) == 2
        did = {each.device: each for each in shelf.archive.devices_since(30)}
        assert (did["mici-01"].attempts, did["mici-01"].failed, did["tizi-01"].attempts) == (2, 1, 1)
        assert did["mici-01"].busy_s == pytest.approx(10 + 3620)
        today = int(noon_s // DAY_S)
        assert shelf.archive.device_errors_by_day("mici-01") == ((today, 2, 1),)
        shelf.record_attempt(
            run="r",
            device="mici-01",
            kind=DeviceKind.MICI,
            cost_key="k",
            started_s=noon_s,
            ended_s=noon_s + 1,
            error_kind="",
            canary=False,
        )
        assert shelf.archive.device_errors_by_day("mici-01") == ((today, 3, 1),)
        assert ask(shelf, join(shelf), "tizi-01") is not None
