"""Interfaces of published openpilot driving models, known by their shapes: for models whose metadata was lost.

Facts about the published files (input shapes, order and width of the heads in the flat output vector), one entry a
generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Shape: TypeAlias = tuple[int, ...]
Heads: TypeAlias = tuple[tuple[str, int], ...]

_PICTURE: Shape = (1, 12, 128, 256)
_OLD_PICTURES: Mapping[str, Shape] = {"input_imgs": _PICTURE, "big_input_imgs": _PICTURE}
_PICTURES: Mapping[str, Shape] = {"img": _PICTURE, "big_img": _PICTURE}
_TRAFFIC: Mapping[str, Shape] = {"traffic_convention": (1, 2)}
_NAVIGATION: Mapping[str, Shape] = {"nav_features": (1, 256), "nav_instructions": (1, 150)}
_LATERAL: Mapping[str, Shape] = {"lateral_control_params": (1, 2)}


def _history(slots: int, features: int, desire: str = "desire", *, curvature: bool = False) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {desire: (1, slots, 8), "features_buffer": (1, features, 512)}
    return shapes | ({"prev_desired_curv": (1, slots, 1)} if curvature else {})


@dataclass(frozen=True, slots=True)
class Layout:
    """One published generation: what its file takes, and its heads in order; the rest of `width` is unused."""

    name: str
    inputs: Mapping[str, Shape]
    width: int
    heads: Heads

    def slices(self) -> dict[str, tuple[int, int]]:
        """Each head's [start, stop) in the flat output."""
        cuts: dict[str, tuple[int, int]] = {}
        start = 0
        for head, width in self.heads:
            cuts[head] = (start, start + width)
            start += width
        return cuts


_MHP_PLAN = ("plan", 4955)
_LANES: Heads = (("lane_lines", 528), ("lane_lines_prob", 8), ("road_edges", 264))
_OLD_SCENE: Heads = (_MHP_PLAN, *_LANES, ("lead", 102), ("lead_prob", 3), ("desire_state", 8))
_PRED_POSE: Heads = (("desire_pred", 32), ("pose", 12), ("wide_from_device_euler", 6))
_SIM_POSE = ("sim_pose", 12)
_ROAD = ("road_transform", 12)
_HIDDEN = ("hidden_state", 512)
_CURVATURE = ("desired_curvature", 2)


def _supercombo(meta: int, *tail: tuple[str, int]) -> Heads:
    return (*_OLD_SCENE, ("meta", meta), *_PRED_POSE, *tail, _HIDDEN)


_FULL = _history(100, 99, curvature=True)
_SHORT = _history(25, 24, curvature=True)

PUBLISHED: tuple[Layout, ...] = (
    Layout(
        "supercombo-6768 (before 0.9.7, navigation and lateral-planner inputs)",
        {**_OLD_PICTURES, **_history(100, 99), **_TRAFFIC, "lat_planner_state": (1, 4), **_NAVIGATION},
        6768,
        _supercombo(48, _SIM_POSE, _ROAD, ("lat_planner_solution", 264)),
    ),
    Layout(
        "supercombo-6504 with navigation inputs (0.9.7)",
        {**_OLD_PICTURES, **_FULL, **_TRAFFIC, **_LATERAL, **_NAVIGATION},
        6504,
        _supercombo(48, _SIM_POSE, _ROAD, _CURVATURE),
    ),
    Layout(
        "supercombo-6504 with radar tracks input (experimental)",
        {**_OLD_PICTURES, **_FULL, **_TRAFFIC, **_LATERAL, "radar_tracks": (1, 192)},
        6504,
        _supercombo(48, _SIM_POSE, _ROAD, _CURVATURE),
    ),
    Layout(
        "supercombo-6504 (0.9.8)",
        {**_OLD_PICTURES, **_FULL, **_TRAFFIC, **_LATERAL},
        6504,
        _supercombo(48, _SIM_POSE, _ROAD, _CURVATURE),
    ),
    Layout(
        "supercombo-6512 meta 53",
        {**_OLD_PICTURES, **_FULL, **_TRAFFIC, **_LATERAL},
        6512,
        _supercombo(53, _SIM_POSE, _ROAD, _CURVATURE),
    ),
    Layout(
        "supercombo-6512 meta 55",
        {**_OLD_PICTURES, **_FULL, **_TRAFFIC, **_LATERAL},
        6512,
        _supercombo(55, _SIM_POSE, _ROAD, _CURVATURE),
    ),
    Layout(
        "supercombo-6500 25-slot history",
        {**_OLD_PICTURES, **_SHORT, **_TRAFFIC, **_LATERAL},
        6500,
        _supercombo(55, _ROAD, _CURVATURE),
    ),
    Layout(
        "supercombo-6500 without desired_curvature",
        {**_OLD_PICTURES, **_history(25, 24), **_TRAFFIC},
        6500,
        _supercombo(55, _ROAD),
    ),
    Layout(
        "driving_vision-632 (split models, 2025)",
        _OLD_PICTURES,
        632,
        (("meta", 55), *_PRED_POSE, _ROAD, _HIDDEN),
    ),
    Layout(
        "driving_vision-1576 (split models, lanes and leads in vision)",
        _PICTURES,
        1576,
        (("meta", 55), *_PRED_POSE, _ROAD, *_LANES, ("lead", 144), ("lead_prob", 3), _HIDDEN),
    ),
    Layout(
        "driving_policy-5884 100-slot history",
        {**_history(100, 100, curvature=True), **_TRAFFIC, **_LATERAL},
        5884,
        (*_OLD_SCENE, _SIM_POSE, _CURVATURE),
    ),
    Layout(
        "driving_policy-5884 25-slot history",
        {**_history(25, 25, curvature=True), **_TRAFFIC, **_LATERAL},
        5884,
        (*_OLD_SCENE, _SIM_POSE, _CURVATURE),
    ),
    Layout(
        "driving_policy-1000 desire",
        {**_history(25, 25), **_TRAFFIC},
        1000,
        (("plan", 990), ("desire_state", 8)),
    ),
    Layout(
        "driving_policy-1000 desire_pulse",
        {**_history(25, 25, "desire_pulse"), **_TRAFFIC},
        1000,
        (("plan", 990), ("desire_state", 8)),
    ),
)


def published_layouts(inputs: Mapping[str, Shape], width: int) -> tuple[Layout, ...]:
    """The published generations with exactly these inputs and output width; two of them share one signature."""
    return tuple(layout for layout in PUBLISHED if layout.width == width and dict(layout.inputs) == dict(inputs))
