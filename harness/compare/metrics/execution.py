"""How long the model took, where that means something: on a real device."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harness.compare.metrics.values import Direction, Metric, Value
from harness.domain import DeviceKind

_SOURCE = "openpilot model_replay"
MEAN, WORST, OVER = "model_execution_mean", "model_execution_worst", "model_execution_over"

# Milliseconds: mean, worst.
BUDGETS_MS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"driving_model": (28.0, 50.0), "driver_monitoring": (18.0, 50.0)}
)

METRICS = (
    Metric(
        MEAN, "ms", Direction.LOWER, 0.5, "time the model takes for a frame, the first frame not counted", _SOURCE,
        "execution", headline=True,
    ),
    Metric(WORST, "ms", Direction.LOWER, 2.0, "the longest time the model took for a frame", _SOURCE, "execution"),
    Metric(
        OVER, "share of segments", Direction.LOWER, 0.01,
        "segments whose mean or longest time is over budget (driving 28 / 50 ms, driver monitoring 18 / 50 ms)",
        _SOURCE, "execution",
    ),
)  # fmt: skip


def execution_values(measurements: Mapping[str, float], replayer: str, kind: DeviceKind) -> dict[str, Value]:
    """By metric, from what an attempt measured; nothing on an emulated device, or where nothing was measured.

    These belong to an attempt, not to its trace: they are never recalled.
    """
    mean_ms, worst_ms = (measurements.get(f"model_execution_{part}_ms") for part in ("mean", "max"))
    frames = int(measurements.get("frames", 0))
    if kind is DeviceKind.EMULATED or mean_ms is None or worst_ms is None or frames <= 0:
        return {}
    found = {MEAN: Value(mean_ms, frames), WORST: Value(worst_ms, frames)}
    if replayer in BUDGETS_MS:
        most_mean_ms, most_worst_ms = BUDGETS_MS[replayer]
        found[OVER] = Value(float(mean_ms > most_mean_ms or worst_ms > most_worst_ms), frames)
    return found
