"""How long the model took for a frame: on one kind of device, for what a frame takes on another says nothing of it."""

from __future__ import annotations

from harness.compare.metrics.values import Direction, Metric, Value
from harness.domain import DeviceKind
from harness.verdict import ExecutionTime

_SOURCE = "openpilot model_replay"
MEAN, WORST, OVER = "model_execution_mean", "model_execution_worst", "model_execution_over"

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

EXECUTION_METRICS = tuple(metric.name for metric in METRICS)


def execution_values(took: ExecutionTime, replayer: str, kind: DeviceKind) -> dict[str, Value]:
    """By metric. The budget is a device's: on an emulated one, which is this machine, nothing is over it."""
    found = {MEAN: Value(took.mean_ms, took.frames), WORST: Value(took.worst_ms, took.frames)}
    over = took.is_over(replayer)
    if over is not None and kind is not DeviceKind.EMULATED:
        found[OVER] = Value(float(over), took.frames)
    return found
