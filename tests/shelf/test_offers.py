"""Turns as the shelf takes them: who is refused a free slot, and that it is never kept free for nobody."""

from __future__ import annotations

from collections.abc import Callable

from harness.domain import DeviceKind, Lease, Priority, Want
from harness.shelf import AGEING_S, LOST_AFTER_S, PATIENCE_S, Shelf
from tests.shelf.conftest import MICI, ask, join, want

PassTime = Callable[[float], None]


def _release(shelf: Shelf, lease: Lease | None) -> None:
    assert lease is not None
    assert shelf.release(lease, "done")


def test_prompt_before_nightly(shelf: Shelf) -> None:
    nightly, prompt = join(shelf, "nightly", Priority.NIGHTLY), join(shelf, "gate")
    want(shelf, nightly, 8)
    running = ask(shelf, nightly)
    want(shelf, prompt, 2)
    assert ask(shelf, nightly, slot=1) is None
    assert ask(shelf, prompt, slot=1) is not None
    assert running in shelf.leases(), "what runs is not touched"
    want(shelf, prompt, 0)
    assert ask(shelf, nightly, slot=2) is not None


def test_only_demand_for_this_device_counts(shelf: Shelf) -> None:
    nightly, prompt = join(shelf, "nightly", Priority.NIGHTLY), join(shelf, "gate")
    shelf.want(prompt, [Want(MICI, ("desk",), 1), Want(DeviceKind.TIZI, (), 1)])
    assert ask(shelf, nightly, "mici-01", tags=("fast",)) is not None
    assert ask(shelf, nightly, "mici-02", tags=("desk", "fast")) is None
    assert ask(shelf, nightly, "tizi-01", kind=DeviceKind.TIZI) is None


def test_the_nightly_gets_its_turn_in_the_end(shelf: Shelf, pass_time: PassTime) -> None:
    nightly, prompt = join(shelf, "nightly", Priority.NIGHTLY), join(shelf, "gate")
    want(shelf, nightly)
    pass_time(AGEING_S)
    for holder in (nightly, prompt):
        shelf.renew(holder)
    want(shelf, prompt, 9)
    assert ask(shelf, prompt) is None
    assert ask(shelf, nightly) is not None
    assert ask(shelf, nightly, slot=1) is None, "it is young again"
    assert ask(shelf, prompt, slot=1) is not None


def test_what_is_wanted_still_goes_on_waiting_since_then(shelf: Shelf, pass_time: PassTime) -> None:
    first, second = join(shelf, "first"), join(shelf, "second")
    want(shelf, first, 3)
    pass_time(5)
    want(shelf, second)
    want(shelf, first, 2)
    assert ask(shelf, second) is None


def test_equals_share(shelf: Shelf) -> None:
    big, small = join(shelf, "big"), join(shelf, "small")
    want(shelf, big, 100)
    first = ask(shelf, big)
    assert ask(shelf, big, slot=1) is not None, "nobody else is there"
    want(shelf, small, 2)
    assert ask(shelf, big, slot=2) is None
    assert ask(shelf, small, slot=2) is not None
    assert ask(shelf, small, slot=3) is not None
    _release(shelf, first)
    assert ask(shelf, small) is None
    assert ask(shelf, big) is not None


def test_demand_of_a_frozen_run_counts_no_more(shelf: Shelf, pass_time: PassTime) -> None:
    frozen, mine = join(shelf, "frozen"), join(shelf, "mine", Priority.NIGHTLY)
    want(shelf, frozen, 9)
    pass_time(LOST_AFTER_S - 1)
    shelf.renew(mine)
    assert ask(shelf, mine) is None
    pass_time(2)
    assert ask(shelf, mine) is not None


def test_an_offer_that_is_left_lying_wedges_nothing(shelf: Shelf, pass_time: PassTime) -> None:
    """A run that cannot reach the device goes on renewing and wanting, and never asks for this slot."""
    stuck, mine = join(shelf, "stuck"), join(shelf, "mine", Priority.NIGHTLY)
    want(shelf, stuck)
    want(shelf, mine)
    assert ask(shelf, mine) is None
    pass_time(PATIENCE_S / 2)
    assert ask(shelf, mine) is None
    pass_time(PATIENCE_S / 2)
    lease = ask(shelf, mine)
    assert lease is not None
    assert ask(shelf, mine, slot=1) is None, "it is passed over for that slot alone"
    _release(shelf, lease)
    lease = ask(shelf, mine)
    assert lease is not None, "and stays so"
    assert ask(shelf, stuck) is None, "until it asks again, though the slot is busy"
    _release(shelf, lease)
    assert ask(shelf, mine) is None
    assert ask(shelf, stuck) is not None


def test_an_old_offer_is_not_held_against_a_new_demand(shelf: Shelf, pass_time: PassTime) -> None:
    other, mine = join(shelf, "other"), join(shelf, "mine", Priority.NIGHTLY)
    want(shelf, other)
    want(shelf, mine)
    assert ask(shelf, mine) is None
    pass_time(PATIENCE_S)
    want(shelf, other, 0)
    want(shelf, other)
    assert ask(shelf, mine) is None


def test_a_slot_that_somebody_took_was_not_left_lying(shelf: Shelf, pass_time: PassTime) -> None:
    first, second, mine = join(shelf, "first"), join(shelf, "second"), join(shelf, "mine", Priority.NIGHTLY)
    want(shelf, first, 9)
    pass_time(1)
    want(shelf, second)
    want(shelf, mine)
    assert ask(shelf, mine) is None, "it is offered to the first"
    assert ask(shelf, first, slot=1) is not None
    lease = ask(shelf, second)
    assert lease is not None, "the first has one now"
    pass_time(PATIENCE_S)
    want(shelf, second, 0)
    _release(shelf, lease)
    assert ask(shelf, mine) is None, "the first had no time to take it"
