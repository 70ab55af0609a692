"""Small real recordings and models: an HEVC of a few dozen pictures, a log that belongs to it, ONNX files."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from harness.recording.log_writer import encode_event, write_log
from harness.recording.video import encode_hevc
from harness.replay.layouts import PUBLISHED, Layout

SEGMENT = "0123456789abcdef/0000002a--a1b2c3d4e5/3"
WIDTH, HEIGHT = 482, 302  # a quarter of the device's picture each way: the lens scales with it
FRAME_NS = 50_000_000
START_NS = 1_000_000_000
FIRST_ID = 1000


def layout(name: str) -> Layout:
    return next(entry for entry in PUBLISHED if entry.name.startswith(name))


def moving_planes(count: int, seed: int, width: int = WIDTH, height: int = HEIGHT) -> Any:
    """A smooth pattern that drifts, different on every frame."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, 4)
    v, u = np.mgrid[0:height, 0:width]
    for i in range(count):
        y = 128 + 60 * np.sin(u / 37 + phase[0] + i / 5) + 50 * np.cos(v / 23 + phase[1] - i / 7)
        c = (v[::2, ::2], u[::2, ::2])
        yield (
            y.clip(0, 255).astype(np.uint8),
            (128 + 80 * np.sin(c[1] / 31 + phase[2] + i / 9)).clip(0, 255).astype(np.uint8),
            (128 + 80 * np.cos(c[0] / 29 + phase[3] - i / 4)).clip(0, 255).astype(np.uint8),
        )


def frame_ids(count: int, gaps: Mapping[int, int] | None = None) -> list[int]:
    ids, current = [], FIRST_ID
    for i in range(count):
        current += (gaps or {}).get(i, 0)
        ids.append(current)
        current += 1
    return ids


def log_events(
    count: int,
    *,
    gaps: Mapping[int, int] | None = None,
    rpy: tuple[float, float, float] = (0.0, 0.02, -0.01),
    right_hand_drive: bool = False,
    cameras: tuple[str, ...] = ("narrowRoad", "wideRoad"),
    left_out: tuple[str, ...] = (),
) -> list[bytes]:
    events: list[tuple[int, str, Any]] = [
        (START_NS - 9, "initData", {"deviceType": "tici", "dongleId": "0123456789abcdef"}),
        (START_NS - 8, "carParams", {"steerActuatorDelay": 0.1, "longitudinalActuatorDelay": 0.15}),
        (START_NS - 7, "extrinsicsCalibration", {"rpyCalib": list(rpy), "calStatus": "calibrated"}),
        (START_NS - 6, "lateralDelay", {"lateralDelay": 0.2}),
        (START_NS - 5, "driverMonitoringState", {"isRHD": right_hand_drive}),
        (START_NS - 4, "carControl", {"latActive": True}),
        (START_NS + 40 * FRAME_NS, "extrinsicsCalibration", {"rpyCalib": [0.1, 0.1, 0.1]}),
    ]
    ids = frame_ids(count, gaps)
    for row, frame_id in enumerate(ids):
        eof = START_NS + (frame_id - FIRST_ID) * FRAME_NS
        for camera in cameras:
            index = {
                "frameId": frame_id, "segmentNum": 3, "segmentId": row, "segmentIdEncode": row, "encodeId": frame_id,
                "timestampSof": eof - 18_000_000, "timestampEof": eof, "type": "fullHEVC",
            }  # fmt: skip
            events.append((eof + 1_000_000, f"{camera}EncodeIdx", index))
        events.append((eof + 500_000, "narrowRoadCameraState", {"frameId": frame_id, "sensor": "ox03c10"}))
    for i in range(count * 5):
        t_ns = START_NS + i * 10_000_000
        blinking = i >= 200
        car = {"vEgo": 20.0 + i * 0.01, "leftBlinker": blinking, "steeringPressed": blinking, "steeringTorque": 2.0}
        events.append((t_ns, "carState", car))
    events.sort(key=lambda event: event[0])
    return [encode_event(name, t, payload) for t, name, payload in events if name not in left_out]


class RecordingMaker:
    """Writes recordings below one folder; the videos are encoded once a session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._videos: dict[tuple[int, int], Path] = {}

    def video(self, count: int, seed: int) -> Path:
        path = self._videos.get((count, seed))
        if path is None:
            path = self.folder / f"video-{count}-{seed}.hevc"
            encode_hevc(path, moving_planes(count, seed), width=WIDTH, height=HEIGHT, crf=20)
            self._videos[count, seed] = path
        return path

    def __call__(self, name: str, count: int = 60, *, wide: bool = True, **log: Any) -> dict[str, Path]:
        path = self.folder / name / "rlog.zst"
        path.parent.mkdir(parents=True)
        write_log(path, log_events(count, **log))
        files = {"rlog.zst": path, "fcamera.hevc": self.video(count, 1)}
        return files | ({"ecamera.hevc": self.video(count, 2)} if wide else {})


def write_model(
    path: Path,
    inputs: Mapping[str, tuple[int, ...]],
    width: int,
    *,
    seed: int,
    slices: Mapping[str, tuple[int, int]] | None = None,
    bias: float = 0.0,
) -> Path:
    """A real ONNX file: every input, averaged into a few numbers, goes through a random matrix into a flat output."""
    rng = np.random.default_rng(seed)
    nodes, initializers, parts = [], [], []
    values = []
    for name, shape in inputs.items():
        pictures = len(shape) == 4
        values.append(helper.make_tensor_value_info(name, TensorProto.UINT8 if pictures else TensorProto.FLOAT, shape))
        source = name
        if pictures:
            nodes.append(helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT))
            nodes.append(
                helper.make_node("AveragePool", [f"{name}_f"], [f"{name}_p"], kernel_shape=[16, 16], strides=[16, 16])
            )
            source, size = f"{name}_p", shape[1] * (shape[2] // 16) * (shape[3] // 16)
            scale = 0.01
        else:
            size, scale = int(np.prod(shape)), 1.0
        nodes.append(helper.make_node("Flatten", [source], [f"{name}_flat"]))
        weights = (rng.standard_normal((size, 8)) * scale / np.sqrt(size)).astype(np.float32)
        initializers.append(numpy_helper.from_array(weights, f"{name}_w"))
        nodes.append(helper.make_node("MatMul", [f"{name}_flat", f"{name}_w"], [f"{name}_part"]))
        parts.append(f"{name}_part")
    spread = (rng.standard_normal((8 * len(parts), width)) * 0.3).astype(np.float32)
    offset = (rng.standard_normal(width) * 0.1 + bias).astype(np.float32)
    initializers += [numpy_helper.from_array(spread, "spread"), numpy_helper.from_array(offset, "offset")]
    nodes.append(helper.make_node("Concat", parts, ["joined"], axis=1))
    nodes.append(helper.make_node("Tanh", ["joined"], ["bounded"]))
    nodes.append(helper.make_node("MatMul", ["bounded", "spread"], ["mixed"]))
    nodes.append(helper.make_node("Add", ["mixed", "offset"], ["outputs"]))
    output = helper.make_tensor_value_info("outputs", TensorProto.FLOAT, (1, width))
    graph = helper.make_graph(nodes, "small", values, [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if slices is not None:
        pickled = pickle.dumps({head: slice(*cut, None) for head, cut in slices.items()})
        helper.set_model_props(model, {"output_slices": base64.b64encode(pickled).decode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def write_layout(path: Path, chosen: Layout, *, seed: int, bias: float = 0.0, described: bool = True) -> Path:
    slices = chosen.slices() if described else None
    return write_model(path, chosen.inputs, chosen.width, seed=seed, slices=slices, bias=bias)


def write_split(folder: Path, *, vision_seed: int = 1, policy_seed: int = 2) -> dict[str, Path]:
    """A vision and a policy of the newest split generation."""
    return {
        "driving_vision.onnx": write_layout(
            folder / "driving_vision.onnx", layout("driving_vision-1576"), seed=vision_seed
        ),
        "driving_policy.onnx": write_layout(
            folder / "driving_policy.onnx", layout("driving_policy-1000 desire_pulse"), seed=policy_seed
        ),
    }


def result_of(job: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((job.parent / "out" / "result.json").read_text())
    return result["replays"]
