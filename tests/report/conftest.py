from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from harness.domain import QuarantineEntry
from harness.errors import ErrorDescription
from harness.verdict import (
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


ENTRY = QuarantineEntry(
    f"{SEGMENT}/*", "lab@example.org", "https://example.org/7", "the camera drops frames", datetime.date(2026, 12, 1)
)
OLD = replace(ENTRY, route=f"{SEGMENT}/9", expires=datetime.date(2026, 11, 1), issue="https://example.org/8")
GONE = ErrorDescription("UnreachableError", "no answer", "mici-03")
CRASH = ErrorDescription("ProductCrashError", "killed by SIGSEGV", "mici-01")


def repeat(device: str, *blocked: str, error: ErrorDescription | None = None) -> Confirmation:
    verdict = Verdict.ERROR if error else Verdict.FAIL if blocked else Verdict.PASS
    words = "action.desiredCurvature leaves at frame 412 (20.60 s)" if blocked else ""
    tries = (attempt(device, 70, 95.5, error, "what it said last"),)
    return Confirmation(device, verdict, blocked, words, error, tries, "c" * 64, "b" * 64)


@pytest.fixture
def blamed() -> RunRecord:
    """A trial for everything that repeats and quarantine can come to."""
    failed = {"checks": (REPLAY, BEYOND, WITHIN), "attempts": (attempt("mici-01", 0, 60),)}
    lone = "only mici-01 shows it: again there, not on mici-03"
    chance = "differs from itself on mici-01: not reproducible, not on mici-03"
    note = QuarantineNote(Verdict.FAIL, ("action",), ("action",), (ENTRY,))
    passing = QuarantineNote(Verdict.PASS, ("action",), (), (ENTRY,))
    lost = QuarantineNote(Verdict.ERROR, PLANNED, PLANNED, (ENTRY,))
    return record_of(
        result(
            0, Verdict.FAIL, **failed, blame=Blame.PRODUCT, repeated="again on mici-01 and mici-03",
            confirmations=(repeat("mici-01", "action"), repeat("mici-03", "action")),
        ),
        result(
            1, Verdict.ERROR, **failed, error=ErrorDescription("SuspectDevice", lone, remedy="see to it"),
            blame=Blame.DEVICE, repeated=lone, confirmations=(repeat("mici-01", "action"), repeat("mici-03")),
        ),
        result(
            2, Verdict.ERROR, **failed, error=ErrorDescription("NotReproducible", chance, remedy="look"),
            blame=Blame.CHANCE, repeated=chance, confirmations=(repeat("mici-01"), repeat("mici-03")),
        ),
        result(
            3, Verdict.FAIL, **failed, blame=Blame.UNKNOWN, repeated="could not be confirmed: mici-03: no answer",
            confirmations=(repeat("mici-03", error=GONE),),
        ),
        result(4, Verdict.FAIL, **failed, blame=Blame.UNKNOWN, repeated="not confirmed: more than 3 failed"),
        result(5, Verdict.QUARANTINED, **failed, quarantine=note),
        result(6, Verdict.QUARANTINED, error=GONE, quarantine=lost),
        result(7, Verdict.PASS, checks=(REPLAY, EXACT, WITHIN), quarantine=passing),
        result(
            8, Verdict.FAIL, checks=(REPLAY, BEYOND, replace(BEYOND, check="plan")), quarantine=note,
            attempts=failed["attempts"],
        ),
        result(9, Verdict.FAIL, **failed, quarantine=QuarantineNote(Verdict.FAIL, expired=(OLD,))),
        result(
            10, Verdict.PASS, checks=(REPLAY, EXACT, WITHIN),
            attempts=(attempt("mici-01", 0, 3, CRASH, "Segmentation fault"), attempt("mici-03", 4, 60)),
        ),
    )  # fmt: skip
