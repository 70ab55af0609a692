from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, Skipped
from junitparser.xunit2 import JUnitXml
from lxml import etree

from harness.errors import ErrorDescription
from harness.report import render_junit
from harness.report.budget import FILE_LIMIT, TEXT_LIMIT, Budget, clean
from harness.verdict import CheckResult, Closeness, Finding, FindingKind, RunRecord, Severity, Verdict
from tests.report.conftest import BEYOND, DISK_FULL, EXACT, REPLAY, TURN, WITHIN, attempt, record_of, result

XSD = Path(__file__).with_name("jenkins_junit.xsd")
_XS = "{http://www.w3.org/2001/XMLSchema}"


def jenkins_schema(*, testcase_properties: bool) -> etree.XMLSchema:
    """Jenkins' own schema, or with the one extension that pytest and junitparser write as well."""
    tree = etree.parse(XSD)
    if testcase_properties:
        (choice,) = tree.xpath("//xs:complexType[@name='case']/xs:choice", namespaces={"xs": _XS[1:-1]})
        choice.append(etree.Element(f"{_XS}element", name="properties", type="properties"))
    return etree.XMLSchema(tree)


def cases_of(text: str) -> dict[tuple[str, str], object]:
    read = JUnitXml.fromstring(text.encode())
    return {(case.classname, case.name): case for suite in read for case in suite}


def outcome_of(case) -> type | None:
    (found,) = [type(entry) for entry in case.result] or [None]
    return found


@pytest.mark.parametrize("testcase_properties", [True, False])
def test_it_is_valid(record, testcase_properties):
    text = render_junit(record, testcase_properties=testcase_properties)
    jenkins_schema(testcase_properties=testcase_properties).assertValid(etree.fromstring(text.encode()))


def test_the_schema_would_notice(record):
    """The schema in use refuses what Jenkins refuses."""
    tree = etree.fromstring(render_junit(record, testcase_properties=False).encode())
    schema = jenkins_schema(testcase_properties=False)
    for spoil in (
        lambda tree: tree.set("skipped", "0"),
        lambda tree: tree[0].attrib.pop("errors"),
        lambda tree: tree[0].set("time", "1e-05"),
        lambda tree: tree.find(".//testcase").set("file", "x"),
        lambda tree: etree.SubElement(tree.find(".//testcase"), "properties"),
        lambda tree: etree.SubElement(tree.find(".//failure"), "b"),
    ):
        spoiled = copy.deepcopy(tree)
        spoil(spoiled)
        assert not schema.validate(spoiled)


def test_every_planned_check_of_every_trial_is_a_testcase(record):
    read = cases_of(render_junit(record))
    for entry in record.results:
        assert (
            sum(
                case.name in {"replay", "action", "plan"}
                for key, case in read.items()
                if entry.segment[-1] == key[0][-1]
            )
            == 3
        )
    assert len(read) == 15


def test_names_are_unique(record):
    read = JUnitXml.fromstring(render_junit(record).encode())
    names = [(case.classname, case.name) for suite in read for case in suite]
    assert len(names) == len(set(names))


def test_outcomes(record):
    read = cases_of(render_junit(record))
    place = "pr.{}.mici.5beb9b58bd12b691_0000010a--a51155e496_{}"

    def outcomes(number: int, replayer: str = "driving_model") -> list[type | None]:
        return [outcome_of(read[place.format(replayer, number), check]) for check in ("replay", "action", "plan")]

    assert outcomes(0) == [None, None, None]
    assert outcomes(1) == [None, Failure, None]
    assert outcomes(2) == [Error, Error, Error]
    assert outcomes(3) == [Error, Error, Error]
    assert outcomes(4, "driver_monitoring") == [Skipped, Skipped, Skipped]


def test_totals_agree_with_the_cases(record):
    read = JUnitXml.fromstring(render_junit(record).encode())
    assert (read.tests, read.failures, read.errors) == (15, 1, 6)
    driving, monitoring = list(read)
    assert (driving.tests, driving.failures, driving.errors, driving.skipped) == (12, 1, 6, 0)
    assert (monitoring.tests, monitoring.skipped) == (3, 3)
    assert read.time == pytest.approx(30.5 + 29 + 29 + 3)


def test_a_failure_says_what_and_how_far(record):
    (case,) = [case for case in cases_of(render_junit(record)).values() if outcome_of(case) is Failure]
    (failure,) = case.result
    assert failure.message == f"action.desiredCurvature: {TURN.words.splitlines()[0]}"
    assert failure.type == "changed"
    for line in TURN.words.splitlines():
        assert line in failure.text
    assert "first to move" in case.system_out
    properties = {entry.name: entry.value for entry in case.properties()}
    assert properties["excess"] == "14.2"
    assert properties["exactness"] == "beyond tolerance"


def test_an_error_says_whose_fault_and_what_to_do(record):
    case = next(case for key, case in cases_of(render_junit(record)).items() if key[0].endswith("_2"))
    (error,) = case.result
    assert (error.message, error.type) == (DISK_FULL.problem, "StagingFailedError")
    for part in (DISK_FULL.where, DISK_FULL.remedy, "No space left"):
        assert part in error.text


def test_what_never_ran_says_how_to_go_on(record):
    case = next(case for key, case in cases_of(render_junit(record)).items() if key[0].endswith("_3"))
    (error,) = case.result
    assert (error.message, error.type) == ("not run", "NotRun")
    assert "closet resume" in error.text


def test_retries_are_in_elements_properties_and_text(record):
    case = next(case for key, case in cases_of(render_junit(record)).items() if key[0].endswith("_0"))
    assert case.is_flaky
    properties = {entry.name: entry.value for entry in case.properties()}
    assert (properties["attempts"], properties["devices"]) == ("2", "mici-01, mici-02")
    assert properties["provenance.runtime"] == "onnxruntime 1.22 avx2"
    assert (
        "attempt: candidate on mici-01, epoch 1, 0.0–30.5 s of the run, StagingFailedError: disk full"
        in case.system_out
    )
    assert "attempt: candidate on mici-02, epoch 1, 31.0–60.0 s of the run, done" in case.system_out


def test_without_testcase_properties_the_text_still_says_it(record):
    text = render_junit(record, testcase_properties=False)
    assert not etree.fromstring(text.encode()).xpath("//testcase/properties")
    assert "provenance.runtime: onnxruntime 1.22 avx2" in text


def test_a_check_that_compared_nothing_is_an_error_and_says_why():
    nothing = Finding(FindingKind.MISSING_CHANNEL, Severity.NOTE, "", "no channel matches x.*: nothing was compared")
    check = CheckResult("plan", Closeness.NOTHING, (nothing,))
    read = cases_of(render_junit(record_of(result(0, Verdict.ERROR, checks=(REPLAY, EXACT, check)))))
    by_check = {name: case for (_, name), case in read.items()}
    assert [outcome_of(by_check[name]) for name in ("replay", "action", "plan")] == [None, None, Error]
    assert by_check["plan"].result[0].message == nothing.words


def test_a_check_without_a_result_is_an_error_though_the_trial_failed():
    crash = CheckResult("replay", Closeness.BEYOND, (replace(TURN, kind=FindingKind.CRASH),))
    read = cases_of(render_junit(record_of(result(0, Verdict.FAIL, checks=(crash,)))))
    assert {name: outcome_of(case) for (_, name), case in read.items()} == {
        "replay": Failure,
        "action": Error,
        "plan": Error,
    }


def test_an_error_of_the_trial_is_not_hidden_by_a_check_that_was_fine():
    record = record_of(result(0, Verdict.ERROR, error=DISK_FULL, checks=(REPLAY, EXACT, WITHIN)))
    assert [outcome_of(case) for case in cases_of(render_junit(record)).values()] == [Error, Error, Error]


def test_a_trial_without_planned_checks_still_appears():
    record = record_of(result(0, Verdict.ERROR, error=DISK_FULL), planned_checks={})
    assert [outcome_of(case) for case in cases_of(render_junit(record)).values()] == [Error]


def test_an_empty_run_is_valid():
    text = render_junit(record_of())
    jenkins_schema(testcase_properties=False).assertValid(etree.fromstring(text.encode()))


def test_equal_records_are_equal_bytes(record):
    turned = replace(
        record,
        results=tuple(replace(entry, provenance=dict(reversed(entry.provenance.items()))) for entry in record.results),
    )
    assert render_junit(record) == render_junit(copy.deepcopy(record)) == render_junit(turned)


def shouting(record: RunRecord, text: str) -> RunRecord:
    """The record with `text` in every place that a log or a device can fill."""
    error = ErrorDescription("DeviceError", text, text, text)
    return replace(
        record,
        harness_error=text,
        command=(text, text),
        results=tuple(
            replace(
                entry,
                error=error if entry.verdict is Verdict.ERROR else None,
                provenance={"a": text},
                attempts=tuple(replace(one, error=error, log_tail=text) for one in entry.attempts),
                checks=tuple(
                    replace(check, findings=tuple(replace(found, words=text) for found in check.findings))
                    for check in entry.checks
                ),
            )
            for entry in record.results
        ),
    )


def everything() -> RunRecord:
    return record_of(
        result(0, Verdict.FAIL, checks=(REPLAY, BEYOND, WITHIN)),
        result(1, Verdict.ERROR, error=DISK_FULL),
        result(2, Verdict.PASS, checks=(REPLAY, EXACT, WITHIN)),
    )


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_gives_valid_xml(text):
    tree = etree.fromstring(render_junit(shouting(everything(), text), testcase_properties=False).encode())
    jenkins_schema(testcase_properties=False).assertValid(tree)


def test_control_characters_and_colours_go_and_the_rest_stays():
    assert clean('a\x00b\x1b[31;1mred\x1b[0m\ud800\ufffe<&">\t\n\U0001f697 ₂', 1000) == 'abred<&">\t\n\U0001f697 ₂'


@given(st.text(max_size=400), st.integers(1, 300))
def test_clean_keeps_its_limit(text, limit):
    assert len(clean(text, limit)) <= limit


def test_long_texts_keep_head_and_tail():
    cut = clean("HEAD" + "x" * 50_000 + "TAIL", TEXT_LIMIT)
    assert cut.startswith("HEAD")
    assert cut.endswith("TAIL")
    assert re.search(r"\d+ characters cut", cut)


@pytest.mark.parametrize("testcase_properties", [True, False])
def test_a_full_report_stays_under_what_readers_take(testcase_properties):
    loud = shouting(everything(), '"' * TEXT_LIMIT).results[0]
    many = tuple(replace(loud, name=f"{n}", segment=f"d/l/{n}") for n in range(1500))
    text = render_junit(record_of(*many), testcase_properties=testcase_properties)
    assert len(text.encode()) < 30_000_000
    assert "left out: the report is full" in text
    read = JUnitXml.fromstring(text.encode())
    assert (read.tests, read.failures) == (4500, 1500)


def test_what_failed_is_told_before_what_passed():
    passed = [
        result(n, Verdict.PASS, checks=(REPLAY,), attempts=(attempt("x" * TEXT_LIMIT, 0, 1),)) for n in range(1200)
    ]
    failed = result(5000, Verdict.FAIL, checks=(BEYOND,))
    read = cases_of(render_junit(record_of(*passed, failed)))
    (case,) = [case for case in read.values() if outcome_of(case) is Failure]
    assert TURN.words.splitlines()[1] in case.result[0].text
    assert any((one.system_out or "").startswith("left out") for one in read.values())


def test_the_budget_counts_what_escaping_adds():
    budget = Budget(100)
    assert budget.take('"' * 30).startswith("left out")
    assert budget.take("a" * 30) == "a" * 30
    assert budget.left_bytes == 70
    assert Budget().left_bytes == FILE_LIMIT


VERDICT_CHECKS = {
    Verdict.PASS: {"checks": (REPLAY, EXACT, WITHIN)},
    Verdict.FAIL: {"checks": (REPLAY, BEYOND, WITHIN)},
    Verdict.ERROR: {"error": DISK_FULL},
    Verdict.QUARANTINED: {"checks": (REPLAY, BEYOND)},
}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(list(Verdict)), max_size=6))
def test_the_file_is_red_when_and_only_when_a_trial_is(verdicts):
    record = record_of(*(result(n, verdict, **VERDICT_CHECKS[verdict]) for n, verdict in enumerate(verdicts)))
    read = JUnitXml.fromstring(render_junit(record).encode())
    assert (read.failures > 0) == (Verdict.FAIL in verdicts)
    assert (read.errors > 0) == (Verdict.ERROR in verdicts)
