"""Every mutant of the comparison is caught by a verdict of the harness over made traces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.comparison_mutants import COMPARISON_MUTANTS, QUICK, ComparisonMutant
from tests.mutants.comparison_trials import trials, verdicts

ROOT = Path(__file__).parents[2]
# Some distributions install a package called `tests`, which would go before a folder without an __init__.py.
PROGRAM = f"""
import runpy, sys, types
tests = sys.modules["tests"] = types.ModuleType("tests")
tests.__path__ = [{str(ROOT / "tests")!r}]
runpy.run_module("tests.mutants.comparison_trials", run_name="__main__")
"""


def test_the_verdicts_are_right_when_nothing_is_tampered_with():
    assert verdicts() == {name: verdict for name, verdict, *_ in trials()}


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(each, id=each.name, marks=() if each.name in QUICK else pytest.mark.mutants)
        for each in COMPARISON_MUTANTS
    ],
)
def test_a_mutant_turns_a_verdict(mutant: ComparisonMutant, tmp_path: Path):
    found = _verdicts_with(mutant, tmp_path)
    wrong = {name: found[name] for name, verdict, *_ in trials() if found[name] != verdict}
    assert wrong, f"survivor: {mutant.name}"
    assert any(verdict in ("PASS", "FAIL", "ERROR") for verdict in wrong.values()), f"it does not even run: {wrong}"


def test_every_mutant_is_another_and_can_be_made():
    assert len({mutant.name for mutant in COMPARISON_MUTANTS}) == len(COMPARISON_MUTANTS)
    folder = ROOT / "harness" / "compare"
    lost = [each for each in COMPARISON_MUTANTS if (folder / f"{each.module}.py").read_text().count(each.find) != 1]
    assert lost == []


def _verdicts_with(mutant: ComparisonMutant, folder: Path) -> dict[str, str]:
    """What the trials say when `harness` is as it is but for the one text."""
    package = folder / "harness"
    package.mkdir()
    for entry in (ROOT / "harness").iterdir():
        if entry.name == "compare":
            shutil.copytree(entry, package / "compare", ignore=shutil.ignore_patterns("__pycache__"))
        elif entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    module = package / "compare" / f"{mutant.module}.py"
    source = module.read_text()
    assert source.count(mutant.find) == 1, f"{mutant.find!r} stands {source.count(mutant.find)} times in {module.name}"
    module.write_text(source.replace(mutant.find, mutant.replace))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout)
    return answer
