"""The check of what devices say of their uses finds what it is there to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.domain import Device, DeviceKind
from tests.chaos.crowds import check_uses
from tests.chaos.driver import Order, load_order

IN_TURN = "10 0 1 71\n20 0 1 71\n30 0 2 72\n40 0 5 73\n35 1 9 74\n50 0 5 73\n"


def test_uses_in_turn() -> None:
    assert check_uses(IN_TURN) == (4, [])


@pytest.mark.parametrize("late", ["45 0 2 72\n", "60 0 1 71\n", "45 0 5 75\n"])
def test_a_use_that_goes_on_while_another_has_begun(late: str) -> None:
    uses, doubles = check_uses(IN_TURN + late)
    assert uses == 4
    assert len(doubles) == 1


def test_an_order_arrives_as_it_was_written(tmp_path: Path) -> None:
    key = "ssh-ed25519 A"
    device = Device("mici-01", DeviceKind.MICI, "127.0.0.1", 22, "comma", "key", key, "/w", "python", 2, ("a",))
    order = Order("run", tmp_path, tmp_path / "shelf.db", (device,), "pass", 3, 1.5)
    order.write(tmp_path / "order.json")
    assert load_order(tmp_path / "order.json") == order
