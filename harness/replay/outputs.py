"""A driving model's flat outputs, decoded: mixtures, plain means and spreads, softmax and sigmoid heads.

Everything works on all frames at once, (n, width) in, float64 inside so that the last bits of a vector instruction do
not show, float32 out. NaN stays NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Raw: TypeAlias = npt.NDArray[Any]

_MOST_LOG_STD = 11.0
_PLAN_HYPOTHESES, _LEAD_HYPOTHESES, _LEAD_SELECTIONS = 5, 2, 3

# Where each prediction lies in the meta head, by its width: five horizons of disengagement predictions, then presses
# and blinkers. 48: until September 2024, 53: briefly in August 2024, 55: since.
_DISENGAGE = (
    "gasDisengageProbs",
    "brakeDisengageProbs",
    "steerOverrideProbs",
    "brake3MetersPerSecondSquaredProbs",
    "brake4MetersPerSecondSquaredProbs",
    "brake5MetersPerSecondSquaredProbs",
)


def _meta_layout(names: tuple[str, ...], stride: int, tail: Mapping[str, slice]) -> dict[str, slice]:
    return {name: slice(1 + i, 1 + 5 * stride, stride) for i, name in enumerate(names)} | dict(tail)


META_LAYOUTS: Mapping[int, Mapping[str, slice]] = {
    48: _meta_layout(
        (*_DISENGAGE, "gasPressProbs"), 7, {"leftBlinkerProbs": slice(36, 48, 2), "rightBlinkerProbs": slice(37, 48, 2)}
    ),
    53: _meta_layout(
        (*_DISENGAGE, "gasPressProbs", "brakePressProbs"),
        8,
        {"leftBlinkerProbs": slice(41, 53, 2), "rightBlinkerProbs": slice(42, 53, 2)},
    ),
    55: _meta_layout(
        _DISENGAGE,
        6,
        {
            "gasPressProbs": slice(31, 55, 4),
            "brakePressProbs": slice(32, 55, 4),
            "leftBlinkerProbs": slice(33, 55, 4),
            "rightBlinkerProbs": slice(34, 55, 4),
        },
    ),
}

_PLAIN_SHAPES: Mapping[str, tuple[int, ...]] = {
    "plan": (33, 15),
    "lane_lines": (4, 33, 2),
    "road_edges": (2, 33, 2),
    "lead": (3, 6, 4),
    "pose": (6,),
    "wide_from_device_euler": (3,),
    "sim_pose": (6,),
    "road_transform": (6,),
    "lat_planner_solution": (33, 4),
    "desired_curvature": (1,),
}
_MIXTURES = {("plan", 4955): (_PLAN_HYPOTHESES, 1), ("lead", 102): (_LEAD_HYPOTHESES, _LEAD_SELECTIONS)}


@dataclass(frozen=True, slots=True)
class _MeanAndStd:
    mean: Floats
    std: Floats


def sigmoid(x: Raw) -> Floats:
    """1 / (1 + e^-x), without overflow."""
    with np.errstate(over="ignore"):
        result: Floats = 1.0 / (1.0 + np.exp(-np.asarray(x, np.float64)))
    return result


def softmax(x: Raw) -> Floats:
    """Along the last axis."""
    x = np.asarray(x, np.float64)
    with np.errstate(invalid="ignore"):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        result: Floats = e / e.sum(axis=-1, keepdims=True)
    return result


def decode_plain(raw: Raw, shape: tuple[int, ...]) -> _MeanAndStd:
    """Means then logarithms of spreads: (n, 2·size) to two arrays (n, *shape)."""
    means, logs = np.split(np.asarray(raw, np.float64), 2, axis=-1)
    return _MeanAndStd(means.reshape(-1, *shape), np.exp(np.minimum(logs, _MOST_LOG_STD)).reshape(-1, *shape))


def decode_mixture(raw: Raw, hypotheses: int, selections: int, shape: tuple[int, ...]) -> _MeanAndStd:
    """The heaviest of several hypotheses, for each selection: (n, hypotheses·(2·size + selections)) to (n, …).

    Each hypothesis is means, logarithms of spreads, then one weight a selection. One selection gives arrays
    (n, *shape); more give (n, selections, …) where `shape` begins with their number.
    """
    table = np.asarray(raw, np.float64).reshape(len(raw), hypotheses, -1)
    best = table[:, :, table.shape[2] - selections :].argmax(axis=1)  # (n, selections); softmax keeps the order
    chosen = np.take_along_axis(table[:, :, : table.shape[2] - selections], best[:, :, None], axis=1)
    return decode_plain(chosen, shape)


def decode_heads(raw: Raw, heads: Mapping[str, tuple[int, int]]) -> dict[str, Floats]:
    """Every head of (n, width) outputs by name; spreads as `<name>_stds`. Heads unknown to us stay as they are."""
    decoded: dict[str, Floats] = {}
    for head, (start, stop) in heads.items():
        values = raw[:, start:stop]
        if head in _PLAIN_SHAPES:
            shape = _PLAIN_SHAPES[head]
            mixture = _MIXTURES.get((head, stop - start))
            pair = decode_plain(values, shape) if mixture is None else decode_mixture(values, *mixture, shape)
            decoded[head], decoded[f"{head}_stds"] = pair.mean, pair.std
        elif head in {"lane_lines_prob", "lead_prob", "meta"}:
            decoded[head] = sigmoid(values)
        elif head == "desire_state":
            decoded[head] = softmax(values)
        elif head == "desire_pred":
            decoded[head] = softmax(values.reshape(-1, 4, 8))
        elif head == "action":
            decoded[head] = np.asarray(values[:, :2], np.float64)
        else:
            decoded[head] = np.asarray(values, np.float64)
    return decoded


def hard_brake_predicted(meta: Floats) -> npt.NDArray[np.bool_]:
    """(n,) from decoded meta (n, 48|53|55): openpilot's warning of hard braking, from the last five frames."""
    layout = META_LAYOUTS[meta.shape[1]]
    five = meta[:, layout["brake5MetersPerSecondSquaredProbs"]][:, 0]
    three = meta[:, layout["brake3MetersPerSecondSquaredProbs"]][:, 0]
    over_five = _all_over(five, (0.05, 0.05, 0.15, 0.15, 0.15))
    return over_five & _all_over(three, (0.7, 0.7))


def _all_over(values: Floats, limits: tuple[float, ...]) -> npt.NDArray[np.bool_]:
    """(n,): whether the last len(limits) values, oldest first, all exceed theirs; before the start they are zero."""
    padded = np.concatenate([np.zeros(len(limits) - 1), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(limits))
    return np.asarray((windows > np.array(limits)).all(axis=1), np.bool_)
