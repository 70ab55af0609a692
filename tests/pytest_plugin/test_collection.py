"""What is collected, what is not, and what the plugin costs and changes for those who do not use it: nothing."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from harness.verdict import Verdict
from tests.pytest_plugin.conftest import Bench

INTENT = """\
expect: improve
metrics: {lateral_error_2s: {size: 3 %, spread: 1 %}}
"""
CLAIM = "suite.yaml::claims::eyes::lateral error at 2 s"


def test_pytest_finds_it_by_itself() -> None:
    (found,) = entry_points(group="pytest11", name="closet")
    assert found.value == "harness.pytest_plugin"


def test_without_its_option_it_loads_and_changes_nothing(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", suite="suite: other\n")
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--baseline', default='theirs')")
    pytester.makepyfile(
        """
        import sys
        def test_it(request, pytestconfig):
            assert pytestconfig.getoption("baseline") == "theirs"
            ours = {name for name in sys.modules if name.startswith("harness")}
            assert ours == {"harness", "harness.pytest_plugin"}
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:schemathesis", ".")
    result.assert_outcomes(passed=1)
    assert "closet" not in result.stdout.str().replace("testing-closet-", "")


def test_loading_it_costs_next_to_nothing() -> None:
    program = (
        "import json, time, pytest\n"
        "begin = time.process_time(); import harness.pytest_plugin\n"
        "print(json.dumps(time.process_time() - begin))"
    )
    seconds = min(
        json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
        for _ in range(3)
    )
    assert seconds < 0.02


def test_files_of_others_are_not_collected_and_nothing_collected_is_not_green(bench: Bench) -> None:
    bench.pytester.makefile(".yaml", compose="services: {}\n", notes="# suite: not ours\nname: x\n")
    arguments = [word for word in bench.arguments("release", ".") if word != "suite.yaml"]
    result = bench.pytester.runpytest_inprocess(*arguments, "--collect-only", "-q")
    assert {line.partition("::")[0] for line in result.outlines if "::" in line} == {"suite.yaml"}
    bench.suite.unlink()
    result = bench.pytester.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    arguments[arguments.index(".")] = "notes.yaml"
    result = bench.pytester.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.INTERRUPTED, "one that is named is told what is wrong with it"
    result.stdout.fnmatch_lines(["*notes.yaml:*"])


def test_mistakes_are_all_told_before_anything_runs(bench: Bench) -> None:
    bench.suite.write_text(bench.suite.read_text().replace("suite: tiny", "suite: tiny\nnonsense: 1"))
    before = set((bench.home / "runs").glob("*"))
    result = bench.hold("release")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*suite.yaml:2: *nonsense*"])
    assert set((bench.home / "runs").glob("*")) == before


def test_what_is_quarantined_is_skipped_and_nothing_but_that_is_not_green(bench: Bench) -> None:
    expires = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=30)
    bench.pytester.makefile(
        ".yaml",
        quarantine=f'quarantine:\n  - {{route: "*", checks: ["*"], owner: lab@example.org, issue: https://example.org/7,\n'
        f"     reason: known, expires: {expires}}}\n",
    )
    result = bench.hold("curve_bias", "-rs")
    assert {trial.verdict for trial in bench.record().results} == {Verdict.QUARANTINED}
    result.assert_outcomes(passed=6, skipped=4)
    result.stdout.fnmatch_lines(
        [f"SKIPPED*suite.yaml:1: quarantined until {expires}, lab@example.org, *: known · FAIL action.desired*"]
    )
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["gate CLOSED, exit 5: nothing was judged*"])


def test_claims_wait_for_all_trials_and_are_not_judged_on_a_part(bench: Bench) -> None:
    bench.pytester.makefile(".yaml", eyes=INTENT)
    whole = bench.hold("reexport", "--intent=eyes.yaml", "-rsE")
    assert bench.record().planned_claims == ("eyes: lateral error at 2 s",)
    whole.assert_outcomes(passed=10, skipped=1)
    whole.stdout.fnmatch_lines(["SKIPPED*suite.yaml:1: a warning: lateral error at 2 s: INCONCLUSIVE: *"])
    chosen = [word for word in bench.arguments("reexport", "--intent=eyes.yaml") if word != "suite.yaml"]
    part = bench.pytester.runpytest_inprocess(*chosen, f"suite.yaml::{bench.first}", CLAIM)
    part.assert_outcomes(passed=5, errors=1)
    part.stdout.fnmatch_lines(
        [f"ERROR {CLAIM} - no verdict: cannot be judged: 1 of 2 trials of the suite are not selected"]
    )
    assert bench.record().claims == ()
