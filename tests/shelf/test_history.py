"""What the shelf remembers of what was done."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa

from harness.shelf import Shelf
from harness.shelf.schema import attempts, holders, leases
from tests.shelf.conftest import MICI, ask, join

Execute = Callable[[sa.Executable], None]


def _record(shelf: Shelf, key: str, took_s: float, *, error: str = "", canary: bool = False, run: str = "r") -> None:
    shelf.record_attempt(
        run=run,
        device="mici-01",
        kind=MICI,
        cost_key=key,
        started_s=time.time(),
        ended_s=time.time() + took_s,
        error_kind=error,
        canary=canary,
    )


def test_costs_are_medians_of_the_last_that_went_well(shelf: Shelf) -> None:
    for took_s in (100, 100, 1, 2, 3, 4, 50):
        _record(shelf, "vision", took_s)
    _record(shelf, "vision", 1000, error="DeviceTimeoutError")
    _record(shelf, "vision", 1000, canary=True)
    _record(shelf, "policy", 7)
    _record(shelf, "never well", 7, error="UnreachableError")
    costs = shelf.costs(["vision", "policy", "never well", "unknown", *map(str, range(1200))])
    assert {key: round(seconds, 2) for key, seconds in costs.items()} == {"vision": 3.0, "policy": 7.0}
    assert shelf.costs([]) == {}
    assert shelf.uses() == {"mici-01": 11}


def test_attempts_are_kept_by_run_and_device(shelf: Shelf) -> None:
    _record(shelf, "a", 1, run="one")
    _record(shelf, "b", 1, run="two", error="UnreachableError")
    assert [entry.cost_key for entry in shelf.attempts()] == ["b", "a"]
    assert [entry.cost_key for entry in shelf.attempts(run="one")] == ["a"]
    (last,) = shelf.attempts(device="mici-01", limit=1)
    assert (last.run, last.kind, last.error_kind, last.canary) == ("two", MICI, "UnreachableError", False)
    assert shelf.attempts(device="mici-02") == ()


def test_what_was_replayed_when(shelf: Shelf) -> None:
    names = [f"segment {number}" for number in range(1200)]
    before_s = time.time()
    shelf.mark_replayed(names)
    shelf.mark_replayed([])
    first = shelf.replayed([*names, "never"])
    assert first.keys() == set(names)
    shelf.mark_replayed(["segment 0", "segment 0"])
    again = shelf.replayed(["segment 0", "segment 1"])
    assert again["segment 0"] >= first["segment 0"] >= before_s - 1
    assert again["segment 1"] == first["segment 1"]


def test_old_history_is_dropped_and_epochs_are_not(shelf: Shelf, execute: Execute) -> None:
    holder = join(shelf, "old")
    lease = ask(shelf, holder)
    assert lease is not None
    shelf.release(lease, "done")
    ask(shelf, holder, slot=1)
    shelf.leave(holder)
    _record(shelf, "old", 1)
    join(shelf, "last month")
    assert len(shelf.attempts()) == 1
    year_s = 366 * 86_400.0
    execute(sa.update(leases).values(ended_at=leases.c.ended_at - year_s))
    execute(sa.update(attempts).values(ended_at=attempts.c.ended_at - year_s))
    execute(sa.update(holders).values(left_at=holders.c.left_at - year_s))
    fresh = join(shelf, "now")
    assert shelf.attempts() == ()
    assert [state.run for state in shelf.holders()] == ["last month", "now"]
    next_lease = ask(shelf, fresh)
    assert next_lease is not None
    assert next_lease.epoch == 2
    assert shelf.uses() == {"mici-01": 1}
