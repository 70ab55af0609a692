"""The driver_monitoring replayer: a camera's pictures through driver-monitoring models, each frame alone.

The models of openpilot 0.8.9 and 0.8.13, told apart by the width of their output; each has its own crop.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.domain import Json
from harness.errors import ClosetError, DataError
from harness.files import file_sha256
from harness.recording.log import Log
from harness.recording.video import Picture, Video, open_video
from harness.replay import REPLAYERS
from harness.replay.crops import RULES, Crop, CropTable, checked_crop, find_crop, normalised
from harness.replay.drive import camera_frames, load_whole_log, right_hand_drive
from harness.replay.interface import closed_shape, show_shape
from harness.replay.job import Job, Outcome, Progress, ReplayRequest
from harness.replay.options import DriverMonitoringOptions, parse_driver_monitoring_options
from harness.replay.pairing import CameraFrame
from harness.replay.pictures import Seen, StageTimes, rows_of
from harness.replay.runtime import peak_rss_mb, runtime_key
from harness.replay.sessions import Session, Signature, load_session
from harness.replay.threads import map_ordered, run_ahead
from harness.replay.warp import picture_digest
from harness.trace import Channel, Exactness, Trace

Tensor: TypeAlias = npt.NDArray[Any]

NAME = "driver_monitoring"
_INPUT_SHAPE = (1, 6, 320, 160)
_AHEAD = 8
_SERVICES = {
    "fcamera": "narrowRoadEncodeIdx",
    "ecamera": "wideRoadEncodeIdx",
    "dcamera": "cabinEncodeIdx",
    "qcamera": "qNarrowRoadEncodeIdx",
}

# Outputs of one value, as they come out of the model.
_PROBABILITIES = {
    "faceProb": 12, "leftEyeProb": 21, "rightEyeProb": 30, "leftBlinkProb": 31, "rightBlinkProb": 32,
    "sunglassesProb": 33, "poorVisionProb": 34, "partialFaceProb": 35, "distractedPoseProb": 36,
    "distractedEyesProb": 37, "occludedProb": 38,
}  # fmt: skip


@dataclass(slots=True)
class _Model:
    """One loaded model on this camera. `outputs` (n, 38 or 39)."""

    request: ReplayRequest
    session: Session
    input_name: str
    sha256: str
    crop: Crop
    outputs: Tensor
    error: ClosetError | None = None

    def step(self, i: int, seen: Seen) -> None:
        """Run frame `i`."""
        if self.error is not None:
            return
        try:
            self.outputs[i] = self.session.run({self.input_name: normalised(seen.picture)})
        except ClosetError as error:
            self.error = error


@dataclass(frozen=True, slots=True)
class _Cabin:
    """The camera's frames to look at."""

    video: Video
    frames: tuple[CameraFrame, ...]
    right_hand_drive: bool
    facts: Mapping[str, Json]


def replay_driver_monitoring(job: Job, threads: int, progress: Progress) -> dict[str, Outcome]:
    """Traces of all replays of `job`. An error of the recording is raised; one of a model is that replay's outcome."""
    begin_s = time.monotonic()
    options = parse_driver_monitoring_options(job.options)
    progress("reading", 0, 0)
    cabin = _load_cabin(job, options)
    outcomes = {request.job: Outcome() for request in job.replays}
    models: dict[str, _Model] = {}
    for request in job.replays:
        try:
            models[request.job] = _load_model(request, cabin, options)
        except DataError as error:
            outcomes[request.job].error = error
    crops = list(dict.fromkeys(model.crop for model in models.values()))
    digests = np.zeros((len(crops), len(cabin.frames)), np.uint64)
    times = StageTimes()
    if models:
        _run(cabin, list(models.values()), crops, digests, times, threads, progress)
    for name, model in models.items():
        mean_ms, worst_ms = model.session.execution_ms()
        outcome = outcomes[name]
        outcome.error = model.error
        outcome.trace = None if model.error else _trace(job, cabin, model, digests[crops.index(model.crop)])
        outcome.measurements = {
            "frames": float(len(cabin.frames)),
            "decode_s": times.decode_s,
            "warp_s": times.warp_s,
            "policy_s": model.session.cpu_s,
            "model_execution_mean_ms": mean_ms,
            "model_execution_max_ms": worst_ms,
        }
    for outcome in outcomes.values():
        outcome.measurements |= {"wall_s": time.monotonic() - begin_s, "peak_rss_mb": peak_rss_mb()}
    return outcomes


def _load_cabin(job: Job, options: DriverMonitoringOptions) -> _Cabin:
    name, path = job.needed(options.camera)
    video = open_video(path, name=name)
    log, facts = _load_log(job)
    frames = camera_frames(log, _SERVICES[options.camera], video, options.camera)
    last = None if options.frames is None else options.start_frame + options.frames
    chosen = frames[options.start_frame : last]
    if not chosen:
        raise DataError(
            f"no frame to replay: {len(frames)} frames, from {options.start_frame} on none",
            where=name,
            remedy="choose an earlier start_frame",
        )
    side = options.right_hand_drive
    if side is None:
        side = bool(right_hand_drive(log, np.array([chosen[0].eof_ns], np.int64))[0])
    return _Cabin(video, chosen, side, {"recording": {name: file_sha256(path), **facts}})


def _load_log(job: Job) -> tuple[Log | None, dict[str, Json]]:
    found = job.file("rlog")
    return (None, {}) if found is None else (load_whole_log(found[1], found[0]), {found[0]: file_sha256(found[1])})


def _load_model(request: ReplayRequest, cabin: _Cabin, options: DriverMonitoringOptions) -> _Model:
    names = [name for name in request.model if name.endswith(".onnx")]
    if len(names) != 1:
        raise DataError(
            f"the model has {', '.join(names) or 'no .onnx file'}", where="model", remedy="give one ONNX file"
        )
    path: Path = request.model[names[0]]
    session = load_session(path, names[0])
    input_name, width = _interface(session.signature)
    size = cabin.video.width, cabin.video.height
    if options.crop is not None:
        crop = checked_crop(options.crop, *size, right_hand_drive=cabin.right_hand_drive)
    else:
        crop = find_crop(RULES[width], *size, right_hand_drive=cabin.right_hand_drive)
    outputs = np.zeros((len(cabin.frames), width), np.float32)
    return _Model(request, session, input_name, file_sha256(path), crop, outputs)


def _interface(signature: Signature) -> tuple[str, int]:
    """Name of the picture input and width of the output; DataError when it is neither of the two known models."""
    if len(signature.inputs) != 1 or closed_shape(signature.inputs[0]) != _INPUT_SHAPE:
        found = ", ".join(f"{tensor.name} {show_shape(tensor.shape)}" for tensor in signature.inputs)
        raise DataError(
            f"input input_img: expected {show_shape(_INPUT_SHAPE)}, found {found}",
            where=signature.name,
            remedy="driver-monitoring models of openpilot 0.8.9 and 0.8.13 are known",
        )
    shapes = [closed_shape(output) for output in signature.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] not in RULES:
        found = ", ".join(f"{tensor.name} {show_shape(tensor.shape)}" for tensor in signature.outputs)
        raise DataError(
            f"output outputs: expected (1, 38) or (1, 39), found {found}",
            where=signature.name,
            remedy="driver-monitoring models of openpilot 0.8.9 and 0.8.13 are known",
        )
    return signature.inputs[0].name, int(shapes[0][1] or 0)


def _run(
    cabin: _Cabin,
    models: Sequence[_Model],
    crops: Sequence[Crop],
    digests: npt.NDArray[np.uint64],
    times: StageTimes,
    threads: int,
    progress: Progress,
) -> None:
    tables = [CropTable(crop) for crop in crops]

    def cut(picture: Picture) -> list[Seen]:
        packed = [table.pack(picture.y, picture.u, picture.v) for table in tables]
        return [Seen(picture, picture_digest(picture)) for picture in packed]

    def look(item: tuple[int, Sequence[Seen]]) -> int:
        i, seen = item
        digests[:, i] = [one.digest for one in seen]
        for model in models:
            model.step(i, seen[crops.index(model.crop)])
        return i

    pictures: Iterator[Sequence[Seen]] = rows_of(cabin.video, [frame.row for frame in cabin.frames], cut, times)
    with ExitStack() as stack:
        pool = None
        if threads > 1:
            ahead = run_ahead(pictures, _AHEAD, "pictures cabin")
            pictures = stack.enter_context(closing(ahead))
            pool = stack.enter_context(ThreadPoolExecutor(threads))
        for i in map_ordered(look, enumerate(pictures), pool, depth=2 * threads):
            progress("replaying", i + 1, len(cabin.frames))
            if all(model.error for model in models):
                return


def _trace(job: Job, cabin: _Cabin, model: _Model, digests: npt.NDArray[np.uint64]) -> Trace:
    crop = model.crop
    provenance: dict[str, Json] = {
        **model.request.provenance,
        "replayer": {"name": NAME, "version": REPLAYERS[NAME]},
        "runtime": runtime_key(),
        "model_files": {model.session.signature.name: model.sha256},
        "options": dict(job.options),
        "crop": {"x": crop.x, "y": crop.y, "width": crop.width, "height": crop.height, "mirrored": crop.mirrored},
        **cabin.facts,
    }
    channels = [
        Channel("pictures.cabin.digest", "", digests, Exactness.EXACT),
        *monitoring_channels(model.outputs),
    ]
    return Trace(
        NAME,
        job.segment,
        np.array([frame.frame_id for frame in cabin.frames], np.int64),
        np.array([frame.eof_ns for frame in cabin.frames], np.int64),
        {channel.name: channel for channel in channels},
        provenance,
    )


def monitoring_channels(outputs: Tensor) -> Iterator[Channel]:
    """Channels of flat outputs (n, 38 or 39): face pose and its spread, probabilities."""
    yield _numeric("faceOrientation", "rad", outputs[:, 0:3])
    yield _numeric("facePosition", "", outputs[:, 3:5])
    yield _numeric("faceSize", "", outputs[:, 5])
    yield _numeric("faceOrientationStd", "rad", _softplus(outputs[:, 6:9]))
    yield _numeric("facePositionStd", "", _softplus(outputs[:, 9:11]))
    for name, column in _PROBABILITIES.items():
        if column < outputs.shape[1]:
            yield _numeric(name, "", outputs[:, column])


def _softplus(x: Tensor) -> Tensor:
    """log(1 + e^x), without overflow."""
    return np.asarray(np.logaddexp(0.0, np.asarray(x, np.float64)))


def _numeric(name: str, unit: str, values: Tensor) -> Channel:
    return Channel(name, unit, np.ascontiguousarray(values, np.float32))
