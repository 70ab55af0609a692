"""Who changed what by hand: written before it is done, then completed, never taken away."""

from __future__ import annotations

import sqlalchemy as sa

from harness.shelf.database import Transaction
from harness.shelf.run_tables import audit
from harness.shelf.run_values import AuditEntry
from harness.shelf.values import iso_time

ASKED = "asked"


def begin(transaction: Transaction, *, who: str, via: str, action: str, subject: str, reason: str) -> int:
    """Note what somebody is about to do; the entry's number."""
    said: dict[str, object] = {
        "who": who,
        "via": via,
        "action": action,
        "subject": subject,
        "reason": reason,
        "outcome": ASKED,
    }
    noted = sa.insert(audit).values(said | {"at": transaction.unix_s}).returning(audit.c.id)
    return int(transaction.execute(noted).scalar_one())


def end(transaction: Transaction, number: int, outcome: str) -> None:
    """Note what came of it, once."""
    mine = (audit.c.id == number, audit.c.outcome == ASKED)
    transaction.execute(sa.update(audit).where(*mine).values(outcome=outcome))


def entries(transaction: Transaction, before: int | None, limit: int) -> tuple[AuditEntry, ...]:
    """The newest first; those before a number where it is given."""
    asked = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
    asked = asked if before is None else asked.where(audit.c.id < before)
    return tuple(
        AuditEntry(row.id, iso_time(row.at), row.who, row.via, row.action, row.subject, row.reason, row.outcome)
        for row in transaction.execute(asked)
    )
