"""Every mutant of the statistics and of the gate's policy is caught by an answer to the trials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.statistics_mutants import QUICK, STATISTICS_MUTANTS, StatisticsMutant
from tests.mutants.statistics_trials import found, trials

ROOT = Path(__file__).parents[2]


def test_the_answers_are_right_when_nothing_is_tampered_with():
    assert found() == {name: answer for name, answer, _ in trials()}


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(each, id=each.name, marks=() if each.name in QUICK else pytest.mark.mutants)
        for each in STATISTICS_MUTANTS
    ],
)
def test_a_mutant_turns_an_answer(mutant: StatisticsMutant, tmp_path: Path):
    answers = _answers_with(mutant, tmp_path)
    wrong = {name: answers[name] for name, answer, _ in trials() if answers[name] != answer}
    assert wrong, f"survivor: {mutant.name}"


def test_every_mutant_is_another_and_can_be_made():
    assert len({mutant.name for mutant in STATISTICS_MUTANTS}) == len(STATISTICS_MUTANTS)
    lost = [
        each.name for each in STATISTICS_MUTANTS if (ROOT / "harness" / each.module).read_text().count(each.find) != 1
    ]
    assert lost == []
    assert {mutant.name for mutant in STATISTICS_MUTANTS} >= QUICK


def _answers_with(mutant: StatisticsMutant, folder: Path) -> dict[str, str]:
    """What the trials say when `harness` is as it is but for the one text."""
    (folder / "tests").symlink_to(ROOT / "tests")
    (folder / "fixtures").symlink_to(ROOT / "fixtures")
    _tampered(ROOT / "harness", folder / "harness", mutant.module.split("/"), mutant)
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants.statistics_trials"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


def _tampered(package: Path, copy: Path, place: list[str], mutant: StatisticsMutant) -> None:
    """A copy of links, but for the one module and the folders on the way to it."""
    copy.mkdir()
    for entry in package.iterdir():
        if entry.name == "__pycache__":
            continue
        if entry.name != place[0]:
            (copy / entry.name).symlink_to(entry)
        elif len(place) > 1:
            _tampered(entry, copy / entry.name, place[1:], mutant)
        else:
            source = entry.read_text()
            assert source.count(mutant.find) == 1, f"{mutant.find!r} stands {source.count(mutant.find)} times"
            (copy / entry.name).write_text(source.replace(mutant.find, mutant.replace))
