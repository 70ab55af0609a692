"""The driving replayer from end to end, over real HEVC, real logs and real ONNX files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.recording.video import encode_hevc, open_video
from harness.replay.__main__ import main
from harness.replay.cameras import Intrinsics
from harness.replay.layouts import PUBLISHED
from harness.replay.warp import NARROW_MODEL, WIDE_MODEL, build_table, picture_digest, warp, warp_matrix
from harness.trace import Trace, load_trace
from tests.replay.makers import (
    HEIGHT,
    SEGMENT,
    START_NS,
    WIDTH,
    layout,
    moving_planes,
    result_of,
    write_layout,
    write_split,
)

SUPERCOMBOS = [entry for entry in PUBLISHED if entry.name.startswith("supercombo")]
NARROW_LENS, WIDE_LENS = Intrinsics(WIDTH, HEIGHT, 2648.0 / 4), Intrinsics(WIDTH, HEIGHT, 567.0 / 4)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSET_THREADS", "1")


def run(job: Path) -> int:
    return main([str(job)])


def trace_of(job: Path, name: str = "a") -> Trace:
    return load_trace(job.parent / "out" / f"{name}.trace")


def values(trace: Trace, channel: str) -> Any:
    return trace.channels[channel].values


def test_a_split_model_gives_a_trace_with_every_head(recording, split_model, write_job):
    job = write_job(recording, {"a": split_model})
    assert run(job) == 0
    trace = trace_of(job)
    assert trace.segment == SEGMENT
    assert trace.frame_ids.tolist() == list(range(1000, 1060))
    assert trace.t_ns[0] == START_NS
    shapes = {name: channel.values.shape[1:] for name, channel in trace.channels.items()}
    assert shapes["position.x"] == shapes["position.xStd"] == shapes["orientationRate.z"] == (33,)
    assert shapes["laneLines.y"] == (4, 33)
    assert shapes["laneLineProbs"] == shapes["laneLineStds"] == (4,)
    assert shapes["roadEdges.z"] == (2, 33)
    assert shapes["leadsV3.x"] == shapes["leadsV3.aStd"] == (3, 6)
    assert shapes["leadsV3.prob"] == (3,)
    assert shapes["features"] == (512,)
    assert shapes["meta.desirePrediction"] == (4, 8)
    assert shapes["meta.disengagePredictions.brakeDisengageProbs"] == (5,)
    assert shapes["pose.trans"] == (3,)
    assert shapes["action.desiredCurvature"] == ()
    assert values(trace, "pictures.narrow.digest").dtype == np.uint64
    assert values(trace, "action.shouldStop").dtype == np.bool_
    assert values(trace, "vEgo")[0] == np.float32(20.0)
    assert trace.provenance["side"] == "x"
    assert trace.provenance["interfaces"] == {"driving_policy.onnx": "metadata", "driving_vision.onnx": "metadata"}
    result = result_of(job)["a"]
    assert result["error"] is None
    assert result["measurements"]["frames"] == 60
    assert result["trace_bytes"] == (job.parent / "out" / "a.trace").stat().st_size


def test_a_trace_is_what_a_plain_loop_over_the_model_gives(recording, split_model, write_job):
    """No threads, no buffers: every picture and every input anew from its definition, for 30 frames."""
    job = write_job(recording, {"a": split_model}, options={"frames": 30})
    assert run(job) == 0
    trace = trace_of(job)
    rpy = (0.0, 0.02, -0.01)
    packed = {}
    for stem, lens, model in (("fcamera", NARROW_LENS, NARROW_MODEL), ("ecamera", WIDE_LENS, WIDE_MODEL)):
        table = build_table(warp_matrix(tuple(map(float, np.float32(rpy))), lens, model), WIDTH, HEIGHT)
        pictures = open_video(recording[f"{stem}.hevc"]).pictures(0, 30)
        packed[stem] = [warp(table, picture.y, picture.u, picture.v) for picture in pictures]
    assert values(trace, "pictures.narrow.digest").tolist() == [picture_digest(p) for p in packed["fcamera"]]
    assert values(trace, "pictures.wide.digest").tolist() == [picture_digest(p) for p in packed["ecamera"]]
    vision = onnxruntime.InferenceSession(split_model["driving_vision.onnx"])
    policy = onnxruntime.InferenceSession(split_model["driving_policy.onnx"])
    black = np.zeros((6, 128, 256), np.uint8)
    features: list[Any] = []
    for i in range(30):
        feed = {
            name: np.concatenate([packed[stem][i - 4] if i >= 4 else black, packed[stem][i]])[None]
            for name, stem in (("img", "fcamera"), ("big_img", "ecamera"))
        }
        features.append(vision.run(None, feed)[0][0, 1064:1576])
        history = [features[i - 4 * k] if i >= 4 * k else np.zeros(512) for k in reversed(range(25))]
        output = policy.run(
            None,
            {
                "desire_pulse": np.zeros((1, 25, 8), np.float32),
                "traffic_convention": np.array([[1, 0]], np.float32),
                "features_buffer": np.array([history], np.float32),
            },
        )[0][0]
        np.testing.assert_array_equal(values(trace, "features")[i], features[i])
        plan = output[:495].reshape(33, 15)
        np.testing.assert_array_equal(values(trace, "position.y")[i], plan[:, 1])
        np.testing.assert_array_equal(values(trace, "orientationRate.z")[i], plan[:, 14])


def test_threads_never_change_a_byte(recording, split_model, write_job, monkeypatch, tmp_path):
    models = {"a": split_model, "b": write_split(tmp_path / "other", policy_seed=9)}
    digests = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("CLOSET_THREADS", threads)
        job = write_job(recording, models, name=f"threads{threads}")
        assert run(job) == 0
        digests.append({name: entry["trace_sha256"] for name, entry in result_of(job).items()})
    assert digests[0] == digests[1] == digests[2]
    assert digests[0]["a"] != digests[0]["b"]


def test_models_replayed_together_give_what_they_give_alone(recording, split_model, write_job, tmp_path):
    supercombo = {
        "driving_supercombo.onnx": write_layout(tmp_path / "s.onnx", layout("supercombo-6504 (0.9.8)"), seed=5)
    }
    models = {"a": split_model, "b": write_split(tmp_path / "b", vision_seed=7), "c": supercombo}
    together = write_job(recording, models, options={"frames": 20}, name="together")
    assert run(together) == 0
    for name, model in models.items():
        alone = write_job(recording, {name: model}, options={"frames": 20}, name=f"alone-{name}")
        assert run(alone) == 0
        assert result_of(alone)[name]["trace_sha256"] == result_of(together)[name]["trace_sha256"]


@pytest.mark.parametrize("chosen", SUPERCOMBOS, ids=lambda chosen: chosen.name.split(" (")[0])
def test_every_single_file_generation_runs(recording, write_job, tmp_path, chosen):
    model = {"supercombo.onnx": write_layout(tmp_path / "m.onnx", chosen, seed=4)}
    job = write_job(recording, {"a": model}, options={"frames": 12})
    assert run(job) == 0
    trace = trace_of(job)
    assert values(trace, "leadsV3.x").shape == (12, 3, 6)
    assert np.isfinite(values(trace, "position.x")).all()
    # Its own features come back to it, so the plan moves with the pictures.
    assert np.unique(values(trace, "position.y"), axis=0).shape[0] == 12


def test_the_old_split_generation_runs(recording, write_job, tmp_path):
    model = {
        "driving_vision.onnx": write_layout(tmp_path / "v.onnx", layout("driving_vision-632"), seed=1),
        "driving_policy.onnx": write_layout(tmp_path / "p.onnx", layout("driving_policy-5884 100"), seed=2),
    }
    job = write_job(recording, {"a": model}, options={"frames": 12})
    assert run(job) == 0
    assert values(trace_of(job), "laneLines.y").shape == (12, 4, 33)


def test_kept_features_give_the_same_bytes_and_are_checked(recording, split_model, write_job, tmp_path):
    cache = tmp_path / "cache"
    digests, reused = [], []

    def again(name: str, model: Any, **options: Any) -> None:
        job = write_job(recording, {"a": model}, cache=cache, name=name, options=options)
        assert run(job) == 0
        result = result_of(job)["a"]
        digests.append(result["trace_sha256"])
        reused.append(result["measurements"]["features_reused"])

    again("first", split_model)
    again("second", split_model)
    assert digests[0] == digests[1]
    assert reused == [0, 1]
    (kept,) = cache.iterdir()
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    again("third", split_model)
    again("fourth", split_model)
    assert reused == [0, 1, 0, 1]
    assert len(set(digests)) == 1
    policy = {**split_model, "driving_policy.onnx": write_split(tmp_path / "p", policy_seed=8)["driving_policy.onnx"]}
    again("policy", policy)
    assert reused[-1] == 1
    assert digests[-1] != digests[0]
    again("fewer", split_model, frames=59)
    again(
        "vision", {**policy, "driving_vision.onnx": write_split(tmp_path / "v", vision_seed=8)["driving_vision.onnx"]}
    )
    assert reused[-2:] == [0, 0]


def test_without_the_cache_option_nothing_is_kept(recording, split_model, write_job, tmp_path):
    cache = tmp_path / "cache"
    job = write_job(recording, {"a": split_model}, cache=cache, options={"features_cache": False, "frames": 3})
    assert run(job) == 0
    assert not cache.exists()


def test_start_and_count_of_frames(recording, split_model, write_job):
    job = write_job(recording, {"a": split_model}, options={"frames": 7, "start_frame": 31})
    assert run(job) == 0
    assert trace_of(job).frame_ids.tolist() == list(range(1031, 1038))
    none = write_job(recording, {"a": split_model}, options={"start_frame": 60}, name="none")
    assert run(none) == 3
    assert "no frame to replay: 60 pairs" in result_of(none)["a"]["error"]["problem"]


def test_the_first_calibration_is_frozen(make_recording, recording, split_model, write_job):
    """The log's second calibration, at frame 40, changes nothing; another first one changes every picture."""
    plain, other = (
        write_job(files, {"a": split_model}, name=name)
        for name, files in (("plain", recording), ("other", make_recording("tilted", rpy=(0.0, 0.03, 0.0))))
    )
    without = write_job(make_recording("early", rpy=(0.0, 0.02, -0.01)), {"a": split_model}, name="early")
    for job in (plain, other, without):
        assert run(job) == 0
    digests = [values(trace_of(job), "pictures.narrow.digest") for job in (plain, other, without)]
    assert (digests[0] == digests[2]).all()
    assert (digests[0] != digests[1]).all()


def test_one_camera_feeds_both_pictures(make_recording, split_model, write_job):
    job = write_job(make_recording("mono", wide=False, cameras=("narrowRoad",)), {"a": split_model})
    assert run(job) == 0
    trace = trace_of(job)
    assert trace.provenance["cameras"] == 1
    table = build_table(
        warp_matrix(tuple(map(float, np.float32((0, 0.02, -0.01)))), NARROW_LENS, WIDE_MODEL), WIDTH, HEIGHT
    )
    picture = open_video(make_recording.video(60, 1)).picture(0)
    assert values(trace, "pictures.wide.digest")[0] == picture_digest(warp(table, picture.y, picture.u, picture.v))


def test_gaps_of_the_camera_are_frame_drops_and_nothing_else_is(make_recording, split_model, write_job):
    job = write_job(make_recording("gap", gaps={30: 3}), {"a": split_model})
    assert run(job) == 0
    trace = trace_of(job)
    assert np.diff(trace.frame_ids).tolist() == [1] * 29 + [4] + [1] * 29
    percent = values(trace, "frameDropPerc")
    assert percent[:30].max() == 0
    assert percent[30] == percent.max() == pytest.approx(1.47, abs=0.006)


def test_what_the_log_says_reaches_the_model(make_recording, recording, split_model, write_job):
    """Side of the road and the wish to change lanes move the plan; the pictures are the same."""
    left = write_job(recording, {"a": split_model}, name="left")
    right = write_job(make_recording("rhd", right_hand_drive=True), {"a": split_model}, name="right")
    idle = write_job(make_recording("no-car-control", left_out=("lateralDelay",)), {"a": split_model}, name="idle")
    for job in (left, right, idle):
        assert run(job) == 0
    traces = [trace_of(job) for job in (left, right, idle)]
    assert (values(traces[0], "features") == values(traces[1], "features")).all()
    assert (values(traces[0], "position.y") != values(traces[1], "position.y")).any(axis=1).all()
    # The blinker comes on at 2.0 s with a hand on the wheel: one frame waits, the next asks for the change, and
    # the model is told with the frame after it.
    desire = values(traces[0], "desire")
    assert desire[:42].tolist() == [0] * 42
    assert desire[42:].tolist() == [3] * 18
    # Without an estimate the lateral delay is the actuator's 0.1 s and 0.2 s: another point of the plan is read.
    curvature = [values(trace, "action.desiredCurvature") for trace in traces]
    assert (curvature[0] != curvature[2]).all()
    assert (values(traces[0], "position.y") == values(traces[2], "position.y")).all()


def test_device_and_sensor_may_be_said(make_recording, split_model, write_job):
    files = make_recording("silent", left_out=("initData", "narrowRoadCameraState"))
    unknown = write_job(files, {"a": split_model}, name="unknown", options={"frames": 3})
    assert run(unknown) == 3
    assert "lens of a 482x302 picture" in result_of(unknown)["a"]["error"]["problem"]
    said = write_job(files, {"a": split_model}, name="said", options={"frames": 3, "sensor": "ar0231"})
    assert run(said) == 0
    wrong = write_job(files, {"a": split_model}, name="wrong", options={"frames": 3, "sensor": "imx"})
    assert run(wrong) == 2


@pytest.mark.parametrize("service", ["carState", "carParams", "extrinsicsCalibration"])
def test_a_log_without_what_is_needed_is_said(make_recording, split_model, write_job, service):
    job = write_job(make_recording(f"without-{service}", left_out=(service,)), {"a": split_model})
    assert run(job) == 3
    error = result_of(job)["a"]["error"]
    assert error["kind"] == "DataError"
    assert service in error["problem"]


def test_a_video_without_the_last_frames_names_camera_and_frame(recording, split_model, write_job, tmp_path):
    short = tmp_path / "short.hevc"
    encode_hevc(short, moving_planes(57, 2), width=WIDTH, height=HEIGHT, crf=20)
    job = write_job(recording | {"ecamera.hevc": short}, {"a": split_model})
    assert run(job) == 3
    error = result_of(job)["a"]["error"]
    assert error["kind"] == "DataError"
    assert "ecamera" in error["where"]
    assert "lists 60 frames, the video has 57 pictures; the first one missing is frame 1057" in error["problem"]


def test_videos_may_be_cut_in_the_middle(recording, split_model, write_job, tmp_path):
    cut = tmp_path / "cut.hevc"
    content = recording["fcamera.hevc"].read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    job = write_job(recording | {"fcamera.hevc": cut}, {"a": split_model})
    assert run(job) == 3
    assert result_of(job)["a"]["error"]["kind"] == "DataError"
    assert not (job.parent / "out" / "a.trace").exists()


def test_files_known_by_digest_alone(recording, split_model, write_job, tmp_path):
    """On a device the files of a job are called by their digests; what they are is in their names in the job."""
    blobs = {}
    for i, (name, path) in enumerate(recording.items()):
        blobs[name] = Path(shutil.copy(path, tmp_path / f"{i:064x}"))
    job = write_job(blobs, {"a": split_model}, options={"frames": 3})
    assert run(job) == 0


def test_numbers_that_are_none_are_kept(recording, split_model, write_job, tmp_path):
    policy = write_layout(tmp_path / "p.onnx", layout("driving_policy-1000 desire_pulse"), seed=2, bias=float("nan"))
    job = write_job(recording, {"a": {**split_model, "driving_policy.onnx": policy}}, options={"frames": 5})
    assert run(job) == 0
    trace = trace_of(job)
    assert np.isnan(values(trace, "position.x")).all()
    assert np.isnan(values(trace, "action.desiredAcceleration")).all()
    assert np.isfinite(values(trace, "laneLines.y")).all()


def failing_policy(path: Path) -> Path:
    """A policy of the right interface that looks outside an array as soon as it runs."""
    known = layout("driving_policy-1000 desire_pulse")
    table = numpy_helper.from_array(np.zeros((2, 1000), np.float32), "table")
    hundred = numpy_helper.from_array(np.array(100, np.float32), "hundred")
    nodes = [
        helper.make_node("ReduceSum", ["traffic_convention"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "hundred"], ["far"]),
        helper.make_node("Cast", ["far"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["row"]),
        helper.make_node("Unsqueeze", ["row", "axes"], ["outputs"]),
    ]
    axes = numpy_helper.from_array(np.array([0], np.int64), "axes")
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in known.inputs.items()]
    output = helper.make_tensor_value_info("outputs", TensorProto.FLOAT, (1, 1000))
    graph = helper.make_graph(nodes, "failing", inputs, [output], [table, hundred, axes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_model_that_fails_while_running_is_the_product_s_fault_alone(
    recording, split_model, write_job, tmp_path, monkeypatch, threads
):
    monkeypatch.setenv("CLOSET_THREADS", threads)
    broken = {**split_model, "driving_policy.onnx": failing_policy(tmp_path / "p.onnx")}
    job = write_job(recording, {"a": broken, "b": split_model}, options={"frames": 8})
    assert run(job) == 1
    results = result_of(job)
    assert results["a"]["error"]["kind"] == "ProductCrashError"
    assert "driving_policy.onnx" in results["a"]["error"]["where"]
    assert results["a"]["trace_sha256"] is None
    assert results["b"]["error"] is None
    assert trace_of(job, "b").frame_ids.shape == (8,)


def test_a_model_nobody_described_is_that_replay_s_error(recording, split_model, write_job, tmp_path):
    known = layout("driving_policy-1000 desire_pulse")
    odd = write_layout(
        tmp_path / "p.onnx", type(known)("odd", known.inputs, 1001, known.heads), seed=1, described=False
    )
    job = write_job(
        recording, {"a": {**split_model, "driving_policy.onnx": odd}, "b": split_model}, options={"frames": 3}
    )
    assert run(job) == 3
    results = result_of(job)
    assert results["a"]["error"]["kind"] == "DataError"
    assert "where in the 1001 output values each head lies" in results["a"]["error"]["problem"]
    assert results["b"]["error"] is None


def test_a_spec_beside_the_model_is_used(recording, split_model, write_job, tmp_path):
    known = layout("driving_policy-1000 desire_pulse")
    odd = write_layout(
        tmp_path / "p.onnx", type(known)("odd", known.inputs, 1001, known.heads), seed=1, described=False
    )
    spec = tmp_path / "interface.yaml"
    spec.write_text("format: 1\ndriving_policy.onnx:\n  output_slices: {plan: [0, 990], desire_state: [990, 998]}\n")
    model = {**split_model, "driving_policy.onnx": odd, "interface.yaml": spec}
    job = write_job(recording, {"a": model}, options={"frames": 3})
    assert run(job) == 0
    assert trace_of(job).provenance["interfaces"]["driving_policy.onnx"] == "interface.yaml"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (["driving_vision.onnx"], "the model has driving_vision.onnx"),
        (["driving_policy.onnx"], "the model has driving_policy.onnx"),
        ([], "no .onnx file"),
    ],
)
def test_half_a_model_is_refused(recording, split_model, write_job, files, problem):
    job = write_job(recording, {"a": {name: split_model[name] for name in files}}, options={"frames": 3})
    assert run(job) == 3
    assert problem in result_of(job)["a"]["error"]["problem"]


def test_files_that_were_exchanged_are_refused(recording, split_model, write_job):
    exchanged = {
        "driving_vision.onnx": split_model["driving_policy.onnx"],
        "driving_policy.onnx": split_model["driving_vision.onnx"],
    }
    job = write_job(recording, {"a": exchanged}, options={"frames": 3})
    assert run(job) == 3
    assert "missing input: img" in result_of(job)["a"]["error"]["problem"]


def test_nothing_of_the_clock_is_in_a_trace(recording, split_model, write_job):
    first, second = (write_job(recording, {"a": split_model}, name=name, options={"frames": 4}) for name in "xy")
    os.utime(recording["fcamera.hevc"], (1, 1))
    assert run(first) == run(second) == 0
    assert (first.parent / "out/a.trace").read_bytes() == (second.parent / "out/a.trace").read_bytes()
