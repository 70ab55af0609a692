"""closet report and closet gate as people and servers call them, over runs that are over."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.cli import main
from harness.errors import ExitCode
from harness.intent import RELEASE_POLICY, Answer, ClaimResult, Expectation
from harness.pipeline.runs import write_run
from harness.verdict import RunRecord, Verdict, parse_record
from tests.report.conftest import BEYOND, EXACT, REPLAY, WITHIN, record_of, result

PAGE = "https://closet.example.org/runs/2026-11-21-001/page"
PASSED, FAILED = {"checks": (REPLAY, EXACT, WITHIN)}, {"checks": (REPLAY, BEYOND, WITHIN)}
UNSURE = ClaimResult("calmer", "jerk", Expectation.IMPROVE, Answer.INCONCLUSIVE, "about 60 more segments")
GREEN = record_of(*(result(n, Verdict.PASS, **PASSED) for n in range(5)))
RED = record_of(*(result(n, Verdict.FAIL, **FAILED) for n in range(5)))
WARNED = replace(GREEN, claims=(UNSURE,))


class Lab:
    """A folder with runs, and the commands given there."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture

    def keep(self, record: RunRecord) -> None:
        write_run(self.folder / ".closet" / "runs" / record.run, record)

    def closet(self, *arguments: object) -> tuple[int, str, str]:
        self._capture.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self._capture.readouterr()
        return code, out, err


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lab:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOSET_HOME", raising=False)
    monkeypatch.delenv("CLOSET_PAGE_URL", raising=False)
    return Lab(tmp_path, capsys)


KINDS = ("text", "junit", "github", "gitlab", "markdown", "comment", "json", "sarif")


def test_the_page_about_build_servers_knows_every_form(lab: Lab) -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \|", (Path(__file__).parents[2] / "docs" / "ci.md").read_text())
    assert sorted(rows) == sorted(KINDS)
    code, _, err = lab.closet("report", "last", "--format", "none")
    assert code == ExitCode.USAGE
    assert all(f"'{kind}'" in err for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("record", "code"), [(GREEN, 0), (RED, 1), (record_of(), 5)])
def test_every_form_exits_as_the_gate_does_and_is_the_same_in_a_file(
    lab: Lab, kind: str, record: RunRecord, code: int
) -> None:
    lab.keep(record)
    told, out, err = lab.closet("report", "last", "--format", kind)
    assert (told, err) == (code, "")
    assert out.endswith("\n")
    assert lab.closet("report", "last", "--format", kind, "-o", "deep/er/report")[:2] == (code, "")
    assert (lab.folder / "deep/er/report").read_text() == out
    assert [path.name for path in (lab.folder / "deep/er").iterdir()] == ["report"], "nothing half-written is left"


def test_several_at_once_each_into_its_file_and_the_last_to_standard_output(lab: Lab) -> None:
    lab.keep(RED)
    code, out, _ = lab.closet(
        *("report", "last", "--page-url", PAGE, "--format", "junit", "-o", "junit.xml"),
        *("--format", "comment", "-o", "comment.md", "--format", "json", "-o", "record.json", "--format", "github"),
    )
    assert code == ExitCode.REGRESSION
    assert out.startswith("::error title=closet pr%3A gate CLOSED%2C exit 1::5 regressions")
    assert JUnitXml.fromfile("junit.xml").failures == 5
    assert PAGE in Path("junit.xml").read_text()
    assert Path("comment.md").read_text().startswith("<!-- closet:pr -->\n")
    assert parse_record(Path("record.json").read_bytes(), where="x") == RED


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "a", "-o", "b"),
        ("--format", "junit", "--format", "json"),
        ("--format", "junit", "--format", "json", "--format", "text", "-o", "a"),
        ("--page-url", "ftp://x"),
        ("--format", "html5"),
        ("--split", "0"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(lab: Lab, arguments: tuple[str, ...]) -> None:
    lab.keep(RED)
    code, out, err = lab.closet("report", "last", *arguments)
    assert (code, out) == (ExitCode.USAGE, "")
    assert err
    assert not [path for path in lab.folder.iterdir() if path.name != ".closet"]


def test_the_address_of_the_page_may_come_from_the_environment(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.keep(RED)
    monkeypatch.setenv("CLOSET_PAGE_URL", f"{PAGE}/")
    for kind in ("markdown", "comment", "github", "sarif", "junit", "gitlab"):
        assert f"{PAGE}/segments/" in lab.closet("report", "last", "--format", kind)[1]
    monkeypatch.setenv("CLOSET_PAGE_URL", "")
    assert "](" not in lab.closet("report", "last", "--format", "comment")[1], "empty is none"


@pytest.mark.parametrize("kind", ["junit", "gitlab"])
def test_a_split_report_leaves_no_parts_of_an_older_one(lab: Lab, kind: str) -> None:
    lab.keep(RED)
    assert lab.closet("report", "last", "--format", kind, "-o", "out/r.xml", "--split", 3)[0] == 1
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == ["r-2.xml", "r-3.xml", "r-4.xml", "r-5.xml", "r.xml"]
    assert sum(JUnitXml.fromfile(str(path)).tests for path in Path("out").iterdir()) == 15
    Path("out/r-other.xml").write_text("somebody else's")
    lab.closet("report", "last", "--format", kind, "-o", "out/r.xml", "--split", 9)
    assert sorted(path.name for path in Path("out").iterdir()) == ["r-2.xml", "r-other.xml", "r.xml"]
    lab.closet("report", "last", "--format", kind, "-o", "out/r.xml")
    assert sorted(path.name for path in Path("out").iterdir()) == ["r-other.xml", "r.xml"]


@pytest.mark.parametrize(("record", "code"), [(GREEN, ExitCode.NO_VERDICT), (RED, ExitCode.REGRESSION)])
def test_a_report_that_cannot_be_written_is_never_green_and_hides_no_regression(
    lab: Lab, record: RunRecord, code: int
) -> None:
    lab.keep(record)
    Path("file").touch()
    told, _, err = lab.closet("report", "last", "--format", "json", "-o", "file/x", "--format", "json", "-o", "good")
    assert told == code
    assert "file/x: cannot be written" in err
    assert Path("good").is_file(), "the others are written all the same"


def test_a_report_that_readers_refuse_says_what_to_do(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.keep(GREEN)
    monkeypatch.setattr("harness.cli.reporting.READER_LIMIT", 100)
    code, out, err = lab.closet("report", "last", "--format", "junit")
    assert (code, "--split" in err) == (0, True)
    assert out.startswith("<?xml")


def test_an_older_record_is_reported_and_a_newer_one_refused(lab: Lab) -> None:
    lab.keep(RED)
    path = lab.folder / ".closet" / "runs" / RED.run / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    assert lab.closet("report", "last", "--format", "text")[0] == ExitCode.REGRESSION
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 3}))
    code, out, err = lab.closet("report", "last")
    assert (code, out) == (ExitCode.NO_VERDICT, "")
    assert "record format 3, this program reads 1 to 2 (a newer testing-closet wrote it: install that one)" in err


def test_a_gate_by_another_policy_says_what_makes_the_difference(lab: Lab) -> None:
    lab.keep(WARNED)
    assert lab.closet("gate", "last", "--policy", "release") == (
        3,
        (
            "gate CLOSED, exit 3, by policy release: 1 claim inconclusive\n"
            "run  OPEN, exit 0, by policy pr: 5 jobs passed · warning: 1 claim inconclusive\n"
            "  inconclusive: warn → block\n"
            "    calmer: jerk\n"
        ),
        "",
    )
    assert lab.closet("gate", "last")[:2] == (
        0,
        "gate OPEN, exit 0, by policy pr: 5 jobs passed · warning: 1 claim inconclusive\nthe run's own policy\n",
    )
    assert lab.closet("gate", "last", "--policy", "nightly")[:2] == (
        0,
        (
            "gate OPEN, exit 0, by policy nightly: 5 jobs passed · warning: 1 claim inconclusive\n"
            "nothing changes: by policy pr the run decided the same\n"
        ),
    )
    assert lab.closet("report", "last")[0] == 0, "the record stays as it is"


def test_a_gate_may_open_by_a_milder_policy_but_never_over_a_regression(lab: Lab) -> None:
    lab.keep(replace(WARNED, gate_policy=RELEASE_POLICY))
    assert lab.closet("gate", "last")[0] == ExitCode.NO_VERDICT
    code, out, _ = lab.closet("gate", "last", "--policy", "pr")
    assert (code, "inconclusive: block → warn" in out) == (0, True)
    lab.keep(replace(RED, claims=(UNSURE,), gate_policy=RELEASE_POLICY))
    assert lab.closet("gate", "last", "--policy", "pr")[0] == ExitCode.REGRESSION


def test_a_policy_of_ones_own_comes_from_a_file(lab: Lab) -> None:
    lab.keep(WARNED)
    Path("ours.yaml").write_text("inconclusive: block\n")
    code, out, _ = lab.closet("gate", "last", "--policy", "ours.yaml", "--json")
    told = json.loads(out)
    assert code == told["exit_code"] == ExitCode.NO_VERDICT
    assert told["policy"] == {
        "name": "ours",
        "worse": "block",
        "inconclusive": "block",
        "not_better": "warn",
        "changed": "warn",
    }
    assert (told["open"], told["before"]["open"], told["before"]["policy"]["name"]) == (False, True, "pr")
    assert told["reweighed"] == [
        {
            "standing": "inconclusive",
            "before": "warn",
            "now": "block",
            "claims": [{"intent": "calmer", "name": "jerk"}],
        }
    ]
    Path("ours.yaml").write_text("name: lab rules\nworse: block\n")
    assert "by policy lab rules" in lab.closet("gate", "last", "--policy", "ours.yaml")[1]


@pytest.mark.parametrize(
    ("content", "words"),
    [("inconclusive: maybe\n", "ours.yaml:1"), ("worse: block\nstrict: yes\n", "ours.yaml:2: strict: unknown key")],
)
def test_a_policy_with_mistakes_is_refused_with_its_line(lab: Lab, content: str, words: str) -> None:
    lab.keep(WARNED)
    Path("ours.yaml").write_text(content)
    code, _, err = lab.closet("gate", "last", "--policy", "ours.yaml")
    assert (code, words in err) == (ExitCode.USAGE, True)
    code, _, err = lab.closet("gate", "last", "--policy", "relaese")
    assert (code, err) == (
        2,
        "closet: --policy: no policy relaese (name pr, release, nightly, or an existing YAML file)\n",
    )
