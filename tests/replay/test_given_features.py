"""A policy over given features: with its own it does what it did; with another's it shows what those change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.replay.__main__ import main
from harness.trace import Channel, Trace, load_trace, write_trace
from tests.replay.makers import result_of, write_split

OPTIONS = {"frames": 30}
FROM_POLICY = ("position.y", "velocity.x", "orientation.z", "action.desiredCurvature", "action.desiredAcceleration")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSET_THREADS", "1")


def trace_of(job: Path, name: str) -> Trace:
    assert main([str(job)]) == 0
    return load_trace(job.parent / "out" / f"{name}.trace")


def given(model: dict[str, Path], trace: Path) -> dict[str, Path]:
    return {"driving_policy.onnx": model["driving_policy.onnx"], "features.trace": trace}


def equal(one: Trace, other: Trace, names: tuple[str, ...]) -> bool:
    return all(np.array_equal(one.channels[name].values, other.channels[name].values) for name in names)


def test_with_its_own_features_a_policy_does_what_it_did(recording, split_model, write_job):
    whole = write_job(recording, {"a": split_model}, options=OPTIONS, name="whole")
    first = trace_of(whole, "a")
    log_alone = {"rlog.zst": recording["rlog.zst"]}
    again = write_job(log_alone, {"b": given(split_model, whole.parent / "out/a.trace")}, options=OPTIONS, name="again")
    second = trace_of(again, "b")
    assert second.frame_ids.tolist() == first.frame_ids.tolist()
    shared = tuple(first.channels.keys() & second.channels.keys())
    assert {*FROM_POLICY, "desire", "features", "vEgo", "pictures.narrow.digest"} <= set(shared)
    assert equal(first, second, shared), "bit by bit"
    assert "laneLines.y" not in second.channels, "what vision says is not the policy's"
    assert second.provenance["features_from"] == result_of(whole)["a"]["trace_sha256"]


def test_features_of_another_vision_are_what_a_hybrid_of_both_files_gives(recording, split_model, write_job, tmp_path):
    other = write_split(tmp_path / "other", vision_seed=7, policy_seed=9)
    hybrid = {**split_model, "driving_policy.onnx": other["driving_policy.onnx"]}
    whole = write_job(recording, {"a": split_model, "h": hybrid}, options=OPTIONS, name="whole")
    expected = trace_of(whole, "h")
    swapped = write_job(
        {"rlog.zst": recording["rlog.zst"]},
        {"s": given(other, whole.parent / "out/a.trace")},
        options=OPTIONS,
        name="s",
    )
    assert equal(expected, trace_of(swapped, "s"), FROM_POLICY)
    assert not equal(load_trace(whole.parent / "out/a.trace"), expected, FROM_POLICY)


def test_features_that_are_none_are_refused(recording, split_model, write_job, tmp_path):
    whole = write_job(recording, {"a": split_model}, options=OPTIONS, name="whole")
    trace = trace_of(whole, "a")
    narrow = Channel("features", "", np.zeros((30, 8), np.float32))
    for name, broken, said in (
        ("none", replace(trace, channels={"vEgo": trace.channels["vEgo"]}), "it has no features"),
        ("narrow", replace(trace, channels={"features": narrow}), "not 512 numbers"),
        ("elsewhere", replace(trace, segment="other/route--x/1"), "on other/route--x/1"),
    ):
        path = tmp_path / f"{name}.trace"
        write_trace(path, broken)
        job = write_job(recording, {"x": given(split_model, path)}, options=OPTIONS, name=name)
        assert main([str(job)]) != 0
        assert said in result_of(job)["x"]["error"]["problem"]


def test_a_single_file_cannot_follow_features(recording, split_model, write_job):
    whole = write_job(recording, {"a": split_model}, options=OPTIONS, name="whole")
    trace_of(whole, "a")
    single = {"supercombo.onnx": split_model["driving_vision.onnx"], "features.trace": whole.parent / "out/a.trace"}
    job = write_job(recording, {"x": single}, options=OPTIONS, name="single")
    assert main([str(job)]) != 0
    assert "no driving_policy.onnx" in result_of(job)["x"]["error"]["problem"]
