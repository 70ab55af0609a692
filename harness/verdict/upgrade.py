"""Records of older formats, brought up to today's: pure functions from one format's plain JSON to the next one's.

A function that was released is not changed again, and reads nothing of today's classes: what a field that was not
written yet meant then is written here, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

OLDEST_FORMAT = 1


def upgrade(record: Json, found: int, wanted: int) -> Json:
    """A record of format `found` as one of format `wanted`; the one given is left alone."""
    for step in range(found, wanted):
        record = _STEPS[step](record)
    return record


def _from_1(record: Json) -> Json:
    """Format 1 grew while it was in use, without a number for it; format 2 has every field written out.

    Records before repeats and quarantine lack those, records before intents lack claims and the policy of the gate.
    What is not of the shape it should be is left as it is, for whoever validates the outcome.
    """
    filled = _RECORD | record | {"format": 2}
    return filled | {
        "results": _each(filled.get("results"), _result),
        "claims": _each(filled["claims"], lambda claim: _CLAIM | claim),
        "gate_policy": _one(filled["gate_policy"], lambda policy: _POLICY | policy),
    }


def _result(result: Json) -> Json:
    filled = _RESULT | result
    return filled | {
        "error": _one(filled["error"], _error),
        "checks": _each(filled["checks"], _check),
        "attempts": _each(filled["attempts"], _attempt),
        "confirmations": _each(filled["confirmations"], _confirmation),
        "quarantine": _one(filled["quarantine"], _note),
    }


def _check(check: Json) -> Json:
    filled = _CHECK | check
    return filled | {"findings": _each(filled["findings"], lambda finding: _FINDING | finding)}


def _attempt(attempt: Json) -> Json:
    filled = _ATTEMPT | attempt
    return filled | {"error": _one(filled["error"], _error)}


def _confirmation(repeat: Json) -> Json:
    filled = _CONFIRMATION | repeat
    return filled | {"error": _one(filled["error"], _error), "attempts": _each(filled["attempts"], _attempt)}


def _note(note: Json) -> Json:
    filled = _NOTE | note
    lists = {name: _each(filled[name], lambda entry: _ENTRY | entry) for name in ("entries", "expired")}
    return filled | lists


def _error(error: Json) -> Json:
    return _ERROR | error


def _one(value: Any, fill: Callable[[Json], Json]) -> Any:
    return fill(value) if isinstance(value, dict) else value


def _each(values: Any, fill: Callable[[Json], Json]) -> Any:
    return [_one(value, fill) for value in values] if isinstance(values, list) else values


_STEPS: dict[int, Callable[[Json], Json]] = {1: _from_1}

_RECORD: Json = {
    "duration_s": 0.0,
    "interrupted": False,
    "harness_error": "",
    "harness_version": "",
    "declared": "",
    "planned_claims": [],
    "claims": [],
    "gate_policy": {},
}
_POLICY: Json = {"name": "pr", "worse": "block", "inconclusive": "warn", "not_better": "warn", "changed": "warn"}
_RESULT: Json = {
    "error": None,
    "checks": [],
    "attempts": [],
    "provenance": {},
    "candidate_trace": "",
    "baseline_trace": "",
    "reused": False,
    "confirmations": [],
    "blame": None,
    "repeated": "",
    "quarantine": None,
}
_ERROR: Json = {"where": "", "remedy": ""}
_CHECK: Json = {"findings": [], "channels_compared": 0, "frames_compared": 0}
_FINDING: Json = {
    **dict.fromkeys(("first_frame", "last_frame", "peak_frame", "first_s", "last_s", "peak_s", "excess")),
    **dict.fromkeys(("expected", "observed", "unit"), ""),
}
_ATTEMPT: Json = {"error": None, "log_tail": "", "measurements": {}}
_CONFIRMATION: Json = {
    "blocked": [],
    "words": "",
    "error": None,
    "attempts": [],
    "candidate_trace": "",
    "baseline_trace": "",
}
_NOTE: Json = {"checks": [], "excused": [], "entries": [], "expired": []}
_ENTRY: Json = {"device_kinds": [], "replayers": ["*"], "checks": ["*"], "where": ""}
_UNKNOWN = ("candidate", "baseline", "effect", "share", "p", "adjusted_p", "equivalence_p", "size", "size_share")
_CLAIM: Json = {
    **dict.fromkeys(("figures", "metric", "condition", "unit", "where"), ""),
    **dict.fromkeys(("segments", "routes", "looks", "excused", "excused_segments", "baseline_excused"), 0),
    **dict.fromkeys((*_UNKNOWN, "smallest", "smallest_share", "more_segments", "spread", "human")),
    "interval": [None, None],
    "share_interval": [None, None],
    "confidence": 0.95,
    "worst": [],
}
