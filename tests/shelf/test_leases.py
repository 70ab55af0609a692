"""Who has a slot, until when: on both databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.domain import Priority, Want
from harness.errors import DataError
from harness.shelf import LOST_AFTER_S, Shelf, parse_address
from harness.shelf import leases as lease_rows
from harness.shelf.database import Database
from harness.shelf.schema import holders, leases
from tests.shelf.conftest import MICI, ask, join

ROOT = Path(__file__).parents[2]
PassTime = Callable[[float], None]
Execute = Callable[[sa.Executable], None]


def test_a_slot_is_given_once_and_its_epoch_grows(shelf: Shelf) -> None:
    mine, other = join(shelf, "mine"), join(shelf, "other")
    first = ask(shelf, mine)
    assert first is not None
    assert (first.device, first.slot, first.epoch, first.holder, first.task_id) == ("mici-01", 0, 1, mine, "")
    assert ask(shelf, other) is None
    assert ask(shelf, other, slot=1) is not None
    assert shelf.release(first, "done")
    second = ask(shelf, other)
    assert second is not None
    assert second.epoch == 2
    assert {lease.holder for lease in shelf.leases()} == {other}


def test_a_released_lease_is_over(shelf: Shelf) -> None:
    holder = join(shelf)
    lease = ask(shelf, holder)
    assert lease is not None
    assert shelf.release(lease, "done")
    assert not shelf.release(lease, "again")
    shelf.assign(lease, "late")
    assert shelf.renew(holder) == ()
    assert shelf.revoke("mici-01", 0, "nobody has it") is None
    assert shelf.reconcile() == ()


def test_the_device_knows_a_higher_epoch(shelf: Shelf) -> None:
    holder = join(shelf)
    lease = ask(shelf, holder, least_epoch=41)
    assert lease is not None
    assert lease.epoch == 42
    shelf.release(lease, "done")
    again = ask(shelf, holder, least_epoch=7)
    assert again is not None
    assert again.epoch == shelf.epoch("mici-01", 0) == 43
    assert shelf.epoch("mici-01", 1) == 0


def test_what_runs_under_a_lease_is_told(shelf: Shelf) -> None:
    lease = ask(shelf, join(shelf))
    assert lease is not None
    shelf.assign(lease, "task")
    assert [entry.task_id for entry in shelf.leases()] == ["task"]


def test_a_lease_lives_by_renewal(shelf: Shelf, pass_time: PassTime) -> None:
    holder = join(shelf)
    lease = ask(shelf, holder)
    assert lease is not None
    for _ in range(4):
        pass_time(LOST_AFTER_S - 5)
        assert shelf.renew(holder) == ()
        assert shelf.reconcile() == ()
    assert shelf.release(lease, "done")


def test_three_missed_renewals_lose_it(shelf: Shelf, pass_time: PassTime) -> None:
    frozen, other = join(shelf, "frozen"), join(shelf, "other")
    lease = ask(shelf, frozen)
    assert lease is not None
    pass_time(LOST_AFTER_S + 1)
    assert [entry.epoch for entry in shelf.renew(frozen)] == [1], "it is told, though nobody noticed before"
    assert not shelf.release(lease, "late"), "a late answer changes nothing"
    taken = ask(shelf, other)
    assert taken is not None
    assert taken.epoch == 2
    assert [entry.epoch for entry in shelf.renew(frozen)] == [1], "told again, in case the answer was lost"
    fresh = ask(shelf, frozen, slot=1)
    assert fresh is not None, "the run itself may go on"


def test_a_late_release_is_none(shelf: Shelf, pass_time: PassTime) -> None:
    holder = join(shelf)
    lease = ask(shelf, holder)
    assert lease is not None
    pass_time(LOST_AFTER_S + 1)
    assert not shelf.release(lease, "done"), "though nobody has noticed yet"
    assert shelf.leases() == ()
    assert [entry.epoch for entry in shelf.renew(holder)] == [1]


def test_who_asks_takes_over_what_was_not_renewed(shelf: Shelf, pass_time: PassTime) -> None:
    lease = ask(shelf, join(shelf, "frozen"))
    pass_time(LOST_AFTER_S + 1)
    taken = ask(shelf, join(shelf, "other"))
    assert lease is not None
    assert taken is not None
    assert taken.epoch == lease.epoch + 1
    assert not shelf.release(lease, "late")
    assert [entry.epoch for entry in shelf.leases()] == [2], "the late release did not touch the other's"


def test_a_hard_end_is_not_renewed(shelf: Shelf, pass_time: PassTime) -> None:
    holder = join(shelf)
    ask(shelf, holder, hard_end_s=40)
    ask(shelf, holder, slot=1, hard_end_s=400)
    pass_time(25)
    assert shelf.renew(holder) == ()
    pass_time(20)
    assert [lease.slot for lease in shelf.reconcile()] == [0]
    assert [lease.slot for lease in shelf.renew(holder)] == [0]
    assert [lease.slot for lease in shelf.leases()] == [1]


def test_a_lease_whose_grant_the_holder_never_heard_of_runs_out(shelf: Shelf, pass_time: PassTime) -> None:
    holder = join(shelf)
    lease = ask(shelf, holder)
    assert lease is not None
    ask(shelf, holder, slot=1)
    pass_time(LOST_AFTER_S - 5)
    assert shelf.renew(holder, only=[lease]) == ()
    pass_time(10)
    assert [lost.slot for lost in shelf.renew(holder, only=[lease])] == [1]
    assert shelf.leases()[0].slot == 0
    assert ask(shelf, join(shelf, "other"), slot=1) is not None


def test_leaving_gives_everything_back(shelf: Shelf) -> None:
    holder, other = join(shelf), join(shelf, "other")
    ask(shelf, holder)
    ask(shelf, holder, slot=1)
    shelf.want(holder, [Want(MICI, (), 3)])
    shelf.leave(holder)
    shelf.leave(holder)
    assert shelf.leases() == ()
    assert [state.holder for state in shelf.holders()] == [other]
    with pytest.raises(DataError, match="does not use the shelf any more"):
        ask(shelf, holder)
    with pytest.raises(DataError):
        shelf.renew(holder)


def test_a_person_takes_a_slot(shelf: Shelf) -> None:
    holder, other = join(shelf), join(shelf, "other")
    lease = ask(shelf, holder)
    assert lease is not None
    assert shelf.revoke("mici-01", 0, "needed") == lease
    assert shelf.renew(holder) == (lease,)
    assert not shelf.release(lease, "done")
    assert ask(shelf, other) is not None


def test_a_grant_whose_answer_was_lost_does_not_block_the_slot(shelf: Shelf, address: str) -> None:
    holder = join(shelf)
    request = lease_rows.Request("the-same", holder, "mici-01", 0, MICI, (), 60.0, 0, proving=False, ageing_s=1800)
    database = Database(parse_address(address))
    first = database.write(lambda transaction: lease_rows.acquire(transaction, request))
    assert first is not None
    assert database.write(lambda transaction: lease_rows.acquire(transaction, request)) == first
    database.close()
    second = ask(shelf, holder)
    assert second is not None
    assert second.epoch == 2, "the holder believes it has none: a new lease under a later epoch"
    assert [lease.epoch for lease in shelf.leases()] == [2]
    assert not shelf.release(first, "done")


def test_who_is_there_is_told(shelf: Shelf) -> None:
    holder = join(shelf, "nightly-1", Priority.NIGHTLY)
    shelf.want(holder, [Want(MICI, ("b", "a"), 2), Want(MICI, (), 1), Want(MICI, ("a", "b"), 1)])
    ask(shelf, holder)
    (state,) = shelf.holders()
    assert (state.run, state.suite, state.priority, state.leases) == ("nightly-1", "pr", Priority.NIGHTLY, 1)
    assert state.wants == (Want(MICI, ("a", "b"), 3), Want(MICI, (), 1))
    assert 0 < state.renews_in_s <= LOST_AFTER_S
    shelf.want(holder, [Want(MICI, (), 5)])
    assert shelf.holders()[0].wants == (Want(MICI, (), 5),)


_HOLD = """
import sys
from harness.domain import DeviceKind, Priority, Want
from harness.shelf import Shelf
shelf = Shelf(sys.argv[1])
holder = shelf.join("killed", suite="pr", priority=Priority.PROMPT)
shelf.want(holder, [Want(DeviceKind.MICI, (), 5)])
shelf.acquire(holder, "mici-01", 0, kind=DeviceKind.MICI, tags=(), hard_end_s=600, least_epoch=0)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_holder_loses_its_slots_at_once(shelf: Shelf, address: str) -> None:
    """No wait for the renewal: its process is seen to be gone, also before its parent has looked after it."""
    mine = join(shelf, "mine", Priority.NIGHTLY)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert ask(shelf, mine) is None
        assert ask(shelf, mine, slot=1) is None, "it is the other's turn"
        assert shelf.reconcile() == ()
        process.kill()
        waited = (f"/proc/{process.pid}/stat", b"Z")
        while Path(waited[0]).read_bytes().rpartition(b")")[2].split()[0] != waited[1]:
            pass
        assert ask(shelf, mine, slot=1) is not None, "the demand of the dead counts no more"
        assert [lease.slot for lease in shelf.reconcile()] == [0]
        assert [state.run for state in shelf.holders()] == ["mine"]
        lease = ask(shelf, mine)
        assert lease is not None
        assert lease.epoch == 2


def test_another_boot_is_over(shelf: Shelf, address: str, execute: Execute, pass_time: PassTime) -> None:
    """In SQLite the machine was restarted; in PostgreSQL it may be another machine, so its renewal is waited for."""
    ask(shelf, join(shelf))
    execute(sa.update(holders).values(boot="another"))
    lost = shelf.reconcile()
    if address.startswith("postgresql"):
        assert lost == ()
        pass_time(LOST_AFTER_S + 1)
        lost = shelf.reconcile()
    assert [lease.slot for lease in lost] == [0]


def test_a_process_of_another_namespace_is_not_taken_for_dead(shelf: Shelf, execute: Execute) -> None:
    lease = ask(shelf, join(shelf))
    execute(sa.update(holders).values(pid_space=1, pid=999_999_999))
    assert lease is not None
    assert shelf.reconcile() == ()
    execute(sa.update(holders).values(pid_space=0))
    assert shelf.reconcile() == ()
    assert shelf.release(lease, "done")


def test_a_number_given_to_another_process_is_not_the_holder(shelf: Shelf, execute: Execute) -> None:
    ask(shelf, join(shelf))
    execute(sa.update(holders).values(process_started=holders.c.process_started - 1))
    assert [lease.slot for lease in shelf.reconcile()] == [0]


def test_the_database_itself_refuses_a_second_active_lease(shelf: Shelf, execute: Execute) -> None:
    ask(shelf, join(shelf))
    columns = [column for column in leases.c if column.name not in {"id", "epoch"}]
    twin = sa.select(sa.literal("twin"), leases.c.epoch + 1, *columns)
    with pytest.raises(sa.exc.IntegrityError):
        execute(sa.insert(leases).from_select(["id", "epoch", *(column.name for column in columns)], twin))
