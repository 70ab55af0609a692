"""The recordings and models that replay figures use."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.bench.drive_log import MESSAGES_PER_MINUTE, write_drive_log
from harness.bench.onnx_models import BenchModel, write_model
from harness.bench.video import write_groups, write_segment
from harness.bench.workbench import GROUP_S, Workbench
from harness.domain import Route, SegmentId

ROUTE = Route("be0c4be0c4be0c4b", "00000001--be0c4be0c4")
CAMERAS = {"fcamera.hevc": 11, "ecamera.hevc": 12}
_LOG = "rlog.zst"


def segment_id(number: int) -> SegmentId:
    """The name of a bench segment."""
    return SegmentId(ROUTE, number)


def segment(bench: Workbench, number: int, *, length: float = 1.0) -> dict[str, Path]:
    """Files of a segment by the names a replay knows them by; `length` times as long as a segment of this bench.

    Every segment costs the same to decode and has pictures in an order of its own.
    """
    groups = max(1, round(bench.scale.groups * length))

    def build(folder: Path) -> None:
        for name, seed in CAMERAS.items():
            write_segment(folder / name, _groups(bench, name), groups, seed * 1000 + number)
        shutil.copyfile(_log(bench, groups), folder / _LOG)

    folder = bench.made(f"segment-{number}-of-{groups}", build)
    return {name: folder / name for name in (*CAMERAS, _LOG)}


def model(bench: Workbench, *, vision_seed: int = 1, policy_seed: int = 2) -> BenchModel:
    """A model of published size."""

    def make() -> BenchModel:
        name = f"model-{vision_seed}-{policy_seed}"
        made = write_model(bench.fresh(name), vision_seed=vision_seed, policy_seed=policy_seed)
        bench.tell(
            f"{name}: vision {made.vision.parameters / 1e6:.2f} M parameters, {made.vision.flops / 1e9:.2f} GFLOP; "
            f"policy {made.policy.parameters / 1e6:.2f} M parameters, {made.policy.flops / 1e9:.2f} GFLOP"
        )
        return made

    return bench.once(f"model {vision_seed} {policy_seed}", make)


def _groups(bench: Workbench, camera: str) -> tuple[Path, ...]:
    scale = bench.scale

    def build(folder: Path) -> None:
        write_groups(folder, CAMERAS[camera], scale.kinds, scale.width, scale.height, bench.cores)

    return tuple(sorted(bench.made(f"groups-{camera}", build).iterdir()))


def _log(bench: Workbench, groups: int) -> Path:
    """The log of so many groups of pictures; minutes of one length share it."""
    seconds = groups * GROUP_S

    def build(folder: Path) -> None:
        write_drive_log(folder / _LOG, seconds, round(MESSAGES_PER_MINUTE * seconds / 60), seed=1)

    return bench.made(f"log-of-{groups}", build) / _LOG
