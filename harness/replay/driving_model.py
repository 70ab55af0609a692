"""The driving_model replayer: a recorded minute through driving models, side by side.

Pictures are decoded and warped once, each distinct vision part runs once a frame, each policy with its own histories.
Stages overlap (decode+warp a camera, vision, policies) where there are cores for it; with one core all of it happens
in turn. Results are the same either way.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.domain import Json
from harness.errors import ClosetError
from harness.replay import REPLAYERS
from harness.replay.actions import drive_actions
from harness.replay.driving import DrivingModel, Part, PicturePairs, image_feed, load_parts
from harness.replay.driving_channels import driving_channels
from harness.replay.features import FeatureCache, VisionRecord
from harness.replay.given_features import follow_features
from harness.replay.job import Job, Outcome, Progress, ReplayRequest
from harness.replay.models import FEATURES_TRACE
from harness.replay.options import DrivingModelOptions, parse_driving_model_options
from harness.replay.outputs import decode_heads
from harness.replay.pairing import frame_drop_percent
from harness.replay.pictures import Lookback, see
from harness.replay.runtime import peak_rss_mb, runtime_key
from harness.replay.scene import Scene, load_scene
from harness.replay.sessions import Session
from harness.replay.threads import map_ordered
from harness.trace import Channel, Exactness, Trace

Tensor: TypeAlias = npt.NDArray[Any]

NAME = "driving_model"


@dataclass(slots=True)
class _Vision:
    """One distinct vision part on this scene. `record` is filled while running unless it was `reused`."""

    part: Part
    key: Mapping[str, Json]
    record: VisionRecord
    reused: bool
    error: ClosetError | None = None


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the policies get at one frame: vision outputs by vision digest, pictures by their skip."""

    index: int
    digests: tuple[int, int]
    pictures: Mapping[int, PicturePairs]
    visions: Mapping[str, Tensor | ClosetError]


def replay_driving_model(job: Job, threads: int, progress: Progress) -> dict[str, Outcome]:
    """Traces of all replays of `job`. An error of the recording is raised; one of a model is that replay's outcome.

    A policy that is given the features of a trace follows those instead of looking at pictures.
    """
    options = parse_driving_model_options(job.options)
    given = tuple(request for request in job.replays if FEATURES_TRACE in request.model)
    outcomes = follow_features(job, given, progress) if given else {}
    looking = tuple(request for request in job.replays if FEATURES_TRACE not in request.model)
    return outcomes | (_replay_looking(replace(job, replays=looking), options, threads, progress) if looking else {})


def _replay_looking(job: Job, options: DrivingModelOptions, threads: int, progress: Progress) -> dict[str, Outcome]:
    begin_s = time.monotonic()
    progress("reading", 0, 0)
    scene = load_scene(job, options)
    outcomes = {request.job: Outcome() for request in job.replays}
    sessions: dict[str, Session] = {}
    models: dict[str, DrivingModel] = {}
    for request in job.replays:
        try:
            models[request.job] = DrivingModel(*load_parts(request.model, sessions), scene.drive)
        except ClosetError as error:
            outcomes[request.job].error = error
    cache = FeatureCache(job.cache_folder if options.features_cache else None)
    visions = _find_visions(scene, models, cache)
    digests = np.zeros((2, len(scene.pairs)), np.uint64)
    if models:
        _run(scene, models, visions, digests, threads, progress)
    for vision in visions.values():
        if not vision.reused and vision.error is None:
            cache.save(vision.key, vision.record)
    for request in job.replays:
        model, outcome = models.get(request.job), outcomes[request.job]
        if model is not None:
            outcome.error = model.error
            outcome.trace = None if model.error else _trace(job, request, scene, model, visions, digests)
            outcome.measurements = _measure(scene, model, visions)
    for outcome in outcomes.values():
        outcome.measurements |= {"wall_s": time.monotonic() - begin_s, "peak_rss_mb": peak_rss_mb()}
    return outcomes


def _vision_id(part: Part, skip: int) -> str:
    return f"{part.sha256}/{skip}"


def _find_visions(scene: Scene, models: Mapping[str, DrivingModel], cache: FeatureCache) -> dict[str, _Vision]:
    visions: dict[str, _Vision] = {}
    count = len(scene.pairs)
    for model in models.values():
        if model.vision is None:
            continue
        # The policy's history says how far apart the two pictures are.
        skip = model.policy.interface.picture_skip
        name = _vision_id(model.vision, skip)
        if name in visions:
            continue
        key = scene.features_key(model.vision.sha256, skip)
        record = cache.load(key)
        width = model.vision.interface.width
        if record is not None and record.outputs.shape == (count, width) and len(record.narrow_digests) == count:
            visions[name] = _Vision(model.vision, key, record, reused=True)
            continue
        empty = VisionRecord(
            np.zeros((count, width), np.float32), np.zeros(count, np.uint64), np.zeros(count, np.uint64)
        )
        visions[name] = _Vision(model.vision, key, empty, reused=False)
    return visions


def _run(
    scene: Scene,
    models: Mapping[str, DrivingModel],
    visions: Mapping[str, _Vision],
    digests: npt.NDArray[np.uint64],
    threads: int,
    progress: Progress,
) -> None:
    with ExitStack() as stack:
        pool = stack.enter_context(_pool(threads)) if threads > 1 else None
        if all(vision.reused for vision in visions.values()) and all(model.vision for model in models.values()):
            first = next(iter(visions.values())).record
            frames: Iterator[_Frame] = _reused_frames(visions, first)
        else:
            frames = stack.enter_context(closing(_seen_frames(scene, models, visions, pool, threads)))
        step_pool = stack.enter_context(_pool(len(models))) if pool and len(models) > 1 else None
        for frame in frames:
            i = frame.index
            digests[:, i] = frame.digests
            for name, vision in visions.items():
                if not vision.reused:
                    _record(vision, frame, name)
            _step(frame, models, step_pool)
            progress("replaying", i + 1, len(scene.pairs))
            if all(model.error for model in models.values()):
                return


class _pool(ThreadPoolExecutor):  # noqa: N801 - a context manager, used like a function
    """Threads whose waiting calls are dropped when the block is left."""

    def __exit__(self, *_: object) -> None:
        self.shutdown(wait=True, cancel_futures=True)


def _reused_frames(visions: Mapping[str, _Vision], first: VisionRecord) -> Iterator[_Frame]:
    for i in range(len(first.outputs)):
        rows = {name: vision.record.outputs[i] for name, vision in visions.items()}
        yield _Frame(i, (int(first.narrow_digests[i]), int(first.wide_digests[i])), {}, rows)


def _seen_frames(
    scene: Scene,
    models: Mapping[str, DrivingModel],
    visions: Mapping[str, _Vision],
    pool: ThreadPoolExecutor | None,
    threads: int,
) -> Generator[_Frame, None, None]:
    """Frames with pictures looked at: decode and warp ahead, vision in `pool`, in order."""
    skips = {model.policy.interface.picture_skip for model in models.values()}
    single = {model.policy.interface.picture_skip for model in models.values() if model.vision is None}
    running = {name: vision for name, vision in visions.items() if not vision.reused}

    def paired() -> Iterator[_Frame]:
        past = Lookback(max(skips))
        for pair in see(scene.cameras, threads):
            past.push(pair)
            pictures = {skip: past.inputs(skip) for skip in skips}
            yield _Frame(pair.index, (pair.narrow.digest, pair.wide.digest), pictures, {})

    def look(frame: _Frame) -> _Frame:
        rows: dict[str, Tensor | ClosetError] = {
            name: vision.record.outputs[frame.index] for name, vision in visions.items() if vision.reused
        }
        for name, vision in running.items():
            skip = int(name.rpartition("/")[2])
            try:
                rows[name] = vision.part.session.run(image_feed(vision.part, frame.pictures[skip]))
            except ClosetError as error:
                rows[name] = error
        kept = {skip: frame.pictures[skip] for skip in single}
        return _Frame(frame.index, frame.digests, kept, rows)

    return map_ordered(look, paired(), pool, depth=2 * threads)


def _record(vision: _Vision, frame: _Frame, name: str) -> None:
    row = frame.visions[name]
    if isinstance(row, ClosetError):
        vision.error = vision.error or row
        return
    vision.record.outputs[frame.index] = row
    vision.record.narrow_digests[frame.index], vision.record.wide_digests[frame.index] = frame.digests


def _step(frame: _Frame, models: Mapping[str, DrivingModel], pool: ThreadPoolExecutor | None) -> None:
    def one(model: DrivingModel) -> None:
        skip = model.policy.interface.picture_skip
        if model.vision is None:
            model.step(frame.index, None, frame.pictures[skip])
        else:
            model.step(frame.index, frame.visions[_vision_id(model.vision, skip)], None)

    for _ in (pool.map if pool else map)(one, models.values()):
        pass


def _trace(
    job: Job,
    request: ReplayRequest,
    scene: Scene,
    model: DrivingModel,
    visions: Mapping[str, _Vision],
    digests: npt.NDArray[np.uint64],
) -> Trace:
    decoded: dict[str, npt.NDArray[np.float64]] = {}
    files = {model.policy.interface.name: model.policy.sha256}
    interfaces = {model.policy.interface.name: model.policy.interface.origin}
    if model.vision is not None:
        vision = visions[_vision_id(model.vision, model.policy.interface.picture_skip)]
        decoded |= decode_heads(vision.record.outputs, model.vision.interface.heads)
        files[model.vision.interface.name] = model.vision.sha256
        interfaces[model.vision.interface.name] = model.vision.interface.origin
    decoded |= decode_heads(model.outputs, model.policy.interface.heads)
    actions = drive_actions(decoded, scene.drive.v_ego_mps, scene.drive.action_t_s)
    channels = [
        Channel("pictures.narrow.digest", "", digests[0], Exactness.EXACT),
        Channel("pictures.wide.digest", "", digests[1], Exactness.EXACT),
        Channel("vEgo", "m/s", scene.drive.v_ego_mps.astype(np.float32), Exactness.EXACT),
        Channel("frameDropPerc", "%", frame_drop_percent(scene.frame_ids), Exactness.EXACT),
        Channel("desire", "", model.desires, Exactness.EXACT),
        *driving_channels(decoded, actions),
    ]
    provenance: dict[str, Json] = {
        **request.provenance,
        "replayer": {"name": NAME, "version": REPLAYERS[NAME]},
        "runtime": runtime_key(),
        "model_files": {name: files[name] for name in sorted(files)},
        "interfaces": {name: interfaces[name] for name in sorted(interfaces)},
        "options": dict(job.options),
        **scene.facts,
    }
    return Trace(
        NAME,
        job.segment,
        scene.frame_ids,
        scene.t_ns,
        {channel.name: channel for channel in channels},
        provenance,
    )


def _measure(scene: Scene, model: DrivingModel, visions: Mapping[str, _Vision]) -> dict[str, float]:
    """What it cost. Times are processor seconds of the stage's own threads, decode and warp those of all replays."""
    times = scene.cameras.times
    mean_ms, worst_ms = model.policy.session.execution_ms()
    measured = {
        "frames": float(len(scene.pairs)),
        "decode_s": sum(t.decode_s for t in times),
        "warp_s": sum(t.warp_s for t in times),
        "vision_s": 0.0,
        "policy_s": model.policy.session.cpu_s,
        "features_reused": 0.0,
    }
    if model.vision is not None:
        vision = visions[_vision_id(model.vision, model.policy.interface.picture_skip)]
        measured["vision_s"] = model.vision.session.cpu_s
        measured["features_reused"] = float(vision.reused)
        vision_mean_ms, vision_worst_ms = model.vision.session.execution_ms()
        mean_ms, worst_ms = mean_ms + vision_mean_ms, worst_ms + vision_worst_ms
    return measured | {"model_execution_mean_ms": mean_ms, "model_execution_max_ms": worst_ms}
