"""When a device must run its canary before its next job."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

import pytest

from harness.closet.canary import Canary, canary_due, passed_with, plain_runtime
from harness.closet.proofs import Proofs
from harness.closet.upkeep import Upkeep
from harness.closet.work import DeviceFacts, Work
from harness.domain import DeviceKind, Health
from harness.shelf import DeviceHealth
from tests.closet.simulation import device as made

NOW_S = 1_800_000_000.0
CODE = "c0de" * 16
RUNTIME = "onnxruntime=1.22.0 numpy=2.1.0 av=15.0.0 provider=cpu level=all machine=aarch64 isa=asimddp"
FACTS = DeviceFacts(
    device="mici-01",
    python="3.12.3",
    machine="aarch64",
    cpus=8,
    free_bytes=1,
    packages={"onnxruntime": "1.22.0", "numpy": "2.1.0", "av": "15.0.0", "zstandard": "0.23"},
    epochs=(0,),
    blobs=frozenset(),
)
PROVED = DeviceHealth("mici-01", Health.HEALTHY, canary_at=NOW_S - 3600, runtime=passed_with(RUNTIME, CODE))


def due(health: DeviceHealth = PROVED, facts: DeviceFacts = FACTS, code: str = CODE, every_h: float = 24.0) -> str:
    return canary_due(health, facts, code, every_h, NOW_S)


def test_one_that_was_passed_lately_as_things_are_now_is_enough() -> None:
    assert due() == ""
    assert due(facts=replace(FACTS, packages={**FACTS.packages, "zstandard": "0.24"})) == "", "no part of the answer"


@pytest.mark.parametrize("state", [Health.UNKNOWN, Health.SUSPECT, Health.QUARANTINED, Health.DISABLED])
def test_only_a_healthy_device_is_believed(state: Health) -> None:
    assert due(replace(PROVED, state=state)) == f"it is {state}"


def test_why_it_is_due() -> None:
    assert due(replace(PROVED, canary_at=None)) == "it never passed one"
    assert due(every_h=0.5) == "the last one was 1.0 h ago"
    assert "in the future" in due(replace(PROVED, canary_at=NOW_S + 3600))
    assert due(replace(PROVED, canary_at=NOW_S + 5)) == "", "two machines' clocks are never quite the same"
    assert due(code="0" * 64) == "the last one was replayed by other code"
    assert due(replace(PROVED, runtime=RUNTIME)) == "the last one was replayed by other code"
    newer = replace(FACTS, packages={**FACTS.packages, "onnxruntime": "1.23.0"})
    assert due(facts=newer) == "the last one ran under another runtime: now onnxruntime is 1.23.0"
    assert "machine is x86_64" in due(facts=replace(FACTS, machine="x86_64"))


def test_the_runtime_is_kept_beside_the_code() -> None:
    assert plain_runtime(passed_with(RUNTIME, CODE)) == RUNTIME
    assert plain_runtime("") == ""


def test_what_a_run_outlives_is_told_once_for_each_canary() -> None:
    device, plain = made("mici-01"), replace(made("tizi-01"), kind=DeviceKind.TIZI)
    passed = {"mici-01": PROVED, "tizi-01": replace(PROVED, device="tizi-01")}
    upkeep = Upkeep(canaries={DeviceKind.MICI: Canary(cast(Work, None), lambda *_: None)}, canary_every_h=1.0)
    proofs = Proofs((device, plain), upkeep, passed.get)
    names = ("mici-01", "tizi-01")
    passed["mici-01"] = replace(PROVED, canary_at=time.time() - 3500)
    assert proofs.outlived(names) == ()
    passed["mici-01"] = replace(PROVED, canary_at=time.time() - 3700)
    assert proofs.outlived(names) == ("mici-01",), "the other kind has none"
    assert proofs.outlived(names) == ()
    passed["mici-01"] = replace(PROVED, canary_at=time.time() - 3601)
    assert proofs.outlived(names) == ("mici-01",), "that is the next one"
