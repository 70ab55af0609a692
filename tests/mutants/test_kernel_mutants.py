"""Every mutant of the kernel is caught by the verdict over a drive made for the kernel's limits.

A handful runs with the other tests; all of them with `ci/mutants`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.recording.comma2k19 import comma2k19_log, find_comma2k19, load_comma2k19
from harness.recording.log_writer import write_log
from harness.trace import Trace
from harness.verdict import Verdict
from tests.mutants.kernel_mutants import KERNEL_MUTANTS, QUICK, KernelMutant
from tests.mutants.kernel_trial import Shop, verdict_of
from tests.replay.panda.toyota import write_toyota

# Of a calm minute of motorway; the other limits are further away than anything that was commanded in it.
SEEN_IN_THE_REAL_MINUTE = (
    "doubled rate up",
    "doubled realtime rate",
    "realtime rate minus a fifth",
    "steering not sendable",
    "motor torque never heard",
    "gas ignored",
    "refusals forgotten",
    "no lower limit",
    "any bus is sendable",
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("kernels")
    return Shop(folder, write_toyota(folder / "toyota.zst"))


@pytest.fixture(scope="module")
def base(shop: Shop) -> Trace:
    return shop.replay()


def mutants() -> list[object]:
    return [
        pytest.param(mutant, id=mutant.name, marks=[] if mutant.name in QUICK else [pytest.mark.mutants])
        for mutant in KERNEL_MUTANTS
    ]


def test_the_kernel_equals_itself(shop: Shop, base: Trace) -> None:
    unchanged = KernelMutant("a comment", "safety.h", "// This can be set by the safety hooks\nbool", "bool")
    verdict, results = verdict_of(base, shop.replay(unchanged))
    assert verdict is Verdict.PASS
    assert not [found for result in results for found in result.findings]


@pytest.mark.parametrize("mutant", mutants())
def test_a_mutant_is_caught(shop: Shop, base: Trace, mutant: KernelMutant) -> None:
    verdict, results = verdict_of(base, shop.replay(mutant))
    assert verdict is Verdict.FAIL, f"survivor: {mutant.name}"
    assert any(found.first_frame is not None for result in results for found in result.findings)


def test_every_mutant_is_another() -> None:
    changes = {(mutant.file, mutant.find, mutant.replace) for mutant in KERNEL_MUTANTS}
    assert len(changes) == len({mutant.name for mutant in KERNEL_MUTANTS}) == len(KERNEL_MUTANTS)
    assert {*QUICK, *SEEN_IN_THE_REAL_MINUTE} <= {mutant.name for mutant in KERNEL_MUTANTS}


@pytest.mark.mutants
def test_the_real_minute_catches_what_it_can(shared_data: Path, tmp_path: Path) -> None:
    minute = load_comma2k19(find_comma2k19(shared_data / "comma2k19")[0])
    write_log(tmp_path / "real.zst", comma2k19_log(minute).events)
    shop = Shop(tmp_path, tmp_path / "real.zst")
    base = shop.replay()
    survivors = [
        mutant.name
        for mutant in KERNEL_MUTANTS
        if mutant.name in SEEN_IN_THE_REAL_MINUTE and verdict_of(base, shop.replay(mutant))[0] is not Verdict.FAIL
    ]
    assert survivors == []
