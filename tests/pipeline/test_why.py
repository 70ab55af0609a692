"""The swap test on real emulated workers: what made a candidate differ is known, and is named."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.make import Demo
from harness.compare.causes import BASELINE, CANDIDATE, attribute, hold_swap
from harness.compare.growth import find_growth
from harness.compare.motion import find_motion
from harness.config import Fleet
from harness.errors import DeviceError
from harness.explanation import Cause, Course, Explained, Explanation, Swap
from harness.pipeline import execute_run, prepare
from harness.pipeline.request import ModelChoice, Request
from harness.pipeline.runs import SUMMARY
from harness.pipeline.why import WHY, explain_run, load_why, swap_anew
from harness.pipeline.why_swaps import Swapped
from harness.replay.__main__ import main as replay
from harness.store import Store
from harness.trace import Trace, load_trace, write_trace
from harness.verdict import JobResult, RunRecord, Verdict
from tests.cli.conftest import SUITE
from tests.compare.test_motion import drive
from tests.replay.conftest import make_recording, recording, split_model, write_job

__all__ = ["make_recording", "recording", "split_model", "write_job"]

VISION, POLICY = "driving_vision.onnx", "driving_policy.onnx"


def ignore(event: object) -> None:
    """Nobody watches."""


class Lab:
    """One closet whose runs share what was replayed."""

    def __init__(self, folder: Path, demo: Demo) -> None:
        self.demo = demo
        self.suite = folder / "suite.yaml"
        self.suite.write_text(SUITE.format(routes=demo.routes_folder, frames=80) + "why: 2\nconfirm: false\n")
        self.store = Store(folder / "home")
        self.folder = folder

    def run(self, name: str, candidate: Path) -> RunRecord:
        """Hold a candidate against the release."""
        choice = (ModelChoice("", candidate),)
        request = Request(self.suite, candidate=choice, baseline=(ModelChoice("", self.demo.models["release"]),))
        (self.folder / name).mkdir()
        return execute_run(
            request,
            replace(prepare(request, self.store), fleet=Fleet((), 1)),
            self.store,
            folder=self.folder / name,
            observer=ignore,
            stop=threading.Event(),
        )

    def told(self, name: str) -> Explained:
        found = load_why(self.folder / name)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, tiny_demo: Demo) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("why"), tiny_demo)
    yield lab
    lab.store.close()


def left(told: Explanation) -> dict[tuple[str, str], float | None]:
    assert not any(swap.error for swap in told.swaps)
    return {(swap.policy, swap.features): swap.left for swap in told.swaps}


def test_vision_policy_and_both_are_told_apart(lab: Lab, tmp_path: Path) -> None:
    both = tmp_path / "both"
    both.mkdir()
    shutil.copy(lab.demo.models["curve_bias"] / VISION, both)
    shutil.copy(lab.demo.models["longitudinal_lag"] / POLICY, both)
    for name, model, cause, begins in (
        ("vision", lab.demo.models["curve_bias"], Cause.VISION, "vision features (same pictures); the policy follows"),
        ("policy", lab.demo.models["longitudinal_lag"], Cause.POLICY, "policy: with the baseline's features it still"),
        ("both", both, Cause.BOTH, "vision and policy (same pictures)"),
    ):
        record = lab.run(name, model)
        assert [result.verdict for result in record.results] == [Verdict.FAIL]
        assert record.harness_error == ""
        (told,) = lab.told(name).explanations
        assert told.cause is cause, told
        assert told.words.startswith(begins)
        assert left(told)[CANDIDATE, CANDIDATE] == 0.0, "its own features give what they gave"
        assert told.name == record.results[0].name
    vision, policy, mixed = (left(lab.told(name).explanations[0]) for name in ("vision", "policy", "both"))
    # The bias is the vision's and nothing else's, the lag the policy's; the hybrid's parts are those two.
    assert (vision[CANDIDATE, BASELINE], vision[BASELINE, CANDIDATE]) == (0.0, 1.0)
    assert (policy[CANDIDATE, BASELINE], policy[BASELINE, CANDIDATE]) == (1.0, 0.0)
    assert 0.0 < (mixed[BASELINE, CANDIDATE] or 0.0) < (mixed[CANDIDATE, BASELINE] or 0.0) < 1.0
    apart = {swap.policy: swap for swap in lab.told("both").explanations[0].swaps if swap.policy != swap.features}
    assert apart[BASELINE].along == 0.0, "the lag is the policy's alone"
    assert apart[BASELINE].sideways is not None, "of what differs sideways the vision has a part"
    assert 0.0 < (apart[CANDIDATE].sideways or 0.0) < 1.0
    groups = {name: [moved.group for moved in lab.told(name).explanations[0].groups] for name in ("vision", "policy")}
    assert groups == {"vision": ["features", "plan", "action", "lanes"], "policy": ["plan", "action"]}
    summary = (lab.folder / "policy" / SUMMARY).read_text()
    assert "ahead of the baseline when braking" in summary
    assert summary.index("WHY    ") < summary.index("gate CLOSED"), "the gate has the last word"


def test_stories_of_a_run_that_is_over_and_swaps_that_are_stored(lab: Lab) -> None:
    """What the run of before replayed is not replayed; another question is answered from the same traces."""
    folder = lab.folder / "again"
    record = lab.run("again", lab.demo.models["curve_bias"])
    before = lab.told("again")
    (folder / WHY).unlink()
    events: list[object] = []
    swap = swap_anew(folder, lab.store, events.append, threading.Event())
    assert explain_run(record, lab.store, most=5, swap=swap) == before
    assert not events, "no device was needed"
    alone = explain_run(record, lab.store, most=0, swap=swap)
    assert alone.explanations == ()
    assert [story.cause for story in alone.stories] == [Cause.VISION], "the policy is the same file"
    changed = (replace(record.results[0], provenance={"candidate_model": "other"}),)
    (told,) = explain_run(replace(record, results=changed), lab.store, most=1, swap=swap).explanations
    assert "were changed since the run" in told.note
    assert told.swaps == ()
    lost = (replace(record.results[0], candidate_trace="0" * 64),)
    nothing = explain_run(replace(record, results=lost), lab.store, most=1, swap=swap)
    assert "is not told: " in nothing.note


def test_one_file_cannot_be_swapped(lab: Lab) -> None:
    """And nobody pretends that it can: what the traces tell is told."""
    record = lab.run("single", lab.demo.models["supercombo"])
    swap = swap_anew(lab.folder / "single", lab.store, ignore, threading.Event())
    segment = str(lab.demo.segments[0])
    (told,) = explain_run(record, lab.store, most=0, swap=swap, segments=[segment]).explanations
    assert "one file, which cannot be swapped" in told.note
    assert told.swaps == ()


def made(name: str, store: Store, folder: Path, **moved: float) -> JobResult:
    """A trial that FAILed: its plan is moved as `drive` says."""
    traces = []
    for side, plan in (("baseline", {}), ("candidate", moved)):
        trace = drive(**plan, features=np.zeros((60, 4)))
        path = folder / f"{side}-{name.replace('/', '-')}.trace"
        write_trace(path, replace(trace, segment=name))
        traces.append(store.put_file(path).sha256)
    return JobResult(
        f"{name} · driving_model · mici", name, "driving_model", "mici", Verdict.FAIL,
        baseline_trace=traces[0], candidate_trace=traces[1],
    )  # fmt: skip


def test_the_worst_and_the_exemplars_are_swapped_and_what_is_missing_is_said(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def swap(results: Sequence[JobResult]) -> dict[str, Swapped]:
        asked.append([result.segment for result in results])
        raise DeviceError("no device answers", where="the shelf", remedy="look at it")

    with Store(tmp_path / "home") as store:
        moves = {"d/a/0": 0.1, "d/b/0": 0.4, "d/c/0": 0.2, "d/d/0": 0.3}
        failed = [made(name, store, tmp_path, right_m=right_m) for name, right_m in moves.items()]
        failed[0] = replace(failed[0], verdict=Verdict.PASS)
        failed.append(made("d/e/0", store, tmp_path, ahead_mps=0.05))
        other = replace(failed[1], name="x", replayer="selfdrive_state")
        record = RunRecord("r", "s", "", (), {}, {}, (), {}, (*failed, other))
        told = explain_run(record, store, most=2, swap=swap)
        assert asked == [["d/b/0", "d/e/0"]], "the worst, and who stands for the other story before the next worst"
        assert [each.cause for each in told.explanations] == [Cause.POLICY, Cause.POLICY], "the features were the same"
        assert told.explanations[0].lateral_m == pytest.approx(0.4)
        assert told.failed == 4
        assert [len(story.segments) for story in told.stories] == [3, 1]
        assert told.note.split("\n") == [
            "nothing was swapped: the shelf: no device answers (look at it)",
            "1 more FAILed without two traces of driving_model; closet diff shows them",
        ]
        explain_run(record, store, most=2, swap=swap, segments=["d/a/0"])
        assert asked[1:] == [["d/a/0"]], "who is asked for is told of, whatever came of it"
        explain_run(record, store, most=0, swap=swap)
        assert len(asked) == 2


def test_a_glance_that_is_remembered_is_state_carried_over(recording, split_model, write_job, monkeypatch) -> None:
    """Four frames are seen otherwise; the policy keeps them in its history long after the features are equal again."""
    monkeypatch.setenv("CLOSET_THREADS", "1")

    def trace_of(job: Path, name: str) -> Trace:
        assert replay([str(job)]) == 0
        return load_trace(job.parent / "out" / f"{name}.trace")

    whole = write_job(recording, {"a": split_model}, name="whole")
    expected = trace_of(whole, "a")
    features = expected.channels["features"].values.copy()
    features[10:14] += 0.5
    glance = replace(expected.channels["features"], values=features)
    seen = whole.parent / "glance.trace"
    write_trace(seen, replace(expected, channels={**expected.channels, "features": glance}))
    follower = {POLICY: split_model[POLICY], "features.trace": seen}
    observed = trace_of(write_job({"rlog.zst": recording["rlog.zst"]}, {"b": follower}, name="follows"), "b")
    motion = find_motion(expected, observed)
    swaps = (hold_swap(expected, expected, motion, Swap(CANDIDATE, BASELINE)),)
    told = attribute(expected, observed, motion, swaps, expected)
    assert told.cause is Cause.STATE
    assert told.carried_from == int(expected.frame_ids[14])
    assert told.words.startswith(f"state carried from frame {told.carried_from} on")
    size = motion.size
    assert not np.any(size[:10])
    growth = find_growth(size, motion.seconds, motion.frame_ids)
    assert growth.first_frame == int(expected.frame_ids[10])
    assert growth.course is not Course.MOMENTARY
