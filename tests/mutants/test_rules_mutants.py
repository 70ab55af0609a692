"""Every mutant of the engagement rules is caught by the verdict over the safety recordings.

A handful runs with the other tests; all of them with `ci/mutants`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest

from fixtures.safety import SCRIPTS
from harness.compare import compare_traces
from harness.trace import Trace
from harness.verdict import Verdict, judge
from tests.mutants.rules_mutants import QUICK, RULE_MUTANTS, RuleMutant
from tests.mutants.rules_trial import CHECKS, Closet, caught_by


@pytest.fixture(scope="module")
def closet(tmp_path_factory: pytest.TempPathFactory) -> Closet:
    closet = Closet(tmp_path_factory.mktemp("rules"))
    closet.write()
    return closet


@pytest.fixture(scope="module")
def base(closet: Closet) -> Callable[[str], list[Trace]]:
    """What the unchanged rules say in a mode; replayed when first asked for."""
    return cache(lambda mode: closet.replay(f"base-{mode}", None, mode))


def mutants() -> list[object]:
    return [
        pytest.param(mutant, id=mutant.name, marks=[] if mutant.name in QUICK else [pytest.mark.mutants])
        for mutant in RULE_MUTANTS
    ]


@pytest.mark.parametrize("mutant", mutants())
def test_a_mutant_is_caught(closet: Closet, base: Callable[[str], list[Trace]], mutant: RuleMutant) -> None:
    name = re.sub(r"[^a-z0-9]+", "-", mutant.name.lower())
    caught = caught_by(base(mutant.mode), closet.replay(name, mutant, mutant.mode))
    assert caught, f"survivor: {mutant.name}"


def test_the_rules_equal_themselves(closet: Closet, base: Callable[[str], list[Trace]]) -> None:
    commented = RuleMutant("a comment", "actuation.py", "_RPY, _XYZ = 3", "_RPY, _XYZ = 1 + 2")
    for e, o in zip(base("derived"), closet.replay("same", commented, "derived"), strict=True):
        assert judge(compare_traces(e, o, CHECKS), None) is Verdict.PASS


def test_every_mutant_is_another() -> None:
    changes = {(mutant.file, mutant.find, mutant.replace) for mutant in RULE_MUTANTS}
    assert len(changes) == len({mutant.name for mutant in RULE_MUTANTS}) == len(RULE_MUTANTS)
    assert set(QUICK) <= {mutant.name for mutant in RULE_MUTANTS}
    assert len({script.name for script in SCRIPTS}) == len(SCRIPTS)
