"""The shell steps of the GitHub workflow, run as its runner runs them, over a real run of a small suite.

`closet`, its run, its record and its reports are real. The one stand-in is `gh`, at the very edge: a program that keeps
comments in a file, where GitHub would, and answers with the real `jq` as `gh --jq` does with its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cli.options import make_request, open_store
from harness.pipeline.prepare import prepare
from harness.report.markdown import COMMENT_LIMIT, SUMMARY_LIMIT
from harness.trace import write_trace
from tests.ci.servers import github_job, github_scripts
from tests.cli.conftest import Desk
from tests.cli.test_stored import made_trace

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="no jq here")

SUITE = """\
suite: pr
routes: [{routes}]
confirm: false
replayers:
  driving_model:
    checks:
      action: {{channels: [action.*]}}
"""
GH = """\
#!{python}
import json, os, pathlib, subprocess, sys
words = sys.argv[1:]
kept = pathlib.Path(os.environ["GH_KEPT"])
told = json.loads(kept.read_text()) if kept.exists() else {{"calls": [], "comments": []}}
told["calls"].append({{"words": words, "token": bool(os.environ.get("GH_TOKEN"))}})
assert words[0] == "api"
if "--jq" in words:
    assert words[2] == "repos/lab/models/issues/7/comments"
    listed = json.dumps(told["comments"])
    subprocess.run(["jq", "-r", words[-1]], input=listed, check=True, text=True)
else:
    method, path, name, body = words[3], words[4], *words[6].split("=@", 1)
    assert (words[2], words[5], name) == ("--method", "-F", "body")
    text = pathlib.Path(body).read_text()
    if method == "POST":
        assert path == "repos/lab/models/issues/7/comments"
        number = 100 + len(told["comments"])
        told["comments"].append({{"id": number, "user": {{"login": "github-actions[bot]"}}, "body": text}})
    else:
        (one,) = [each for each in told["comments"] if path == f"repos/lab/models/issues/comments/{{each['id']}}"]
        one["body"] = text
kept.write_text(json.dumps(told))
"""


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner of GitHub Actions: runs one step's script, with the environment that a job has."""

    desk: Desk
    folder: Path

    def step(self, name: str, run: str, candidate: str, **more: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "temp").mkdir(exist_ok=True)
        given = {key: value for key, value in github_job()["env"].items() if "${{" not in value}
        given |= {
            "SUITE": str(self.desk.suite),
            "CANDIDATE": str(self.desk.model(candidate)),
            "BASELINE": str(self.desk.model("release")),
            "RUN": run,
            "CLOSET_URL": "https://closet.example.org",
            "CLOSET_HOME": str(self.desk.folder / ".closet"),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_REPOSITORY": "lab/models",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_RUN_ID": "12",
            "GH_KEPT": str(self.folder / "gh.json"),
            "PATH": os.pathsep.join([str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
        }
        step = next(step for step in github_job()["steps"] if step.get("name") == name)
        if "GH_TOKEN" in step.get("env", {}):
            given |= {"GH_TOKEN": "ghs_secretsecretsecretsecret", "PULL": "7"}
        script = self.folder / "step.sh"
        script.write_text(github_scripts()[name])
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", script]
        return subprocess.run(
            command, env=given | more, cwd=self.desk.folder, capture_output=True, text=True, timeout=240, check=False
        )

    def gh(self) -> dict:
        return json.loads((self.folder / "gh.json").read_text())


@pytest.fixture
def runner(desk: Desk, tmp_path: Path) -> Runner:
    """A desk on which the release and two candidates have traces: `better` differs, `noisy` does not."""
    desk.suite.write_text(SUITE.format(routes=desk.demo.routes_folder))
    (desk.folder / "devices.yaml").write_text("devices: {emulated: 1}\n")
    store = open_store()
    for name, curvature in (("release", 0.0), ("noisy", 0.0), ("better", 0.5)):
        request = make_request(desk.suite, (str(desk.model(name)),), (), None, ())
        for trial in prepare(request, store).plan.trials:
            path = tmp_path / "made.trace"
            write_trace(path, made_trace(trial.candidate, curvature))
            store.remember_trace(trial.candidate.id, store.put_file(path).sha256, {})
    folder = tmp_path / "runner"
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "gh"
    program.write_text(GH.format(python=sys.executable))
    program.chmod(0o755)
    return Runner(desk, folder)


def test_a_red_pull_request_and_then_a_green_one(runner: Runner) -> None:
    red = ("github-12-1", "better")
    replay = runner.step("Replay", *red)
    assert replay.returncode == 1, replay.stderr
    first, *_, last = replay.stdout.splitlines()
    assert first.startswith("::stop-commands::")
    assert last == f"::{first.removeprefix('::stop-commands::')}::"
    assert len(last) == 32 + 4
    assert "gate CLOSED, exit 1" in replay.stdout
    page = runner.desk.folder / ".closet" / "runs" / "github-12-1" / "page"
    assert (page / "index.html").is_file()

    report = runner.step("Report", *red)
    assert report.returncode == 1, report.stderr
    address = "https://closet.example.org/runs/github-12-1/page"
    told = report.stdout.splitlines()
    assert told[0].startswith("::error title=closet pr%3A gate CLOSED%2C exit 1::")
    assert all(line.startswith("::error ") and address in line for line in told)
    made = runner.folder / "temp" / "report"
    assert sorted(path.name for path in made.iterdir()) == ["closet.sarif", "comment.md", "junit.xml", "record.json"]
    summary = (runner.folder / "summary.md").read_text()
    assert len(summary.encode()) <= SUMMARY_LIMIT
    (name,) = set(re.findall(rf"\]\({address}/(segments/[^#)]*)", summary))
    assert (page / name).is_file(), "the first wrong frame stands on a page that is there"
    assert json.loads((made / "record.json").read_text())["run"] == "github-12-1"

    theirs = {"id": 1, "user": {"login": "somebody"}, "body": "<!-- closet:pr -->\nmine"}
    other = {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "<!-- closet:nightly -->\nother"}
    (runner.folder / "gh.json").write_text(json.dumps({"calls": [], "comments": [theirs, other]}))
    comment = runner.step("Comment", *red)
    assert comment.returncode == 0, comment.stderr
    kept = runner.gh()
    assert kept["comments"][:2] == [theirs, other], "nobody else's comment is touched"
    assert kept["comments"][2]["body"] == (made / "comment.md").read_text()
    assert len(kept["comments"][2]["body"]) <= COMMENT_LIMIT
    assert "gate CLOSED, exit 1" in kept["comments"][2]["body"]

    green = ("github-13-1", "noisy")
    assert runner.step("Replay", *green).returncode == 0
    report = runner.step("Report", *green, CLOSET_URL="")
    assert (report.returncode, report.stdout.split(" ", 1)[0]) == (0, "::notice")
    assert "](" not in (runner.folder / "summary.md").read_text(), "without an address nothing leads there"
    assert runner.step("Comment", *green).returncode == 0
    after = runner.gh()["comments"]
    assert [each["id"] for each in after] == [1, 2, 102], "written anew in its place"
    assert "gate OPEN, exit 0" in after[2]["body"]
    for step in (replay, report, comment):
        assert "secretsecret" not in step.stdout + step.stderr
    assert [call["token"] for call in runner.gh()["calls"]] == [True] * 4


def test_without_a_record_the_comment_of_an_older_push_does_not_stay(runner: Runner) -> None:
    broken = {"SUITE": str(runner.desk.folder / "no" / "pr.yaml")}
    assert runner.step("Replay", "github-14-1", "better", **broken).returncode == 2
    assert runner.step("Report", "github-14-1", "better", **broken).returncode == 2
    old = {"id": 5, "user": {"login": "github-actions[bot]"}, "body": "<!-- closet:pr -->\n### ✅ `pr` gate OPEN"}
    (runner.folder / "gh.json").write_text(json.dumps({"calls": [], "comments": [old]}))
    assert runner.step("Comment", "github-14-1", "better", **broken).returncode == 0
    (told,) = runner.gh()["comments"]
    assert told["body"].startswith("<!-- closet:pr -->\n### ❌ no result")
    assert "https://github.com/lab/models/actions/runs/12" in told["body"]
