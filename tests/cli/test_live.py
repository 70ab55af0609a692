"""What a person sees at the end of a run, however narrow the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.cli.live import Watch
from harness.closet.work import DeviceLost, HealthChanged, JobFinished, JobProgress, JobStarted
from harness.domain import Health
from harness.errors import ErrorDescription
from harness.redaction import REDACTED
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


LIES = {"beyond all": 10**400, "before all": -(10**400), "large": 2**53, "true": True, "a word": "many", "none": None}


@pytest.mark.parametrize("ends", [False, True], ids=["runs", "ends"])
@pytest.mark.parametrize("name", ["frames_done", "frames_total"])
@pytest.mark.parametrize("lie", LIES)
def test_what_a_job_says_of_its_frames_never_ends_the_watch(name: str, lie: str, ends: bool) -> None:
    shown = io.StringIO()
    with Watch(Console(file=shown, width=200, force_terminal=True)) as watch:
        watch(JobStarted("w", "mici-01", 0, 1))
        watch(JobProgress("w", "mici-01", {"frames_done": 2, "frames_total": 4, name: LIES[lie]}))
        if ends:
            watch(JobFinished("w", "mici-01", None))
    assert "mici-01" in shown.getvalue()
    assert "frames/s" in shown.getvalue()


@pytest.mark.parametrize("terminal", [True, False], ids=["a terminal", "a file"])
def test_what_a_device_says_is_text_without_secrets(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "only-we-know-this")
    said = "[/] [bold only-we-know-this\x1b[2J\x1b]0;"
    shown = io.StringIO()
    with Watch(Console(file=shown, width=200, force_terminal=terminal)) as watch:
        watch(DeviceLost("mici-01", ErrorDescription("UnreachableError", said)))
        watch(HealthChanged("mici-02", Health.SUSPECT, said))
    written = shown.getvalue()
    assert "only-we-know-this" not in written
    assert written.count(f"[/] [bold {REDACTED}") >= 2
    assert "\x1b[2J" not in written
    assert "\x1b]0;" not in written
