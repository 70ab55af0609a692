"""The short form of the chaos suite: a few scenarios in which everything that can go wrong does so at least once.

`ci/chaos` plays many more; `ci/chaos --seed N` plays one of these again.
"""

from __future__ import annotations

import pytest

from tests.chaos.faults import Kind, Scenario, Setting, scenario
from tests.chaos.scenario import Floor

SEEDS = (26, 43, 129, 139, 246, 269, 341)


def play(floor: Floor, planned: Scenario) -> None:
    result = floor.play(planned)
    assert not result.violations, "\n".join([str(planned), *result.violations, result.said])
    if len(result.skipped) == len({fault.kind for fault in planned.faults}) > 0:
        pytest.skip(f"none of it can go wrong here: {result.skipped}")


def test_each_kind_of_fault_is_played() -> None:
    assert {fault.kind for seed in SEEDS for fault in scenario(seed).faults} == set(Kind)


@pytest.mark.parametrize("setting", Setting)
def test_a_quiet_day(floor: Floor, setting: Setting) -> None:
    """Without a fault the verdicts are the expected ones: what every other scenario is held against."""
    play(floor, Scenario(0, setting, 2, 1, (1, 4, 5, 9), warm=False, proved=setting is Setting.OPENSSH))


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_goes_wrong(floor: Floor, seed: int) -> None:
    play(floor, scenario(seed))
