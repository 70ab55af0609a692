"""What the shelf knows of devices: states, their history, canaries."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from harness.domain import Device, DeviceKind, Health
from harness.shelf import DeviceHealth, Shelf
from tests.shelf.conftest import MICI, ask, join

DEVICE = Device("mici-01", MICI, "10.0.0.1", 22, "comma", "key", "ssh-ed25519 AAAA", "/data/closet", "python3")


def test_a_device_that_nobody_knows_is_unknown(shelf: Shelf) -> None:
    assert shelf.health("mici-01") == DeviceHealth("mici-01")
    assert shelf.healths() == {}
    shelf.register(DEVICE)
    shelf.register(replace(DEVICE, tags=("desk",)))
    assert dict(shelf.healths()) == {"mici-01": DeviceHealth("mici-01")}
    assert shelf.uses() == {"mici-01": 0}


@pytest.mark.parametrize(
    ("state", "given_out"), [(state, state not in {"quarantined", "disabled"}) for state in Health]
)
def test_who_is_given_out(shelf: Shelf, state: Health, given_out: bool) -> None:
    assert shelf.set_health("mici-01", state, reason="because", by="a person", by_person=True)
    assert shelf.health("mici-01").given_out == given_out
    holder = join(shelf)
    assert (ask(shelf, holder) is not None) == given_out
    proving = ask(shelf, holder, slot=1, proving=True)
    assert (proving is not None) == (state is not Health.DISABLED)


def test_the_first_cause_stays_and_the_history_is_kept(shelf: Shelf) -> None:
    assert shelf.set_health("mici-01", Health.SUSPECT, reason="timed out", by="run 1")
    assert not shelf.set_health("mici-01", Health.SUSPECT, reason="again", by="run 2")
    assert shelf.set_health("mici-01", Health.QUARANTINED, reason="canary differs", by="run 1")
    assert not shelf.set_health("mici-01", Health.QUARANTINED, reason="later", by="run 2")
    assert not shelf.set_health("mici-01", Health.HEALTHY, reason="seems well", by="run 2")
    health = shelf.health("mici-01")
    assert (health.state, health.reason, health.by) == (Health.QUARANTINED, "canary differs", "run 1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", health.since)
    assert shelf.set_health("mici-01", Health.QUARANTINED, reason="fell down", by="ann", by_person=True)
    assert shelf.set_health("mici-01", Health.UNKNOWN, reason="mended", by="ann", by_person=True)
    told = [(change.state, change.reason, change.by) for change in shelf.health_history("mici-01")]
    assert told == [
        (Health.UNKNOWN, "mended", "ann"),
        (Health.QUARANTINED, "fell down", "ann"),
        (Health.QUARANTINED, "canary differs", "run 1"),
        (Health.SUSPECT, "timed out", "run 1"),
    ]
    assert len(shelf.health_history("mici-01", limit=2)) == 2
    assert shelf.health_history("mici-02") == ()


def test_who_may_leave_what(shelf: Shelf) -> None:
    """Each way from each state to each other, by a program, after a recovery, and by a person."""
    for before, after in itertools.permutations(Health, 2):
        for who, allowed in (
            ({}, before in {"unknown", "healthy", "suspect"} or (before, after) == ("quarantined", "disabled")),
            ({"recovered": True}, before is not Health.DISABLED),
            ({"by_person": True}, True),
        ):
            shelf.set_health("mici-01", before, reason="first", by="ann", by_person=True)
            changed = shelf.set_health("mici-01", after, reason="then", by="run", **who)
            assert changed == allowed, (before, after, who)
            assert shelf.health("mici-01").state is (after if allowed else before)


def test_a_recovery_ends_its_own_quarantine_only(shelf: Shelf) -> None:
    mine = {"reason": "recovered", "by": "run 1", "recovered": True, "quarantined_by": "run 1"}
    assert shelf.set_health("mici-01", Health.QUARANTINED, reason="canary differs", by="run 1")
    assert not shelf.set_health("mici-01", Health.HEALTHY, **mine | {"by": "run 2", "quarantined_by": "run 2"})
    assert shelf.set_health("mici-01", Health.HEALTHY, **mine)
    assert shelf.set_health("mici-01", Health.QUARANTINED, reason="canary differs", by="run 1")
    assert shelf.set_health("mici-01", Health.QUARANTINED, reason="I have it open", by="ann", by_person=True)
    assert not shelf.set_health("mici-01", Health.HEALTHY, **mine)
    assert shelf.health("mici-01").by == "ann"


def test_a_passed_canary_proves_a_device(shelf: Shelf) -> None:
    shelf.set_health("mici-01", Health.SUSPECT, reason="timed out", by="run 1")
    shelf.canary_passed("mici-01", "onnxruntime=1.22")
    health = shelf.health("mici-01")
    assert (health.state, health.runtime) == (Health.HEALTHY, "onnxruntime=1.22")
    assert health.canary_at is not None
    changes = len(shelf.health_history("mici-01"))
    shelf.canary_passed("mici-01", "onnxruntime=1.23")
    assert shelf.health("mici-01").runtime == "onnxruntime=1.23"
    assert (shelf.health("mici-01").canary_at or 0) >= health.canary_at
    assert len(shelf.health_history("mici-01")) == changes
    shelf.set_health("mici-01", Health.QUARANTINED, reason="smoke", by="ann", by_person=True)
    shelf.canary_passed("mici-01", "onnxruntime=1.23")
    assert shelf.health("mici-01").state is Health.QUARANTINED


def test_the_first_answer_is_trusted_and_the_second_device_confirms_it(shelf: Shelf) -> None:
    key = (MICI, "ort=1", "canary-3")
    assert shelf.canary_answer(*key) is None
    assert shelf.canary_record(*key) is None
    first = shelf.set_canary_answer(*key, "aaaa", device="mici-01")
    assert (first.answer, first.device, first.confirmed_by) == ("aaaa", "mici-01", "")
    assert shelf.set_canary_answer(*key, "aaaa", device="mici-01").confirmed_by == ""
    assert shelf.set_canary_answer(*key, "bbbb", device="mici-02").confirmed_by == ""
    assert shelf.set_canary_answer(*key, "aaaa", device="mici-03").confirmed_by == "mici-03"
    assert shelf.set_canary_answer(*key, "aaaa", device="mici-04").confirmed_by == "mici-03"
    assert shelf.canary_answer(*key) == "aaaa"
    assert shelf.canary_answer(DeviceKind.TIZI, *key[1:]) is None
    assert shelf.canary_answer(MICI, "ort=2", "canary-3") is None
    shelf.forget_canary_answer(*key)
    assert shelf.set_canary_answer(*key, "bbbb", device="mici-02").answer == "bbbb"
