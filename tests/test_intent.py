"""What the gate does about the answers to claims: each rule has a test that fails when the rule is broken."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from harness.errors import ExitCode
from harness.intent import (
    NIGHTLY_POLICY,
    POLICIES,
    PR_POLICY,
    RELEASE_POLICY,
    Action,
    Answer,
    ClaimResult,
    Expectation,
    GatePolicy,
    Size,
    Standing,
    standing,
)
from harness.verdict import Verdict, claim_action, gate, parse_record, planned_name, render_record
from tests.test_verdict import record_of

B, W = Action.BLOCK, Action.WARN
PASS, FAIL, QUARANTINED = Verdict.PASS, Verdict.FAIL, Verdict.QUARANTINED
HELD = ClaimResult("made", "lateral error at 2 s", Expectation.IMPROVE, Answer.BETTER, "words")


def claim(expect: Expectation, answer: Answer, name: str = "one") -> ClaimResult:
    return ClaimResult("made", name, expect, answer, "words")


STANDINGS = {
    Expectation.IMPROVE: {
        Answer.BETTER: Standing.HOLDS,
        Answer.EQUIVALENT: Standing.NOT_BETTER,
        Answer.NOT_WORSE: Standing.NOT_BETTER,
        Answer.WORSE: Standing.WORSE,
        Answer.CHANGED: Standing.WORSE,
    },
    Expectation.UNCHANGED: {
        Answer.BETTER: Standing.CHANGED,
        Answer.EQUIVALENT: Standing.HOLDS,
        Answer.NOT_WORSE: Standing.CHANGED,
        Answer.WORSE: Standing.WORSE,
        Answer.CHANGED: Standing.WORSE,
    },
    Expectation.GUARD: {
        Answer.BETTER: Standing.HOLDS,
        Answer.EQUIVALENT: Standing.HOLDS,
        Answer.NOT_WORSE: Standing.HOLDS,
        Answer.WORSE: Standing.WORSE,
        Answer.CHANGED: Standing.WORSE,
    },
    Expectation.BUDGET: {Answer.WITHIN_BUDGET: Standing.HOLDS, Answer.OVER_BUDGET: Standing.WORSE},
}


@pytest.mark.parametrize("expect", list(Expectation))
def test_how_an_answer_stands_to_what_was_expected(expect: Expectation):
    for answer, stands in STANDINGS[expect].items():
        assert standing(expect, answer) is stands
    assert standing(expect, Answer.INCONCLUSIVE) is Standing.INCONCLUSIVE
    assert standing(expect, Answer.NO_DATA) is Standing.NO_DATA


def test_what_each_policy_does():
    told = {name: tuple(policy.action(stands) for stands in Standing) for name, policy in POLICIES.items()}
    #                    holds worse not better changed inconclusive no data
    assert told["pr"] == (None, B, W, W, W, B)
    assert told["nightly"] == (None, B, W, W, W, B)
    assert told["release"] == (None, B, B, B, B, B)


def test_the_stricter_of_two_policies_blocks_what_either_does():
    lax = GatePolicy("own", W, W, B, W)
    both = PR_POLICY.stricter(lax)
    assert (both.worse, both.inconclusive, both.not_better, both.changed) == (B, W, B, W)
    assert both.name == "pr and own"
    assert PR_POLICY.stricter(PR_POLICY) is PR_POLICY
    for one, other in itertools.combinations(POLICIES.values(), 2):
        actions = [
            (both.worse, both.inconclusive, both.not_better, both.changed)
            for both in (one.stricter(other), other.stricter(one))
        ]
        assert actions[0] == actions[1]
    assert RELEASE_POLICY.stricter(NIGHTLY_POLICY).inconclusive is B


IM, UN, GU, BU = Expectation.IMPROVE, Expectation.UNCHANGED, Expectation.GUARD, Expectation.BUDGET


@pytest.mark.parametrize(
    ("expect", "answer", "codes"),
    [  # exit codes under pr, release
        (IM, Answer.BETTER, (0, 0)),
        (IM, Answer.EQUIVALENT, (0, 1)),
        (IM, Answer.WORSE, (1, 1)),
        (IM, Answer.INCONCLUSIVE, (0, 3)),
        (IM, Answer.NO_DATA, (3, 3)),
        (UN, Answer.EQUIVALENT, (0, 0)),
        (UN, Answer.BETTER, (0, 1)),
        (UN, Answer.WORSE, (1, 1)),
        (UN, Answer.CHANGED, (1, 1)),
        (UN, Answer.INCONCLUSIVE, (0, 3)),
        (GU, Answer.NOT_WORSE, (0, 0)),
        (GU, Answer.INCONCLUSIVE, (0, 3)),
        (GU, Answer.WORSE, (1, 1)),
        (BU, Answer.WITHIN_BUDGET, (0, 0)),
        (BU, Answer.OVER_BUDGET, (1, 1)),
        (BU, Answer.INCONCLUSIVE, (0, 3)),
        (BU, Answer.NO_DATA, (3, 3)),
    ],
)
def test_the_gate(expect: Expectation, answer: Answer, codes: tuple[int, int]):
    for policy, code in zip((PR_POLICY, RELEASE_POLICY), codes, strict=True):
        record = record_of(PASS, claims=(HELD, claim(expect, answer)), gate_policy=policy)
        decided = gate(record)
        assert decided.exit_code == code
        assert decided.is_open is (code == 0)
        if standing(expect, answer) is not Standing.HOLDS:
            assert bool(decided.warnings) is (code == 0)
            assert "claim" in (decided.reason + "".join(decided.warnings))


def test_a_regression_goes_before_what_is_open():
    found = (claim(IM, Answer.WORSE), claim(GU, Answer.INCONCLUSIVE), claim(UN, Answer.NO_DATA))
    decided = gate(record_of(PASS, claims=found, gate_policy=RELEASE_POLICY))
    assert decided.exit_code is ExitCode.REGRESSION
    assert decided.reason == "1 claim worse, 1 claim inconclusive, 1 claim without data"
    assert gate(record_of(FAIL, claims=(HELD,))).exit_code is ExitCode.REGRESSION


def test_a_warning_is_told_and_an_open_gate_says_what_held():
    decided = gate(record_of(PASS, claims=(HELD, claim(IM, Answer.INCONCLUSIVE), claim(GU, Answer.INCONCLUSIVE))))
    assert decided.reason == "1 job passed, 1 claim held"
    assert decided.warnings == ("2 claims inconclusive",)
    assert gate(record_of(PASS)).reason == "1 job passed"
    assert gate(record_of(PASS)).warnings == ()


def test_an_own_policy_may_let_worse_pass_with_a_warning():
    lax = GatePolicy("own", W, B, W, W)
    assert gate(record_of(PASS, claims=(claim(IM, Answer.WORSE),), gate_policy=lax)).exit_code == 0
    assert gate(record_of(PASS, claims=(claim(IM, Answer.INCONCLUSIVE),), gate_policy=lax)).exit_code == 3
    assert gate(record_of(PASS, claims=(claim(IM, Answer.NO_DATA),), gate_policy=lax)).exit_code == 3


def test_nothing_judged_is_never_green():
    none = (claim(IM, Answer.NO_DATA), claim(UN, Answer.NO_DATA, "two"))
    assert gate(record_of(PASS, claims=none)).exit_code is ExitCode.NO_VERDICT
    assert gate(record_of(claims=none)).exit_code is ExitCode.NO_VERDICT
    assert gate(record_of(QUARANTINED, claims=(HELD,))).exit_code is ExitCode.NOTHING_TO_RUN


def test_a_planned_claim_cannot_vanish():
    planned = (planned_name(HELD), "made: another")
    assert gate(record_of(PASS, claims=(HELD,), planned_claims=planned[:1])).is_open
    decided = gate(record_of(PASS, claims=(HELD,), planned_claims=planned))
    assert decided.exit_code is ExitCode.NO_VERDICT
    assert decided.reason == "1 claim not judged"


def test_a_record_keeps_its_claims_and_an_old_one_has_none():
    record = record_of(PASS, claims=(replace(HELD, interval=(None, 1.5)),), gate_policy=RELEASE_POLICY, declared="abc")
    assert parse_record(render_record(record), where="x") == record
    plain = record_of(PASS)
    lines = [
        line
        for line in render_record(plain).splitlines()
        if not any(name in line for name in ('"declared"', '"claims"', '"planned_claims"'))
    ]
    assert parse_record("\n".join(lines), where="x") == plain


def test_the_records_policy_is_asked():
    record = record_of(PASS, gate_policy=RELEASE_POLICY)
    assert claim_action(record, Standing.INCONCLUSIVE) is B
    assert claim_action(replace(record, gate_policy=PR_POLICY), Standing.INCONCLUSIVE) is W


def test_a_size_is_an_amount_or_a_share_of_the_baseline():
    assert Size(0.02).of(10.0) == 0.02
    assert Size(0.02, relative=True).of(10.0) == 0.2
    assert Size(0.02, relative=True).of(-10.0) == 0.2
