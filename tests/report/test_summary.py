from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import render_summary, render_trial, replay_command, trial_rows
from harness.report.summary import duration
from harness.verdict import NOT_RUN, CheckResult, Closeness, Severity, Verdict, gate
from tests.report.conftest import BEYOND, EXACT, REPLAY, SEGMENT, TURN, WITHIN, record_of, result

FOLDER = ".closet/runs/2026-11-21-001"


def test_the_text_a_person_sees_first(record):
    lines = render_summary(record, FOLDER).splitlines()
    assert lines[0] == (
        "pr · 5 segments × 2 replayers · 2 devices (2 mici) · candidate models/next · baseline models/release"
    )
    assert lines[2] == "PASS     1   within tolerance 1"
    assert lines[3] == "FAIL     1"
    assert lines[4] == "ERROR    2   NotRun 1 · StagingFailedError 1"
    assert lines[-1] == (
        f"gate CLOSED, exit 1: 1 regression, 2 jobs without a verdict · 3 min 12 s · {FOLDER}/junit.xml"
    )


def test_a_failure_has_its_words_and_the_ways_to_look_and_try_again(record):
    text = render_summary(record, FOLDER)
    assert f"FAIL   {SEGMENT}/1 · driving_model · mici-02\n" in text
    for line in TURN.words.splitlines():
        assert line in text
    assert f"  look   closet diff {FOLDER} {SEGMENT}/1\n" in text
    assert f"  again  closet run suites/pr.yaml --candidate models/next --only {SEGMENT}/1\n" in text


def test_an_error_says_what_to_do(record):
    text = render_summary(record, FOLDER)
    assert "disk full (0 MB of 62 MB)" in text
    assert "free space" in text
    assert NOT_RUN.remedy in text


def test_an_open_gate(record):
    passed = record_of(record.results[0])
    assert "gate OPEN, exit 0: 1 job passed" in render_summary(passed, FOLDER)


def test_nothing_run_is_not_green():
    assert "gate CLOSED, exit 5: nothing was judged" in render_summary(record_of(), FOLDER)


@given(st.lists(st.sampled_from(list(Verdict)), max_size=8))
def test_it_says_what_the_gate_says(verdicts):
    record = record_of(*(result(n, verdict, checks=(EXACT,)) for n, verdict in enumerate(verdicts)))
    decided = gate(record)
    last = render_summary(record, FOLDER).splitlines()[-1]
    assert last.startswith(f"gate {'OPEN' if decided.is_open else 'CLOSED'}, exit {int(decided.exit_code)}:")


@pytest.mark.parametrize(
    ("checks", "words"),
    [((EXACT,), "exact 1"), ((EXACT, WITHIN), "within tolerance 1"), ((REPLAY, EXACT), "exact 1")],
)
def test_how_near_the_passes_are(checks, words):
    assert f"PASS     1   {words}\n" in render_summary(record_of(result(0, Verdict.PASS, checks=checks)), FOLDER)


def test_a_noted_difference_is_not_called_within_tolerance():
    noted = CheckResult("meta", Closeness.BEYOND, (replace(TURN, severity=Severity.NOTE),), 1, 10)
    text = render_summary(record_of(result(0, Verdict.PASS, checks=(EXACT, noted))), FOLDER)
    assert "PASS     1   noted 1\n" in text


def test_many_failures_are_counted_and_the_text_stays_readable():
    failures = [result(n, Verdict.FAIL, checks=(BEYOND,)) for n in range(300)]
    text = render_summary(record_of(*failures), FOLDER)
    assert "FAIL   280 more" in text
    assert len(text) < 64_000  # a pull request comment


def test_many_findings_of_a_trial_are_counted():
    findings = tuple(replace(TURN, channel=f"c{n}") for n in range(30))
    failed = result(0, Verdict.FAIL, checks=(CheckResult("a", Closeness.BEYOND, findings, 30, 10),))
    assert "and 24 more findings" in render_summary(record_of(failed), FOLDER)
    assert "more findings" not in render_trial(failed)
    assert render_trial(failed).count("leaves at frame") == 30


def test_a_finding_of_two_checks_is_shown_once_and_blocking_ones_first():
    failed = result(0, Verdict.FAIL, checks=(BEYOND, replace(BEYOND, check="again")))
    text = render_trial(failed)
    assert text.count("leaves at frame 412") == 1
    assert text.index("leaves at") < text.index("first to move")


def test_a_passed_trial_says_how_much_was_compared():
    text = render_trial(result(0, Verdict.PASS, checks=(REPLAY, EXACT, WITHIN)))
    assert "exact: 3 channels, 1200 frames" in text
    assert "within tolerance: 9 channels" in text


def test_columns_line_up():
    text = render_trial(result(0, Verdict.FAIL, checks=(BEYOND,)))
    places = {
        line.index(word)
        for line in text.splitlines()
        for word in ("leaves at", "expected 0", "vision f")
        if word in line
    }
    assert len(places) == 1


def test_a_trial_shows_every_failed_attempt(record):
    assert "candidate on mici-01, StagingFailedError: disk full" in render_trial(record.results[0])
    assert "mici-01, then mici-02" in render_trial(record.results[0])


def test_rows_for_a_table(record):
    rows = trial_rows(record)
    assert [row[0] for row in rows] == ["PASS", "FAIL", "ERROR", "ERROR", "QUARANTINED"]
    assert rows[1][4] == "action.desiredCurvature leaves at frame 412 (20.60 s), peak 431, back after 2.3 s"
    assert rows[2][4] == "disk full (0 MB of 62 MB)"
    assert rows[0][4] == "within tolerance"


def test_the_first_divergence_is_the_one_in_a_row():
    later, sooner = replace(TURN, first_frame=500, words="later"), replace(TURN, first_frame=3, words="sooner")
    checks = tuple(CheckResult(name, Closeness.BEYOND, (found,), 1, 9) for name, found in (("a", later), ("b", sooner)))
    assert trial_rows(record_of(result(0, Verdict.FAIL, checks=checks)))[0][4].endswith("sooner")


def test_two_models_are_both_named(record):
    both = {"driving_model": "models/next", "driver_monitoring": "dm/next"}
    assert "candidate driving_model models/next, driver_monitoring dm/next" in render_summary(
        replace(record, candidate=both), FOLDER
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (4.21, "4.2 s"),
        (59.96, "1 min 0 s"),
        (60, "1 min 0 s"),
        (192.4, "3 min 12 s"),
        (3599.9, "1 h 0 min"),
        (7505, "2 h 5 min"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("typed", "again"),
    [
        ("closet run pr.yaml --html", "closet run pr.yaml --only a/b/0"),
        ("closet run pr.yaml --html public --candidate new", "closet run pr.yaml --candidate new --only a/b/0"),
        ("closet run --html --junit r.xml pr.yaml", "closet run pr.yaml --only a/b/0"),
        ("closet run --html=public pr.yaml --only x --only=y", "closet run pr.yaml --only a/b/0"),
    ],
)
def test_a_minute_is_replayed_without_writing_over_the_reports(typed: str, again: str) -> None:
    assert replay_command(typed.split(), "a/b/0") == again
