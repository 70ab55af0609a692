"""What the model foretells of the driver, against what the driver did: Brier scores and calibration.

A forecast "within h seconds" is answered where it came true, or where the log goes on for h seconds without it. What
ends an engagement is only asked of frames in which openpilot was engaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.compare.metrics.tally import Forecasts, Series
from harness.compare.metrics.values import Direction, Metric
from harness.compare.metrics.view import FRAME_S, View

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_TAKE_OVER_S = (2, 4, 6, 8, 10)
_PRESS_S = (0, 2, 4, 6, 8, 10)
_DESIRE_S = (0, 2, 4, 6, 8)
_LANE_CHANGES = ((3, -1), (4, 1))  # openpilot's Desire: laneChangeLeft, laneChangeRight; and our signs of them


@dataclass(frozen=True, slots=True)
class Head:
    """One forecast: the trace's channels, the truth's, the horizons, and whether it needs an engagement."""

    name: str
    said: tuple[str, ...]
    came: tuple[str, ...]
    horizons_s: tuple[int, ...]
    engaged: bool
    words: str


_SAID = "meta.disengagePredictions."
HEADS = (
    Head("gas_disengage", ("gasDisengageProbs",), ("gasDisengage",), _TAKE_OVER_S, True, "the driver's gas takes over"),
    Head(
        "brake_disengage", ("brakeDisengageProbs",), ("brakeDisengage",), _TAKE_OVER_S, True,
        "the driver's brake takes over",
    ),
    Head(
        "steer_override", ("steerOverrideProbs",), ("steerOverride",), _TAKE_OVER_S, True,
        "the driver's hand takes over",
    ),
    Head(
        "hard_brake", ("brake3MetersPerSecondSquaredProbs",), ("brake3",), _TAKE_OVER_S, False,
        "the car brakes by over 3 m/s²",
    ),
    Head("gas_press", ("gasPressProbs",), ("gasPress",), _PRESS_S, False, "the gas is pressed"),
    Head("brake_press", ("brakePressProbs",), ("brakePress",), _PRESS_S, False, "the brake is pressed"),
    Head(
        "blinker", ("leftBlinkerProbs", "rightBlinkerProbs"), ("leftBlinker", "rightBlinker"), _PRESS_S, False,
        "a blinker goes on",
    ),
)  # fmt: skip

_BRIER = "Brier score, against the log"
_ECE = "expected calibration error (10 bins), against the log"


def _metrics() -> Iterator[Metric]:
    lower = Direction.LOWER
    for head in HEADS:
        for h in head.horizons_s:
            yield Metric(
                f"{head.name}_brier_{h}s", "", lower, 0.01,
                f"squared error of the probability that {head.words} within {h} s", _BRIER, "foresight",
                headline=h == 4 and head.engaged,
            )  # fmt: skip
        yield Metric(
            f"{head.name}_calibration_error", "", lower, 0.02,
            f"how far the probability that {head.words} is from how often it comes true", _ECE, "foresight",
        )  # fmt: skip
    yield Metric(
        "engaged_brier", "", lower, 0.01, "squared error of the probability that openpilot is engaged", _BRIER,
        "foresight",
    )  # fmt: skip
    for h in _DESIRE_S:
        yield Metric(
            f"desire_brier_{h}s", "", lower, 0.01,
            f"squared error of the probabilities of a lane change {f'in {h} s' if h else 'now'}, left and right",
            _BRIER, "foresight",
        )  # fmt: skip
    yield Metric(
        "desire_calibration_error", "", lower, 0.02,
        "how far the probability of a lane change now is from how often there is one", _ECE, "foresight",
    )  # fmt: skip


METRICS = tuple(_metrics())


def foresight_series(seen: View) -> Iterator[Series | Forecasts]:
    """Every forecast that the trace makes and the truth can answer."""
    left_s = seen.of_truth("next.known")
    if left_s is None:
        return
    engaged = seen.flags("engaged")
    for head in HEADS:
        yield from _head(seen, head, engaged if head.engaged else np.ones(len(seen), bool), left_s)
    told = seen.of_trace("meta.engagedProb")
    if told is not None:
        answered = np.asarray(left_s) > 0
        yield Series("engaged_brier", np.where(answered, (_probability(told) - engaged) ** 2, np.nan))
    yield from _desires(seen, np.asarray(left_s) > 0)


def _head(seen: View, head: Head, asked: Bools, left_s: npt.NDArray[np.generic]) -> Iterator[Series | Forecasts]:
    said, came = [], []
    for channel, event in zip(head.said, head.came, strict=True):
        told, wait_s = seen.of_trace(f"{_SAID}{channel}"), seen.of_truth(f"next.{event}")
        if told is None or wait_s is None or told.ndim != 2:
            return
        # Models before the press heads of 2025 tell of five horizons only, from two seconds on.
        if told.shape[1] == len(head.horizons_s) - 1:
            told = np.concatenate([np.full((len(told), 1), np.nan), told], axis=1)
        if told.shape[1] != len(head.horizons_s):
            return
        horizons = np.array(head.horizons_s, np.float64)
        true = np.asarray(wait_s)[:, None] <= horizons
        answered = asked[:, None] & (true | (np.asarray(left_s)[:, None] >= horizons))
        said.append(np.where(answered, _probability(told), np.nan))
        came.append(true)
    wrong = np.mean([(ours - true) ** 2 for ours, true in zip(said, came, strict=True)], axis=0)
    for place, h in enumerate(head.horizons_s):
        yield Series(f"{head.name}_brier_{h}s", wrong[:, place])
    yield Forecasts(f"{head.name}_calibration_error", np.concatenate(said, 1), np.concatenate(came, 1))


def _desires(seen: View, answered: Bools) -> Iterator[Series | Forecasts]:
    """The state of the desire now, and its predictions for two to eight seconds from now."""
    change = seen.of_truth("laneChange")
    now, coming = seen.of_trace("meta.desireState"), seen.of_trace("meta.desirePrediction")
    if change is None:
        return
    sides = np.stack([change == sign for _, sign in _LANE_CHANGES], 1)
    columns = [column for column, _ in _LANE_CHANGES]
    if now is not None and now.shape[1:] == (8,):
        said = np.where(answered[:, None], _probability(now[:, columns]), np.nan)
        yield Series("desire_brier_0s", ((said - sides) ** 2).mean(axis=1))
        yield Forecasts("desire_calibration_error", said, sides)
    if coming is None or coming.shape[1:] != (4, 8):
        return
    for place, h in enumerate(_DESIRE_S[1:]):
        step = round(h / FRAME_S)
        values = np.full(len(seen), np.nan)
        if len(seen) > step:
            said = _probability(coming[:-step, place, columns])
            there = answered[:-step] & answered[step:] & seen.follows(step)
            values[:-step] = np.where(there, ((said - sides[step:]) ** 2).mean(axis=1), np.nan)
        yield Series(f"desire_brier_{h}s", values)


def _probability(told: npt.NDArray[np.generic]) -> Floats:
    """What is told, where it can be a probability; NaN where not."""
    values = told.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.where((values >= 0) & (values <= 1), values, np.nan)
