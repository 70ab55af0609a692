"""One number a metric, condition and segment: how a trace drives, held against what the car really did."""

from harness.compare.metrics.conditions import CONDITIONS
from harness.compare.metrics.execution import EXECUTION_METRICS, execution_values
from harness.compare.metrics.segment import METRICS, METRICS_VERSION, pair_metrics, segment_metrics
from harness.compare.metrics.values import (
    ALL,
    Direction,
    Metric,
    SegmentMetrics,
    Value,
    decode_metrics,
    encode_metrics,
    merge_metrics,
)

__all__ = [
    "ALL",
    "CONDITIONS",
    "EXECUTION_METRICS",
    "METRICS",
    "METRICS_VERSION",
    "Direction",
    "Metric",
    "SegmentMetrics",
    "Value",
    "decode_metrics",
    "encode_metrics",
    "execution_values",
    "merge_metrics",
    "pair_metrics",
    "segment_metrics",
]
