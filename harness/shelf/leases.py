"""Leases in the database: who has which slot, until when. Every function works within the transaction it is given.

A lease is active until it is released, expired or revoked, and then never changes again. It is lost when it was not
renewed for LOST_AFTER_S, when its hard end has come, or when its holder's process is seen to be gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from harness.domain import DeviceKind, Health, Lease
from harness.shelf import holders, offers
from harness.shelf.database import Transaction
from harness.shelf.holders import LOST_AFTER_S
from harness.shelf.schema import devices, leases, slots
from harness.shelf.schema import holders as holders_table

ACTIVE, RELEASED, EXPIRED, REVOKED = "active", "released", "expired", "revoked"


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
    holders.require(transaction, request.holder)
    epoch = _locked_epoch(transaction, request.device, request.slot)
    offers.asks(transaction, request.holder, request.device, request.slot)
    place = (leases.c.device == request.device, leases.c.slot == request.slot)
    active = _active(transaction, *place)
    if active and active[0].id == request.lease_id:
        return _lease(active[0])
    if not _is_free(transaction, active, request.holder) or not _given_out(transaction, request):
        return None
    wished = (request.holder, request.device, request.slot, request.kind, request.tags)
    if not offers.is_turn_of(transaction, *wished, request.ageing_s):
        return None
    offers.served(transaction, *wished)
    lease = Lease(
        device=request.device,
        slot=request.slot,
        epoch=max(epoch, request.least_epoch) + 1,
        holder=request.holder,
        task_id="",
        renew_by_s=transaction.now_s + LOST_AFTER_S,
        hard_end_s=transaction.now_s + request.hard_end_s,
    )
    _keep_epoch(transaction, lease)
    transaction.execute(
        sa.insert(leases).values(
            id=request.lease_id,
            device=lease.device,
            slot=lease.slot,
            epoch=lease.epoch,
            holder=lease.holder,
            task_id="",
            state=ACTIVE,
            outcome="",
            renew_by_s=lease.renew_by_s,
            hard_end_s=lease.hard_end_s,
            acquired_at=transaction.unix_s,
        )
    )
    return lease


def assign(transaction: Transaction, lease: Lease, task_id: str) -> None:
    """Note what runs under the lease, while it is active."""
    transaction.execute(sa.update(leases).where(*_same(lease), leases.c.state == ACTIVE).values(task_id=task_id))


def release(transaction: Transaction, lease: Lease, outcome: str) -> bool:
    """False when the lease had been lost before."""
    if transaction.again:
        row = transaction.execute(sa.select(leases).where(*_same(lease))).one_or_none()
        if row is not None and (row.state, row.outcome) == (RELEASED, outcome):
            return True
    _expire(transaction, _active(transaction, *_same(lease)))
    return _end(transaction, RELEASED, outcome, *_same(lease)) == 1


def revoke(transaction: Transaction, device: str, slot: int, reason: str) -> Lease | None:
    """Take the slot from whoever has it."""
    active = _active(transaction, leases.c.device == device, leases.c.slot == slot)
    for row in active:
        _end(transaction, REVOKED, reason, leases.c.id == row.id)
    return _lease(active[0]) if active else None


def renew(transaction: Transaction, holder: str) -> tuple[Lease, ...]:
    """Renew the holder and its leases; those of its leases that were lost."""
    holders.require(transaction, holder)
    holders.renew(transaction, holder)
    active = _active(transaction, leases.c.holder == holder)
    overdue = _overdue(transaction, active)
    _expire_rows(transaction, overdue)
    kept = [row.id for row in _without(active, overdue)]
    if kept:
        renewed = sa.update(leases).where(leases.c.id.in_(kept))
        transaction.execute(renewed.values(renew_by_s=transaction.now_s + LOST_AFTER_S))
    gone = (leases.c.holder == holder, leases.c.state.in_((EXPIRED, REVOKED)))
    return _ordered(transaction, *gone)


def leave(transaction: Transaction, holder: str) -> None:
    """Release all that the holder has."""
    _end(transaction, RELEASED, "the run left", leases.c.holder == holder)
    holders.leave(transaction, holder)


def reconcile(transaction: Transaction) -> tuple[Lease, ...]:
    """Expire what is lost; which that was."""
    lost = _expire(transaction, _active(transaction))
    holders.leave_for_the_gone(transaction)
    return tuple(_lease(row) for row in lost)


def active_leases(transaction: Transaction) -> tuple[Lease, ...]:
    """Every lease that nobody has ended yet."""
    return _ordered(transaction, leases.c.state == ACTIVE)


def known_epoch(transaction: Transaction, device: str, slot: int) -> int:
    """The last epoch of the slot."""
    place = (slots.c.device == device, slots.c.slot == slot)
    return transaction.execute(sa.select(slots.c.epoch).where(*place)).scalar() or 0


def _locked_epoch(transaction: Transaction, device: str, slot: int) -> int:
    """The last epoch; until the end of the transaction nobody else asks for this slot."""
    place = sa.select(slots.c.epoch).where(slots.c.device == device, slots.c.slot == slot).with_for_update()
    epoch = transaction.execute(place).scalar()
    if epoch is None:
        fresh = transaction.insert(slots).values(device=device, slot=slot, epoch=0)
        transaction.execute(fresh.on_conflict_do_nothing())
        epoch = transaction.execute(place).scalar_one()
    return int(epoch)


def _keep_epoch(transaction: Transaction, lease: Lease) -> None:
    place = (slots.c.device == lease.device, slots.c.slot == lease.slot)
    transaction.execute(sa.update(slots).where(*place).values(epoch=lease.epoch))


def _is_free(transaction: Transaction, active: Sequence[sa.Row[Any]], holder: str) -> bool:
    """True when nobody has the slot, not any more, or the holder itself, which must have lost track of it.

    That happens when the database granted it and the answer did not arrive. The device tells the epochs apart.
    """
    for row in _without(active, _expire(transaction, active)):
        if row.holder != holder:
            return False
        _end(transaction, EXPIRED, "asked for again", leases.c.id == row.id)
    return True


def _without(rows: Sequence[sa.Row[Any]], others: Sequence[sa.Row[Any]]) -> list[sa.Row[Any]]:
    ids = {row.id for row in others}
    return [row for row in rows if row.id not in ids]


def _given_out(transaction: Transaction, request: Request) -> bool:
    state = transaction.execute(sa.select(devices.c.state).where(devices.c.name == request.device)).scalar()
    return state != Health.DISABLED and (state != Health.QUARANTINED or request.proving)


def _active(transaction: Transaction, *where: sa.ColumnElement[bool]) -> Sequence[sa.Row[Any]]:
    """Active leases with columns of their holder, locked in one order for all, so that nobody waits in a ring."""
    columns = [column for column in holders_table.c if column.name not in {"id", "state", "renew_by_s"}]
    found = (
        sa.select(leases, *columns)
        .join_from(leases, holders_table, leases.c.holder == holders_table.c.id)
        .where(leases.c.state == ACTIVE, *where)
        .order_by(leases.c.device, leases.c.slot)
        .with_for_update(of=leases)
    )
    return transaction.execute(found).all()


def _overdue(transaction: Transaction, rows: Sequence[sa.Row[Any]]) -> list[sa.Row[Any]]:
    return [row for row in rows if min(row.renew_by_s, row.hard_end_s) < transaction.now_s]


def _expire(transaction: Transaction, rows: Sequence[sa.Row[Any]]) -> list[sa.Row[Any]]:
    """Those of the active leases that are lost, now expired."""
    overdue = {row.id for row in _overdue(transaction, rows)}
    lost = [row for row in rows if row.id in overdue or holders.is_gone(transaction, row)]
    _expire_rows(transaction, lost)
    return lost


def _expire_rows(transaction: Transaction, rows: Sequence[sa.Row[Any]]) -> None:
    for row in rows:
        reason = "hard end" if row.hard_end_s < transaction.now_s else "not renewed"
        _end(transaction, EXPIRED, reason, leases.c.id == row.id)


def _end(transaction: Transaction, state: str, outcome: str, *where: sa.ColumnElement[bool]) -> int:
    """How many active leases this ended."""
    ended = sa.update(leases).where(leases.c.state == ACTIVE, *where)
    return transaction.execute(ended.values(state=state, outcome=outcome, ended_at=transaction.unix_s)).rowcount


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
