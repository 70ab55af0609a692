"""A scenario is its seed: nothing else decides what goes wrong."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.chaos.faults import ORCHESTRATOR, SEGMENTS, WAITING, Kind, Moment, Setting, one_of, scenario
from tests.chaos.nursery import ROOT


def test_a_seed_says_it_all() -> None:
    assert [scenario(seed) for seed in range(50)] == [scenario(seed) for seed in range(50)]
    assert len({str(scenario(seed)) for seed in range(50)}) == 50


def test_a_seed_says_the_same_in_another_process() -> None:
    program = "from tests.chaos.faults import scenario; print(scenario(1234), end='')"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == str(scenario(1234))


def test_every_kind_is_drawn_and_many_at_once() -> None:
    drawn = [scenario(seed) for seed in range(400)]
    kinds = Counter(fault.kind for each in drawn for fault in each.faults)
    assert set(kinds) == set(Kind)
    assert max(len(each.faults) for each in drawn) >= 6
    assert {each.setting for each in drawn} == set(Setting)


@pytest.mark.parametrize("seed", range(0, 400, 7))
def test_scenarios_make_sense(seed: int) -> None:
    drawn = scenario(seed)
    assert all(fault.worker in range(ORCHESTRATOR, drawn.workers) for fault in drawn.faults)
    assert len(set(drawn.segments)) == len(drawn.segments) >= 4
    assert set(drawn.segments) <= set(range(SEGMENTS))
    assert sum(fault.kind in WAITING for fault in drawn.faults) <= 1, "a scenario waits for a heartbeat at most once"
    for fault in drawn.faults:
        assert (fault.at > 0) == (fault.moment is not Moment.BEGIN)
        assert fault.worker != ORCHESTRATOR or fault.moment in {Moment.BEGIN, Moment.SECONDS}


@pytest.mark.parametrize("kind", Kind)
def test_a_scenario_of_one_fault(kind: Kind) -> None:
    assert [fault.kind for fault in one_of(kind).faults] == [kind]
