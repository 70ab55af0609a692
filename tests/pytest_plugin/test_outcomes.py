"""How an item ends: every way a check or a claim can come out, without a session."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from harness.domain import QuarantineEntry
from harness.errors import ErrorDescription
from harness.intent import RELEASE_POLICY, Answer, ClaimResult, Expectation
from harness.pytest_plugin.outcomes import Ending, check_outcome, claim_outcome, is_not_run
from harness.verdict import NOT_RUN, Blame, CheckResult, JobResult, QuarantineNote, Verdict
from tests.test_verdict import BLOCKED, CRASHED, EXACT, NOTED, NOTHING, record_of

ERROR = ErrorDescription("StagingFailedError", "disk full", "tizi-04", "make room")


def result(
    verdict: Verdict, *checks: CheckResult, error: ErrorDescription | None = None, note: QuarantineNote | None = None
) -> JobResult:
    return JobResult("t", "a/b/0", "driving_model", "mici", verdict, error, checks, quarantine=note)


@pytest.mark.parametrize(
    ("of", "check", "ending", "line"),
    [
        (result(Verdict.PASS, EXACT), "exact", Ending.PASSED, ""),
        (result(Verdict.PASS, NOTED), "noted", Ending.PASSED, ""),
        (result(Verdict.FAIL, EXACT, BLOCKED), "exact", Ending.PASSED, ""),
        (result(Verdict.FAIL, EXACT, BLOCKED), "blocked", Ending.FAILED, "a moved"),
        (result(Verdict.FAIL, CRASHED), "replay", Ending.FAILED, "a moved"),
        (result(Verdict.FAIL, CRASHED), "plan", Ending.ERROR, "no verdict: moved"),
        (result(Verdict.ERROR, error=ERROR), "plan", Ending.ERROR, "no verdict: disk full"),
        (result(Verdict.ERROR, EXACT, error=ERROR), "exact", Ending.ERROR, "no verdict: disk full"),
        (result(Verdict.ERROR, BLOCKED, error=ERROR), "blocked", Ending.ERROR, "no verdict: disk full"),
        (result(Verdict.ERROR, NOTHING), "nothing", Ending.ERROR, "no verdict: moved"),
        (result(Verdict.ERROR, error=NOT_RUN), "plan", Ending.ERROR, "no verdict: not run"),
    ],
)
def test_a_check_ends_as_the_record_has_it(of: JobResult, check: str, ending: Ending, line: str) -> None:
    outcome = check_outcome(of, check)
    assert (outcome.ending, outcome.line) == (ending, line)
    assert is_not_run(of) == (of.error == NOT_RUN)


def test_an_error_says_where_and_what_to_do_and_a_failure_whose_fault_it_is() -> None:
    text = check_outcome(result(Verdict.ERROR, error=ERROR), "plan").text
    assert text.splitlines() == [
        "a/b/0 · driving_model · mici",
        "  StagingFailedError        tizi-04: disk full",
        "                            make room",
    ]
    blamed = replace(result(Verdict.FAIL, BLOCKED), blame=Blame.PRODUCT, repeated="again on mici-01")
    assert check_outcome(blamed, "blocked").text.endswith("the software on trial: again on mici-01")


def test_what_is_quarantined_is_skipped_with_what_it_really_came_to() -> None:
    entry = QuarantineEntry("*", "lab@x", "issue/7", "flickers", datetime.date(2026, 12, 24))
    for real, check, told in (
        (result(Verdict.QUARANTINED, BLOCKED), "blocked", "FAIL a moved"),
        (result(Verdict.QUARANTINED, error=ERROR), "plan", "ERROR disk full"),
    ):
        note = QuarantineNote(Verdict.FAIL, (check,), (check,), (entry,))
        outcome = check_outcome(replace(real, quarantine=note), check)
        assert outcome.ending is Ending.SKIPPED
        assert outcome.line == f"quarantined until 2026-12-24, lab@x, issue/7: flickers · {told}"
    other = QuarantineNote(Verdict.FAIL, ("plan",), ("plan",), (entry,))
    assert check_outcome(result(Verdict.FAIL, BLOCKED, note=other), "blocked").ending is Ending.FAILED


@pytest.mark.parametrize(
    ("answer", "expect", "strict", "ending"),
    [
        (Answer.BETTER, Expectation.IMPROVE, False, Ending.PASSED),
        (Answer.WORSE, Expectation.IMPROVE, False, Ending.FAILED),
        (Answer.INCONCLUSIVE, Expectation.IMPROVE, False, Ending.SKIPPED),
        (Answer.INCONCLUSIVE, Expectation.IMPROVE, True, Ending.ERROR),
        (Answer.NO_DATA, Expectation.IMPROVE, False, Ending.ERROR),
    ],
)
def test_a_claim_ends_as_the_policy_weighs_it(
    answer: Answer, expect: Expectation, strict: bool, ending: Ending
) -> None:
    claim = ClaimResult("eyes", "lateral error", expect, answer, "because", "0.2 m")
    record = record_of(Verdict.PASS)
    record = replace(record, claims=(claim,), gate_policy=RELEASE_POLICY if strict else record.gate_policy)
    outcome = claim_outcome(record, [claim])
    assert outcome.ending is ending
    assert ending is Ending.PASSED or f"lateral error: {answer.value}: because" in outcome.line
    held = replace(claim, name="other", answer=Answer.BETTER)
    assert claim_outcome(record, [held, claim]).ending is ending, "the worst of several"


def test_a_claim_without_a_record_or_an_answer_is_no_verdict() -> None:
    record = record_of(Verdict.PASS)
    claim = ClaimResult("eyes", "lateral error", Expectation.IMPROVE, Answer.BETTER, "because")
    assert claim_outcome(None, [claim]).ending is Ending.ERROR
    assert claim_outcome(record, []).ending is Ending.ERROR
