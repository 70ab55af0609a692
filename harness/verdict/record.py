"""The record of a run, from which every report is regenerated, as a value and as text.

Its text has a format of its own, numbered, with a JSON Schema (`schema/record-vN.json`) that `ci/record-schema` makes
from the classes here. What a released program wrote stays readable: `upgrade` brings older formats up to this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import from_json, to_json

from harness.errors import DataError
from harness.intent import PR_POLICY, ClaimResult, GatePolicy
from harness.verdict.results import JobResult
from harness.verdict.upgrade import OLDEST_FORMAT, upgrade

RECORD_FORMAT = 2


# Fields that nobody knows are refused, in everything a record is made of: half a record understood is a wrong report.
@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class RunRecord:
    """The complete plain description of one run, from which every report is regenerated."""

    run: str
    suite: str
    started_at: str
    command: tuple[str, ...]
    candidate: dict[str, str]
    baseline: dict[str, str]
    devices: tuple[dict[str, str], ...]
    planned_checks: dict[str, tuple[str, ...]]
    results: tuple[JobResult, ...]
    duration_s: float = 0.0
    interrupted: bool = False
    harness_error: str = ""
    harness_version: str = ""
    declared: str = ""
    planned_claims: tuple[str, ...] = ()
    claims: tuple[ClaimResult, ...] = ()
    gate_policy: GatePolicy = PR_POLICY
    format: int = RECORD_FORMAT


@dataclass(frozen=True, slots=True)
class _Head:
    """What is read of a record first: which format it is."""

    format: int


_RECORD = TypeAdapter(RunRecord)
_HEAD = TypeAdapter(_Head)


def render_record(record: RunRecord) -> str:
    """The record as JSON text, keys in declaration order."""
    return _RECORD.dump_json(record, indent=1).decode() + "\n"


def parse_record(text: str | bytes, *, where: str) -> RunRecord:
    """The record in `text`, of this format or an older one; DataError naming `where` when it is none."""
    try:
        found = _HEAD.validate_json(text, strict=True).format
        if not OLDEST_FORMAT <= found <= RECORD_FORMAT:
            newer = found > RECORD_FORMAT
            raise DataError(
                f"record format {found}, this program reads {OLDEST_FORMAT} to {RECORD_FORMAT}",
                where=where,
                remedy="a newer testing-closet wrote it: install that one" if newer else "run the suite again",
            )
        if found < RECORD_FORMAT:
            text = to_json(upgrade(from_json(text), found, RECORD_FORMAT))
        return _RECORD.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        unknown = first["type"] == "unexpected_keyword_argument"
        problem = f"unknown field {place}" if unknown else f"{place}: {first['msg']}"
        remedy = "a newer testing-closet may have written it: install that one" if unknown else "run the suite again"
        raise DataError(f"not a run record: {problem}", where=where, remedy=remedy) from error


def record_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `render_record` writes."""
    schema = _RECORD.json_schema(mode="serialization")
    schema["properties"]["format"]["const"] = RECORD_FORMAT
    for place in (schema, *schema["$defs"].values()):
        if "properties" in place:  # every field is written, also one that has a default
            place["required"] = list(place["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"The record of a run of testing-closet, format {RECORD_FORMAT}",
    } | {name: value for name, value in schema.items() if name != "title"}
