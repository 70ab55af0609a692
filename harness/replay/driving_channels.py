"""A driving model's decoded outputs as trace channels, named as openpilot's modelV2 message names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.replay.actions import Actions
from harness.replay.outputs import META_LAYOUTS, hard_brake_predicted
from harness.trace import Channel, Exactness

Floats: TypeAlias = npt.NDArray[Any]

# Columns of the plan head, three axes each.
_PLAN_PARTS = (
    ("position", "m", 0),
    ("velocity", "m/s", 3),
    ("acceleration", "m/s²", 6),
    ("orientation", "rad", 9),
    ("orientationRate", "rad/s", 12),
)
_LEAD_PARTS = (("x", "m"), ("y", "m"), ("v", "m/s"), ("a", "m/s²"))
_POSES = (
    ("pose", "pose", "m/s", "rad/s"),
    ("road_transform", "roadTransform", "m", "rad"),
    ("sim_pose", "simPose", "m/s", "rad/s"),
)
_SHOWN = {
    "plan", "lane_lines", "lane_lines_prob", "road_edges", "lead", "lead_prob", "meta", "desire_state", "desire_pred",
    "pose", "road_transform", "sim_pose", "wide_from_device_euler", "hidden_state",
}  # fmt: skip


def driving_channels(decoded: Mapping[str, Floats], actions: Actions) -> Iterator[Channel]:
    """Channels of every head that is there; `decoded` as from `outputs.decode_heads`, all over the same n frames."""
    plan = decoded["plan"]
    for name, unit, column in _PLAN_PARTS:
        for i, axis in enumerate("xyz"):
            yield _numeric(f"{name}.{axis}", unit, plan[:, :, column + i])
    for i, axis in enumerate("xyz"):
        yield _numeric(f"position.{axis}Std", "m", decoded["plan_stds"][:, :, i])
    for head, name, stds in (("lane_lines", "laneLines", "laneLineStds"), ("road_edges", "roadEdges", "roadEdgeStds")):
        if head in decoded:
            yield _numeric(f"{name}.y", "m", decoded[head][..., 0])
            yield _numeric(f"{name}.z", "m", decoded[head][..., 1])
            yield _numeric(stds, "m", decoded[f"{head}_stds"][:, :, 0, 0])
    if "lane_lines_prob" in decoded:
        yield _numeric("laneLineProbs", "", decoded["lane_lines_prob"][:, 1::2])
    yield from _leads(decoded)
    yield from _meta(decoded)
    yield from _poses(decoded)
    if "hidden_state" in decoded:
        yield _numeric("features", "", decoded["hidden_state"])
    for head, values in decoded.items():
        if head not in _SHOWN and head.removesuffix("_stds") not in _SHOWN:
            yield _numeric(f"heads.{head}", "", values)
    yield Channel("action.desiredCurvature", "1/m", actions.curvature)
    yield Channel("action.desiredAcceleration", "m/s²", actions.acceleration)
    yield Channel("action.shouldStop", "", actions.should_stop, Exactness.EXACT)


def _leads(decoded: Mapping[str, Floats]) -> Iterator[Channel]:
    if "lead" in decoded:
        for i, (part, unit) in enumerate(_LEAD_PARTS):
            yield _numeric(f"leadsV3.{part}", unit, decoded["lead"][..., i])
            yield _numeric(f"leadsV3.{part}Std", unit, decoded["lead_stds"][..., i])
    if "lead_prob" in decoded:
        yield _numeric("leadsV3.prob", "", decoded["lead_prob"])


def _meta(decoded: Mapping[str, Floats]) -> Iterator[Channel]:
    if "desire_state" in decoded:
        yield _numeric("meta.desireState", "", decoded["desire_state"])
    if "desire_pred" in decoded:
        yield _numeric("meta.desirePrediction", "", decoded["desire_pred"])
    if "meta" not in decoded:
        return
    meta = decoded["meta"]
    yield _numeric("meta.engagedProb", "", meta[:, 0])
    for name, cut in META_LAYOUTS[meta.shape[1]].items():
        yield _numeric(f"meta.disengagePredictions.{name}", "", meta[:, cut])
    yield Channel("meta.hardBrakePredicted", "", hard_brake_predicted(meta), Exactness.EXACT)


def _poses(decoded: Mapping[str, Floats]) -> Iterator[Channel]:
    for head, name, unit, angle_unit in _POSES:
        if head in decoded:
            values, stds = decoded[head], decoded[f"{head}_stds"]
            yield _numeric(f"{name}.trans", unit, values[:, :3])
            yield _numeric(f"{name}.rot", angle_unit, values[:, 3:])
            yield _numeric(f"{name}.transStd", unit, stds[:, :3])
            yield _numeric(f"{name}.rotStd", angle_unit, stds[:, 3:])
    if "wide_from_device_euler" in decoded:
        yield _numeric("wideFromDeviceEuler", "rad", decoded["wide_from_device_euler"])
        yield _numeric("wideFromDeviceEulerStd", "rad", decoded["wide_from_device_euler_stds"])


def _numeric(name: str, unit: str, values: Floats) -> Channel:
    return Channel(name, unit, np.ascontiguousarray(values, np.float32))
