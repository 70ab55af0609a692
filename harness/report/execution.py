"""How long the models took in a run, by replayer and kind of device, as lines for the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.domain import DeviceKind
from harness.report.trials import counted
from harness.verdict import (
    BASELINE,
    BUDGETS_MS,
    CANDIDATE,
    ExecutionTime,
    JobResult,
    RunRecord,
    side_time,
)


def render_execution(record: RunRecord) -> str:
    """A line a replayer and kind: both sides' mean and longest time of a frame; empty where nothing was timed.

    What was recalled from the store has taken no time, and is left out.
    """
    places = dict.fromkeys((result.replayer, result.device_kind) for result in record.results)
    lines = [line for place in places if (line := _line(record, *place))]
    return "\n".join(lines)


def _line(record: RunRecord, replayer: str, kind: str) -> str:
    results = [result for result in record.results if (result.replayer, result.device_kind) == (replayer, kind)]
    sides = {side: times for side in (CANDIDATE, BASELINE) if (times := _times(results, side))}
    if not sides:
        return ""
    told = ", ".join(f"{side} {_words(times)}" for side, times in sides.items())
    return f"TIME   {replayer} · {kind} · {told} · {_against(replayer, kind, sides)}"


def _times(results: Sequence[JobResult], side: str) -> list[ExecutionTime]:
    return [time for result in results if isinstance(time := side_time(result, side), ExecutionTime)]


def _words(times: Sequence[ExecutionTime]) -> str:
    """`12.4 ms a frame, at most 31 ms`, over all frames together, and of how many segments."""
    frames = sum(time.frames for time in times)
    mean_ms = sum(time.mean_ms * time.frames for time in times) / frames
    worst_ms = max(time.worst_ms for time in times)
    return f"{mean_ms:.3g} ms a frame, at most {worst_ms:.3g} ms ({counted(len(times), 'segment')})"


def _against(replayer: str, kind: str, sides: Mapping[str, Sequence[ExecutionTime]]) -> str:
    """What it means: a device has a budget; an emulated worker is only as fast as the machine it runs on."""
    if kind == DeviceKind.EMULATED.value:
        return "on this machine, which says nothing of a device"
    if replayer not in BUDGETS_MS:
        return "no budget"
    mean_ms, worst_ms = BUDGETS_MS[replayer]
    over = [
        f"the {side} over it in {counted(count, 'segment')}"
        for side, times in sides.items()
        if (count := sum(bool(time.is_over(replayer)) for time in times))
    ]
    return f"budget {mean_ms:g} ms, at most {worst_ms:g} ms: {', '.join(over) or 'kept'}"
