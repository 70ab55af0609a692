"""JUnit for GitLab, held against what GitLab reads: a restatement of its rules."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from harness.report import render_gitlab, render_junit
from harness.verdict import RunRecord, Verdict
from tests.report.conftest import BEYOND, EXACT, TURN, attempt, record_of, result
from tests.report.hostile import NASTY, hostile_record
from tests.report.test_junit import cases_of, jenkins_schema, outcome_of

PAGE = "https://closet.example.org/runs/7/page"
MOST_BYTES = 30_000_000
MOST_OBJECTS = 250_000
OUTCOMES = {"failure": "failed", "error": "error", "skipped": "skipped"}


def shown(text: str) -> dict[tuple[str, str], tuple[str, str]]:
    """What GitLab shows: by classname and name, the first of a kind, its status and the text of its outcome."""
    told: dict[tuple[str, str], tuple[str, str]] = {}
    for case in etree.fromstring(text.encode()).iter("testcase"):
        found = next((entry for entry in case if entry.tag in OUTCOMES), None)
        status = ("success", "") if found is None else (OUTCOMES[found.tag], found.text or "")
        told.setdefault((case.attrib["classname"], case.attrib["name"]), status)
    return told


def objects(text: str) -> int:
    """Elements, attributes and texts, each twice: as a key and as a value, which is more than GitLab can count."""
    root = etree.fromstring(text.encode())
    return 2 * sum(1 + len(each.attrib) + bool((each.text or "").strip()) for each in root.iter())


def test_it_shows_every_case_and_why(record: RunRecord) -> None:
    told = shown(render_gitlab(record, page_url=PAGE))
    full = cases_of(render_junit(record))
    assert list(told) == list(full), "none is lost to another of the same name"
    for key, case in full.items():
        kind = outcome_of(case)
        status, text = told[key]
        assert status == ("success" if kind is None else OUTCOMES[kind.__name__.lower()])
        assert (status == "success") == (not text), "an outcome without text shows nothing"
    (failure,) = [text for status, text in told.values() if status == "failed"]
    assert TURN.words.splitlines()[1] in failure
    assert f"page   {PAGE}/segments/5beb9b58bd12b691_0000010a--a51155e496--1.html#frame=412&trial=" in failure
    errors = [text for status, text in told.values() if status == "error"]
    assert all(f"page   {PAGE}/segments/" in text for text in errors)


def test_it_is_valid_junit_and_says_nothing_that_gitlab_does_not_read(record: RunRecord) -> None:
    tree = etree.fromstring(render_gitlab(record).encode())
    jenkins_schema(testcase_properties=False).assertValid(tree)
    assert {child.tag for child in tree.iterfind(".//testcase/*")} == {"failure", "error", "skipped"}
    assert "page " not in render_gitlab(record)


def test_twenty_thousand_cases_fit_into_one_file() -> None:
    checks = ("replay", *(f"check {number}" for number in range(9)))
    fine = tuple(replace(EXACT, check=check) for check in checks)
    tried = {"attempts": (attempt("mici-01", 0, 30.5),), "provenance": {"runtime": "onnxruntime 1.22"}}
    trials = [
        result(n, Verdict.FAIL, checks=(*fine[:-1], replace(BEYOND, check=checks[-1])), **tried)
        if n % 20 == 0
        else result(n, Verdict.PASS, checks=fine, **tried)
        for n in range(2000)
    ]
    text = render_gitlab(record_of(*trials, planned_checks={trial.name: checks for trial in trials}))
    assert len(shown(text)) == 20_000
    assert len(text.encode()) < MOST_BYTES / 3
    assert objects(text) < MOST_OBJECTS


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=40) | st.sampled_from(NASTY))
def test_any_text_can_be_read(text: str) -> None:
    xml = render_gitlab(hostile_record(text), page_url=PAGE)
    cases = list(etree.fromstring(xml.encode()).iter("testcase"))
    assert sorted(entry.tag for case in cases for entry in case) == ["error", "failure", "failure", "skipped"]
    assert len(cases) == 5, "four trials of a check each, and a claim"
