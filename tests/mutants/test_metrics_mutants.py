"""Every mutant of the metrics turns a value that is known."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.metrics_mutants import METRIC_MUTANTS, QUICK, MetricMutant
from tests.mutants.metrics_trials import trials

ROOT = Path(__file__).parents[2]
PACKAGES = ("compare", "replay", "verdict")
# Some distributions install a package called `tests`, which would go before a folder without an __init__.py.
PROGRAM = f"""
import runpy, sys, types
tests = sys.modules["tests"] = types.ModuleType("tests")
tests.__path__ = [{str(ROOT / "tests")!r}]
runpy.run_module("tests.mutants.metrics_trials", run_name="__main__")
"""


@pytest.fixture(scope="module")
def known() -> dict[str, tuple[float, float]]:
    """The known value of each trial and how near it is found; all of them hold when nothing is tampered with."""
    found = list(trials())
    far = {name: (value, at) for name, value, near, at in found if not abs(at - value) <= near}
    assert far == {}
    assert len({name for name, *_ in found}) == len(found)
    return {name: (value, near) for name, value, near, _ in found}


def test_the_values_are_right_when_nothing_is_tampered_with(known: dict[str, tuple[float, float]]):
    assert len(known) > 50


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(each, id=each.name, marks=() if each.name in QUICK else pytest.mark.mutants)
        for each in METRIC_MUTANTS
    ],
)
def test_a_mutant_turns_a_value(mutant: MetricMutant, known: dict[str, tuple[float, float]], tmp_path: Path):
    found = _values_with(mutant, tmp_path)
    assert found.keys() == known.keys()
    turned = {
        name: found[name]
        for name, (value, near) in known.items()
        if found[name] is None or not abs(found[name] - value) <= near
    }
    assert turned, f"survivor: {mutant.name}"


def test_every_mutant_is_another_and_can_be_made():
    assert len({mutant.name for mutant in METRIC_MUTANTS}) == len(METRIC_MUTANTS)
    lost = [
        each for each in METRIC_MUTANTS if (ROOT / "harness" / f"{each.module}.py").read_text().count(each.find) != 1
    ]
    assert lost == []
    assert set(QUICK) <= {mutant.name for mutant in METRIC_MUTANTS}


def _values_with(mutant: MetricMutant, folder: Path) -> dict[str, float]:
    """What the trials find when `harness` is as it is but for the one text."""
    package = folder / "harness"
    package.mkdir()
    for entry in (ROOT / "harness").iterdir():
        if entry.name in PACKAGES:
            shutil.copytree(entry, package / entry.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    module = package / f"{mutant.module}.py"
    source = module.read_text()
    assert source.count(mutant.find) == 1, f"{mutant.find!r} stands {source.count(mutant.find)} times in {module.name}"
    module.write_text(source.replace(mutant.find, mutant.replace))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"it does not even run: {done.stderr}"
    answer: dict[str, float] = json.loads(done.stdout)
    return answer
