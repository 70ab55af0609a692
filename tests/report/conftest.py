from __future__ import annotations

import pytest

from harness.errors import ErrorDescription
from harness.verdict import (
    NOT_RUN,
    Attempt,
    CheckResult,
    Closeness,
    Finding,
    FindingKind,
    JobResult,
    RunRecord,
    Severity,
    Verdict,
)

SEGMENT = "5beb9b58bd12b691/0000010a--a51155e496"
DISK_FULL = ErrorDescription("StagingFailedError", "disk full (0 MB of 62 MB)", "tizi-04:/data", "free space")
TURN = Finding(
    FindingKind.CHANGED,
    Severity.BLOCK,
    "action.desiredCurvature",
    "leaves at frame 412 (20.60 s), peak 431, back after 2.3 s\n"
    "expected 0.0031 1/m, observed 0.0058 1/m = 1.1 m/s² more lateral acceleration, 14 × the tolerance",
    412,
    457,
    431,
    20.6,
    22.85,
    21.55,
    "0.0031",
    "0.0058",
    "1/m",
    14.2,
)
FIRST = Finding(
    FindingKind.CHANGED, Severity.NOTE, "first to move", "vision features at frame 411 (20.55 s) (same pictures)", 411
)
EXACT = CheckResult("action", Closeness.EXACT, (), 3, 1200)
WITHIN = CheckResult("plan", Closeness.WITHIN, (), 9, 1200)
REPLAY = CheckResult("replay", Closeness.EXACT)
BEYOND = CheckResult("action", Closeness.BEYOND, (TURN, FIRST), 3, 1200)
PLANNED = ("replay", "action", "plan")


def result(number: int, verdict: Verdict, replayer: str = "driving_model", **rest) -> JobResult:
    segment = f"{SEGMENT}/{number}"
    return JobResult(f"{segment} · {replayer} · mici", segment, replayer, "mici", verdict, **rest)


def attempt(device: str, started_s: float, ended_s: float, error: ErrorDescription | None = None, tail: str = ""):
    return Attempt("candidate", device, 1, started_s, ended_s, error, tail)


def record_of(*results: JobResult, **rest) -> RunRecord:
    facts = {
        "run": "2026-11-21-001",
        "suite": "pr",
        "started_at": "2026-11-21T03:00:00+00:00",
        "command": ("closet", "run", "suites/pr.yaml", "--candidate", "models/next", "--junit", "out.xml"),
        "candidate": {"driving_model": "models/next"},
        "baseline": {"driving_model": "models/release"},
        "devices": ({"name": "mici-01", "kind": "mici"}, {"name": "mici-02", "kind": "mici"}),
        "planned_checks": {entry.name: PLANNED for entry in results},
        "results": results,
        "duration_s": 192.0,
        "harness_version": "0.1.0",
    }
    return RunRecord(**(facts | rest))


@pytest.fixture
def record() -> RunRecord:
    """One trial of every kind: passed after a retry, failed, error after a retry, never run, quarantined."""
    return record_of(
        result(
            0,
            Verdict.PASS,
            checks=(REPLAY, EXACT, WITHIN),
            attempts=(attempt("mici-01", 0, 30.5, DISK_FULL, "No space left"), attempt("mici-02", 31, 60)),
            provenance={"runtime": "onnxruntime 1.22 avx2"},
        ),
        result(1, Verdict.FAIL, checks=(REPLAY, BEYOND, WITHIN), attempts=(attempt("mici-02", 31, 60),)),
        result(2, Verdict.ERROR, error=DISK_FULL, attempts=(attempt("tizi-04", 0, 3, DISK_FULL, "No space left"),)),
        result(3, Verdict.ERROR, error=NOT_RUN),
        result(4, Verdict.QUARANTINED, replayer="driver_monitoring", checks=(REPLAY, BEYOND)),
    )
