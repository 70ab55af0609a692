"""A plan: equal jobs once, candidate and baseline together, nothing lost."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from harness.domain import Blob, DeviceKind, NamedBlob, Route, SegmentId
from harness.plan import Case, make_plan, without

RUNTIMES = {DeviceKind.EMULATED: "onnxruntime 1", DeviceKind.MICI: "unknown"}


def named(name: str, content: str, size_bytes: int = 1000) -> NamedBlob:
    return NamedBlob(name, Blob(content, size_bytes))


def case(number: int, candidate: str = "new", baseline: str | None = "old", video_bytes: int = 1000) -> Case:
    return Case(
        SegmentId(Route("a" * 16, "2026-01-02--03-04-05"), number),
        "driving_model",
        "1",
        (named("rlog.zst", f"log{number}"), named("fcamera.hevc", f"video{number}", video_bytes)),
        {"frames": 20},
        (named("driving_vision.onnx", candidate),),
        None if baseline is None else (named("driving_vision.onnx", baseline),),
        {DeviceKind.EMULATED: ("approved", "also")},
    )


def test_candidate_and_baseline_share_a_task() -> None:
    plan = make_plan("pr", [case(0)], {DeviceKind.EMULATED: "r"}, ("tag",), 60.0)
    (task,) = plan.tasks
    (trial,) = plan.trials
    assert trial.baseline_job is not None
    assert [job.id for job in task.jobs] == [trial.candidate.id, trial.baseline_job.id]
    approved = trial.baseline_trace, trial.also_accepted
    assert approved == ("", ()), "a replayed baseline is not mixed with an approved one"
    assert (task.tags, task.deadline_s) == (("tag",), 60.0)
    assert set(task.blobs) == {"log0", "video0", "new", "old"}


def test_an_approved_trace_stands_in_for_the_baseline() -> None:
    plan = make_plan("pr", [case(0, baseline=None)], RUNTIMES, (), 60.0)
    assert [trial.baseline_trace for trial in plan.trials] == ["approved", ""]
    assert [trial.also_accepted for trial in plan.trials] == [("also",), ()]
    assert all(len(task.jobs) == 1 for task in plan.tasks)


def test_the_same_model_on_both_sides_is_one_job() -> None:
    plan = make_plan("pr", [case(0, "same", "same")], {DeviceKind.EMULATED: "r"}, (), 60.0)
    assert len(plan.tasks[0].jobs) == 1
    assert plan.trials[0].baseline_job == plan.trials[0].candidate


def test_every_input_counts_in_the_identity() -> None:
    job = make_plan("pr", [case(0)], RUNTIMES, (), 60.0).trials[0].candidate
    others = [
        dataclasses.replace(job, replayer_version="2"),
        dataclasses.replace(job, options="{}"),
        dataclasses.replace(job, runtime="other"),
        dataclasses.replace(job, device_kind=DeviceKind.TIZI),
        dataclasses.replace(job, model=(named("driving_vision.onnx", "x"),)),
        dataclasses.replace(job, recording=()),
        dataclasses.replace(job, segment=SegmentId(job.segment.route, 7)),
        dataclasses.replace(job, replayer="driver_monitoring"),
    ]
    assert len({job.id, *(other.id for other in others)}) == len(others) + 1


def test_the_longest_task_comes_first() -> None:
    plan = make_plan("pr", [case(0, video_bytes=10), case(1, video_bytes=99_000_000)], RUNTIMES, (), 60.0)
    assert [task.jobs[0].segment.number for task in plan.tasks] == [1, 1, 0, 0]


def test_tasks_that_cost_the_same_come_in_the_order_of_the_trials() -> None:
    numbers = [7, 3, 11, 0, 5, 2]
    plan = make_plan("pr", [case(number) for number in numbers], {DeviceKind.EMULATED: "r"}, (), 60.0)
    assert [task.jobs[0].segment.number for task in plan.tasks] == numbers
    done = frozenset(trial.candidate.id for trial in plan.trials)
    assert [task.jobs[0].segment.number for task in without(plan, done)] == numbers


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.one_of(st.none(), st.sampled_from("abc"))), max_size=12
    ),
    st.data(),
)
def test_every_job_of_every_trial_is_in_exactly_one_task(
    cases: list[tuple[int, str, str | None]], data: st.DataObject
) -> None:
    plan = make_plan("pr", [case(*entry) for entry in cases], RUNTIMES, (), 60.0)
    assert len(plan.trials) == len(cases) * len(RUNTIMES)
    wanted = {job.id for trial in plan.trials for job in (trial.candidate, trial.baseline_job) if job}
    tasked = [job.id for task in plan.tasks for job in task.jobs]
    assert sorted(tasked) == sorted(wanted)
    assert all(len({job.device_kind for job in task.jobs}) == 1 for task in plan.tasks)
    done = frozenset(data.draw(st.lists(st.sampled_from(sorted(wanted)), unique=True)) if wanted else [])
    left = [job.id for task in without(plan, done) for job in task.jobs]
    assert sorted(left) == sorted(wanted - done)
