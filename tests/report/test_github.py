"""Annotations of GitHub Actions, read back as its runner reads the lines of a log."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.intent import Answer, ClaimResult, Expectation
from harness.report import render_annotations
from harness.report.github import ANNOTATIONS
from harness.verdict import Verdict
from tests.report.conftest import BEYOND, DISK_FULL, EXACT, REPLAY, WITHIN, record_of, result
from tests.report.hostile import NASTY, hostile_record

PAGE = "https://closet.example.org/runs/7/page"
FAILED = {"checks": (REPLAY, BEYOND, WITHIN)}


@dataclass(frozen=True, slots=True)
class Command:
    kind: str
    properties: dict[str, str]
    message: str


def unescaped(text: str, *more: tuple[str, str]) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), *more, ("%25", "%")):
        text = text.replace(code, character)
    return text


def read(text: str) -> list[Command]:
    """Every line of a log: a command where it begins with `::`, plain text elsewhere, which there must be none of."""
    commands = []
    for line in re.split(r"\r\n|\r|\n", text.removesuffix("\n")):
        match = re.fullmatch(r"\s*::([a-z-]+)(?: (.*?))?::(.*)", line)
        assert match, line
        pairs = (pair.partition("=") for pair in (match[2] or "").split(","))
        properties = {name: unescaped(value, ("%3A", ":"), ("%2C", ",")) for name, _, value in pairs}
        commands.append(Command(match[1], properties, unescaped(match[3])))
    return commands


def test_the_gate_comes_first_and_regressions_before_errors(record) -> None:
    gate, fail, *errors = read(render_annotations(record, page_url=PAGE))
    assert gate == Command(
        "error",
        {"title": "closet pr: gate CLOSED, exit 1"},
        f"1 regression, 2 jobs without a verdict · {PAGE}/index.html",
    )
    assert fail.properties["title"].startswith("FAIL 5beb9b58bd12b691/0000010a--a51155e496/1 · driving_model")
    assert fail.message.startswith("action.desiredCurvature leaves at frame 412 (20.60 s), peak 431")
    assert f" · {PAGE}/segments/5beb9b58bd12b691_0000010a--a51155e496--1.html#frame=412&trial=" in fail.message
    assert [error.kind for error in errors] == ["error", "error"]
    assert "disk full" in errors[0].message


def test_never_more_than_a_step_has_and_the_rest_is_counted() -> None:
    many = record_of(*(result(number, Verdict.FAIL, **FAILED) for number in range(30)))
    told = read(render_annotations(many))
    assert len(told) == ANNOTATIONS
    assert told[-1].message == "22 more, in the summary of this job and in junit.xml"
    assert len(read(render_annotations(record_of(*many.results[:9])))) == ANNOTATIONS
    assert read(render_annotations(record_of(*many.results[:10])))[-1].message.startswith("2 more")
    assert read(render_annotations(many, page_url=PAGE))[-1].message == f"22 more: {PAGE}/index.html"


def test_claims_that_close_the_gate_are_told_and_warnings_are_no_errors() -> None:
    passed = result(0, Verdict.PASS, checks=(REPLAY, EXACT, WITHIN))
    worse = ClaimResult("calmer", "jerk", Expectation.IMPROVE, Answer.WORSE, "0.2 more")
    unsure = replace(worse, name="lateral error", answer=Answer.INCONCLUSIVE)
    empty = replace(worse, name="jolts", answer=Answer.NO_DATA)
    told = read(render_annotations(record_of(passed, claims=(worse, unsure, empty))))
    assert [command.properties["title"] for command in told[1:]] == ["calmer: jerk", "calmer: jolts"]
    assert told[1].message == "PROVED worse: 0.2 more"
    (only,) = read(render_annotations(record_of(passed, claims=(unsure,))))
    assert (only.kind, only.properties["title"]) == ("warning", "closet pr: gate OPEN")
    assert only.message == "1 job passed · warning: 1 claim inconclusive"
    assert [command.kind for command in read(render_annotations(record_of(passed)))] == ["notice"]


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(NASTY))
def test_nothing_that_a_record_says_is_a_command(text: str) -> None:
    told = read(render_annotations(hostile_record(text)))
    assert [command.kind for command in told] == ["error"] * 4
    assert all(set(command.properties) == {"title"} for command in told)


@pytest.mark.parametrize("text", ["a: b, c=d :: e %0A f %", "100 % – ::error::"])
def test_what_is_escaped_comes_back(text: str) -> None:
    record = record_of(result(0, Verdict.ERROR, error=replace(DISK_FULL, problem=text)))
    assert read(render_annotations(record))[1].message == text


def test_lines_are_short() -> None:
    loud = render_annotations(hostile_record("\U0001f697" * 100_000))
    assert max(len(line.encode()) for line in loud.splitlines()) < 16_000
