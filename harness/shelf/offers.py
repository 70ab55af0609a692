"""Whether a free slot is the asking holder's: the policy of `turns`, applied to who is there and waits.

When it is another's turn, that one is offered the slot. A holder that leaves an offer lying for PATIENCE_S (it cannot
reach that device, say) is passed over for this slot until it asks for it again: nobody's demand keeps a slot idle.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from harness.domain import DeviceKind, Priority
from harness.shelf.database import Transaction
from harness.shelf.holders import JOINED, held_slots, is_gone
from harness.shelf.schema import holders, offers, wants
from harness.shelf.turns import AGEING_S, Claim, whose_turn

PATIENCE_S = 10.0


def is_turn_of(
    transaction: Transaction,
    holder: str,
    device: str,
    slot: int,
    kind: DeviceKind,
    tags: Sequence[str],
    ageing_s: float = AGEING_S,
) -> bool:
    """True when the slot, of a device of this kind with these labels, is `holder`'s to take; else another's offer."""
    since = _waiting_since(transaction, kind, tags)
    if since.keys() <= {holder}:
        return True
    passed_over = _passed_over(transaction, device, slot)
    priorities = _priorities_of_the_present(transaction, since.keys() - passed_over | {holder})
    held = held_slots(transaction)
    turn = whose_turn(
        (
            Claim(name, priority, held.get(name, 0), transaction.now_s - since.get(name, transaction.now_s))
            for name, priority in priorities.items()
        ),
        ageing_s,
    )
    if turn in {None, holder}:
        return True
    offered = {"device": device, "slot": slot, "holder": turn, "offered_s": transaction.now_s}
    transaction.execute(transaction.insert(offers).values(offered).on_conflict_do_nothing())
    return False


def asks(transaction: Transaction, holder: str, device: str, slot: int) -> None:
    """The holder asks for this slot: whatever it left lying before, it can use it now."""
    mine = (offers.c.device == device, offers.c.slot == slot, offers.c.holder == holder)
    transaction.execute(sa.delete(offers).where(*mine))


def served(
    transaction: Transaction, holder: str, device: str, slot: int, kind: DeviceKind, tags: Sequence[str]
) -> None:
    """The holder got the slot: it is young again, and whom it was offered to has not let it lie."""
    mine = sa.select(wants.c.tags).where(wants.c.holder == holder, wants.c.device_kind == kind.value)
    for text in [row.tags for row in transaction.execute(mine) if _suits(row.tags, tags)]:
        row = (wants.c.holder == holder, wants.c.device_kind == kind.value, wants.c.tags == text)
        transaction.execute(sa.update(wants).where(*row).values(since_s=transaction.now_s))
    fresh = (offers.c.device == device, offers.c.slot == slot, offers.c.offered_s > transaction.now_s - PATIENCE_S)
    transaction.execute(sa.delete(offers).where(*fresh))


def _waiting_since(transaction: Transaction, kind: DeviceKind, tags: Sequence[str]) -> dict[str, float]:
    """Since when each holder waits for a slot like this."""
    since: dict[str, float] = {}
    waiting = sa.select(wants).where(wants.c.device_kind == kind.value, wants.c.wanted > 0)
    for row in transaction.execute(waiting):
        if _suits(row.tags, tags):
            since[row.holder] = min(row.since_s, since.get(row.holder, row.since_s))
    return since


def _suits(wanted: str, tags: Sequence[str]) -> bool:
    return set(json.loads(wanted)) <= set(tags)


def _passed_over(transaction: Transaction, device: str, slot: int) -> set[str]:
    old = (offers.c.device == device, offers.c.slot == slot, offers.c.offered_s <= transaction.now_s - PATIENCE_S)
    return set(transaction.execute(sa.select(offers.c.holder).where(*old)).scalars())


def _priorities_of_the_present(transaction: Transaction, names: set[str]) -> dict[str, Priority]:
    """Those of them that have not missed their renewals and whose process, as far as is known, runs."""
    present = (holders.c.state == JOINED, holders.c.renew_by_s >= transaction.now_s, holders.c.id.in_(sorted(names)))
    rows = transaction.execute(sa.select(holders).where(*present)).all()
    return {row.id: Priority(row.priority) for row in rows if not is_gone(transaction, row)}
