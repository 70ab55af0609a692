"""Findings, verdicts and the record of a run. `judge`, `excuse` and `gate` are the only place that decides."""

from harness.verdict.decision import (
    OUR_BUG,
    Gate,
    claim_action,
    excuse,
    gate,
    judge,
    planned_name,
)
from harness.verdict.record import (
    RECORD_FORMAT,
    RunRecord,
    parse_record,
    render_record,
)
from harness.verdict.results import (
    FIRST_TO_MOVE,
    NOT_RUN,
    Attempt,
    Blame,
    CheckResult,
    Closeness,
    Confirmation,
    Finding,
    FindingKind,
    JobResult,
    QuarantineNote,
    Severity,
    Verdict,
)

__all__ = [
    "FIRST_TO_MOVE",
    "NOT_RUN",
    "OUR_BUG",
    "RECORD_FORMAT",
    "Attempt",
    "Blame",
    "CheckResult",
    "Closeness",
    "Confirmation",
    "Finding",
    "FindingKind",
    "Gate",
    "JobResult",
    "QuarantineNote",
    "RunRecord",
    "Severity",
    "Verdict",
    "claim_action",
    "excuse",
    "gate",
    "judge",
    "parse_record",
    "planned_name",
    "render_record",
]
