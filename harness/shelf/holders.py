"""Who uses the shelf, and what each waits for. Every function works within the transaction it is given."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from harness.domain import DeviceKind, Priority, Want, canonical_json
from harness.errors import DataError
from harness.shelf.clock import Process, this_process
from harness.shelf.database import Transaction
from harness.shelf.schema import holders, leases, offers, wants
from harness.shelf.values import HolderState, iso_time

RENEW_EVERY_S = 10.0
LOST_AFTER_S = 3 * RENEW_EVERY_S
JOINED, LEFT = "joined", "left"
_STATE = sa.select(holders.c.state).where(holders.c.id == bindparam("of_holder"))
_FORGOTTEN_AFTER_S = 86_400.0  # of a holder on another machine that never came back


def join(transaction: Transaction, holder: str, run: str, suite: str, priority: Priority) -> None:
    """Note a holder that lives in this process."""
    process = this_process()
    values = {
        "id": holder,
        "run": run,
        "suite": suite,
        "priority": int(priority),
        "state": JOINED,
        "host": process.host,
        "boot": process.boot,
        "pid_space": process.pid_space,
        "pid": process.pid,
        "process_started": process.started,
        "renew_by_s": transaction.now_s + LOST_AFTER_S,
        "joined_at": transaction.unix_s,
    }
    transaction.execute(transaction.insert(holders).values(values).on_conflict_do_nothing())


def new_holder(run: str) -> str:
    """An id that no other holder has, and that a person can read."""
    return f"{run}-{uuid.uuid4().hex[:12]}"


def require(transaction: Transaction, holder: str) -> None:
    """DataError for a holder that is not on the shelf (any more)."""
    found = transaction.execute(_STATE, of_holder=holder).scalar()
    if found != JOINED:
        raise DataError(
            f"{holder} does not use the shelf any more", remedy="another process took it for dead: closet resume RUN"
        )


def renew(transaction: Transaction, holder: str) -> None:
    """The holder is still there."""
    renewed = sa.update(holders).where(holders.c.id == holder).values(renew_by_s=transaction.now_s + LOST_AFTER_S)
    transaction.execute(renewed)


def leave(transaction: Transaction, holder: str) -> None:
    """The holder wants nothing any more."""
    left = sa.update(holders).where(holders.c.id == holder, holders.c.state == JOINED)
    transaction.execute(left.values(state=LEFT, left_at=transaction.unix_s))
    transaction.execute(sa.delete(wants).where(wants.c.holder == holder))
    transaction.execute(sa.delete(offers).where(offers.c.holder == holder))


def leave_for_the_gone(transaction: Transaction) -> None:
    """Holders that will certainly not come back leave."""
    joined = sa.select(holders).where(holders.c.state == JOINED).order_by(holders.c.id)
    for row in transaction.execute(joined).all():
        if is_gone(transaction, row) or row.renew_by_s + _FORGOTTEN_AFTER_S < transaction.now_s:
            leave(transaction, row.id)


def is_gone(transaction: Transaction, row: sa.Row[Any]) -> bool:
    """True when the process of the holder in `row` (columns of `holders`) certainly does not run any more."""
    if transaction.one_machine and row.boot != this_process().boot:
        return True
    return Process(row.host, row.boot, row.pid_space, row.pid, row.process_started).is_gone()


def want(transaction: Transaction, holder: str, wanted: Sequence[Want]) -> None:
    """Replace what the holder waits for. What it waited for already goes on waiting since then."""
    require(transaction, holder)
    asked: Counter[tuple[str, str]] = Counter()
    for entry in wanted:
        asked[entry.device_kind.value, tags_text(entry.tags)] += entry.count
    asked = +asked
    mine = sa.select(wants).where(wants.c.holder == holder)
    known = {(row.device_kind, row.tags): row.wanted for row in transaction.execute(mine)}
    for kind, tags in known.keys() - asked.keys():
        transaction.execute(sa.delete(wants).where(*_is(holder, kind, tags)))
    for (kind, tags), count in asked.items():
        if (kind, tags) not in known:
            values = {"holder": holder, "device_kind": kind, "tags": tags, "wanted": count}
            transaction.execute(sa.insert(wants).values(**values, since_s=transaction.now_s))
        elif known[kind, tags] != count:
            transaction.execute(sa.update(wants).where(*_is(holder, kind, tags)).values(wanted=count))
    if asked.keys() - known.keys():
        transaction.execute(sa.delete(offers).where(offers.c.holder == holder))


def states(transaction: Transaction) -> tuple[HolderState, ...]:
    """Everybody on the shelf, the oldest first."""
    held = held_slots(transaction)
    waiting: dict[str, list[Want]] = {}
    for row in transaction.execute(sa.select(wants).order_by(wants.c.device_kind, wants.c.tags)):
        waiting.setdefault(row.holder, []).append(
            Want(DeviceKind(row.device_kind), tuple(json.loads(row.tags)), row.wanted)
        )
    joined = sa.select(holders).where(holders.c.state == JOINED).order_by(holders.c.joined_at, holders.c.id)
    return tuple(
        HolderState(
            row.id,
            row.run,
            row.suite,
            Priority(row.priority),
            row.host,
            row.pid,
            iso_time(row.joined_at),
            row.renew_by_s - transaction.now_s,
            held.get(row.id, 0),
            tuple(waiting.get(row.id, ())),
        )
        for row in transaction.execute(joined)
        if not is_gone(transaction, row)
    )


def held_slots(transaction: Transaction) -> dict[str, int]:
    """How many slots each holder has."""
    slots = sa.func.count().label("slots")
    counted = sa.select(leases.c.holder, slots).where(leases.c.state == "active").group_by(leases.c.holder)
    return {row.holder: row.slots for row in transaction.execute(counted)}


def tags_text(tags: Sequence[str]) -> str:
    """Labels as they are kept."""
    return canonical_json(sorted(set(tags)))


def _is(holder: str, kind: str, tags: str) -> tuple[sa.ColumnElement[bool], ...]:
    return wants.c.holder == holder, wants.c.device_kind == kind, wants.c.tags == tags
