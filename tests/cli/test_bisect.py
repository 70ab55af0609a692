"""closet bisect over rule sets and commits: real replays, a first bad one that is known."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fixtures.safety import SCRIPTS, write_safety_routes
from harness.errors import ExitCode
from tests.cli.conftest import Desk

SUITE = """\
suite: rules
routes: [routes]
replayers:
  selfdrive_state:
    options: {mode: derived}
    checks:
      disengagements: {events: {types: [softDisable, immediateDisable, userDisable], collar_s: 0.2}}
devices: {kinds: [emulated]}
"""
GOOD = "format: 1\nbase: 0.11.2\n"
BAD = GOOD + "thresholds: {longitudinal_accel_max: 3.9 m/s²}\n"
AT_THE_LIMIT = "actuation: accelerates at the limit"


@pytest.fixture
def rules(desk: Desk) -> Desk:
    write_safety_routes(desk.folder / "routes", [script for script in SCRIPTS if script.name == AT_THE_LIMIT])
    desk.suite.write_text(SUITE)
    (desk.folder / "devices.yaml").write_text("devices: {emulated: 1}\n")
    return desk


def versions(folder: Path, count: int, first_bad: int) -> None:
    for number in range(count):
        (folder / f"v{number}").mkdir(parents=True)
        text = BAD if number >= first_bad else GOOD
        # Each is a rule set of its own: nothing of another's is recalled.
        (folder / f"v{number}" / "rules.yaml").write_text(f"# version {number}\n{text}")


def bisect(desk: Desk, *more: object) -> tuple[int, dict]:
    code, out, err = desk.closet("bisect", desk.suite, *more, "--json")
    assert out, err
    return code, json.loads(out)


@pytest.mark.parametrize("first_bad", [11, 15])
def test_the_first_bad_of_many_is_found_with_its_evidence(rules: Desk, first_bad: int) -> None:
    versions(rules.folder / "models", 16, first_bad)
    code, found = bisect(rules, "--models", "models", "--good", "v0", "--bad", "v15")
    assert (code, found["first_bad"], found["last_good"]) == (0, f"v{first_bad}", f"v{first_bad - 1}")
    assert len(found["steps"]) + 1 <= 5, "with the good one, as many replays as it takes to halve 16"
    bad = [step for step in found["steps"] if step["is_bad"]]
    assert found["first_bad"] in [step["version"] for step in bad]
    before = {path.name for path in (rules.folder / ".closet" / "runs").iterdir()}
    code, out, _ = rules.closet("bisect", rules.suite, "--models", "models", "--good", "v0", "--bad", "v15")
    assert code == 0
    assert f"FIRST BAD  v{first_bad} · after v{first_bad - 1}" in out
    assert "excessiveActuation" in out
    for folder in {path for path in (rules.folder / ".closet" / "runs").iterdir() if path.name not in before}:
        record = json.loads((folder / "record.json").read_text())
        assert all(result["reused"] for result in record["results"]), "traces are recalled"


def test_what_cannot_be_tried_is_gone_around_and_told(rules: Desk) -> None:
    versions(rules.folder / "models", 6, 3)
    (rules.folder / "models" / "v3" / "rules.yaml").write_text("nonsense: [")
    code, found = bisect(rules, "--models", "models", "--good", "v0", "--bad", "v5")
    assert (code, found["first_bad"], found["suspects"]) == (ExitCode.NO_VERDICT, None, ["v3", "v4"])
    assert [step["problem"] != "" for step in found["steps"] if step["version"] == "v3"] == [True]


def test_nothing_turned_bad(rules: Desk) -> None:
    versions(rules.folder / "models", 4, 9)
    code, _, err = rules.closet("bisect", rules.suite, "--models", "models", "--good", "v0", "--bad", "v3")
    assert (code, "v3 passes: nothing turned bad" in err) == (ExitCode.USAGE, True)


def test_commits_of_a_repository(rules: Desk) -> None:
    repository = rules.folder / "repo"
    repository.mkdir()

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=me", "-c", "user.email=me@localhost", "-c", "init.defaultBranch=main")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    commits = []
    for number, text in enumerate([GOOD, GOOD, BAD, BAD]):
        (repository / "rules").mkdir(exist_ok=True)
        (repository / "rules" / "rules.yaml").write_text(f"# version {number}\n{text}")
        git("add", ".")
        git("commit", "-q", "-m", f"Version {number}")
        commits.append(git("rev-parse", "HEAD"))
        (repository / "other.txt").write_text(str(number))
        git("add", ".")
        git("commit", "-q", "-m", "Something else")
    code, out, err = rules.closet(
        "bisect", rules.suite, "--repo", repository, "--path", "rules", "--good", commits[0], "--bad", "HEAD"
    )
    assert code == 0, err
    assert f"FIRST BAD  {commits[2][:12]} (Version 2)" in out
    code, _, err = rules.closet(
        "bisect", rules.suite, "--repo", repository, "--path", "rules", "--good", "HEAD", "--bad", commits[0]
    )
    assert (code, "is no ancestor" in err) == (ExitCode.USAGE, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which models?"),
        (("--models", "models", "--repo", "."), "which models?"),
        (("--repo", "."), "where are the models"),
        (("--models", "nowhere"), "no folder nowhere"),
        (("--models", "models"), "no model v9"),
    ],
)
def test_mistakes(rules: Desk, arguments: tuple[str, ...], said: str) -> None:
    versions(rules.folder / "models", 2, 1)
    code, _, err = rules.closet("bisect", rules.suite, *arguments, "--good", "v0", "--bad", "v9")
    assert (code, said in err) == (ExitCode.USAGE, True), err
