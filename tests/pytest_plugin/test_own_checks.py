"""A person's own checks beside a suite: fixtures for every trial, and assertions that say where traces part."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pytest_plugin.conftest import OTHER_DONGLE, Bench

MINE = """\
def test_traces_are_equal(trace, baseline_trace):
    assert trace == baseline_trace

def test_the_action_is_equal(trace, baseline_trace):
    name = "action.desiredCurvature"
    assert trace.channels[name] == baseline_trace.channels[name]

def test_the_speed_is_equal(trace, baseline_trace):
    assert trace.channels["vEgo"] == baseline_trace.channels["vEgo"]

def test_what_was_replayed(recording, closet_device, closet_result, trace):
    assert str(recording.segment) == trace.segment == closet_result.segment
    assert recording.files["fcamera"].stat().st_size > 1000
    assert closet_device.name.startswith("emulated-")
    assert closet_device.kind == "emulated"

def test_nothing_of_ours():
    pass
"""


def test_own_checks_run_for_every_trial_and_say_where_traces_part(bench: Bench) -> None:
    bench.pytester.makepyfile(test_mine=MINE)
    arguments = [word for word in bench.arguments("curve_bias", "test_mine.py") if word != "-q"]
    result = bench.pytester.runpytest_inprocess(*arguments, "-k", "test_mine", "-vv")
    result.assert_outcomes(passed=5, failed=4, deselected=10)
    (truth,) = bench.demo.truth("curve_bias").values()
    said = "\n".join(result.outlines)
    assert f"test_traces_are_equal[tiny-{bench.first}-driving_model-emulated] FAILED" in said
    assert f"E           action.desiredCurvature   leaves at frame {truth.frame_id} " in said
    assert f"E           position.y                leaves at frame {truth.frame_id} " in said
    alone = said.partition("_ test_the_action_is_equal")[2].partition("_ test_")[0]
    assert f"E           action.desiredCurvature   leaves at frame {truth.frame_id} " in alone
    assert " 1/m = 0.036 m/s² more lateral acceleration" in alone
    assert "position.y" not in alone
    assert len(bench.record().results) == 2
    assert bench.record().planned_checks[bench.record().results[0].name] == (
        "replay",
        "pictures",
        "action",
        "plan",
        "meta",
    )


def test_only_the_trials_that_own_checks_ask_for_are_replayed(bench: Bench) -> None:
    bench.pytester.makepyfile(test_mine="def test_it(trace): assert len(trace.frame_ids) == 80")
    result = bench.pytester.runpytest_inprocess(
        *bench.arguments("curve_bias", "test_mine.py"), "-k", f"test_mine and {OTHER_DONGLE}"
    )
    result.assert_outcomes(passed=1, deselected=11)
    assert [OTHER_DONGLE in trial.segment for trial in bench.record().results] == [True]


def test_the_example_of_the_documentation_runs(bench: Bench) -> None:
    text = (Path(__file__).parents[2] / "docs" / "pytest.md").read_text()
    bench.pytester.makepyfile(test_mine=text.partition("```python\n")[2].partition("```")[0])
    bench.hold("reexport", "test_mine.py", "-k", "test_mine").assert_outcomes(passed=4, deselected=10)


def test_a_trace_that_is_not_there_is_an_error(bench: Bench) -> None:
    bench.pytester.makepyfile(test_mine="def test_it(baseline_trace): pass")
    arguments = [word for word in bench.arguments("release", "test_mine.py") if not word.startswith("--baseline")]
    result = bench.pytester.runpytest_inprocess(*arguments, "-k", "test_mine")
    result.assert_outcomes(errors=2, deselected=10)
    result.stdout.fnmatch_lines(["*the baseline has no trace: ERROR, no baseline is approved*"])


def test_traces_without_a_suite_are_a_mistake_that_says_what_to_type(bench: Bench) -> None:
    bench.pytester.makepyfile(test_mine="def test_it(trace): pass")
    arguments = [word for word in bench.arguments("release", "test_mine.py") if word != "suite.yaml"]
    result = bench.pytester.runpytest_inprocess(*arguments)
    assert result.ret != pytest.ExitCode.OK
    said = "\n".join([*result.outlines, *result.errlines])
    assert "wants traces, and no suite is named: pytest suites/pr.yaml test_mine.py --closet devices.yaml" in said
