"""Figures of the reports: how long each form takes over a run with very many test cases, and how large it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.bench.clock import best_cpu_s
from harness.bench.figure import Better, Figure
from harness.bench.workbench import Workbench
from harness.errors import ErrorDescription
from harness.report import (
    render_annotations,
    render_comment,
    render_gitlab,
    render_junit,
    render_markdown,
    render_parts,
    render_sarif,
    render_summary,
)
from harness.verdict import (
    Attempt,
    CheckResult,
    Closeness,
    Finding,
    FindingKind,
    JobResult,
    RunRecord,
    Severity,
    Verdict,
    render_record,
)

_CHECKS = 10
_PAGE = "https://closet.example.org/runs/2026-11-21-001/page"
_INPUTS = ("rlog", "fcamera", "ecamera", "candidate_model", "baseline_model", "replayer", "options", "runtime")


def report_time(bench: Workbench) -> float:
    """Seconds of processor time that the slowest form takes for 20 000 test cases; the sizes of all are told."""
    trials = 2000 if bench.scale.segments > 2 else 20
    record = _made_record(trials)
    forms: dict[str, Callable[[], str]] = {
        "json": lambda: render_record(record),
        "text": lambda: render_summary(record, "runs/1"),
        "junit": lambda: render_junit(record, page_url=_PAGE),
        "junit, split at 5 000": lambda: "".join(render_parts(record, render_junit, 5000)),
        "gitlab": lambda: render_gitlab(record, page_url=_PAGE),
        "github": lambda: render_annotations(record, page_url=_PAGE),
        "markdown": lambda: render_markdown(record, "runs/1", page_url=_PAGE),
        "comment": lambda: render_comment(record, "runs/1", page_url=_PAGE),
        "sarif": lambda: render_sarif(record, page_url=_PAGE),
    }
    slowest_s = 0.0
    for name, render in forms.items():
        taken_s = best_cpu_s(render, 1)
        slowest_s = max(slowest_s, taken_s)
        bench.tell(f"{name}: {len(render().encode()) / 1e6:.3f} MB in {taken_s:.2f} s, {trials * _CHECKS} test cases")
    return slowest_s


def _made_record(trials: int) -> RunRecord:
    """Trials of ten checks each, as many facts beside them as a real run has; 2 % FAIL, 0.5 % are ERROR."""
    names = ("replay", *(f"check {number}" for number in range(1, _CHECKS)))
    fine = tuple(CheckResult(name, Closeness.EXACT, (), 5, 1200) for name in names)
    words = "leaves at frame 412 (20.60 s), peak 431, back after 2.3 s\nexpected 0.0031 1/m, observed 0.0058 1/m"
    found = Finding(FindingKind.CHANGED, Severity.BLOCK, "action.desiredCurvature", words, 412, 457, 431, 20.6, 22.9)
    wrong = replace(fine[1], closeness=Closeness.BEYOND, findings=(found,))
    lost = ErrorDescription("UnreachableError", "no answer for 30 s", "mici-03", "look at its power")
    tries = tuple(Attempt(side, "mici-01", 1, 0.0, 30.5) for side in ("candidate", "baseline"))
    facts = dict.fromkeys(_INPUTS, "a" * 64)
    results = []
    for number in range(trials):
        segment = f"5beb9b58bd12b691/{number // 60:08x}--a51155e496/{number % 60}"
        verdict = Verdict.FAIL if number % 50 == 0 else Verdict.ERROR if number % 200 == 1 else Verdict.PASS
        error = lost if verdict is Verdict.ERROR else None
        checks = (fine[0], wrong, *fine[2:]) if verdict is Verdict.FAIL else fine
        name = f"{segment} · driving_model · mici"
        results.append(
            JobResult(name, segment, "driving_model", "mici", verdict, error, checks, tries, facts, "c" * 64, "d" * 64)
        )
    command = ("closet", "run", "suites/nightly.yaml", "--candidate", "models/next")
    sides = ({"driving_model": "models/next"}, {"driving_model": "models/release"})
    planned = {result.name: names for result in results}
    began = "2026-11-21T03:00:00+00:00"
    return RunRecord("2026-11-21-001", "nightly", began, command, *sides, (), planned, tuple(results), 7200.0)


FIGURES = (Figure("report: 20 000 test cases, slowest form", "s", 10.0, Better.LOWER, report_time),)
