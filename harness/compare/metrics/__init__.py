"""One number a metric, condition and segment: how a trace drives, held against what the car really did."""

from harness.compare.metrics.values import (
    ALL,
    Direction,
    Metric,
    SegmentMetrics,
    Value,
    decode_metrics,
    encode_metrics,
)

__all__ = ["ALL", "Direction", "Metric", "SegmentMetrics", "Value", "decode_metrics", "encode_metrics"]
