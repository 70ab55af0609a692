"""SARIF, held against a restatement of that part of its schema that is written, with nothing else allowed beside it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from harness.intent import Answer, ClaimResult, Expectation
from harness.report import render_sarif
from harness.report.sarif import RESULTS
from harness.verdict import FindingKind, RunRecord, Verdict
from tests.report.conftest import BEYOND, EXACT, FIRST, REPLAY, TURN, WITHIN, record_of, result
from tests.report.hostile import NASTY, hostile_record

PAGE = "https://closet.example.org/runs/7/page"


def closed(required: str = "", **properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def listed(items: object) -> dict[str, object]:
    return {"type": "array", "items": items}


TEXT = {"type": "string"}
MESSAGE = closed("text", text=TEXT)
LEVEL = {"enum": ["none", "note", "warning", "error"]}
URI = {"type": "string", "format": "uri-reference", "pattern": r"^[A-Za-z0-9/?#\[\]@!$&'()*+,;=:%._~-]+$"}
SCHEMA = closed(
    "version runs",
    **{"$schema": URI},
    version={"const": "2.1.0"},
    runs=listed(
        closed(
            "tool",
            tool=closed(
                "driver",
                driver=closed(
                    "name",
                    name=TEXT,
                    version=TEXT,
                    rules=listed(closed("id", id=TEXT, shortDescription=MESSAGE)) | {"uniqueItems": True},
                ),
            ),
            automationDetails=closed(id=TEXT),
            invocations=listed(
                closed(
                    "executionSuccessful",
                    executionSuccessful={"type": "boolean"},
                    exitCode={"type": "integer"},
                    exitCodeDescription=TEXT,
                    commandLine=TEXT,
                    startTimeUtc={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
                    toolExecutionNotifications=listed(closed("message", message=MESSAGE, level=LEVEL)),
                )
            ),
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            results=listed(
                closed(
                    "message",
                    ruleId=TEXT,
                    ruleIndex={"type": "integer", "minimum": -1},
                    level=LEVEL,
                    message=MESSAGE,
                    locations=listed(
                        closed(
                            physicalLocation=closed(
                                artifactLocation=closed(uri=URI), region=closed(startLine={"type": "integer"})
                            ),
                            logicalLocations=listed(closed(fullyQualifiedName=TEXT)),
                        )
                    ),
                    partialFingerprints={"type": "object", "additionalProperties": TEXT},
                    hostedViewerUri=URI,
                    suppressions=listed(closed("kind", kind={"enum": ["inSource", "external"]}, justification=TEXT)),
                    properties={"type": "object"},
                )
            ),
        )
    ),
)
VALID = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


def run_of(record: RunRecord, page_url: str = "") -> dict:
    told = json.loads(render_sarif(record, page_url=page_url))
    VALID.validate(told)
    (run,) = told["runs"]
    for each in run["results"]:
        assert run["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] == each["ruleId"]
    return run


def test_findings_are_results_and_errors_notifications(record) -> None:
    run = run_of(record, PAGE)
    (invocation,) = run["invocations"]
    assert (invocation["exitCode"], invocation["executionSuccessful"]) == (1, False)
    assert invocation["startTimeUtc"] == "2026-11-21T03:00:00Z"
    assert len(invocation["toolExecutionNotifications"]) == 2
    assert "disk full" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    block, note, *quarantined = run["results"]
    assert (block["ruleId"], block["level"], note["level"]) == ("changed", "error", "note")
    assert TURN.words in block["message"]["text"]
    assert block["hostedViewerUri"].startswith(
        f"{PAGE}/segments/5beb9b58bd12b691_0000010a--a51155e496--1.html#frame=412&trial="
    )
    assert block["properties"]["firstFrame"] == 412
    assert block["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "suites/pr.yaml"
    assert all(each["suppressions"] for each in quarantined)
    assert "suppressions" not in block
    assert FIRST.words in note["message"]["text"]


def test_a_difference_of_a_trial_that_is_an_error_is_only_noted(blamed) -> None:
    """Seen on one device alone, or not reproducible: nobody is blamed for it."""
    suspect = next(entry for entry in blamed.results if entry.error and entry.error.kind == "SuspectDevice")
    run = run_of(replace(blamed, results=(suspect,)))
    assert [each["level"] for each in run["results"]] == ["note", "note"]
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 1


def test_the_schema_would_notice(record) -> None:
    for spoil in (
        lambda told: told.update(version="2.0"),
        lambda told: told["runs"][0].update(extra=1),
        lambda told: told["runs"][0]["results"][0].update(level="bad"),
        lambda told: told["runs"][0]["results"][0].pop("message"),
        lambda told: told["runs"][0]["results"][0].update(hostedViewerUri="a b"),
    ):
        told = json.loads(render_sarif(record))
        spoil(told)
        with pytest.raises(ValidationError):
            VALID.validate(told)


def test_the_same_place_has_the_same_fingerprint_in_the_next_run(record) -> None:
    first = run_of(record)["results"]
    moved = replace(TURN, words="leaves at frame 500", first_frame=500)
    later = replace(record, run="2026-11-22-001", results=(
        replace(record.results[1], checks=(replace(BEYOND, findings=(moved,)),)),
    ))  # fmt: skip
    assert run_of(later)["results"][0]["partialFingerprints"] == first[0]["partialFingerprints"]
    assert len({json.dumps(each["partialFingerprints"]) for each in first[:2]}) == 2


def test_claims_are_results_as_far_as_they_weigh() -> None:
    passed = result(0, Verdict.PASS, checks=(REPLAY, EXACT, WITHIN))
    worse = ClaimResult("calmer", "jerk", Expectation.IMPROVE, Answer.WORSE, "0.2 more")
    unsure, fine = replace(worse, answer=Answer.INCONCLUSIVE), replace(worse, answer=Answer.BETTER)
    run = run_of(record_of(passed, claims=(unsure, worse, fine)))
    assert [(each["level"], each["ruleId"]) for each in run["results"]] == [("warning", "claim"), ("error", "claim")]
    assert run["invocations"][0]["executionSuccessful"] is True


def test_never_more_than_a_reader_stores_and_what_blocks_comes_first() -> None:
    noted = [result(n, Verdict.PASS, checks=(replace(BEYOND, findings=(FIRST,)),)) for n in range(RESULTS + 5)]
    failed = result(RESULTS + 9, Verdict.FAIL, checks=(BEYOND,))
    run = run_of(record_of(*noted, failed))
    assert len(run["results"]) == RESULTS
    assert run["results"][0]["level"] == "error"
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].startswith("7 results more")


@pytest.mark.parametrize(
    ("command", "uri"),
    [
        (("closet", "run", "--devices", "devices.yaml", "suites/pr.yaml"), "suites/pr.yaml"),
        (("closet", "run", "suites/other.yaml"), "suites/other.yaml"),
        (("closet", "run", "/home/lab/pr.yaml"), "pr.yaml"),
        (("closet", "run", "../../pr.yaml"), "pr.yaml"),
        (("closet", "run", "suites/p r.yaml"), "suites/p%20r.yaml"),
        ((), "pr.yaml"),
    ],
)
def test_results_are_attached_to_the_suite(record, command: tuple[str, ...], uri: str) -> None:
    (place, *_) = run_of(replace(record, command=command))["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == uri


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(NASTY))
def test_any_text_is_valid(text: str) -> None:
    run = run_of(hostile_record(text), PAGE)
    assert {each["ruleId"] for each in run["results"]} == {str(FindingKind.CHANGED), "claim"}
