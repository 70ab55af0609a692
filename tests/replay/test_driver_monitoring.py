"""The driver-monitoring replayer: crops and scaling against references, and the two real models on a real clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from harness.errors import ConfigError
from harness.recording.video import open_video
from harness.replay.__main__ import main
from harness.replay.crops import RULES, Crop, CropTable, checked_crop, find_crop, normalised
from harness.replay.driver_monitoring import monitoring_channels
from harness.replay.warp import picture_digest
from harness.trace import load_trace
from tests.replay.makers import SEGMENT, layout, result_of, write_layout, write_model

OLD, NEW = RULES[38], RULES[39]


@pytest.mark.parametrize(
    ("rule", "right", "expected"),
    [
        # By hand from the published rule: 668 → 502 high, 251 wide; 954 → 717 high, 358 wide; odd numbers made even.
        (OLD, False, Crop(964 - 334 + 668 - 251 + 32 - 1, 604 - 251 - 196 - 1, 250, 502, False)),
        (OLD, True, Crop(964 - 334, 604 - 251 - 196 - 1, 250, 502, True)),
        (NEW, False, Crop(964 - 477 - 72 + 954 - 358 - 1, 604 - 358 - 144, 358, 716, False)),
        (NEW, True, Crop(964 - 477 - 72 - 1, 604 - 358 - 144, 358, 716, True)),
    ],
)
def test_crops_of_the_newer_camera(rule, right, expected):
    assert find_crop(rule, 1928, 1208, right_hand_drive=right) == expected


@pytest.mark.parametrize(
    ("rule", "size", "right", "expected"),
    [
        (OLD, (1152, 864), False, Crop(720, 0, 432, 864, False)),
        (NEW, (1152, 864), False, Crop(780, 0, 372, 864, False)),
        (NEW, (1152, 864), True, Crop(0, 0, 372, 864, True)),
        (OLD, (256, 128), False, Crop(192, 0, 64, 128, False)),
        (NEW, (256, 128), False, Crop(200, 0, 54, 128, False)),
    ],
)
def test_other_cameras_are_cut_at_the_driver_s_side(rule, size, right, expected):
    assert find_crop(rule, *size, right_hand_drive=right) == expected


def test_a_crop_outside_the_picture_is_refused():
    with pytest.raises(ConfigError, match="not inside the 256x128 picture"):
        checked_crop((200, 0, 58, 128), 256, 128, right_hand_drive=False)


def slow_scale(plane, width, height, *, mirrored):
    """Bilinear with matched centres, in plain float arithmetic, sample by sample."""
    rows, columns = plane.shape
    out = np.empty((height, width))
    for v in range(height):
        y = min(max((v + 0.5) * rows / height - 0.5, 0.0), rows - 1.0)
        for u in range(width):
            x = min(max((u + 0.5) * columns / width - 0.5, 0.0), columns - 1.0)
            r, c = int(y), int(x)
            r2, c2 = min(r + 1, rows - 1), min(c + 1, columns - 1)
            top = float(plane[r, c]) * (1 - x + c) + float(plane[r, c2]) * (x - c)
            bottom = float(plane[r2, c]) * (1 - x + c) + float(plane[r2, c2]) * (x - c)
            out[v, u] = top * (1 - y + r) + bottom * (y - r)
    return out[:, ::-1] if mirrored else out


@pytest.mark.parametrize("mirrored", [False, True])
def test_scaling_and_packing_equal_a_slow_reference(mirrored):
    rng = np.random.default_rng(5)
    y = rng.integers(0, 256, (300, 200), np.uint8)
    u, v = (rng.integers(0, 256, (150, 100), np.uint8) for _ in range(2))
    packed = CropTable(Crop(20, 30, 150, 260, mirrored)).pack(y, u, v)
    luma = slow_scale(y[30:290, 20:170], 320, 640, mirrored=mirrored)
    expected = [luma[0::2, 0::2], luma[1::2, 0::2], luma[0::2, 1::2], luma[1::2, 1::2]]
    expected += [slow_scale(plane[15:145, 10:85], 160, 320, mirrored=mirrored) for plane in (u, v)]
    assert packed.shape == (6, 320, 160)
    # Weights are rounded to 11 bits, so a value may round to its neighbour, never further.
    difference = np.abs(packed.astype(float) - np.stack(expected))
    assert difference.max() < 0.5 + 2 * 255 / 2048
    assert np.mean(difference > 0.5) < 0.15


def test_an_even_picture_stays_even():
    flat = np.full((128, 256), 200, np.uint8)
    packed = CropTable(Crop(0, 0, 64, 128, mirrored=False)).pack(flat, flat[::2, ::2], flat[::2, ::2])
    assert (packed == 200).all()
    assert normalised(packed).max() == np.float32(72 / 128)


def test_outputs_are_named():
    outputs = np.arange(2 * 39, dtype=np.float32).reshape(2, 39)
    channels = {channel.name: channel.values for channel in monitoring_channels(outputs)}
    assert channels["faceOrientation"].tolist() == [[0, 1, 2], [39, 40, 41]]
    assert channels["faceSize"].tolist() == [5, 44]
    np.testing.assert_allclose(channels["faceOrientationStd"][0], np.log1p(np.exp([6.0, 7.0, 8.0])), rtol=1e-6)
    positions = {"faceProb": 12, "leftEyeProb": 21, "rightEyeProb": 30, "sunglassesProb": 33, "occludedProb": 38}
    assert {name: channels[name][0] for name in positions} == positions
    assert "occludedProb" not in {channel.name for channel in monitoring_channels(outputs[:, :38])}


@pytest.fixture
def real(shared_data: Path) -> dict[str, dict[str, Path]]:
    folder = shared_data / "driver_monitoring"
    return {
        name: {"dmonitoring_model.onnx": folder / f"dmonitoring_model_{version}.onnx"}
        for name, version in (("old", "0.8.9"), ("new", "0.8.13"))
    }


@pytest.fixture
def clip(shared_data: Path) -> dict[str, Path]:
    return {"fcamera.mp4": shared_data / "commavq" / "decode_0.mp4"}


OPTIONS = {"camera": "fcamera", "frames": 6}


def test_the_real_models_equal_themselves_and_differ_from_each_other(real, clip, write_job, monkeypatch):
    digests = []
    for threads in ("1", "2"):
        monkeypatch.setenv("CLOSET_THREADS", threads)
        job = write_job(clip, real, replayer="driver_monitoring", options=OPTIONS, name=f"threads{threads}")
        assert main([str(job)]) == 0
        digests.append({name: entry["trace_sha256"] for name, entry in result_of(job).items()})
    assert digests[0] == digests[1]
    old, new = (load_trace(job.parent / "out" / f"{name}.trace") for name in ("old", "new"))
    assert old.segment == SEGMENT
    assert old.frame_ids.tolist() == list(range(6))
    assert np.diff(old.t_ns).tolist() == [50_000_000] * 5
    assert (old.channels["faceProb"].values != new.channels["faceProb"].values).all()
    assert set(new.channels) - set(old.channels) == {"occludedProb"}
    # A road is no face: both say so.
    assert old.channels["faceProb"].values.max() < 0.5
    assert new.channels["faceProb"].values.max() < 0.5


def test_a_real_model_by_hand(real, clip, write_job, monkeypatch):
    monkeypatch.setenv("CLOSET_THREADS", "1")
    options = OPTIONS | {"crop": [100, 0, 64, 128], "right_hand_drive": True, "start_frame": 3}
    job = write_job(clip, {"new": real["new"]}, replayer="driver_monitoring", options=options)
    assert main([str(job)]) == 0
    trace = load_trace(job.parent / "out" / "new.trace")
    assert trace.frame_ids.tolist() == list(range(3, 9))
    picture = open_video(clip["fcamera.mp4"]).picture(5)
    packed = CropTable(Crop(100, 0, 64, 128, mirrored=True)).pack(picture.y, picture.u, picture.v)
    assert trace.channels["pictures.cabin.digest"].values[2] == picture_digest(packed)
    session = onnxruntime.InferenceSession(real["new"]["dmonitoring_model.onnx"])
    output = session.run(None, {"input_img": (packed.astype(np.float32)[None] - 128) / 128})[0]
    np.testing.assert_allclose(trace.channels["faceOrientation"].values[2], output[0, :3], rtol=1e-5)


def small_model(path: Path, width: int = 39) -> Path:
    """A model of the right output that looks at nothing of the picture but its mean."""
    return write_model(path, {"input_img": (1, 6, 320, 160)}, width, seed=1)


def test_a_cabin_camera_and_its_log(make_recording, write_job, tmp_path):
    recording = make_recording("cabin", cameras=("cabin",), wide=False, right_hand_drive=True)
    recording["dcamera.hevc"] = recording.pop("fcamera.hevc")
    model = {"dmonitoring_model.onnx": small_model(tmp_path / "m.onnx")}
    job = write_job(recording, {"a": model}, replayer="driver_monitoring")
    assert main([str(job)]) == 0
    trace = load_trace(job.parent / "out" / "a.trace")
    assert trace.frame_ids.tolist() == list(range(1000, 1060))
    assert trace.provenance["crop"] == {"x": 0, "y": 0, "width": 130, "height": 302, "mirrored": True}


def test_models_that_are_none_of_the_two(make_recording, clip, write_job, tmp_path):
    narrow = write_model(tmp_path / "n.onnx", {"input_img": (1, 6, 160, 320)}, 39, seed=1)
    wide = small_model(tmp_path / "w.onnx", 40)
    models = {
        "a": {"m.onnx": narrow},
        "b": {"m.onnx": wide},
        "c": {"m.onnx": write_layout(tmp_path / "p.onnx", layout("driving_policy-1000 desire_pulse"), seed=1)},
        "d": {"m.onnx": small_model(tmp_path / "good.onnx")},
    }
    job = write_job(clip, models, replayer="driver_monitoring", options=OPTIONS)
    assert main([str(job)]) == 3
    results = result_of(job)
    assert (
        "input input_img: expected (1, 6, 320, 160), found input_img (1, 6, 160, 320)"
        in results["a"]["error"]["problem"]
    )
    assert "output outputs: expected (1, 38) or (1, 39), found outputs (1, 40)" in results["b"]["error"]["problem"]
    assert "found desire_pulse (1, 25, 8), features_buffer (1, 25, 512), " in results["c"]["error"]["problem"]
    assert results["d"]["error"] is None


def test_a_camera_that_is_not_there(clip, write_job, tmp_path):
    model = {"m.onnx": small_model(tmp_path / "m.onnx")}
    job = write_job(clip, {"a": model}, replayer="driver_monitoring")
    assert main([str(job)]) == 3
    assert "the recording has no dcamera, only fcamera.mp4" in result_of(job)["a"]["error"]["problem"]
