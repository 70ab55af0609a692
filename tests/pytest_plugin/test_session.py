"""A suite as pytest items, on real workers: what -k, -m, --lf, -x, --durations and --junitxml mean."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.config import Fleet
from harness.pipeline.runs import find_run
from harness.pipeline.shelf import open_shelf
from harness.verdict import Verdict
from tests.pytest_plugin.conftest import OTHER_DONGLE, Bench

CHECKS = 5  # replay, pictures, action, plan, meta


def test_an_item_a_check_with_the_words_of_the_finding(bench: Bench) -> None:
    result = bench.hold("curve_bias", "--junitxml=report.xml", "--durations=0", "-vv", "--strict-markers")
    record = bench.record()
    assert [trial.verdict for trial in record.results] == [Verdict.FAIL, Verdict.FAIL]
    result.assert_outcomes(passed=6, failed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = result.outlines
    item = f"suite.yaml::{bench.first}::driving_model::emulated"
    assert f"{item}::replay PASSED" in "\n".join(lines)
    (truth, *_) = bench.demo.truth("curve_bias").values()
    failed = next(line for line in lines if line.startswith(f"FAILED {item}::action - "))
    assert f"action.desiredCurvature leaves at frame {truth.frame_id}" in failed
    folder = find_run(bench.home, "last")
    result.stdout.fnmatch_lines(
        [
            f"*look   closet diff {folder} {bench.first}",
            f"*again  closet run suite.yaml --devices devices.yaml *--only {bench.first}",
            "* closet *",
            f"look   closet report {folder}",
            f"gate CLOSED, exit 1: 2 regressions *{folder}/junit.xml",
        ]
    )
    busy = {
        result.segment: sum(attempt.ended_s - attempt.started_s for attempt in result.attempts) / 2
        for result in record.results
    }
    for segment, seconds in busy.items():
        shown = next(line for line in lines if " setup " in line and segment in line and line.endswith("::replay"))
        assert float(shown.split("s ", 1)[0]) == pytest.approx(2 * seconds, abs=0.01), "the replay's time, not the wait"
    report = JUnitXml.fromfile("report.xml")
    assert (sum(suite.tests for suite in report), sum(suite.failures for suite in report)) == (2 * CHECKS, 4)
    assert (folder / "junit.xml").exists()


def test_what_is_deselected_is_not_replayed(bench: Bench) -> None:
    result = bench.hold("better", "-k", f"{OTHER_DONGLE} and pictures", "--fresh")
    result.assert_outcomes(passed=1, deselected=2 * CHECKS - 1)
    record = bench.record()
    assert [trial.segment for trial in record.results] == [
        next(s for s in (bench.first, bench.second) if OTHER_DONGLE in s)
    ]
    assert record.planned_checks[record.results[0].name] == ("replay", "pictures")
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("expression", "selected"),
    [("plan", 2), ("driving_model and emulated", 10), ("closet(check='meta')", 2), ("mici or claims", 0)],
)
def test_markers_select_by_check_replayer_and_kind(bench: Bench, expression: str, selected: int) -> None:
    before = set((bench.home / "runs").glob("*"))
    result = bench.hold("curve_bias", "-m", expression, "--collect-only", "-q", "--strict-markers")
    assert sum("::" in line for line in result.outlines) == selected
    assert result.ret == (pytest.ExitCode.OK if selected else pytest.ExitCode.NO_TESTS_COLLECTED)
    assert set((bench.home / "runs").glob("*")) == before, "nothing is run to see what there is"


def test_the_last_that_failed_are_found_again(bench: Bench) -> None:
    arguments = [word for word in bench.arguments("curve_bias") if word not in {"-p", "no:cacheprovider"}]
    bench.pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=6, failed=4)
    again = bench.pytester.runpytest_inprocess(*arguments, "--lf")
    again.assert_outcomes(failed=4, deselected=6)
    assert all(trial.reused for trial in bench.record().results)
    assert bench.record().planned_checks[bench.record().results[0].name] == ("replay", "action", "plan")


@pytest.fixture
def crowd(make_bench: Callable[[Path], Bench], routes: Path, tmp_path: Path) -> Bench:
    """A bench with more segments than are replayed before a session is stopped, and nothing stored."""
    bench = make_bench(tmp_path / "home")
    source, *_ = sorted(routes.iterdir())
    for number in range(12):
        shutil.copytree(source, tmp_path / "routes" / source.name.replace("--0", f"--{number}"))
    bench.suite.write_text(bench.suite.read_text().replace(str(routes), str(tmp_path / "routes")))
    return bench


def test_the_first_failure_ends_the_remote_jobs(crowd: Bench) -> None:
    result = crowd.hold("curve_bias", "-x")
    result.assert_outcomes(passed=2, failed=1)
    record = crowd.record()
    assert record.interrupted
    assert record.results[0].verdict is Verdict.FAIL
    problems = [trial.error.problem for trial in record.results if trial.error is not None]
    assert problems, "what was left is not replayed"
    assert set(problems) == {"not run"}
    result.stdout.fnmatch_lines(["again  closet resume *"])


def test_without_a_baseline_an_item_is_an_error_and_never_passes(bench: Bench) -> None:
    arguments = [word for word in bench.arguments("release") if not word.startswith("--baseline")]
    result = bench.pytester.runpytest_inprocess(*arguments, "-k", OTHER_DONGLE)
    result.assert_outcomes(errors=CHECKS, deselected=CHECKS)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["ERROR suite.yaml::*::plan - no verdict: no baseline is approved*"])


def test_two_processes_replay_nothing_twice(make_bench: Callable[[Path], Bench], tmp_path: Path) -> None:
    bench = make_bench(tmp_path / "home")
    result = bench.pytester.runpytest_subprocess(*bench.arguments("curve_bias", "-n", "2", "-v"))
    result.assert_outcomes(passed=6, failed=4)
    record = bench.record()
    assert len(list((bench.home / "runs").iterdir())) == 1
    assert [len({attempt.epoch for attempt in trial.attempts}) for trial in record.results] == [1, 1]
    assert not any(trial.reused for trial in record.results)
    processes = {
        segment: {line.split("]", 1)[0] for line in result.outlines if line.startswith("[gw") and segment in line}
        for segment in (bench.first, bench.second)
    }
    assert [len(names) for names in processes.values()] == [1, 1], "a trial's checks go to one process"
    result.stdout.fnmatch_lines([f"*look   closet diff {bench.home}/runs/* {bench.first}", "gate CLOSED, exit 1: 2 *"])


def test_an_interrupted_session_ends_its_run(crowd: Bench) -> None:
    command = [sys.executable, "-u", "-m", "pytest", "-v", *crowd.arguments("curve_bias")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=crowd.pytester.path
    ) as process:
        assert process.stdout is not None
        said = b""
        while b"::replay" not in said:
            said += process.stdout.read(1)
        with open_shelf(crowd.home, Fleet((), 1)) as shelf:
            while not shelf.leases():
                time.sleep(0.01)  # the pool takes its first lease
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read().decode()
            assert shelf.leases() == ()
            assert shelf.holders() == ()
    assert process.wait(timeout=60) == pytest.ExitCode.INTERRUPTED, rest
    assert crowd.record().interrupted
    gates = [line for line in rest.splitlines() if line.startswith("gate CLOSED, exit ")]
    assert [", interrupted · " in line for line in gates] == [True], rest
