"""Commands over traces that are stored already: what they say, what they exit with, what they leave untouched."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from junitparser import JUnitXml

from harness.cli.options import make_request, open_store
from harness.domain import ReplayJob
from harness.errors import ExitCode
from harness.pipeline.prepare import prepare
from harness.pipeline.runs import alone_in, load_run, write_run
from harness.trace import Channel, Trace, write_trace
from harness.verdict import parse_record
from tests.cli.conftest import Desk

SUITE = """\
suite: stored
routes: [{routes}]
replayers:
  driving_model:
    checks:
      action: {{channels: [action.*]}}
devices: {{kinds: [emulated, mici]}}
"""
SHELF = """\
devices:
  emulated: 3
  m: {kind: mici, address: 127.0.0.1, port: 1, key: key, host_key: "ssh-ed25519 AAAA", slots: 2}
  e: {kind: emulated, address: 127.0.0.1, port: 1, key: key, host_key: "ssh-ed25519 AAAA", slots: 4}
"""


@dataclass(frozen=True, slots=True)
class StoredDesk:
    """A desk with a trial on an emulated and one on a real device, whose traces are made up instead of replayed."""

    desk: Desk

    def closet(self, *arguments: object) -> tuple[int, str, str]:
        return self.desk.closet(*arguments)

    def run(self, candidate: str, *more: object) -> tuple[int, str, str]:
        return self.closet("run", self.desk.suite, "--candidate", self.desk.model(candidate), *more)

    def store(self, candidate: str, emulated: float, mici: float) -> None:
        """Put in what this candidate would make on each kind of device: its last curvature."""
        store = open_store()
        prepared = prepare(make_request(self.desk.suite, (str(self.desk.model(candidate)),), (), None, ()), store)
        for trial, curvature in zip(prepared.plan.trials, (emulated, mici), strict=True):
            path = self.desk.folder / "made.trace"
            write_trace(path, made_trace(trial.candidate, curvature))
            store.remember_trace(trial.candidate.id, store.put_file(path).sha256, {})


def made_trace(job: ReplayJob, curvature: float) -> Trace:
    frames = np.arange(3, dtype=np.int64)
    values = np.array([0, 0, curvature], np.float32)
    channels = {
        "action.desiredCurvature": Channel("action.desiredCurvature", "1/m", values),
        "vEgo": Channel("vEgo", "m/s", np.ones(3, np.float32)),
    }
    return Trace(job.replayer, str(job.segment), frames, frames * 50_000_000, channels, {"runtime": "r"})


@pytest.fixture
def stored(desk: Desk) -> StoredDesk:
    desk.suite.write_text(SUITE.format(routes=desk.demo.routes_folder))
    (desk.folder / "devices.yaml").write_text(SHELF)
    (desk.folder / "key").touch()
    shelf = StoredDesk(desk)
    shelf.store("release", 0.0, 0.0)
    shelf.store("better", 0.0, 0.5)
    return shelf


def test_check_names_every_file_and_checks_suites_against_the_shelf(stored: StoredDesk) -> None:
    suite = stored.desk.suite
    assert stored.closet("check", suite, "--devices", "devices.yaml")[:2] == (
        0,
        f"ok  {suite} (suite)\nok  devices.yaml (devices)\n",
    )
    (stored.desk.folder / "none.yaml").write_text("devices: {emulated: 1}\n")
    code, _, err = stored.closet("check", suite, "--devices", "none.yaml")
    assert (code, "no device of kind mici" in err) == (ExitCode.USAGE, True)
    assert stored.closet("check", suite)[0] == 0, "without a shelf nothing is held against one"
    assert json.loads(stored.closet("check", suite, "--json")[1]) == {
        "ok": [{"file": str(suite), "kind": "suite"}],
        "claims": [],
        "warnings": [],
    }


def test_a_plan_for_people_and_for_programs(stored: StoredDesk) -> None:
    arguments = ("plan", stored.desk.suite, "--candidate", stored.desk.model("noisy"))
    code, out, _ = stored.closet(*arguments)
    assert code == 0
    assert str(stored.desk.demo.segments[0]) in out
    assert "2 jobs in 2 tasks" in out
    assert "slots: 7 emulated, 2 mici" in out
    plan = json.loads(stored.closet(*arguments, "--json")[1])
    assert (plan["suite"], plan["jobs"], plan["slots"]) == ("stored", 2, {"emulated": 7, "mici": 2})
    assert {row["device_kind"] for row in plan["tasks"]} == {"emulated", "mici"}
    assert all((row["models"], row["stored"]) == (1, 0) and row["megabytes"] > 0 for row in plan["tasks"])
    out = stored.closet("plan", stored.desk.suite, "--candidate", stored.desk.model("release"))[1]
    assert "about 0 s of device time left" in out


def test_blessing_some_leaves_the_others(stored: StoredDesk) -> None:
    assert stored.run("release")[0] == ExitCode.NO_VERDICT
    code, out, _ = stored.closet("bless", "last", "--only", "*mici", "--reason", " the mici first ")
    assert (code, out) == (0, "created 1 · updated 0 · unchanged 0\n")
    code, out, _ = stored.closet("baselines")
    assert code == 0
    line, total = out.splitlines()
    assert line.endswith(": the mici first")
    assert " · driving_model · mici" in line
    assert total == "1 baselines"
    assert stored.run("release")[0] == ExitCode.NO_VERDICT, "the emulated one has none yet"
    assert stored.closet("bless", "last", "--reason", "both")[1] == "created 1 · updated 0 · unchanged 1\n"
    assert stored.run("release")[0] == ExitCode.GATE_OPEN
    assert stored.run("better")[0] == ExitCode.REGRESSION
    assert stored.closet("bless", "last", "--only", "nothing", "--reason", "x")[0] == ExitCode.USAGE
    assert stored.closet("bless", "last", "--reason", " ")[0] == ExitCode.USAGE
    assert stored.run("better")[0] == ExitCode.REGRESSION
    told = json.loads(stored.closet("bless", "last", "--reason", "better", "--json")[1])
    assert told == {"created": 0, "updated": 1, "unchanged": 1}
    assert stored.run("better")[0] == ExitCode.GATE_OPEN
    assert stored.closet("baselines")[1].splitlines()[-1] == "2 baselines"
    assert stored.closet("baselines", "log")[1].splitlines()[-1] == "5 approvals"
    ledger = json.loads(stored.closet("baselines", "log", "--json")[1])
    assert [entry["device_kind"] for entry in ledger] == ["mici", "emulated", "mici", "emulated", "mici"]
    assert {entry["run"] for entry in ledger} == {_run(stored, number).name for number in (1, 2, 5)}
    assert {entry["candidate"] for entry in ledger} == {str(stored.desk.model(name)) for name in ("release", "better")}
    assert all(entry["model_digest"] and entry["runtime"] and entry["who"] and entry["when"] for entry in ledger)


def test_a_trial_without_a_trace_cannot_be_blessed_and_takes_the_others_with_it(stored: StoredDesk) -> None:
    stored.run("release")
    folder = _run(stored, 1)
    record = load_run(folder)
    write_run(folder, replace(record, results=(record.results[0], replace(record.results[1], candidate_trace=""))))
    code, _, err = stored.closet("bless", "last", "--reason", "all")
    assert (code, "1 of 2 trials have no candidate trace" in err) == (ExitCode.USAGE, True)
    assert stored.closet("baselines")[1] == "0 baselines\n", "all or none"


def test_looking_at_runs_that_passed_and_failed(stored: StoredDesk) -> None:
    segment = stored.desk.demo.segments[0]
    stored.run("release")
    stored.closet("bless", "last", "--reason", "first")
    code, out, _ = stored.run("release")
    assert (code, "gate OPEN" in out) == (ExitCode.GATE_OPEN, True)
    assert stored.closet("diff", "last")[1] == "nothing differs: 2 jobs passed\n"
    assert json.loads(stored.closet("diff", "last", "--json")[1]) == []
    code, out, _ = stored.closet("report", "last")
    assert (code, "gate OPEN" in out) == (ExitCode.GATE_OPEN, True)

    code, out, _ = stored.run("better", "--junit", "deep/er/j.xml", "--json")
    assert code == ExitCode.REGRESSION
    assert [result["verdict"] for result in json.loads(out)["results"]] == ["PASS", "FAIL"]
    assert JUnitXml.fromfile(str(stored.desk.folder / "deep/er/j.xml")).failures == 1
    code, out, _ = stored.closet("diff", "last")
    table = [line.split() for line in out.splitlines() if line.startswith(("  channel ", "  action."))]
    assert (code, [row[0] for row in table][-2:]) == (0, ["channel", "action.desiredCurvature"])
    (shown,) = json.loads(stored.closet("diff", "last", "--json")[1])
    assert (shown["verdict"], [row["channel"] for row in shown["channels"]]) == ("FAIL", ["action.desiredCurvature"])
    both = json.loads(stored.closet("diff", "last", str(segment).replace("/", "|", 1), "--all", "--json")[1])
    assert [(entry["verdict"], [row["differs"] for row in entry["channels"]]) for entry in both] == [
        ("PASS", ["no", "no"]),
        ("FAIL", ["yes", "no"]),
    ]
    assert len(json.loads(stored.closet("diff", "last", f"/{segment.number}", "--json")[1])) == 2
    (only,) = json.loads(stored.closet("diff", "last", "--all", "--channel", "v*", "--json")[1])
    assert [row["channel"] for row in only["channels"]] == ["vEgo"]
    assert stored.closet("report", "last", "--format", "junit")[0] == ExitCode.REGRESSION
    code, out, _ = stored.closet("report", "last", "--format", "json")
    assert (code, parse_record(out, where="stdout")) == (ExitCode.REGRESSION, load_run(_run(stored, 3)))


def test_two_trace_files_are_held_against_each_other(stored: StoredDesk) -> None:
    prepared = prepare(
        make_request(stored.desk.suite, (str(stored.desk.model("release")),), (), None, ()), open_store()
    )
    traces = {name: made_trace(prepared.plan.trials[0].candidate, value) for name, value in (("a", 0.0), ("b", 0.5))}
    traces["elsewhere"] = replace(traces["a"], segment="d/l/7")
    traces["otherwise"] = replace(traces["a"], replayer="driver_monitoring")
    for name, trace in traces.items():
        write_trace(stored.desk.folder / name, trace)
    assert stored.closet("diff", "a", "a")[:2] == (0, "nothing differs\n")
    code, out, _ = stored.closet("diff", "a", "b")
    assert (code, "action.desiredCurvature" in out, "vEgo" in out) == (0, True, False)
    assert [row["channel"] for row in json.loads(stored.closet("diff", "a", "b", "--json")[1])] == [
        "action.desiredCurvature"
    ]
    for other in ("elsewhere", "otherwise"):
        code, _, err = stored.closet("diff", "a", other)
        assert (code, "compare traces of one replayer on one segment" in err) == (ExitCode.NO_VERDICT, True)


def test_a_run_is_never_started_where_another_is(stored: StoredDesk) -> None:
    assert stored.run("release", "--run-dir", "mine")[0] == ExitCode.NO_VERDICT
    code, _, err = stored.run("release", "--run-dir", "mine")
    assert (code, "there is a run in it" in err) == (ExitCode.USAGE, True)
    report = stored.desk.folder / "j.xml"
    report.write_text("of an older run")
    with alone_in(stored.desk.folder / "yours"):
        code, _, err = stored.run("release", "--run-dir", "yours", "--junit", report)
    assert (code, "another program is at work" in err) == (ExitCode.USAGE, True)
    assert not report.exists(), "an older report is not mistaken for that of this run"


def test_a_run_that_is_whole_is_resumed_to_the_same_verdict(stored: StoredDesk) -> None:
    stored.run("release")
    stored.closet("bless", "last", "--reason", "first")
    before = stored.run("better", "--run-dir", "mine")[0]
    code, out, _ = stored.closet("resume", "mine", "--junit", "j.xml")
    assert (code, before) == (ExitCode.REGRESSION, ExitCode.REGRESSION)
    assert "gate CLOSED" in out
    assert JUnitXml.fromfile(str(stored.desk.folder / "j.xml")).failures == 1
    assert not (stored.desk.folder / ".closet" / "runs" / "mine").exists()


def _run(stored: StoredDesk, number: int) -> Path:
    return sorted((stored.desk.folder / ".closet" / "runs").iterdir())[number - 1]


def test_a_branch_is_approved_for_itself_and_lands(stored: StoredDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.run("release")
    stored.closet("bless", "last", "--reason", "first")
    stored.run("better")
    blessed = ("bless", "last", "--branch", "curves", "--change", "4be007", "--reason", "wider curves")
    assert stored.closet(*blessed)[1] == "created 0 · updated 1 · unchanged 1 on branch curves\n"
    assert stored.run("better")[0] == ExitCode.REGRESSION, "main knows nothing of it"
    monkeypatch.setenv("CLOSET_BRANCH", "curves")
    assert stored.run("better")[0] == ExitCode.GATE_OPEN
    assert stored.run("release")[0] == ExitCode.REGRESSION, "on the branch it is the new that is right"
    assert "desiredCurvature" in stored.closet("baselines", "diff", "*mici")[1]
    monkeypatch.delenv("CLOSET_BRANCH")
    assert stored.closet("baselines")[1].splitlines()[-1] == "2 baselines · other branches: curves"
    assert stored.closet("baselines", "land", "nothing", "--reason", "x")[0] == ExitCode.USAGE
    assert stored.closet("baselines", "land", "curves", "--reason", "merged")[1] == (
        "1 approvals of curves hold on main\n"
    )
    assert stored.run("better")[0] == ExitCode.GATE_OPEN
    shown = stored.closet("baselines", "show", "*mici")[1]
    assert "change   4be007" in shown
    assert "landed from curves, merged: wider curves" in shown
    assert stored.closet("baselines", "withdraw", "*mici", "--reason", "by mistake")[1] == "1 withdrawn\n"
    assert stored.run("better")[0] == ExitCode.NO_VERDICT
    assert stored.closet("baselines", "verify")[:2] == (0, "1 traces on main, 6 approvals: no problems\n")


def test_what_is_accepted_beside_passes_too(stored: StoredDesk) -> None:
    for name, beside in (("release", ()), ("better", ("--beside",))):
        stored.run(name)
        stored.closet("bless", "last", "--reason", name, *beside)
    assert [stored.run(name)[0] for name in ("release", "better")] == [ExitCode.GATE_OPEN] * 2


def test_a_suite_that_demands_signatures_uses_no_other_baseline(stored: StoredDesk) -> None:
    folder = stored.desk.folder
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "signing")], check=True)
    (folder / "allowed").write_text(f"lead {(folder / 'signing.pub').read_text()}")
    stored.desk.suite.write_text(stored.desk.suite.read_text() + "signers: allowed\n")
    stored.run("release")
    stored.closet("bless", "last", "--reason", "unsigned")
    code, _, err = stored.run("release")
    assert (code, "the approval is not signed" in err) == (ExitCode.NO_VERDICT, True)
    stored.closet("bless", "last", "--reason", "signed", "--sign", folder / "signing", "--signer", "lead")
    assert stored.run("release")[0] == ExitCode.GATE_OPEN
