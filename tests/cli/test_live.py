"""What a person sees at the end of a run, however narrow the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from harness.cli.live import Watch
from harness.verdict import JobResult, RunRecord, Verdict


def test_a_narrow_terminal_leaves_out_no_verdict() -> None:
    segment = "5beb9b58bd12b691/0000010a--a51155e496/3"
    results = tuple(
        JobResult(f"{segment} {verdict}", segment, "driving_model", "emulated", verdict)
        for verdict in (Verdict.PASS, Verdict.FAIL)
    )
    record = RunRecord("one", "pr", "2026-11-21T00:00:00+00:00", (), {}, {}, (), {}, results)
    for width in (20, 40, 200):
        shown = io.StringIO()
        Watch(Console(file=shown, width=width)).show_verdicts(record)
        rows = shown.getvalue().splitlines()
        assert [row.split()[:2] for row in rows[1:3]] == [["PASS", segment], ["FAIL", segment]]
