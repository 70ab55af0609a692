"""The only place that decides. Each rule has a test that fails when the rule is broken."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DataError, ErrorDescription, ExitCode
from harness.verdict import (
    NOT_RUN,
    OUR_BUG,
    Attempt,
    CheckResult,
    Closeness,
    Finding,
    FindingKind,
    JobResult,
    RunRecord,
    Severity,
    Verdict,
    excuse,
    gate,
    judge,
    parse_record,
    render_record,
)

ERROR = ErrorDescription("DataError", "truncated")
BLOCK = Finding(FindingKind.CHANGED, Severity.BLOCK, "a", "moved")
NOTE = replace(BLOCK, severity=Severity.NOTE)
EXACT = CheckResult("exact", Closeness.EXACT, (), 3, 10)
WITHIN = CheckResult("within", Closeness.WITHIN, (), 3, 10)
NOTED = CheckResult("noted", Closeness.BEYOND, (NOTE,), 3, 10)
BLOCKED = CheckResult("blocked", Closeness.BEYOND, (NOTE, BLOCK), 3, 10)
NOTHING = CheckResult("nothing", Closeness.NOTHING, (NOTE,), 0, 10)
UNCOMPARED = CheckResult("replay", Closeness.EXACT)
CRASHED = CheckResult("replay", Closeness.BEYOND, (replace(BLOCK, kind=FindingKind.CRASH),))


@pytest.mark.parametrize(
    ("checks", "error", "verdict"),
    [
        ((EXACT,), None, Verdict.PASS),
        ((WITHIN,), None, Verdict.PASS),
        ((NOTED,), None, Verdict.PASS),
        ((UNCOMPARED, EXACT), None, Verdict.PASS),
        ((BLOCKED,), None, Verdict.FAIL),
        ((EXACT, BLOCKED), None, Verdict.FAIL),
        ((BLOCKED, EXACT), None, Verdict.FAIL),
        ((CRASHED,), None, Verdict.FAIL),
        ((), None, Verdict.ERROR),
        ((UNCOMPARED,), None, Verdict.ERROR),
        ((NOTHING,), None, Verdict.ERROR),
        ((EXACT, NOTHING), None, Verdict.ERROR),
        ((EXACT,), ERROR, Verdict.ERROR),
        ((), ERROR, Verdict.ERROR),
        ((BLOCKED,), ERROR, Verdict.FAIL),
        ((BLOCKED, NOTHING), None, Verdict.FAIL),
    ],
)
def test_judge(checks, error, verdict):
    assert judge(checks, error) is verdict


ANY_CHECKS = st.lists(st.sampled_from([EXACT, WITHIN, NOTED, BLOCKED, NOTHING, UNCOMPARED, CRASHED]), max_size=4)


@given(ANY_CHECKS, st.sampled_from([None, ERROR]), st.integers(0, 4))
def test_one_more_blocking_finding_always_fails(checks, error, place):
    checks.insert(place, BLOCKED)
    assert judge(tuple(checks), error) is Verdict.FAIL


@given(ANY_CHECKS)
def test_an_error_never_passes(checks):
    assert judge(tuple(checks), ERROR) is not Verdict.PASS


@given(ANY_CHECKS, st.sampled_from([None, ERROR]))
def test_judge_does_not_depend_on_order(checks, error):
    assert judge(tuple(checks), error) is judge(tuple(reversed(checks)), error)


def trial(name: str, verdict: Verdict) -> JobResult:
    checks = {Verdict.PASS: (EXACT,), Verdict.FAIL: (BLOCKED,), Verdict.QUARANTINED: (BLOCKED,)}.get(verdict, ())
    error = ERROR if verdict is Verdict.ERROR else None
    return JobResult(name, name, "driving_model", "mici", verdict, error, checks)


def record_of(*verdicts: Verdict, **rest) -> RunRecord:
    results = tuple(trial(f"d/l/{n}", verdict) for n, verdict in enumerate(verdicts))
    facts = {
        "run": "r",
        "suite": "pr",
        "started_at": "2026-11-21T03:00:00+00:00",
        "command": ("closet",),
        "candidate": {},
        "baseline": {},
        "devices": (),
        "planned_checks": {result.name: tuple(check.check for check in result.checks) for result in results},
        "results": results,
    }
    return RunRecord(**(facts | rest))


P, F, E, Q = Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.QUARANTINED


@pytest.mark.parametrize(
    ("verdicts", "rest", "code"),
    [
        ([P], {}, 0),
        ([P, Q], {}, 0),
        ([F], {}, 1),
        ([P, F], {}, 1),
        ([E], {}, 3),
        ([P, E], {}, 3),
        ([F, E], {}, 1),
        ([], {}, 5),
        ([Q], {}, 5),
        ([Q, Q], {}, 5),
        ([P], {"interrupted": True}, 3),
        ([F], {"interrupted": True}, 1),
        ([], {"interrupted": True}, 3),
        ([P], {"harness_error": "Traceback\nKeyError: 'x'"}, 4),
        ([F, E], {"harness_error": "boom"}, 4),
        ([], {"harness_error": "boom"}, 4),
        ([P], {"harness_error": " \n"}, 4),
    ],
)
def test_gate(verdicts, rest, code):
    decided = gate(record_of(*verdicts, **rest))
    assert int(decided.exit_code) == code
    assert decided.is_open == (code == 0)


def test_gate_for_every_mixture():
    for verdicts in itertools.chain.from_iterable(itertools.product(Verdict, repeat=size) for size in range(5)):
        decided = gate(record_of(*verdicts))
        if F in verdicts:
            expected = ExitCode.REGRESSION
        elif E in verdicts:
            expected = ExitCode.NO_VERDICT
        elif P not in verdicts:
            expected = ExitCode.NOTHING_TO_RUN
        else:
            expected = ExitCode.GATE_OPEN
        assert decided.exit_code is expected, verdicts
        assert sum(decided.counts.values()) == len(verdicts)


@given(
    st.lists(st.sampled_from(list(Verdict)), max_size=6),
    st.booleans(),
    st.sampled_from(["", "boom"]),
    st.sampled_from([F, E]),
)
def test_nothing_added_that_is_not_a_pass_opens_the_gate(verdicts, interrupted, harness_error, worse):
    rest = {"interrupted": interrupted, "harness_error": harness_error}
    before, after = gate(record_of(*verdicts, **rest)), gate(record_of(*verdicts, worse, **rest))
    assert not after.is_open
    # And what was already known to be worse is not covered up: the code never falls to a milder one.
    order = [4, 2, 1, 3, 5, 0]
    assert order.index(after.exit_code) <= order.index(before.exit_code)


def test_a_planned_trial_that_vanished_closes_the_gate():
    record = record_of(P, P)
    assert gate(record).is_open
    lost = replace(record, results=record.results[:1])
    assert gate(lost).exit_code is ExitCode.NO_VERDICT
    assert "without all that was planned" in gate(lost).reason


def test_a_pass_without_a_planned_check_closes_the_gate():
    record = record_of(P, planned_checks={"d/l/0": ("exact", "plan")})
    assert gate(record).exit_code is ExitCode.NO_VERDICT


@pytest.mark.parametrize(
    ("verdicts", "rest", "reason"),
    [
        ([P], {}, "1 job passed"),
        ([P, P], {}, "2 jobs passed"),
        ([F, F, E], {}, "2 regressions, 1 job without a verdict"),
        ([P], {"interrupted": True}, "interrupted"),
        ([], {}, "nothing was judged"),
        ([P], {"harness_error": "Traceback\n  here\nKeyError: 'x'\n"}, "a bug of the harness: KeyError: 'x'"),
    ],
)
def test_the_gate_says_why(verdicts, rest, reason):
    assert gate(record_of(*verdicts, **rest)).reason == reason


def test_a_job_that_a_bug_of_ours_ended_is_told_as_a_bug():
    bug = replace(trial("d/l/0", E), error=ErrorDescription("ClosetError", "the worker ended without result.json"))
    decided = gate(record_of(E, F, results=(bug, trial("d/l/1", F))))
    assert decided.exit_code is ExitCode.HARNESS_BUG
    assert "1 job ended by a bug of the harness, 1 regression" in decided.reason


def test_blocking_findings_in_check_order():
    assert trial("a", F).blocking == (BLOCK,)
    assert trial("a", P).blocking == ()


def full_record() -> RunRecord:
    attempt = Attempt("candidate", "mici-01", 2, 0.5, 9.25, ERROR, "tail\x00\n", {"frames_per_s": 12.5})
    finding = Finding(
        FindingKind.NOT_A_NUMBER, Severity.BLOCK, "a", "w\nw", 1, 2, 3, 0.1, 0.2, 0.3, "1", "NaN", "m", 2.5
    )
    check = CheckResult("action", Closeness.BEYOND, (finding, NOTE), 3, 1200)
    result = JobResult(
        "n", "s", "r", "mici", F, ERROR, (check,), (attempt,), {"runtime": "ort"}, "a" * 64, "b" * 64, True
    )
    return record_of(results=(result, trial("x", E)), interrupted=True, harness_error="boom", duration_s=1.5)


def test_a_record_is_read_back_as_it_was_written():
    record = full_record()
    assert parse_record(render_record(record), where="x") == record
    assert render_record(parse_record(render_record(record), where="x")) == render_record(record)
    assert json.loads(render_record(record))["results"][0]["checks"][0]["findings"][0]["kind"] == "not a number"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value | {"format": 99}, "record format 99"),
        (lambda value: value | {"results": [{}]}, "results.0"),
        (lambda value: value | {"results": [value["results"][0] | {"verdict": "GREEN"}]}, "verdict"),
        (lambda _: {"format": 1}, "not a run record"),
        (lambda _: [], "not a run record"),
    ],
)
def test_what_is_not_a_record_is_refused_by_name(change, words):
    text = json.dumps(change(json.loads(render_record(full_record()))))
    with pytest.raises(DataError, match=words) as caught:
        parse_record(text, where="runs/1/record.json")
    assert caught.value.where == "runs/1/record.json"


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe"])
def test_broken_text_is_refused(text):
    with pytest.raises(DataError):
        parse_record(text, where="x")


def test_not_run_says_how_to_go_on():
    assert "resume" in NOT_RUN.remedy
    assert judge((), NOT_RUN) is Verdict.ERROR


# Quarantine


PLANNED = ("exact", "within", "noted", "blocked", "nothing", "replay")
OURS = ErrorDescription(OUR_BUG, "a bug")


def judged(checks: tuple[CheckResult, ...], error: ErrorDescription | None = None) -> JobResult:
    return JobResult("t", "s", "driving_model", "mici", judge(checks, error), error, checks)


def excused(result: JobResult, *quarantined: str) -> JobResult:
    return excuse(result, frozenset(quarantined), frozenset(PLANNED))


@pytest.mark.parametrize(
    ("checks", "error", "quarantined", "verdict", "names"),
    [
        ((EXACT, BLOCKED), None, ("blocked",), Verdict.QUARANTINED, ("blocked",)),
        ((EXACT, BLOCKED), None, ("exact",), Verdict.FAIL, ()),
        ((CRASHED, BLOCKED), None, ("blocked",), Verdict.FAIL, ("blocked",)),
        ((CRASHED, BLOCKED), None, ("blocked", "replay"), Verdict.QUARANTINED, ("blocked", "replay")),
        ((NOTHING, BLOCKED), None, ("blocked",), Verdict.ERROR, ("blocked",)),
        ((NOTHING, EXACT), None, ("nothing",), Verdict.QUARANTINED, ("nothing",)),
        ((EXACT,), None, ("exact",), Verdict.PASS, ()),
        ((EXACT, NOTED), None, PLANNED, Verdict.PASS, ()),
        ((), ERROR, ("blocked",), Verdict.ERROR, ("blocked",)),
        ((), ERROR, PLANNED, Verdict.QUARANTINED, tuple(sorted(PLANNED))),
        ((), None, PLANNED, Verdict.QUARANTINED, tuple(sorted(PLANNED))),
        ((), None, ("exact",), Verdict.ERROR, ("exact",)),
        ((), NOT_RUN, PLANNED, Verdict.ERROR, ()),
        ((), OURS, PLANNED, Verdict.ERROR, ()),
        ((BLOCKED,), OURS, PLANNED, Verdict.FAIL, ()),
    ],
)
def test_only_the_quarantined_checks_are_excused(checks, error, quarantined, verdict, names):
    before = judged(checks, error)
    result = excused(before, *quarantined)
    assert result.verdict is verdict
    assert result.quarantine is not None
    assert result.quarantine.outcome is before.verdict, "the real outcome is kept"
    assert result.quarantine.excused == names
    assert (result.checks, result.error) == (before.checks, before.error)
    assert set(result.blocked_checks).isdisjoint(names)


@given(ANY_CHECKS, st.sampled_from([None, ERROR, NOT_RUN, OURS]), st.sets(st.sampled_from(PLANNED)))
def test_a_quarantine_makes_nothing_pass_and_hides_nothing_else(checks, error, quarantined):
    before = judged(tuple(checks), error)
    result = excused(before, *quarantined)
    assert (result.verdict is Verdict.PASS) is (before.verdict is Verdict.PASS)
    if any(check.blocks and check.check not in quarantined for check in checks):
        assert result.verdict is Verdict.FAIL
    if not quarantined:
        assert result.verdict is before.verdict
    again = excused(judged((*checks, CRASHED), error), *(quarantined - {"replay"}))
    assert again.verdict is Verdict.FAIL, "one more difference elsewhere always FAILs"


def test_a_gate_of_nothing_but_quarantine_was_not_judged():
    quarantined = excused(judged((EXACT, BLOCKED)), "blocked")
    record = replace(record_of(), results=(quarantined,))
    assert gate(record).exit_code is ExitCode.NOTHING_TO_RUN
    passed = judged((EXACT,))
    assert gate(replace(record, results=(quarantined, passed))).exit_code is ExitCode.GATE_OPEN
    assert parse_record(render_record(record), where="here") == record


def test_a_record_written_before_repeats_and_quarantine_is_still_read():
    old = json.loads(render_record(replace(record_of(), results=(judged((BLOCKED,)),))))
    for name in ("confirmations", "blame", "repeated", "quarantine"):
        del old["results"][0][name]
    (result,) = parse_record(json.dumps(old), where="here").results
    assert (result.confirmations, result.blame, result.repeated, result.quarantine) == ((), None, "", None)
    assert result.blocked_checks == ("blocked",)
