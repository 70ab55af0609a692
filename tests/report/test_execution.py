"""How long models took, as a person reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.report.execution import render_execution
from harness.verdict import BASELINE, CANDIDATE, Attempt, JobResult, Untimed, Verdict, side_time
from tests.test_verdict import record_of

HERE = "on this machine, which says nothing of a device"


def attempt(side: str, mean_ms: float, worst_ms: float, frames: float = 100.0) -> Attempt:
    measured = {"model_execution_mean_ms": mean_ms, "model_execution_max_ms": worst_ms, "frames": frames}
    return Attempt(side, "mici-01", 1, 0.0, 1.0, measurements=measured)


def timed(kind: str, *attempts: Attempt, replayer: str = "driving_model", segment: str = "a/b/0") -> JobResult:
    made_of = {"candidate_job": "1", "baseline_job": "2"}
    name = f"{segment} {replayer} {kind}"
    return JobResult(name, segment, replayer, kind, Verdict.PASS, attempts=attempts, provenance=made_of)


def rendered(*results: JobResult) -> str:
    return render_execution(replace(record_of(Verdict.PASS), results=results))


def test_a_device_is_held_against_its_budget():
    slow = timed("mici", attempt(CANDIDATE, 30.0, 40.0), attempt(BASELINE, 20.0, 41.0))
    other = timed("mici", attempt(CANDIDATE, 20.0, 30.0, 300.0), attempt(BASELINE, 20.0, 45.0), segment="a/b/1")
    assert rendered(slow, other) == (
        "TIME   driving_model · mici · candidate 22.5 ms a frame, at most 40 ms (2 segments), baseline 20 ms a frame, "
        "at most 45 ms (2 segments) · budget 28 ms, at most 50 ms: the candidate over it in 1 segment"
    )
    assert rendered(other).endswith("· budget 28 ms, at most 50 ms: kept")


def test_kinds_and_replayers_have_lines_of_their_own():
    lines = rendered(
        timed("emulated", attempt(CANDIDATE, 99.0, 99.0)), timed("mici", attempt(CANDIDATE, 1.0, 2.0), replayer="other")
    ).splitlines()
    assert lines == [
        "TIME   driving_model · emulated · candidate 99 ms a frame, at most 99 ms (1 segment) · " + HERE,
        "TIME   other · mici · candidate 1 ms a frame, at most 2 ms (1 segment) · no budget",
    ]


def test_what_was_recalled_took_no_time():
    assert rendered(timed("mici")) == ""


@pytest.mark.parametrize(
    ("result", "side", "why"),
    [
        (timed("mici"), CANDIDATE, Untimed.RECALLED),
        (timed("mici", attempt(CANDIDATE, 1.0, 1.0)), BASELINE, Untimed.RECALLED),
        (replace(timed("mici"), provenance={"candidate_job": "1"}), BASELINE, Untimed.APPROVED),
        (timed("mici", replace(attempt(CANDIDATE, 1.0, 1.0), measurements={})), CANDIDATE, Untimed.NOT_MEASURED),
        (timed("mici", attempt(CANDIDATE, 1.0, 1.0, 0.0)), CANDIDATE, Untimed.NOT_MEASURED),
    ],
)
def test_why_there_is_none(result: JobResult, side: str, why: Untimed):
    assert side_time(result, side) is why


def test_one_job_for_both_sides_is_timed_once():
    same = replace(timed("mici", attempt(CANDIDATE, 7.0, 9.0)), provenance={"candidate_job": "1", "baseline_job": "1"})
    assert side_time(same, BASELINE) == side_time(same, CANDIDATE)
