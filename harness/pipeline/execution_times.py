"""How long models took, by kind of device, as columns beside the metrics of traces: what attempts measured.

It belongs to an attempt, not to a trace: what was recalled from the store has taken none, and a claim says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.compare.metrics import ALL, EXECUTION_METRICS, execution_values
from harness.compare.statistics import Question
from harness.domain import DeviceKind, Trial
from harness.intent import Answer, ClaimResult
from harness.pipeline.rows import Rows
from harness.verdict import BASELINE, CANDIDATE, ExecutionTime, JobResult, Untimed, side_time

_REMEDY = {
    Untimed.RECALLED: "--fresh replays it",
    Untimed.FEATURES: "--fresh runs it whole",
    Untimed.APPROVED: "--baseline MODEL --fresh replays both sides",
    Untimed.NOT_MEASURED: "",
}


def on_kind(metric: str, kind: DeviceKind) -> str:
    """What a metric's values on one kind of device are kept as: those of several are never one number."""
    return f"{metric} on {kind.value}"


@dataclass(frozen=True, slots=True)
class ExecutionTimes:
    """Both sides' times by kind and segment; and why there are none, side by side with how often."""

    took: Mapping[tuple[str, DeviceKind], tuple[ExecutionTime | None, ExecutionTime | None]]
    untimed: Mapping[DeviceKind, Counter[tuple[str, Untimed]]]

    def put_into(self, rows: Rows, replayer: str) -> Rows:
        """The rows with these times in the columns that there are for them."""
        candidate, baseline = rows.candidate.copy(), rows.baseline.copy()
        places = {segment: row for row, segment in enumerate(rows.segments)}
        for (segment, kind), sides in self.took.items():
            for side, took in zip((candidate, baseline), sides, strict=True):
                for metric, value in execution_values(took, replayer, kind).items() if took is not None else ():
                    if on_kind(metric, kind) in rows.metrics and segment in places:
                        side[places[segment], rows.place((on_kind(metric, kind), ALL))] = value.value
        return replace(rows, candidate=candidate, baseline=baseline)

    def told(self, claim: ClaimResult, question: Question) -> ClaimResult:
        """A claim on a time with what could not be timed, and what would; others as they are."""
        if claim.metric not in EXECUTION_METRICS:
            return claim
        kind = next(kind for kind in DeviceKind if question.measured == on_kind(claim.metric, kind))
        reasons = self._reasons(kind)
        if claim.answer is Answer.NO_DATA:
            if not reasons and kind is DeviceKind.EMULATED:
                reasons = "an emulated worker is this machine, and has no budget of its own"
            return replace(claim, words=f"no time was measured on both sides: {reasons}" if reasons else claim.words)
        return replace(claim, words=claim.words + (f"\nnot timed: {reasons}" if reasons else ""))

    def _reasons(self, kind: DeviceKind) -> str:
        parts = []
        for (side, why), count in sorted(self.untimed.get(kind, Counter()).items()):
            remedy = f" ({_REMEDY[why]})" if _REMEDY[why] else ""
            times = "1 segment" if count == 1 else f"{count} segments"
            parts.append(f"the {side} of {times} was {why.value}{remedy}")
        return "; ".join(parts)


def find_times(held: Sequence[tuple[Trial, JobResult]]) -> ExecutionTimes:
    """The times of trials that were judged.

    A segment counts where both sides were timed: a side that was recalled is nobody's loss. Where the candidate has no
    trace at all it has lost what the baseline has.
    """
    took: dict[tuple[str, DeviceKind], tuple[ExecutionTime | None, ExecutionTime | None]] = {}
    untimed: dict[DeviceKind, Counter[tuple[str, Untimed]]] = {}
    for trial, result in held:
        ours, theirs = side_time(result, CANDIDATE), side_time(result, BASELINE)
        if not result.candidate_trace:
            took[str(trial.segment), trial.device_kind] = None, _timed(theirs)
            continue
        for side, time in ((CANDIDATE, ours), (BASELINE, theirs)):
            if isinstance(time, Untimed):
                untimed.setdefault(trial.device_kind, Counter())[side, time] += 1
        if isinstance(ours, ExecutionTime) and isinstance(theirs, ExecutionTime):
            took[str(trial.segment), trial.device_kind] = ours, theirs
    return ExecutionTimes(took, untimed)


def columns_of(kinds: Sequence[DeviceKind]) -> list[str]:
    """What the times are kept as on these kinds of devices."""
    return [on_kind(metric, kind) for kind in kinds for metric in EXECUTION_METRICS]


def _timed(time: ExecutionTime | Untimed) -> ExecutionTime | None:
    return time if isinstance(time, ExecutionTime) else None
