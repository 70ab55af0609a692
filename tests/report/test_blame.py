"""Repeats, lone crashes and quarantine as a person and a reader of JUnit see them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from junitparser import Error, Failure, Skipped
from junitparser.xunit2 import JUnitXml
from lxml import etree

from harness.errors import ErrorDescription
from harness.report import render_junit, render_summary, render_trial, trial_rows
from harness.verdict import Blame, RunRecord, Verdict, gate
from tests.report.conftest import SEGMENT, TURN, attempt, record_of, repeat, result
from tests.report.test_junit import jenkins_schema

FOLDER = ".closet/runs/2026-11-21-001"


def block(text: str, number: int) -> str:
    """What the summary says of one trial."""
    (found,) = [part for part in text.split("\n\n") if f"{SEGMENT}/{number} · driving_model" in part.split("\n")[0]]
    return found


def case_of(record: RunRecord, number: int, check: str):
    read = JUnitXml.fromstring(render_junit(record).encode())
    (found,) = [
        case for suite in read for case in suite if case.classname.endswith(f"_{number}") and case.name == check
    ]
    return found


def outcome_of(record: RunRecord, number: int, check: str):
    return next(iter(case_of(record, number, check).result), None)


@pytest.mark.parametrize(
    ("number", "lines"),
    [
        (0, [f"FAIL   {SEGMENT}/0 · driving_model · mici-01, again there and on mici-03"]),
        (
            1,
            [
                f"ERROR  {SEGMENT}/1 · driving_model · mici-01",
                "SuspectDevice            only mici-01 shows it: again there, not on mici-03",
                "repeat                   mici-01: FAIL action: action.desiredCurvature leaves at frame 412 (20.60 s)",
                "repeat                   mici-03: passes",
            ],
        ),
        (2, ["NotReproducible          differs from itself on mici-01: not reproducible, not on mici-03"]),
        (
            3,
            [
                f"FAIL   {SEGMENT}/3 · driving_model · mici-01",
                "repeated                 could not be confirmed: mici-03: no answer",
            ],
        ),
        (4, ["repeated                 not confirmed: more than 3 failed"]),
        (
            5,
            [
                f"QUARANTINED {SEGMENT}/5 · driving_model · mici-01",
                "quarantine               FAIL of action does not gate",
                "until 2026-12-01, lab@example.org, https://example.org/7: the camera drops frames",
            ],
        ),
        (6, ["quarantine        ERROR of the whole trial does not gate"]),
        (8, [f"FAIL   {SEGMENT}/8 · driving_model · mici-01", "quarantine               FAIL of action does not gate"]),
        (9, ["quarantine               expired 2026-11-01, excuses nothing: lab@example.org, https://example.org/8"]),
    ],
)
def test_the_summary_says_whose_fault_it_is(blamed: RunRecord, number: int, lines: list[str]) -> None:
    said = [line.strip() for line in block(render_summary(blamed, FOLDER), number).splitlines()]
    assert not [line for line in lines if line not in said], said


def test_what_was_confirmed_is_not_said_twice(blamed: RunRecord) -> None:
    confirmed = blamed.results[0]
    text = render_summary(blamed, FOLDER)
    assert "repeat" not in block(text, 0), "the heading says it"
    assert render_trial(confirmed).count("\n  repeat ") == 2, "the whole trial shows each repeat"
    partly = replace(confirmed, repeated=f"{confirmed.repeated}; meta only sometimes")
    assert "meta only sometimes" in render_summary(record_of(partly), FOLDER)


def test_the_tally_tells_what_is_hidden_by_quarantine(blamed: RunRecord) -> None:
    text = render_summary(blamed, FOLDER)
    assert "QUARANTINED 2   run and reported, not gating: FAIL 1 · ERROR 1" in text
    old = replace(blamed, results=(replace(blamed.results[5], quarantine=None),))
    assert "QUARANTINED 1   run and reported, not gating\n" in render_summary(old, FOLDER)


def test_notes_tell_what_nobody_is_blamed_for(blamed: RunRecord) -> None:
    notes = [line for line in render_summary(blamed, FOLDER).splitlines() if line.startswith("NOTE")]
    over = f"quarantine of {SEGMENT}/9 expired 2026-11-01 and excuses nothing: lab@example.org, https://example.org/8"
    assert notes == [
        f"NOTE   {SEGMENT}/10 · driving_model · crashed on mici-01, not on mici-03: killed by SIGSEGV",
        f"NOTE   {over}",
    ]
    released = record_of(blamed.results[7])
    assert (
        f"NOTE   quarantine of {SEGMENT}/* could be released, 1 job passed: lab@example.org, https://example.org/7\n"
        in render_summary(released, FOLDER)
    )


def test_a_device_that_crashed_once_and_then_did_not() -> None:
    crash = ErrorDescription("ProductCrashError", "killed by SIGSEGV")
    again = result(0, Verdict.PASS, attempts=(attempt("one", 0, 1, crash), attempt("one", 1, 2)))
    assert "crashed on one once: killed by SIGSEGV" in render_summary(record_of(again), FOLDER)


def test_a_row_of_a_trial_that_is_no_regression_says_why(blamed: RunRecord) -> None:
    rows = trial_rows(blamed)
    assert rows[1][4] == "only mici-01 shows it: again there, not on mici-03"
    assert rows[5][4].startswith("action.desiredCurvature")


@pytest.mark.parametrize("testcase_properties", [True, False])
def test_it_is_valid_junit(blamed: RunRecord, testcase_properties: bool) -> None:
    text = render_junit(blamed, testcase_properties=testcase_properties)
    jenkins_schema(testcase_properties=testcase_properties).assertValid(etree.fromstring(text.encode()))


def test_junit_tells_a_regression_from_a_suspect_device(blamed: RunRecord) -> None:
    failure = outcome_of(blamed, 0, "action")
    assert isinstance(failure, Failure)
    assert "the software on trial: again on mici-01 and mici-03" in failure.text
    suspect = outcome_of(blamed, 1, "action")
    assert isinstance(suspect, Error)
    assert suspect.type == "SuspectDevice"
    assert TURN.words.splitlines()[0] in suspect.text, "what was seen is kept"
    read = JUnitXml.fromstring(render_junit(blamed).encode())
    decided = gate(blamed)
    assert (read.failures, decided.counts[Verdict.FAIL]) == (5, 5)


def test_junit_skips_what_is_quarantined_with_the_real_outcome_in_it(blamed: RunRecord) -> None:
    skipped = outcome_of(blamed, 5, "action")
    assert isinstance(skipped, Skipped)
    assert skipped.message.startswith("quarantined until 2026-12-01: FAIL action.desiredCurvature: leaves at frame 412")
    assert "https://example.org/7" in skipped.text
    assert outcome_of(blamed, 5, "plan") is None, "only the quarantined check is excused"
    lost = outcome_of(blamed, 6, "plan")
    assert isinstance(lost, Skipped)
    assert lost.message == "quarantined until 2026-12-01: ERROR no answer"
    assert isinstance(outcome_of(blamed, 8, "action"), Skipped)
    assert isinstance(outcome_of(blamed, 8, "plan"), Failure)
    assert isinstance(outcome_of(blamed, 9, "action"), Failure), "an expired entry excuses nothing"
    assert outcome_of(blamed, 7, "action") is None
    assert "quarantined, passes, could be released: until 2026-12-01" in case_of(blamed, 7, "action").system_out


def test_junit_has_every_attempt_and_its_log_once(blamed: RunRecord) -> None:
    case = case_of(blamed, 3, "replay")
    assert "repeat on mici-03: UnreachableError: no answer" in case.system_out
    assert (
        "attempt: candidate on mici-03, epoch 1, 70.0–95.5 s of the run, UnreachableError: no answer" in case.system_out
    )
    assert case.system_out.count("what it said last") == 1
    assert "what it said last" not in case_of(blamed, 3, "plan").system_out
    crashed = case_of(blamed, 10, "replay")
    properties = {entry.name: entry.value for entry in crashed.properties()}
    assert properties["crashed_on"] == "mici-01"
    assert properties["attempt.1"].endswith("ProductCrashError: killed by SIGSEGV")
    assert properties["attempt.2"] == "attempt: candidate on mici-03, epoch 1, 4.0–60.0 s of the run, done"
    assert "Segmentation fault" in crashed.system_out
    assert crashed.is_flaky
    confirmed = {entry.name: entry.value for entry in case_of(blamed, 0, "action").properties()}
    assert confirmed["blame"] == Blame.PRODUCT.value
    assert confirmed["repeat.2"].startswith("mici-03: FAIL action")
    quarantined = {entry.name: entry.value for entry in case_of(blamed, 5, "plan").properties()}
    assert (quarantined["quarantine.outcome"], quarantined["quarantine.excused"]) == ("FAIL", "action")


def test_a_long_log_is_cut_at_a_line_and_keeps_its_end() -> None:
    log = "\n".join(f"line {number}" for number in range(2000))
    lost = ErrorDescription("DeviceTimeoutError", "late")
    failed = result(0, Verdict.ERROR, error=lost, attempts=(attempt("one", 0, 1, lost, log),))
    text = case_of(record_of(failed), 0, "replay").system_out
    shown = text.partition("--- log of one, epoch 1\n")[2].splitlines()
    assert shown[-1] == "line 1999"
    assert shown[0].removeprefix("… ") in log.splitlines()
    assert len(text) < 6000


@pytest.mark.parametrize(
    ("devices", "repeats", "words"),
    [
        (("a",), ("a", "b"), "a, again there and on b"),
        (("a",), ("b",), "a, again on b"),
        (("a",), ("a",), "a, again there"),
        (("a", "b"), ("b", "c"), "a, then b, again there and on c"),
        (("a",), ("b", "a"), "a, again there and on b"),
        ((), ("a", "b"), "mici, reused, again on a and b"),
    ],
)
def test_where_it_was_seen_again(devices: tuple[str, ...], repeats: tuple[str, ...], words: str) -> None:
    failed = result(
        0,
        Verdict.FAIL,
        attempts=tuple(attempt(device, 0, 1) for device in devices),
        reused=not devices,
        blame=Blame.PRODUCT,
        confirmations=tuple(repeat(device, "action") for device in repeats),
    )
    assert render_trial(failed).splitlines()[0].endswith(f"· {words}")


def test_what_an_earlier_run_confirmed_is_said_so(blamed: RunRecord) -> None:
    recalled = replace(blamed.results[0], repeated="again on mici-01 and mici-03, as run 2026-11-20-004 found")
    assert "again on mici-01 and mici-03, as run 2026-11-20-004 found" in render_summary(record_of(recalled), FOLDER)
