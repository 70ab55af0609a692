"""The record of a run, from which every report is regenerated, as a value and as text."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from harness.errors import DataError
from harness.intent import PR_POLICY, ClaimResult, GatePolicy
from harness.verdict.results import JobResult

RECORD_FORMAT = 1


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


_RECORD = TypeAdapter(RunRecord)


def render_record(record: RunRecord) -> str:
    """The record as JSON text, keys in declaration order."""
    return _RECORD.dump_json(record, indent=1).decode() + "\n"


def parse_record(text: str | bytes, *, where: str) -> RunRecord:
    """The record in `text`; DataError naming `where` when it is not one of this format."""
    try:
        record = _RECORD.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"not a run record: {place}: {first['msg']}", where=where, remedy="run the suite again"
        ) from error
    if record.format != RECORD_FORMAT:
        raise DataError(
            f"record format {record.format}, this program reads {RECORD_FORMAT}",
            where=where,
            remedy="run the suite again",
        )
    return record
