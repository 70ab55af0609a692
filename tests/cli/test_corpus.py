"""closet routes index, find and coverage, as typed; and suites that pick their minutes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.config import load_suite
from harness.errors import ConfigError, ConfigMistakesError, ExitCode, NothingToRunError
from harness.pipeline.prepare import check_suite, prepare
from harness.pipeline.request import Request, parse_model_choice
from harness.recording.corpus import Corpus
from harness.store import Store
from tests.recording.made_drives import segment, write_drive

SOFT = {
    "states": {0.0: "enabled", 1.0: "softDisabling", 2.0: "enabled"},
    "events": [(1.0, 2.0, "steerTempUnavailable", ["softDisable"])],
    "seconds": 3.0,
}
SUITE = """\
suite: s
routes: [{{folder: drives, where: '{where}'}}]
replayers:
  selfdrive_state: {{candidate: rules.yaml, baseline: rules.yaml, checks: {{events: {{events: {{}}}}}}}}
"""


@pytest.fixture
def drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOSET_HOME", str(tmp_path / "home"))
    folder = tmp_path / "drives"
    write_drive(folder, 0, **SOFT)
    write_drive(folder, 1, seconds=3.0)
    write_drive(folder, 2, seconds=3.0).write_bytes(b"rubbish")
    (tmp_path / "rules.yaml").write_text("format: 1\nbase: 0.11.2\n")
    return folder


def closet(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_index_find_and_coverage(drives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert closet("routes", "find", "night") == ExitCode.USAGE
    assert "nothing is indexed yet" in capsys.readouterr().err
    assert closet("routes", "index", drives) == ExitCode.GATE_OPEN
    told = capsys.readouterr()
    assert "3 segments: 3 read, 0 unchanged, 1 cannot be read" in told.out
    assert "not an openpilot log" in told.err
    assert closet("routes", "index", drives, "--json") == ExitCode.GATE_OPEN
    report = json.loads(capsys.readouterr().out)
    assert (report["read"], report["unchanged"], len(report["broken"])) == (0, 3, 1)
    assert closet("routes", "find", "soft_disables > 0", "--names") == ExitCode.GATE_OPEN
    assert capsys.readouterr().out == f"{segment(0)}\n"
    assert closet("routes", "find", 'event = "steerTempUnavailable"', "--json") == ExitCode.GATE_OPEN
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["soft_disables"], row["disablings"][0]["outcome"]) == (1, "recovered")
    assert closet("routes", "coverage", "--picture", "c.svg", "--missing") == ExitCode.GATE_OPEN
    told = capsys.readouterr()
    assert "TOYOTA_RAV4" in told.out
    assert "  TOYOTA_PRIUS\n" in told.out
    assert Path("c.svg").read_text().startswith("<svg")
    assert closet("routes", "coverage", "--json") == ExitCode.GATE_OPEN
    assert json.loads(capsys.readouterr().out)["cars"][0]["events"][0]["count"] == 1


def test_a_wrong_expression_is_a_usage_error_with_its_place(drives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closet("routes", "index", drives)
    capsys.readouterr()
    assert closet("routes", "find", "soft_disables > 0 and brnd = 'x'") == ExitCode.USAGE
    assert "column 23: there is no brnd (did you mean brand?" in capsys.readouterr().err


def prepared(where: str, *candidates: str) -> list[str]:
    Path("suite.yaml").write_text(SUITE.format(where=where))
    request = Request(Path("suite.yaml"), None, tuple(parse_model_choice(text) for text in candidates))
    with Store(Path("home")) as store:
        return [str(trial.segment) for trial in prepare(request, store).plan.trials]


def test_a_suite_replays_what_its_condition_picks_and_never_hides_a_broken_log(drives: Path) -> None:
    assert prepared("soft_disables > 0") == [str(segment(0)), str(segment(2))]
    assert prepared('soft_disables > 0 and error = ""') == [str(segment(0))]
    write_drive(drives, 1, **SOFT)
    assert prepared('soft_disables > 0 and error = ""') == [str(segment(0)), str(segment(1))]


def test_a_condition_that_nothing_fits_is_never_green(drives: Path) -> None:
    with pytest.raises(NothingToRunError):
        prepared('brand = "kia" and error = ""')


def test_a_condition_that_is_wrong_has_the_line_of_the_suite(drives: Path) -> None:
    Path("suite.yaml").write_text(SUITE.format(where="soft_disable > 0"))
    with pytest.raises(ConfigMistakesError) as caught:
        check_suite(load_suite(Path("suite.yaml")), None)
    assert caught.value.errors[0].where == "suite.yaml:2, column 1 of the expression"


def test_a_replayer_can_have_a_condition_of_its_own(drives: Path) -> None:
    said = SUITE.format(where='error = ""').replace("candidate:", "where: 'number = {n}', candidate:", 1)
    for number, found in ((1, [str(segment(1))]), (7, None)):
        Path("suite.yaml").write_text(said.replace("{n}", str(number)))
        with Store(Path("home")) as store:
            if found is None:
                with pytest.raises(NothingToRunError):
                    prepare(Request(Path("suite.yaml"), None), store)
            else:
                trials = prepare(Request(Path("suite.yaml"), None), store).plan.trials
                assert [str(trial.segment) for trial in trials] == found


def test_a_model_that_is_none_for_any_replayer_is_a_mistake_and_not_passed_over(drives: Path) -> None:
    Path("other.yaml").write_text("format: 1\nbase: 0.11.1\n")
    assert prepared("number = 0", "other.yaml")
    with pytest.raises(ConfigError, match="for selfdrive_state"):
        prepared("number = 0", "drives")


def test_ctrl_c_ends_a_walk_at_once_and_keeps_what_was_read(drives: Path, tmp_path: Path) -> None:
    log = write_drive(drives, 3, seconds=0.2)
    count = 2000
    for number in range(4, count):
        path = drives / segment(number).folder_name / log.name
        path.parent.mkdir()
        path.hardlink_to(log)
    code = "import sys; from harness.cli import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, "routes", "index", str(drives), "--jobs", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any(f"of {count} logs" in line for line in process.stderr), "it ended before it told how far it is"
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == ExitCode.NO_VERDICT
    assert "interrupted" in told
    assert "Traceback" not in told
    with Corpus(tmp_path / "home" / "corpus.db") as corpus:
        assert 0 < corpus.count() < count
