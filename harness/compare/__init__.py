"""Two traces and checks in, findings out. Pure: no files, no clock, no decision."""

from harness.compare.compare import COMPARE_VERSION, compare_traces, runtime_difference
from harness.compare.engagement import Engagement, measure_engagement, poisson_interval, pool_engagements
from harness.compare.table import describe_difference

__all__ = [
    "COMPARE_VERSION",
    "Engagement",
    "compare_traces",
    "describe_difference",
    "measure_engagement",
    "poisson_interval",
    "pool_engagements",
    "runtime_difference",
]
