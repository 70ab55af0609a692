"""A run as SARIF 2.1.0, for whatever collects findings of many tools.

A difference that blocks is a result of level `error`, what is only noted a `note`, what is quarantined a suppressed
result. A trial that could not be judged is no finding of the software: it is a notification of the run.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import quote

from harness.intent import Action, ClaimResult, Standing
from harness.report.budget import clean
from harness.report.links import segment_link, trial_key
from harness.report.trials import counted, distinct, entry_words
from harness.verdict import Finding, FindingKind, JobResult, RunRecord, Severity, Verdict, claim_action, gate

RESULTS = 5000  # of a run; GitHub stores no more

Json: TypeAlias = dict[str, Any]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_TEXT_LIMIT = 2000
_CLAIM = "claim"
_RULES = {
    FindingKind.CHANGED: "A value differs from the baseline beyond its tolerance",
    FindingKind.NOT_A_NUMBER: "A value is no number on one side only",
    FindingKind.MISSING_FRAMES: "Frames of the baseline are missing",
    FindingKind.EXTRA_FRAMES: "There are frames that the baseline does not have",
    FindingKind.MISSING_CHANNEL: "A channel of the baseline is missing",
    FindingKind.EXTRA_CHANNEL: "There is a channel that the baseline does not have",
    FindingKind.SHAPE: "A channel has another shape than in the baseline",
    FindingKind.EVENT: "Safety reacts differently than in the baseline",
    FindingKind.CRASH: "The software on trial crashes",
    _CLAIM: "What was declared of the change does not hold",
}
_IDS = {kind: str(kind).replace(" ", "-") for kind in _RULES}


def render_sarif(record: RunRecord, *, page_url: str = "") -> str:
    """SARIF of a run, at most `RESULTS` results, those that block first; equal text for equal records."""
    decided = gate(record)
    told = list(_results(record, page_url))
    told.sort(key=lambda result: (bool(result.get("suppressions")), result["level"] == "note"))
    notifications = [_notification(result) for result in record.results if result.verdict is Verdict.ERROR]
    if len(told) > RESULTS:
        left = f"{counted(len(told) - RESULTS, 'result')} more than a reader takes: in the record of run {record.run}"
        notifications.insert(0, {"level": "warning", "message": _text(left)})
    rules = [{"id": _IDS[kind], "shortDescription": {"text": words}} for kind, words in _RULES.items()]
    invocation = {
        "executionSuccessful": not (record.harness_error or record.interrupted or notifications),
        "exitCode": int(decided.exit_code),
        "exitCodeDescription": clean(decided.reason, _TEXT_LIMIT),
        "commandLine": clean(shlex.join(record.command), _TEXT_LIMIT),
        **_times(record),
        "toolExecutionNotifications": notifications[:RESULTS],
    }
    driver = {"name": "testing-closet", "rules": rules} | (
        {"version": clean(record.harness_version, 100)} if record.harness_version else {}
    )
    suite = quote(record.suite, errors="replace")
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"closet/{suite}/"},
        "invocations": [invocation],
        "columnKind": "utf16CodeUnits",
        "results": told[:RESULTS],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _results(record: RunRecord, page_url: str) -> Iterator[Json]:
    suite = _suite_uri(record.command, record.suite)
    for result in record.results:
        for found in distinct(result.checks):
            blocks = found.severity is Severity.BLOCK and result.verdict is not Verdict.ERROR
            told = _result(
                found.kind,
                "error" if blocks else "note",
                f"{result.segment}: {found.channel} {found.words}",
                (result.segment, result.replayer, result.device_kind, found.channel),
                suite,
            )
            if page_url:
                trial = trial_key(result.replayer, result.device_kind)
                told["hostedViewerUri"] = segment_link(page_url, result.segment, found.first_frame, trial=trial)
            if result.verdict is Verdict.QUARANTINED:
                entries = result.quarantine.entries if result.quarantine else ()
                why = "; ".join(map(entry_words, entries)) or "quarantined"
                told["suppressions"] = [{"kind": "external", "justification": clean(why, _TEXT_LIMIT)}]
            told["properties"] = _properties(result, found)
            yield told
    yield from (_claim(record, claim, suite) for claim in record.claims if claim.standing is not Standing.HOLDS)


def _claim(record: RunRecord, claim: ClaimResult, suite: str) -> Json:
    level = "error" if claim_action(record, claim.standing) is Action.BLOCK else "warning"
    words = f"{claim.intent}: {claim.name}: {claim.answer.value}: {claim.words}"
    return _result(_CLAIM, level, words, (claim.intent, claim.name), suite)


def _result(kind: str, level: str, words: str, place: Sequence[str], suite: str) -> Json:
    """One result. It is the same as one of another run where the rule and the place are."""
    name = " · ".join(place)
    return {
        "ruleId": _IDS[kind],
        "ruleIndex": list(_RULES).index(kind),
        "level": level,
        "message": _text(words),
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": suite}, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": clean(name, _TEXT_LIMIT)}],
            }
        ],
        "partialFingerprints": {"place/v1": hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()},
    }


def _properties(result: JobResult, found: Finding) -> Json:
    values = {
        "segment": clean(result.segment, _TEXT_LIMIT),
        "replayer": clean(result.replayer, _TEXT_LIMIT),
        "deviceKind": clean(result.device_kind, _TEXT_LIMIT),
        "firstFrame": found.first_frame,
        "lastFrame": found.last_frame,
        "excess": found.excess,
    }
    return {name: value for name, value in values.items() if value is not None}


def _notification(result: JobResult) -> Json:
    said = result.error
    problem = f"{said.kind}: {said.problem}" if said else "nothing was compared"
    return {
        "level": "error",
        "message": _text(f"{result.segment} · {result.replayer} · {result.device_kind}: {problem}"),
    }


def _text(words: str) -> Json:
    return {"text": clean(words, _TEXT_LIMIT)}


def _times(record: RunRecord) -> Json:
    """When the run began, where the record says it as a time."""
    try:
        began = datetime.datetime.fromisoformat(record.started_at).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return {}
    return {"startTimeUtc": began.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _suite_uri(command: Sequence[str], suite: str) -> str:
    """The file that a reader may attach results to: the suite, as the command named it, or as it would be called."""
    files = [PurePosixPath(word) for word in command if word.endswith((".yaml", ".yml"))]
    path = next((path for path in files if path.stem == suite), files[0] if files else PurePosixPath(f"{suite}.yaml"))
    return quote(path.name if path.is_absolute() or ".." in path.parts else str(path), errors="replace")
