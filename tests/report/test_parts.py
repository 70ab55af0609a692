"""JUnit in parts: all of it, once, in files that readers take; and real readers read them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junit2htmlreport.parser import Junit
from junitparser import JUnitXml

from harness.intent import Answer, ClaimResult, Expectation
from harness.report import parts, render_gitlab, render_junit, render_parts
from harness.verdict import RunRecord, Verdict
from tests.report.conftest import BEYOND, EXACT, REPLAY, WITHIN, record_of, result
from tests.report.test_junit import cases_of, outcome_of

PASSED, FAILED = {"checks": (REPLAY, EXACT, WITHIN)}, {"checks": (REPLAY, BEYOND, WITHIN)}
CLAIM = ClaimResult("calmer", "jerk", Expectation.IMPROVE, Answer.WORSE, "0.2 more")


def many(count: int, claims: int = 0) -> RunRecord:
    """So many trials of three cases each; every third FAILs."""
    trials = [result(n, Verdict.PASS, **PASSED) if n % 3 else result(n, Verdict.FAIL, **FAILED) for n in range(count)]
    return record_of(*trials, claims=tuple(replace(CLAIM, name=f"claim {n}") for n in range(claims)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9), st.integers(0, 3), st.integers(1, 12), st.sampled_from([render_junit, render_gitlab]))
def test_parts_say_together_what_the_whole_says(
    trials: int, claims: int, most: int, render: Callable[[RunRecord], str]
) -> None:
    record = many(trials, claims)
    texts = list(render_parts(record, render, most))
    told = [cases_of(text) for text in texts]
    joined = {key: outcome_of(case) for part in told for key, case in part.items()}
    assert sum(map(len, told)) == len(joined) == 3 * trials + claims
    assert joined == {key: outcome_of(case) for key, case in cases_of(render(record)).items()}
    assert all(len(part) <= max(most, 3, claims) for part in told)
    if len(texts) > 1:
        assert all(told), "no part is empty"


def test_a_part_that_is_too_large_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    record = many(8, claims=1)
    whole = len(render_junit(record).encode())
    monkeypatch.setattr(parts, "READER_LIMIT", whole // 2)
    texts = list(render_parts(record, render_junit, 1000))
    assert len(texts) > 2
    assert max(len(text.encode()) for text in texts) <= whole // 2
    assert sum(JUnitXml.fromstring(text.encode()).tests for text in texts) == 8 * 3 + 1
    monkeypatch.setattr(parts, "READER_LIMIT", 10)
    assert len(list(render_parts(many(1), render_junit, 1000))) == 1, "one trial cannot be halved"


@pytest.mark.parametrize("render", [render_junit, render_gitlab])
def test_junit2html_reads_it_and_makes_its_page(
    record: RunRecord, render: Callable[[RunRecord], str], tmp_path: Path
) -> None:
    paths = []
    for number, text in enumerate(render_parts(record, render, 6)):
        paths.append(tmp_path / f"junit-{number}.xml")
        paths[-1].write_text(text)
        report = Junit(str(paths[-1]))
        outcomes = [case.outcome() for suite in report.suites for case in suite.all()]
        read = JUnitXml.fromstring(text.encode())
        assert (len(outcomes), outcomes.count("failed")) == (read.tests, read.failures + read.errors)
    page = tmp_path / "junit.html"
    merged = tmp_path / "merged.xml"
    tool = [sys.executable, "-m", "junit2htmlreport"]
    subprocess.run([*tool, "--merge", merged, *paths], check=True, capture_output=True, timeout=60)
    subprocess.run([*tool, merged, page], check=True, capture_output=True, timeout=60)
    assert "leaves at frame 412 (20.60 s)" in page.read_text()
    assert "disk full (0 MB of 62 MB)" in page.read_text()
