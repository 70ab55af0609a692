"""The main job through the command line, on real workers: what passes, what is caught, what is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.errors import ExitCode
from harness.pipeline.runs import load_run
from harness.verdict import Verdict, parse_record
from tests.cli.conftest import Desk


def test_the_same_weights_exported_again_open_the_gate(desk: Desk) -> None:
    code, out, err = desk.closet(
        "run",
        desk.suite,
        "--baseline",
        desk.model("release"),
        "--candidate",
        desk.model("reexport"),
        "--junit",
        "j.xml",
    )
    assert code == ExitCode.GATE_OPEN, out + err
    assert "PASS     1   exact 1" in out
    assert "gate OPEN, exit 0" in out
    report = JUnitXml.fromfile(str(desk.folder / "j.xml"))
    assert (report.tests, report.failures, report.errors) == (5, 0, 0), "replay and four checks"


@pytest.mark.parametrize("variant", ["curve_bias", "longitudinal_lag", "late_lane_change", "nan_frame", "noisy"])
def test_each_regression_is_caught_at_its_first_frame(desk: Desk, variant: str) -> None:
    sides = ("--baseline", desk.model("release"), "--candidate", desk.model(variant))
    code, out, err = desk.closet("run", desk.suite, *sides, "--no-confirm")
    assert code == ExitCode.REGRESSION, out + err
    (result,) = load_run(desk.folder / ".closet" / "runs" / _only_run(desk)).results
    (truth,) = desk.demo.truth(variant).values()
    assert min(found.first_frame for found in result.blocking if found.first_frame is not None) == truth.frame_id
    assert "FAIL   " in out
    assert "gate CLOSED, exit 1: 1 regression" in out


def test_a_run_is_approved_and_then_gates(desk: Desk) -> None:
    candidate = ("--candidate", desk.model("release"))
    code, out, _ = desk.closet("run", desk.suite, *candidate)
    assert code == ExitCode.NO_VERDICT, "without a baseline nothing is green"
    assert "no baseline is approved" in out
    assert desk.closet("bless", "last", "--reason", " ")[0] == ExitCode.USAGE
    code, out, _ = desk.closet("bless", "last", "--reason", "the first")
    assert (code, out) == (0, "created 1 · updated 0 · unchanged 0\n")
    code, out, _ = desk.closet("run", desk.suite, *candidate)
    assert code == ExitCode.GATE_OPEN, out
    code, out, _ = desk.closet("run", desk.suite, "--candidate", desk.model("noisy"), "--no-confirm")
    assert code == ExitCode.REGRESSION
    assert json.loads(desk.closet("bless", "last", "--reason", "wanted", "--json")[1])["updated"] == 1
    assert desk.closet("run", desk.suite, "--candidate", desk.model("noisy"))[0] == ExitCode.GATE_OPEN
    code, out, _ = desk.closet("baselines", "log", "--json")
    ledger = json.loads(out)
    assert [entry["reason"] for entry in ledger] == ["the first", "wanted"]
    assert ledger[1]["replaces"] == ledger[0]["trace_sha256"]
    assert len(json.loads(desk.closet("baselines", "--json")[1])) == 1


def test_a_finished_run_can_be_looked_at_again(desk: Desk) -> None:
    desk.closet(
        "run", desk.suite, "--baseline", desk.model("release"), "--candidate", desk.model("curve_bias"), "--no-confirm"
    )
    code, text, _ = desk.closet("report", "last")
    assert code == ExitCode.REGRESSION, "a report exits as the run did"
    assert "action.desiredCurvature" in text
    record = parse_record(desk.closet("report", "last", "--format", "json")[1], where="stdout")
    assert [result.verdict for result in record.results] == [Verdict.FAIL]
    code, junit, _ = desk.closet("report", "last", "--format", "junit")
    assert JUnitXml.fromstring(junit.encode()).failures > 0
    code, out, _ = desk.closet("diff", "last", "--channel", "action.*")
    assert code == 0
    assert "action.desiredCurvature" in out
    rows = json.loads(desk.closet("diff", "last", "--json")[1])[0]["channels"]
    assert {"position.y", "action.desiredCurvature"} <= {row["channel"] for row in rows}
    assert not any(row["channel"].startswith("pictures") for row in rows), "both saw the same pictures"
    traces = record.results[0].candidate_trace, record.results[0].baseline_trace
    paths = [next((desk.folder / ".closet").rglob(trace)) for trace in traces]
    assert desk.closet("diff", paths[0], paths[0])[1] == "nothing differs\n"
    assert "position.y" in desk.closet("diff", *paths)[1]
    assert desk.closet("diff", "last", "no/such/segment")[0] == ExitCode.USAGE


def test_what_is_stored_is_not_replayed(desk: Desk) -> None:
    arguments = ("run", desk.suite, "--baseline", desk.model("release"), "--candidate", desk.model("reexport"))
    planned = json.loads(desk.closet("plan", *arguments[1:], "--json")[1])
    assert [task["stored"] for task in planned["tasks"]] == [0]
    desk.closet(*arguments)
    planned = json.loads(desk.closet("plan", *arguments[1:], "--json")[1])
    assert [(task["models"], task["stored"]) for task in planned["tasks"]] == [(2, 2)]
    record = parse_record(desk.closet(*arguments, "--json")[1], where="stdout")
    assert [result.reused for result in record.results] == [True]
    assert record.results[0].attempts == ()
    desk.suite.write_text(desk.suite.read_text().replace("frames: 80", "frames: 20"))
    planned = json.loads(desk.closet("plan", *arguments[1:], "--json")[1])
    assert [task["stored"] for task in planned["tasks"]] == [0], "another option is another job"


def test_an_interrupted_run_is_written_down_and_resumed(desk: Desk) -> None:
    command = [sys.executable, "-m", "harness", "run", str(desk.suite), "--run-dir", "mine"]
    command += ["--baseline", str(desk.model("release")), "--candidate", str(desk.model("better"))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PWD": str(desk.folder)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        assert b"tiny" in process.stderr.readline(), "the header says that the run has begun"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.NO_VERDICT, err.decode()
    record = load_run(desk.folder / "mine")
    assert record.interrupted
    assert [result.verdict for result in record.results] == [Verdict.ERROR]
    assert "stopping" in err.decode()
    assert _workers_of(desk.folder) == []
    code, out, err_text = desk.closet("resume", "mine")
    assert code == ExitCode.REGRESSION, out + err_text
    assert not load_run(desk.folder / "mine").interrupted
    assert desk.closet("run", desk.suite, "--run-dir", "mine")[0] == ExitCode.USAGE, "it holds a run"


TWICE = """
import signal
from harness.cli.stopping import stopping
with stopping("what is left") as stop:
    signal.raise_signal({number})
    print(stop.is_set(), flush=True)
    signal.raise_signal({number})
    print("still here", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_twice_it_ends_at_once(number: signal.Signals) -> None:
    command = [sys.executable, "-c", TWICE.format(number=number.value)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-number, "True\n"), done.stderr
    assert "once more to end at once" in done.stderr


def test_selection_by_name(desk: Desk) -> None:
    segment = str(desk.demo.segments[0])
    models = ("--baseline", desk.model("release"), "--candidate", desk.model("reexport"))
    chosen = json.loads(desk.closet("plan", desk.suite, *models, "--only", segment.replace("/", "|", 1), "--json")[1])
    assert chosen["jobs"] == 1
    code, _, err = desk.closet("plan", desk.suite, *models, "--only", "nothing")
    assert code == ExitCode.NOTHING_TO_RUN
    assert "0123" not in err
    assert "--only" in err


def _only_run(desk: Desk) -> str:
    (folder,) = (desk.folder / ".closet" / "runs").iterdir()
    return folder.name


def _workers_of(folder: Path) -> list[str]:
    """Command lines of processes that still mention this test's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in line:
                found.append(line)
    return found
