"""Whether a free slot is the asking holder's: the policy of `turns`, applied to who is there and waits.

When it is another's turn, that one is offered the slot. A holder that leaves an offer lying for PATIENCE_S (it cannot
reach that device, say) is passed over for this slot until it asks for it again: nobody's demand keeps a slot idle.

Statements are made once, here and in `leases`: making one takes longer than SQLite takes to carry it out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import bindparam

from harness.domain import DeviceKind, Priority
from harness.shelf.database import Transaction
from harness.shelf.holders import JOINED, held_slots, is_gone
from harness.shelf.schema import holders, offers, wants
from harness.shelf.turns import Claim, whose_turn

PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class FreeSlot:
    """A slot that can be given out. `offered`: since when it is offered to whom."""

    device: str
    slot: int
    kind: DeviceKind
    tags: tuple[str, ...]
    offered: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Wish:
    holder: str
    tags_text: str
    since_s: float


_THIS_SLOT = (offers.c.device == bindparam("at_device"), offers.c.slot == bindparam("at_slot"))
_OFFERS = sa.select(offers.c.holder, offers.c.offered_s).where(*_THIS_SLOT)
_DROP = sa.delete(offers).where(*_THIS_SLOT, offers.c.holder == bindparam("of_holder"))
_WISHES = sa.select(wants.c.holder, wants.c.tags, wants.c.since_s).where(
    wants.c.device_kind == bindparam("of_kind"), wants.c.wanted > 0
)
_SERVED = (
    sa.update(wants)
    .where(
        wants.c.holder == bindparam("of_holder"),
        wants.c.device_kind == bindparam("of_kind"),
        wants.c.tags == bindparam("of_tags"),
    )
    .values(since_s=bindparam("now_s"))
)


def asks(transaction: Transaction, holder: str, device: str, slot: int) -> dict[str, float]:
    """The holder asks for this slot, so whatever it left lying before, it can use it now. The offers to others."""
    rows = transaction.execute(_OFFERS, at_device=device, at_slot=slot)
    offered = {row.holder: row.offered_s for row in rows}
    if offered.pop(holder, None) is not None:
        transaction.execute(_DROP, at_device=device, at_slot=slot, of_holder=holder)
    return offered


def takes_turn(transaction: Transaction, holder: str, free: FreeSlot, ageing_s: float) -> bool:
    """True when the slot is `holder`'s, which is served thereby; else it is offered to the one whose turn it is."""
    wishes = _wishes(transaction, free)
    turn = _whose_turn(transaction, holder, free, wishes, ageing_s)
    if turn != holder:
        offer = {"device": free.device, "slot": free.slot, "holder": turn, "offered_s": transaction.now_s}
        transaction.execute(transaction.insert(offers).values(offer).on_conflict_do_nothing())
        return False
    mine = {"of_holder": holder, "of_kind": free.kind.value, "now_s": transaction.now_s}
    for wish in wishes:
        if wish.holder == holder:
            transaction.execute(_SERVED, **mine, of_tags=wish.tags_text)
    for name in free.offered.keys() - _passed_over(transaction, free):  # they had no time to take it
        transaction.execute(_DROP, at_device=free.device, at_slot=free.slot, of_holder=name)
    return True


def _whose_turn(transaction: Transaction, holder: str, free: FreeSlot, wishes: Sequence[_Wish], ageing_s: float) -> str:
    since: dict[str, float] = {}
    for wish in wishes:
        since[wish.holder] = min(wish.since_s, since.get(wish.holder, wish.since_s))
    names = since.keys() - _passed_over(transaction, free) | {holder}
    if names == {holder}:
        return holder
    held = held_slots(transaction)
    claims = (
        Claim(name, priority, held.get(name, 0), transaction.now_s - since.get(name, transaction.now_s))
        for name, priority in _priorities_of_the_present(transaction, names).items()
    )
    return whose_turn(claims, ageing_s) or holder


def _wishes(transaction: Transaction, free: FreeSlot) -> list[_Wish]:
    """Who waits for a slot like this."""
    rows = transaction.execute(_WISHES, of_kind=free.kind.value)
    return [_Wish(row.holder, row.tags, row.since_s) for row in rows if set(json.loads(row.tags)) <= set(free.tags)]


def _passed_over(transaction: Transaction, free: FreeSlot) -> set[str]:
    return {name for name, since_s in free.offered.items() if since_s <= transaction.now_s - PATIENCE_S}


def _priorities_of_the_present(transaction: Transaction, names: set[str]) -> dict[str, Priority]:
    """Those of them that have not missed their renewals and whose process, as far as is known, runs."""
    present = (holders.c.state == JOINED, holders.c.renew_by_s >= transaction.now_s, holders.c.id.in_(sorted(names)))
    rows = transaction.execute(sa.select(holders).where(*present)).all()
    return {row.id: Priority(row.priority) for row in rows if not is_gone(transaction, row)}
