"""closet claims, and intents on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.intent import RELEASE_POLICY, Answer, ClaimResult, Expectation
from harness.pipeline.runs import write_run
from harness.verdict import Verdict
from tests.cli.conftest import Desk
from tests.test_verdict import record_of

INTENT = "expect: improve\nmetrics: {lateral_error_2s: {size: 3 %, spread: 1 %}}\n"
OPEN = ClaimResult("eyes", "lateral error at 2 s", Expectation.IMPROVE, Answer.INCONCLUSIVE, "could have shown 6 %")


@pytest.fixture
def intent(desk: Desk) -> Path:
    path = desk.folder / "eyes.yaml"
    path.write_text(INTENT)
    return path


def test_an_intent_that_the_segments_cannot_answer_is_refused(desk: Desk, intent: Path):
    code, out, err = desk.closet("check", desk.suite, "--intent", intent)
    assert code == 2
    assert out == ""
    assert err == (
        f"closet: {intent}:2: lateral error at 2 s: 1 segment of 1 route can show no difference, however large: "
        "at least 6 routes are needed (add segments, ask for more, or --force-intent)\n"
    )
    code, out, err = desk.closet("check", desk.suite, "--intent", intent, "--force-intent")
    assert code == 0
    assert out.splitlines()[1].startswith("no  lateral error at 2 s  1 segment of 1 route")
    code, out, _ = desk.closet("check", desk.suite, "--intent", intent, "--force-intent", "--json")
    assert code == 0
    assert json.loads(out)["claims"][0]["enough"] is False


def test_a_folder_or_a_pattern_means_all_of_its_intents(desk: Desk):
    folder = desk.folder / "intents"
    folder.mkdir()
    for number in (2, 1):
        (folder / f"{number}.yaml").write_text(f"intent: number {number}\n{INTENT}")
    for meant in (folder, folder / "*.yaml", folder / "[12].yaml"):
        code, out, _ = desk.closet("check", desk.suite, "--intent", meant, "--force-intent", "--json")
        assert code == 0
        assert [claim["intent"] for claim in json.loads(out)["claims"]] == ["number 1", "number 2"]
    code, _, err = desk.closet("check", desk.suite, "--intent", folder / "x*.yaml")
    assert code == 2
    assert "no intent is meant by" in err


def test_a_suite_without_an_intent_says_nothing_of_one(desk: Desk):
    code, out, _ = desk.closet("check", desk.suite)
    assert code == 0
    assert out == f"ok  {desk.suite} (suite)\n"


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_metric_that_is_none_stops_it_with_its_line(desk: Desk, intent: Path, command: str):
    intent.write_text("expect: improve\nmetrics: {lateral_eror_2s: 3 %}\n")
    models = ["--candidate", desk.model("release")] if command == "run" else []
    code, _, err = desk.closet(command, desk.suite, "--intent", intent, *models)
    assert code == 2
    assert f"{intent}:2: there is no metric lateral_eror_2s (did you mean lateral_error_2s" in err
    code, _, err = desk.closet(command, desk.suite, "--intent", desk.folder / "nowhere.yaml", *models)
    assert code == 2
    assert "cannot be read" in err
    assert not (desk.folder / ".closet" / "runs").exists()


@pytest.mark.parametrize(("policy", "code", "state"), [(None, 0, "OPEN"), (RELEASE_POLICY, 3, "CLOSED")])
def test_claims_of_a_run_are_said_again(desk: Desk, policy, code: int, state: str):
    rest = {} if policy is None else {"gate_policy": policy}
    write_run(desk.folder / ".closet" / "runs" / "2026-11-21-001", record_of(Verdict.PASS, claims=(OPEN,), **rest))
    found, out, _ = desk.closet("claims", "last")
    assert found == code
    assert "INCONCLUSIVE: could have shown 6 %" in out
    assert f"gate {state}, exit {code}: " in out
    assert desk.closet("report", "last")[0] == code


def test_a_run_that_declared_nothing_says_so(desk: Desk):
    write_run(desk.folder / ".closet" / "runs" / "2026-11-21-001", record_of(Verdict.FAIL))
    code, out, _ = desk.closet("claims", "last")
    assert code == 1
    assert out.strip().endswith("nothing was declared")
