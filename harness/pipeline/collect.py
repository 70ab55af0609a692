"""What a worker brought back becomes traces in the store: nothing it says is taken on trust."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from harness.closet.work import WorkOutcome
from harness.domain import ReplayJob, Task
from harness.errors import ClosetError, ErrorDescription
from harness.files import file_sha256
from harness.store import Store
from harness.verdict import Attempt

_LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one job: the digest of its trace in the store, or the error, and every attempt."""

    job_id: str
    trace_sha256: str
    error: ErrorDescription | None
    attempts: tuple[Attempt, ...] = ()
    reused: bool = False


def collect(task: Task, outcome: WorkOutcome, store: Store) -> Iterator[Replayed]:
    """The jobs of one ended task: traces checked against what the worker said of them, and stored."""
    if outcome.error is not None:
        for job in task.jobs:
            yield Replayed(job.id, "", outcome.error, outcome.attempts)
        return
    try:
        said = _load_result(outcome)
    except ClosetError as error:
        for job in task.jobs:
            yield Replayed(job.id, "", error.describe(), outcome.attempts)
        return
    for job in task.jobs:
        yield _collect_job(job, said.get(job.id), outcome, store)


def _collect_job(job: ReplayJob, said: Any, outcome: WorkOutcome, store: Store) -> Replayed:
    if not isinstance(said, dict):
        error = ErrorDescription("ClosetError", "the worker's result does not mention the job", job.id[:16])
        return Replayed(job.id, "", error, outcome.attempts)
    *earlier, last = outcome.attempts
    measured = {**last.measurements, **_numbers(said.get("measurements"))}
    attempts = (*earlier, replace(last, measurements=measured))
    if told := said.get("error"):
        words = told if isinstance(told, dict) else {"kind": "ClosetError", "problem": told}
        error = ErrorDescription(*(str(words.get(name, "")) for name in ("kind", "problem", "where", "remedy")))
        return Replayed(job.id, "", error, attempts)
    path = outcome.files.get(f"{job.id}.trace")
    if path is None or file_sha256(path) != said.get("trace_sha256"):
        error = ErrorDescription("StagingFailedError", "the trace that came back is not the one made", job.id[:16])
        return Replayed(job.id, "", error, attempts)
    blob = store.put_file(path)
    store.remember_trace(job.id, blob.sha256, {"device": last.device, "segment": str(job.segment)})
    return Replayed(job.id, blob.sha256, None, attempts)


def _numbers(measurements: object) -> dict[str, float]:
    """What a worker measured, as far as it is finite numbers: a record could not be read back with others."""
    if not isinstance(measurements, dict):
        return {}
    return {
        str(name): float(value)
        for name, value in measurements.items()
        if isinstance(value, int | float) and abs(value) < _LARGEST
    }


def _load_result(outcome: WorkOutcome) -> dict[str, Any]:
    path = outcome.files.get("result.json")
    if path is None:
        raise ClosetError("the worker ended without result.json", where=outcome.work_id[:16])
    try:
        result = json.loads(path.read_bytes())
        replays = result["replays"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ClosetError(f"the worker's result.json is not readable: {error}", where=outcome.work_id[:16]) from error
    if not isinstance(replays, dict):
        raise ClosetError("the worker's result.json has no replays", where=outcome.work_id[:16])
    return replays
