"""What holds of leases whatever happens in whatever order: runs that come, freeze and go, against a small model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from harness.domain import Lease, Priority
from harness.shelf import LOST_AFTER_S, Shelf, parse_address
from harness.shelf.database import Database, Transaction
from harness.shelf.schema import holders, leases, offers, slots, wants
from tests.shelf.conftest import ask, join, want, wipe

_SLOT = st.integers(0, 1)
# Time passes in fours, and no lease ends on a four: the moments that the test itself takes decide nothing.
_STEPS_S = (4.0, 16.0, 32.0)
_HARD_ENDS_S = (2.0, 22.0, 102.0)


@dataclass
class _Active:
    """What the model knows of an active lease: how long it lives yet."""

    holder: str
    renewal_s: float
    hard_end_s: float

    @property
    def lost(self) -> bool:
        return min(self.renewal_s, self.hard_end_s) < 0


class Leases(RuleBasedStateMachine):
    """The tables are read, and time is made to pass, behind the shelf's back."""

    joined = Bundle("joined")
    held = Bundle("held")

    def __init__(self, shelf: Shelf, database: Database) -> None:
        super().__init__()
        self.shelf, self.database = shelf, database
        wipe(database)
        self.active: dict[tuple[int, int], _Active] = {}
        self.lost: dict[str, set[tuple[int, int]]] = {}
        self.ended: dict[str, tuple[Any, ...]] = {}
        self.epochs: dict[int, int] = {}

    @initialize(target=joined)
    def first(self) -> str:
        return self.join(Priority.PROMPT)

    @rule(target=joined, priority=st.sampled_from(Priority))
    def join(self, priority: Priority) -> str:
        holder = join(self.shelf, "run", priority)
        self.lost[holder] = set()
        return holder

    @rule(holder=joined, count=st.integers(0, 3))
    def want(self, holder: str, count: int) -> None:
        want(self.shelf, holder, count)

    @rule(
        target=held,
        holder=joined,
        slot=_SLOT,
        least_epoch=st.integers(0, 30),
        hard_end_s=st.sampled_from(_HARD_ENDS_S),
    )
    def ask(self, holder: str, slot: int, least_epoch: int, hard_end_s: float) -> Any:
        there = [key for key in self.active if key[0] == slot]
        lease = ask(self.shelf, holder, slot=slot, least_epoch=least_epoch, hard_end_s=hard_end_s)
        busy = [key for key in there if not self.active[key].lost and self.active[key].holder != holder]
        assert lease is None or not busy
        if not busy:
            self.lose(there)
        if lease is None:
            return multiple()
        assert lease.epoch == max(least_epoch, self.epochs.get(slot, 0)) + 1
        self.active[slot, lease.epoch] = _Active(holder, LOST_AFTER_S, hard_end_s)
        return lease

    @rule(lease=consumes(held), outcome=st.sampled_from(["done", "failed"]))
    def give_back(self, lease: Lease, outcome: str) -> None:
        known = self.active.get((lease.slot, lease.epoch))
        assert self.shelf.release(lease, outcome) == (known is not None and not known.lost)
        if known is not None and known.lost:
            self.lose([(lease.slot, lease.epoch)])
        self.active.pop((lease.slot, lease.epoch), None)
        assert not self.shelf.release(lease, outcome)

    @rule(holder=joined)
    def renew(self, holder: str) -> None:
        mine = [key for key, known in self.active.items() if known.holder == holder]
        told = self.shelf.renew(holder)
        self.lose(key for key in mine if self.active[key].lost)
        for key in self.active.keys() & mine:
            self.active[key].renewal_s = LOST_AFTER_S
        assert {(lease.slot, lease.epoch) for lease in told} == self.lost[holder]

    @rule(slot=_SLOT)
    def revoke(self, slot: int) -> None:
        there = [key for key in self.active if key[0] == slot]
        assert (self.shelf.revoke("mici-01", slot, "needed") is not None) == bool(there)
        self.lose(there)

    @rule(holder=consumes(joined))
    def leave(self, holder: str) -> None:
        self.shelf.leave(holder)
        self.active = {key: known for key, known in self.active.items() if known.holder != holder}

    @rule(seconds=st.sampled_from(_STEPS_S))
    def pass_time(self, seconds: float) -> None:
        def pass_s(transaction: Transaction) -> None:
            transaction.execute(sa.update(holders).values(renew_by_s=holders.c.renew_by_s - seconds))
            transaction.execute(sa.update(wants).values(since_s=wants.c.since_s - seconds))
            transaction.execute(sa.update(offers).values(offered_s=offers.c.offered_s - seconds))
            earlier = {name: leases.c[name] - seconds for name in ("renew_by_s", "hard_end_s")}
            transaction.execute(sa.update(leases).where(leases.c.state == "active").values(earlier))

        self.database.write(pass_s)
        for known in self.active.values():
            known.renewal_s -= seconds
            known.hard_end_s -= seconds

    @rule()
    def reconcile(self) -> None:
        lost = [key for key, known in self.active.items() if known.lost]
        assert [(lease.slot, lease.epoch) for lease in self.shelf.reconcile()] == sorted(lost)
        self.lose(lost)

    @invariant()
    def the_active_ones_are_those_of_the_model(self) -> None:
        assert [(lease.slot, lease.epoch) for lease in self.shelf.leases()] == sorted(self.active)
        assert len({slot for slot, _ in self.active}) == len(self.active)

    @invariant()
    def what_ended_never_changes(self) -> None:
        rows = self.database.read(lambda t: t.execute(sa.select(leases)).all())
        now = {row.id: tuple(row) for row in rows if row.state != "active"}
        assert {name: now.get(name) for name in self.ended} == self.ended
        self.ended = now

    @invariant()
    def epochs_only_grow(self) -> None:
        now = {row.slot: row.epoch for row in self.database.read(lambda t: t.execute(sa.select(slots)).all())}
        assert all(now[slot] >= epoch for slot, epoch in self.epochs.items())
        assert all(now[slot] == epoch for slot, epoch in self.active)
        self.epochs = now

    def lose(self, keys: Iterable[tuple[int, int]]) -> None:
        for key in list(keys):
            self.lost[self.active.pop(key).holder].add(key)


def test_laws(tmp_path: Path) -> None:
    path = tmp_path / "shelf.db"
    laws = settings(max_examples=30, stateful_step_count=40, suppress_health_check=list(HealthCheck))
    with Shelf(path) as shelf:
        database = Database(parse_address(str(path)))
        run_state_machine_as_test(lambda: Leases(shelf, database), settings=laws)
        database.close()
