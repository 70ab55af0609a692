"""How long a model took for a frame, from what the attempts of a trial measured: of an attempt, never of its trace.

Equal traces are equal bytes, so a time cannot stand in one; and a trace that is recalled has taken none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from harness.verdict.results import JobResult

CANDIDATE, BASELINE = "candidate", "baseline"

# Milliseconds a frame on a real device: mean, longest (openpilot model_replay).
BUDGETS_MS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"driving_model": (28.0, 50.0), "driver_monitoring": (18.0, 50.0)}
)


class Untimed(StrEnum):
    """Why nobody knows how long one side of a trial took."""

    RECALLED = "recalled from the store"
    """Its trace was made by an earlier run; `--fresh` replays it."""
    FEATURES = "replayed on vision features that were kept, so that only the policy ran"
    """A policy alone is not what a device executes; `--fresh` replays the whole model."""
    APPROVED = "approved earlier, and not replayed"
    """The baseline is an approved trace; name a model with `--baseline` to measure it."""
    NOT_MEASURED = "replayed by what measures no time"
    """The replayer runs no model."""


@dataclass(frozen=True, slots=True)
class ExecutionTime:
    """Mean and longest time of a frame, the first not counted, over so many frames."""

    mean_ms: float
    worst_ms: float
    frames: int

    def is_over(self, replayer: str) -> bool | None:
        """Whether it is past what a device may take; None for a replayer that has no budget."""
        if replayer not in BUDGETS_MS:
            return None
        most_mean_ms, most_worst_ms = BUDGETS_MS[replayer]
        return self.mean_ms > most_mean_ms or self.worst_ms > most_worst_ms


def execution_time(measurements: Mapping[str, float]) -> ExecutionTime | Untimed:
    """The time that an attempt measured, or why it tells nothing."""
    mean_ms, worst_ms = (measurements.get(f"model_execution_{part}_ms") for part in ("mean", "max"))
    frames = int(measurements.get("frames", 0))
    if mean_ms is None or worst_ms is None or frames <= 0:
        return Untimed.NOT_MEASURED
    if measurements.get("features_reused"):
        return Untimed.FEATURES
    return ExecutionTime(mean_ms, worst_ms, frames)


def side_time(result: JobResult, side: str) -> ExecutionTime | Untimed:
    """How long the candidate's or the baseline's model took in a trial: in its last attempt, which made the trace."""
    made_of = result.provenance
    if side == BASELINE:
        if "baseline_job" not in made_of:
            return Untimed.APPROVED
        if made_of["baseline_job"] == made_of.get("candidate_job"):  # one job, replayed once
            side = CANDIDATE
    made = [attempt for attempt in result.attempts if attempt.side == side and attempt.error is None]
    return execution_time(made[-1].measurements) if made else Untimed.RECALLED
