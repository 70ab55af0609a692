"""A proposed threshold is tried on recorded minutes: exactly the events that it moves are told, and close the gate."""

from __future__ import annotations

from pathlib import Path

import pytest
from junitparser import JUnitXml

from fixtures.safety import SCRIPTS, write_safety_routes
from harness.cli import main
from harness.errors import ExitCode
from harness.pipeline.runs import find_run, load_run
from harness.verdict import Verdict

SUITE = """\
suite: safety
routes: [routes]
replayers:
  selfdrive_state:
    options: {mode: derived}
    checks:
      disengagements: {events: {types: [softDisable, immediateDisable, userDisable]}}
"""


def closet(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_moved_threshold_moves_exactly_its_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    routes = write_safety_routes(
        tmp_path / "routes", [script for script in SCRIPTS if script.name.startswith("actuation")]
    )
    (tmp_path / "suite.yaml").write_text(SUITE)
    for name, change in (("base", ""), ("moved", "thresholds:\n  longitudinal_accel_max: 3.9 m/s²\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.yaml").write_text(f"format: 1\nbase: 0.11.2\n{change}")
    assert closet("run", "suite.yaml", "--baseline", "base", "--candidate", "base") == ExitCode.GATE_OPEN
    code = closet("run", "suite.yaml", "--baseline", "base", "--candidate", "moved", "--junit", "moved.xml")
    assert code == ExitCode.REGRESSION
    results = load_run(find_run(tmp_path / ".closet", "last")).results
    assert len(results) == len(routes) > 5
    failed = {result.segment: result for result in results if result.verdict is Verdict.FAIL}
    (at_the_limit,) = (route for route in routes if route.script.name == "actuation: accelerates at the limit")
    assert set(failed) == {str(at_the_limit.segment)}, "4.0 m/s² is over 3.9, and nothing else was between the two"
    told = failed[str(at_the_limit.segment)].blocking[0].words
    assert told.startswith("NEW softDisable excessiveActuation")
    assert JUnitXml.fromfile("moved.xml").failures == 1
