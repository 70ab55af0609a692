"""Leases in the database: who has which slot, until when. Every function works within the transaction it is given.

A lease is active until it is released, expired or revoked, and then never changes again. It is lost when it was not
renewed for LOST_AFTER_S, when its hard end has come, or when its holder's process is seen to be gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from harness.domain import DeviceKind, Health, Lease
from harness.shelf import holders, offers
from harness.shelf.database import Transaction
from harness.shelf.holders import LOST_AFTER_S
from harness.shelf.schema import devices, leases, slots
from harness.shelf.schema import holders as holders_table

ACTIVE, RELEASED, EXPIRED, REVOKED = "active", "released", "expired", "revoked"

_OF_HOLDER = [column for column in holders_table.c if column.name not in {"id", "state", "renew_by_s"}]
# Locked in one order by everybody, so that nobody waits in a ring.
_ACTIVE = (
    sa.select(leases, *_OF_HOLDER)
    .join_from(leases, holders_table, leases.c.holder == holders_table.c.id)
    .where(leases.c.state == ACTIVE)
    .order_by(leases.c.device, leases.c.slot)
    .with_for_update(of=leases)
)
_ACTIVE_THERE = _ACTIVE.where(leases.c.device == bindparam("at_device"), leases.c.slot == bindparam("at_slot"))
_ACTIVE_OF = _ACTIVE.where(leases.c.holder == bindparam("of_holder"))
_END = (
    sa.update(leases)
    .where(leases.c.id == bindparam("of_id"), leases.c.state == ACTIVE)
    .values(state=bindparam("to_state"), outcome=bindparam("to_outcome"), ended_at=bindparam("at_unix_s"))
)
_PLACE = (slots.c.device == bindparam("at_device"), slots.c.slot == bindparam("at_slot"))
_EPOCH = sa.select(slots.c.epoch).where(*_PLACE)
_LOCKED_EPOCH = _EPOCH.with_for_update()
_KEEP_EPOCH = sa.update(slots).where(*_PLACE).values(epoch=bindparam("to_epoch"))
_INSERT = sa.insert(leases)
_HEALTH = sa.select(devices.c.state).where(devices.c.name == bindparam("of_device"))


@dataclass(frozen=True, slots=True)
class Request:
    """A slot that a holder asks for. `lease_id` is chosen by who asks, so that asking twice is asking once.

    `proving`: a person's burn-in or a recovery's canary, which a quarantined device is given to as well.
    """

    lease_id: str
    holder: str
    device: str
    slot: int
    kind: DeviceKind
    tags: tuple[str, ...]
    hard_end_s: float
    least_epoch: int
    proving: bool
    ageing_s: float


def acquire(transaction: Transaction, request: Request) -> Lease | None:
    """The lease, or None when the slot is busy, not given out, or another's turn."""
    holder, device, slot = request.holder, request.device, request.slot
    holders.require(transaction, holder)
    epoch = _locked_epoch(transaction, device, slot)
    offered = offers.asks(transaction, holder, device, slot)
    active = transaction.execute(_ACTIVE_THERE, at_device=device, at_slot=slot).all()
    if active and active[0].id == request.lease_id:
        return _lease(active[0])
    if not _is_free(transaction, active, holder) or not _is_given_out(transaction, request):
        return None
    free = offers.FreeSlot(device, slot, request.kind, request.tags, offered)
    if not offers.takes_turn(transaction, holder, free, request.ageing_s):
        return None
    epoch = max(epoch, request.least_epoch) + 1
    transaction.execute(_KEEP_EPOCH, at_device=device, at_slot=slot, to_epoch=epoch)
    times = {"renew_by_s": transaction.now_s + LOST_AFTER_S, "hard_end_s": transaction.now_s + request.hard_end_s}
    row = {"device": device, "slot": slot, "epoch": epoch, "holder": holder, "task_id": "", **times}
    kept = {"id": request.lease_id, "state": ACTIVE, "outcome": "", "acquired_at": transaction.unix_s}
    transaction.execute(_INSERT, **row, **kept)
    return Lease(device, slot, epoch, holder, "", **times)


def assign(transaction: Transaction, lease: Lease, task_id: str) -> None:
    """Note what runs under the lease, while it is active."""
    transaction.execute(sa.update(leases).where(*_same(lease), leases.c.state == ACTIVE).values(task_id=task_id))


def release(transaction: Transaction, lease: Lease, outcome: str) -> bool:
    """False when the lease had been lost before."""
    there = transaction.execute(_ACTIVE_THERE, at_device=lease.device, at_slot=lease.slot)
    rows = [row for row in there if (row.epoch, row.holder) == (lease.epoch, lease.holder)]
    if not rows and transaction.again:  # was it the transaction that broke off?
        row = transaction.execute(sa.select(leases).where(*_same(lease))).one_or_none()
        return row is not None and (row.state, row.outcome) == (RELEASED, outcome)
    still = _without(rows, _expire(transaction, rows))
    for row in still:
        _end(transaction, row.id, RELEASED, outcome)
    return bool(still)


def revoke(transaction: Transaction, device: str, slot: int, reason: str) -> Lease | None:
    """Take the slot from whoever has it."""
    row = transaction.execute(_ACTIVE_THERE, at_device=device, at_slot=slot).one_or_none()
    if row is None:
        return None
    _end(transaction, row.id, REVOKED, reason)
    return _lease(row)


def renew(transaction: Transaction, holder: str, only: Sequence[Lease] | None) -> tuple[Lease, ...]:
    """Renew the holder and its leases, or `only` those; all of its leases that were lost."""
    holders.require(transaction, holder)
    holders.renew(transaction, holder)
    active = transaction.execute(_ACTIVE_OF, of_holder=holder).all()
    overdue = _overdue(transaction, active)
    _expire_all(transaction, overdue)
    named = None if only is None else {(lease.device, lease.slot, lease.epoch) for lease in only}
    still = _without(active, overdue)
    if kept := [row.id for row in still if named is None or (row.device, row.slot, row.epoch) in named]:
        renewed = sa.update(leases).where(leases.c.id.in_(kept))
        transaction.execute(renewed.values(renew_by_s=transaction.now_s + LOST_AFTER_S))
    return _ordered(transaction, leases.c.holder == holder, leases.c.state.in_((EXPIRED, REVOKED)))


def leave(transaction: Transaction, holder: str) -> None:
    """Release all that the holder has."""
    for row in transaction.execute(_ACTIVE_OF, of_holder=holder).all():
        _end(transaction, row.id, RELEASED, "the run left")
    holders.leave(transaction, holder)


def reconcile(transaction: Transaction) -> tuple[Lease, ...]:
    """Expire what is lost; which that was."""
    lost = _expire(transaction, transaction.execute(_ACTIVE).all())
    holders.leave_for_the_gone(transaction)
    return tuple(_lease(row) for row in lost)


def active_leases(transaction: Transaction) -> tuple[Lease, ...]:
    """Every lease that nobody has ended yet."""
    return _ordered(transaction, leases.c.state == ACTIVE)


def known_epoch(transaction: Transaction, device: str, slot: int) -> int:
    """The last epoch of the slot."""
    return transaction.execute(_EPOCH, at_device=device, at_slot=slot).scalar() or 0


def _locked_epoch(transaction: Transaction, device: str, slot: int) -> int:
    """The last epoch; until the end of the transaction nobody else asks for this slot."""
    epoch = transaction.execute(_LOCKED_EPOCH, at_device=device, at_slot=slot).scalar()
    if epoch is None:
        fresh = transaction.insert(slots).values(device=device, slot=slot, epoch=0)
        transaction.execute(fresh.on_conflict_do_nothing())
        epoch = transaction.execute(_LOCKED_EPOCH, at_device=device, at_slot=slot).scalar_one()
    return int(epoch)


def _is_free(transaction: Transaction, active: Sequence[sa.Row[Any]], holder: str) -> bool:
    """True when nobody has the slot, not any more, or the holder itself, which must have lost track of it.

    That happens when the database granted it and the answer did not arrive. The device tells the epochs apart.
    """
    for row in _without(active, _expire(transaction, active)):
        if row.holder != holder:
            return False
        _end(transaction, row.id, EXPIRED, "asked for again")
    return True


def _is_given_out(transaction: Transaction, request: Request) -> bool:
    state = transaction.execute(_HEALTH, of_device=request.device).scalar()
    return state != Health.DISABLED and (state != Health.QUARANTINED or request.proving)


def _overdue(transaction: Transaction, rows: Sequence[sa.Row[Any]]) -> list[sa.Row[Any]]:
    return [row for row in rows if min(row.renew_by_s, row.hard_end_s) < transaction.now_s]


def _expire(transaction: Transaction, rows: Sequence[sa.Row[Any]]) -> list[sa.Row[Any]]:
    """Those of the active leases that are lost, now expired."""
    overdue = {row.id for row in _overdue(transaction, rows)}
    lost = [row for row in rows if row.id in overdue or holders.is_gone(transaction, row)]
    _expire_all(transaction, lost)
    return lost


def _expire_all(transaction: Transaction, rows: Sequence[sa.Row[Any]]) -> None:
    for row in rows:
        _end(transaction, row.id, EXPIRED, "hard end" if row.hard_end_s < transaction.now_s else "holder lost")


def _end(transaction: Transaction, lease_id: str, state: str, outcome: str) -> None:
    transaction.execute(_END, of_id=lease_id, to_state=state, to_outcome=outcome, at_unix_s=transaction.unix_s)


def _without(rows: Sequence[sa.Row[Any]], others: Sequence[sa.Row[Any]]) -> list[sa.Row[Any]]:
    ids = {row.id for row in others}
    return [row for row in rows if row.id not in ids]


def _same(lease: Lease) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        leases.c.device == lease.device,
        leases.c.slot == lease.slot,
        leases.c.epoch == lease.epoch,
        leases.c.holder == lease.holder,
    )


def _ordered(transaction: Transaction, *where: sa.ColumnElement[bool]) -> tuple[Lease, ...]:
    found = sa.select(leases).where(*where).order_by(leases.c.device, leases.c.slot, leases.c.epoch)
    return tuple(_lease(row) for row in transaction.execute(found))


def _lease(row: sa.Row[Any]) -> Lease:
    return Lease(row.device, row.slot, row.epoch, row.holder, row.task_id, row.renew_by_s, row.hard_end_s)
