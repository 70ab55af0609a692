"""Health of devices in the database, and what their canaries answer. Each function works within its transaction.

The first cause is kept: a device that is quarantined stays so for the reason first given. A program cannot take it out
of quarantine unless it recovered it, and nothing but a person enables a disabled one.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from harness.domain import Device, DeviceKind, Health
from harness.shelf.database import Transaction
from harness.shelf.holders import tags_text
from harness.shelf.schema import canary_answers, devices, health_changes
from harness.shelf.values import CanaryAnswer, DeviceHealth, HealthChange, iso_time


def register(transaction: Transaction, device: Device) -> None:
    """The device is known from now on, as it is described now."""
    described = {
        "kind": device.kind.value,
        "slots": device.slots,
        "tags": tags_text(device.tags),
        "seen_at": transaction.unix_s,
    }
    fresh = transaction.insert(devices).values(name=device.name, **_UNKNOWN | described)
    transaction.execute(fresh.on_conflict_do_update(index_elements=[devices.c.name], set_=described))


def healths(transaction: Transaction) -> dict[str, DeviceHealth]:
    """What is known of each device, by name."""
    rows = transaction.execute(sa.select(devices).order_by(devices.c.name))
    return {row.name: _health(row) for row in rows}


def health(transaction: Transaction, device: str) -> DeviceHealth:
    """What is known of a device; of one that nobody registered, nothing."""
    row = transaction.execute(sa.select(devices).where(devices.c.name == device)).one_or_none()
    return DeviceHealth(device) if row is None else _health(row)


def set_health(
    transaction: Transaction,
    device: str,
    state: Health,
    *,
    reason: str,
    by: str,
    by_person: bool = False,
    recovered: bool = False,
    quarantined_by: str = "",
) -> bool:
    """True when the device's state is this one now, for this reason."""
    row = _locked(transaction, device)
    recovered = recovered and quarantined_by in {"", row.changed_by}
    if not by_person and not _may_follow(Health(row.state), state, recovered):
        return False
    changed = {"state": state.value, "reason": reason, "changed_by": by}
    if (row.state, row.reason, row.changed_by) == (state.value, reason, by):
        return True
    transaction.execute(
        sa.update(devices).where(devices.c.name == device).values(**changed, since_at=transaction.unix_s)
    )
    transaction.execute(sa.insert(health_changes).values(device=device, **changed, changed_at=transaction.unix_s))
    return True


def canary_passed(transaction: Transaction, device: str, runtime: str) -> None:
    """The device proved itself: healthy, unless somebody took it off the shelf meanwhile."""
    _locked(transaction, device)
    passed = {"canary_at": transaction.unix_s, "runtime": runtime}
    transaction.execute(sa.update(devices).where(devices.c.name == device).values(passed))
    reason = "passed its canary"
    healthy = Health.HEALTHY
    set_health(transaction, device, healthy, reason=reason, by="canary")


def history(transaction: Transaction, device: str, limit: int) -> tuple[HealthChange, ...]:
    """The last changes, newest first."""
    mine = sa.select(health_changes).where(health_changes.c.device == device)
    rows = transaction.execute(mine.order_by(health_changes.c.id.desc()).limit(limit))
    return tuple(
        HealthChange(row.device, Health(row.state), row.reason, iso_time(row.changed_at), row.changed_by)
        for row in rows
    )


def canary_answer(transaction: Transaction, kind: DeviceKind, runtime: str, canary: str) -> CanaryAnswer | None:
    """What the canary is known to answer."""
    row = transaction.execute(sa.select(canary_answers).where(*_of(kind, runtime, canary))).one_or_none()
    if row is None:
        return None
    return CanaryAnswer(row.answer, row.device, iso_time(row.answered_at), row.confirmed_by)


def set_canary_answer(
    transaction: Transaction, kind: DeviceKind, runtime: str, canary: str, answer: str, device: str
) -> CanaryAnswer:
    """What is known from now on: the first answer, confirmed by the first other device that says the same."""
    key = {"kind": kind.value, "runtime": runtime, "canary": canary}
    first = {"answer": answer, "device": device, "answered_at": transaction.unix_s, "confirmed_by": ""}
    transaction.execute(transaction.insert(canary_answers).values(key | first).on_conflict_do_nothing())
    same = (*_of(kind, runtime, canary), canary_answers.c.answer == answer, canary_answers.c.device != device)
    confirmed = sa.update(canary_answers).where(*same, canary_answers.c.confirmed_by == "")
    transaction.execute(confirmed.values(confirmed_by=device))
    known = canary_answer(transaction, kind, runtime, canary)
    assert known is not None  # noqa: S101 it was just written
    return known


def forget_canary_answer(transaction: Transaction, kind: DeviceKind, runtime: str, canary: str) -> None:
    """The next answer is the first one."""
    transaction.execute(sa.delete(canary_answers).where(*_of(kind, runtime, canary)))


_UNKNOWN = {
    "kind": "",
    "slots": 0,
    "tags": "[]",
    "seen_at": 0.0,
    "state": Health.UNKNOWN.value,
    "reason": "",
    "changed_by": "",
    "since_at": 0.0,
    "canary_at": None,
    "runtime": "",
    "uses": 0,
}


def count_use(transaction: Transaction, device: str) -> None:
    """One more attempt on the device."""
    _locked(transaction, device)
    transaction.execute(sa.update(devices).where(devices.c.name == device).values(uses=devices.c.uses + 1))


def uses(transaction: Transaction) -> dict[str, int]:
    """How many attempts each device has had."""
    return {row.name: row.uses for row in transaction.execute(sa.select(devices.c.name, devices.c.uses))}


def _may_follow(known: Health, state: Health, recovered: bool) -> bool:
    if known is state or known is Health.DISABLED:
        return False
    return known is not Health.QUARANTINED or recovered or state is Health.DISABLED


def _locked(transaction: Transaction, device: str) -> sa.Row[Any]:
    fresh = transaction.insert(devices).values(name=device, **_UNKNOWN)
    transaction.execute(fresh.on_conflict_do_nothing())
    return transaction.execute(sa.select(devices).where(devices.c.name == device).with_for_update()).one()


def _health(row: sa.Row[Any]) -> DeviceHealth:
    since = iso_time(row.since_at) if row.since_at else ""
    return DeviceHealth(row.name, Health(row.state), row.reason, since, row.changed_by, row.canary_at, row.runtime)


def _of(kind: DeviceKind, runtime: str, canary: str) -> tuple[sa.ColumnElement[bool], ...]:
    columns = canary_answers.c
    return columns.kind == kind.value, columns.runtime == runtime, columns.canary == canary
