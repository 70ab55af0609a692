"""How a session ends beyond its items: its exit code, and what is said of each run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.errors import ExitCode
from harness.report import render_summary
from harness.verdict import RunRecord, Verdict, gate


def exit_code(records: Sequence[RunRecord | None]) -> int:
    """What a session whose items all passed exits with: a run that was cut off or judged nothing is no success."""
    if any(record is None or record.interrupted or record.harness_error for record in records):
        return pytest.ExitCode.TESTS_FAILED
    if any(record is not None and gate(record).exit_code is ExitCode.NOTHING_TO_RUN for record in records):
        return pytest.ExitCode.NO_TESTS_COLLECTED
    return pytest.ExitCode.OK


def summary_lines(record: RunRecord, folder: str) -> list[str]:
    """The gate's line, with what to look at above it where there is something."""
    lines: list[str] = []
    if any(result.verdict in {Verdict.FAIL, Verdict.ERROR} for result in record.results):
        lines.append(f"look   closet report {folder}")
    if record.interrupted:
        lines.append(f"again  closet resume {folder}")
    return [*lines, render_summary(record, folder).rstrip("\n").rsplit("\n", 1)[-1]]
