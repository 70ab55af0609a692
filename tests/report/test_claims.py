"""Claims as a person and a build server read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import JUnitXml, Properties
from lxml import etree

from fixtures.stories import PAGE, ROOT, STORIES, answers, blocks
from harness.config.intent import load_intent
from harness.intent import RELEASE_POLICY, Answer, ClaimResult, Expectation
from harness.report import render_claims, render_junit, render_summary
from harness.report.claims import drive_words
from harness.verdict import Verdict
from tests.test_verdict import record_of

BETTER = ClaimResult(
    "eyes", "lateral error at 2 s", Expectation.IMPROVE, Answer.BETTER, "3 % or more was asked for; p 0.012",
    "candidate 0.2 m, baseline 0.3 m · −33 % (95 % −45 … −18), 8 segments of 8 routes", where="eyes.yaml:4",
)  # fmt: skip
OPEN = replace(
    BETTER, name="lateral error at 2 s, curve", answer=Answer.INCONCLUSIVE, words="could have shown 6 % or more"
)
WORSE = replace(
    BETTER, name="comfort", expect=Expectation.GUARD, answer=Answer.WORSE, words="3 % matters\nmost in a/b/0 +1 m"
)
NOTHING = ClaimResult("lanes", "lane keeping", Expectation.IMPROVE, Answer.NO_DATA, "no segment has a value")


def test_the_claims_of_a_run():
    text = render_claims(record_of(Verdict.PASS, claims=(BETTER, OPEN, WORSE, NOTHING)))
    assert (
        text
        == """\
INTENT eyes · pr policy · 1 held · 1 worse · 1 inconclusive, a warning
? lateral error at 2 s, curve  candidate 0.2 m, baseline 0.3 m · −33 % (95 % −45 … −18), 8 segments of 8 routes
                               INCONCLUSIVE: could have shown 6 % or more  (declared: improve)
! comfort                      candidate 0.2 m, baseline 0.3 m · −33 % (95 % −45 … −18), 8 segments of 8 routes
                               PROVED worse: 3 % matters  (declared: guard)
                               most in a/b/0 +1 m
  lateral error at 2 s         candidate 0.2 m, baseline 0.3 m · −33 % (95 % −45 … −18), 8 segments of 8 routes
                               PROVED better: 3 % or more was asked for; p 0.012

INTENT lanes · pr policy · 1 no data
! lane keeping  NO DATA: no segment has a value  (declared: improve)"""
    )
    assert render_claims(record_of(Verdict.PASS)) == ""


SCORED = replace(
    BETTER, name="comfort", unit="share of frames", human=0.9134, excused=31, excused_segments=4, baseline_excused=28,
    candidate=0.97, adjusted_p=0.012,
)  # fmt: skip


def test_the_recorded_drive_is_told_in_text_and_junit():
    record = record_of(Verdict.PASS, claims=(SCORED, replace(BETTER, human=-0.5, unit="m")))
    told = (
        "the recorded drive itself: 0.913 share of frames; it fails as well in 31 frames of 4 segments that the "
        "candidate fails: they count as passed (of the baseline 28)"
    )
    lines = [line.strip() for line in render_claims(record).splitlines()]
    assert told in lines
    assert "the recorded drive itself: −0.5 m" in lines
    assert drive_words(replace(BETTER, human=0.0, unit="m")) == ""  # nobody is off the path he drives
    assert drive_words(replace(SCORED, human=0.0, excused=0, baseline_excused=0)).endswith(": 0 share of frames")
    cases = [case for suite in JUnitXml.fromstring(render_junit(record).encode()) for case in suite]
    case = next(case for case in cases if case.name == "comfort")
    assert told in (case.system_out or "")
    properties = {entry.name: entry.value for entry in case.child(Properties)}
    assert (
        properties.items() >= {"human": "0.9134", "excused": "31", "candidate": "0.97", "adjusted_p": "0.012"}.items()
    )
    assert "share_interval" not in properties
    plain = render_junit(record, testcase_properties=False)
    assert told in plain
    assert '<property name="human"' not in plain


def test_the_summary_has_them_and_warns():
    record = record_of(Verdict.PASS, claims=(BETTER, OPEN))
    text = render_summary(record, run_folder="runs/x")
    assert "INTENT eyes" in text
    assert "gate OPEN, exit 0: 1 job passed, 1 claim held · warning: 1 claim inconclusive · " in text
    closed = render_summary(replace(record, gate_policy=RELEASE_POLICY), run_folder="runs/x")
    assert "gate CLOSED, exit 3: 1 claim inconclusive · " in closed
    assert "warning" not in closed


def test_a_long_intent_shows_what_did_not_hold():
    many = tuple(replace(BETTER, name=f"metric {number}") for number in range(60))
    text = render_claims(record_of(Verdict.PASS, claims=(*many, WORSE)))
    assert "! comfort" in text
    assert "21 more, in junit.xml" in text


@pytest.mark.parametrize("policy", [None, RELEASE_POLICY])
def test_a_testcase_a_claim(policy):
    record = record_of(Verdict.PASS, claims=(BETTER, OPEN, WORSE, NOTHING))
    if policy is not None:
        record = replace(record, gate_policy=policy)
    text = render_junit(record)
    (suite,) = (suite for suite in JUnitXml.fromstring(text.encode()) if suite.name == "pr.claims")
    found = {case.name: [type(result).__name__ for result in case.result] for case in suite}
    assert found == {
        "lateral error at 2 s": [],
        "lateral error at 2 s, curve": ["Skipped"] if policy is None else ["Error"],
        "comfort": ["Failure"],
        "lane keeping": ["Error"],
    }
    out = {case.name: case.system_out for case in suite}
    assert "declared: improve at eyes.yaml:4" in out["lateral error at 2 s"]
    schema = etree.XMLSchema(etree.parse(str(Path(__file__).parent / "jenkins_junit.xsd")))
    schema.assertValid(etree.fromstring(render_junit(record, testcase_properties=False).encode()))


def test_no_claims_are_no_suite():
    assert "claims" not in render_junit(record_of(Verdict.PASS))


# The page that reads verdicts shows runs that ci/stories makes; here it is held against the intents and what they ask.


def test_the_page_tells_every_story_with_its_exit_code():
    told = blocks(PAGE.read_text())
    assert list(told) == [story.name for story in STORIES]
    for story in STORIES:
        assert told[story.name].startswith(f"$ closet {' '.join(story.arguments)}\n")
        assert f", exit {story.exit_code}: " in told[story.name]


def test_the_page_answers_every_claim_of_an_intent():
    told = blocks(PAGE.read_text())
    for story in STORIES:
        intent = load_intent(ROOT / "fixtures" / "intents" / f"{story.intent}.yaml")
        found = answers(told[story.name])
        assert len(found) == len(intent.claims) + len(intent.budgets) + 1
        assert f"INTENT {intent.name} · " in told[story.name]


def test_the_stories_are_those_that_were_asked_for():
    found = {name: " | ".join(answers(text)) for name, text in blocks(PAGE.read_text()).items()}
    assert "PROVED better" in found["better"]
    assert "curve: PROVED worse" in found["curves"]
    assert "straight: INCONCLUSIVE" in found["curves"]
    assert "PROVED equivalent" in found["twin"]
    assert "INCONCLUSIVE" not in found["twin"]
    assert "PROVED" not in found["few"]
    shown = (ROOT / "fixtures" / "intents" / "better.yaml").read_text().split("\n\n", 1)[0]
    body = "\n".join(line for line in shown.splitlines() if not line.startswith("#"))
    assert body in PAGE.read_text()
