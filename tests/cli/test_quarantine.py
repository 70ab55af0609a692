"""A quarantine as it is typed: what it excuses in a run, what check says of it, what the list shows."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from junitparser import JUnitXml, Skipped

from harness.errors import ExitCode
from harness.pipeline.runs import load_run
from harness.verdict import Blame, Verdict
from tests.cli.conftest import Desk

TODAY = datetime.datetime.now(datetime.UTC).date()
LATER, PAST = (TODAY + datetime.timedelta(days=days) for days in (30, -3))


def entry(route: str = '"*"', checks: str = '["*"]', expires: datetime.date = LATER) -> str:
    return (
        f"  - {{route: {route}, checks: {checks}, owner: lab@example.org, issue: https://example.org/7,\n"
        f"     reason: known, expires: {expires}}}\n"
    )


def quarantine(desk: Desk, *entries: str) -> Path:
    path = desk.folder / "quarantine.yaml"
    path.write_text("quarantine:\n" + "".join(entries))
    return path


def run(desk: Desk, *more: object, candidate: str = "curve_bias") -> tuple[int, str, str]:
    sides = ("--baseline", desk.model("release"), "--candidate", desk.model(candidate))
    return desk.closet("run", desk.suite, *sides, "--run-dir", f"run-{candidate}", *more)


def test_a_run_of_nothing_but_quarantine_is_not_green_and_an_expired_entry_excuses_nothing(desk: Desk) -> None:
    quarantine(desk, entry())
    code, out, err = run(desk, "--junit", "report.xml")
    assert code == ExitCode.NOTHING_TO_RUN, out + err
    assert "QUARANTINED 1   run and reported, not gating: FAIL 1" in out
    assert "until " + LATER.isoformat() in out
    assert "action.desiredCurvature" in out, "what it came to is told"
    report = JUnitXml.fromfile(str(desk.folder / "report.xml"))
    assert (report.failures, report.errors) == (0, 0)
    skipped = {case.name: next(iter(case.result)) for suite in report for case in suite if case.result}
    assert isinstance(skipped["action"], Skipped)
    assert "FAIL action.desiredCurvature" in skipped["action"].message
    (result,) = load_run(desk.folder / "run-curve_bias").results
    assert (result.verdict, result.confirmations) == (Verdict.QUARANTINED, ()), "nobody is blamed"

    quarantine(desk, entry(expires=PAST))
    code, out, err = run(desk, "--no-confirm", "--run-dir", "expired")
    assert code == ExitCode.REGRESSION, out + err
    assert f"NOTE   quarantine of * expired {PAST} and excuses nothing: lab@example.org, https://example.org/7" in out
    (result,) = load_run(desk.folder / "expired").results
    assert (result.verdict, result.blame) == (Verdict.FAIL, None)

    quarantine(desk, entry(checks="[meta]"))
    code, out, err = run(desk, "--run-dir", "confirmed")
    assert code == ExitCode.REGRESSION, out + err
    (result,) = load_run(desk.folder / "confirmed").results
    assert (result.verdict, result.blame) == (Verdict.FAIL, Blame.PRODUCT), "another check is not excused"
    assert ", reused, again on " in out


def test_what_passes_could_be_released(desk: Desk) -> None:
    quarantine(desk, entry())
    code, out, err = run(desk, candidate="reexport")
    assert code == ExitCode.GATE_OPEN, out + err
    assert "NOTE   quarantine of * could be released, 1 job passed: lab@example.org, https://example.org/7" in out


def test_check_refuses_what_expired_and_warns_of_what_matches_nothing(desk: Desk) -> None:
    gone = "5beb9b58bd12b691/0000010a--a51155e496/3"
    path = quarantine(desk, entry(), entry(route=gone), entry(checks="[lanes]"))
    code, out, err = desk.closet("check", desk.suite)
    assert code == 0
    assert f"warning: {path}:4: the quarantine of {gone} matches nothing in tiny" in err
    assert f"warning: {path}:6: the quarantine of * matches nothing in tiny" in err
    assert err.count("warning") == 2
    other = desk.suite.with_name("other.yaml")
    other.write_text(desk.suite.read_text().replace("suite: tiny", "suite: other").replace("meta:", "lanes:"))
    code, out, err = desk.closet("check", desk.suite, other, path, "--json")
    assert (code, err.count("warning")) == (0, 1), "an entry means something if it does in one of the suites"
    assert [told["kind"] for told in json.loads(out)["ok"]] == ["suite", "suite", "quarantine"]
    assert len(json.loads(out)["warnings"]) == 1
    quarantine(desk, entry(expires=PAST), entry(route="nonsense"))
    code, _, err = desk.closet("check", desk.suite, other, path)
    assert code == ExitCode.USAGE
    assert f"{path}:2: the quarantine of * expired 3 days ago, on {PAST}" in err
    assert f"{path}:4: 'nonsense' is not a route" in err
    assert "2 mistakes" in err, "each once, whoever shares the file"


def test_the_list_shows_what_is_left(desk: Desk) -> None:
    path = quarantine(desk, entry(), entry(route="5beb9b58bd12b691/*", expires=PAST))
    code, out, _ = desk.closet("quarantine", "list", path)
    assert code == 0
    assert out.splitlines()[0] == "5beb9b58bd12b691/* · all devices · * · *", "the most urgent first"
    assert f"  EXPIRED 3 days ago, until {PAST} · lab@example.org · https://example.org/7" in out
    assert f"  30 days left, until {LATER}" in out
    rows = json.loads(desk.closet("quarantine", "list", desk.folder, "--json")[1])
    assert [row["days_left"] for row in rows] == [-3, 30]
    path.write_text("quarantine: []\n")
    assert desk.closet("quarantine", "list", path)[1] == f"nothing is quarantined in {path}\n"
    assert desk.closet("quarantine", "list")[0] == ExitCode.USAGE, "there is no suites/quarantine.yaml here"
