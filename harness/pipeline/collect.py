"""What a worker brought back becomes traces in the store: nothing it says is taken on trust."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from harness.closet.answers import plain_text
from harness.closet.ending import RESULT
from harness.closet.work import WorkOutcome
from harness.domain import ReplayJob, Task
from harness.errors import (
    ConfigError,
    DataError,
    DeviceError,
    DeviceTimeoutError,
    DeviceUnhealthyError,
    ErrorDescription,
    ProductCrashError,
    StagingFailedError,
)
from harness.files import file_sha256, remove_files
from harness.pipeline.runtimes import changed_runtime
from harness.redaction import known_secrets, redact, redact_error
from harness.store import Store
from harness.verdict import Attempt

# What a replay finds out: of its recording or model, its options, its device, or a crash of what is on trial. That the
# harness has a bug, a lease was lost or a job not run is not for the software on trial to say: the run would end with
# exit 4, or the job be run again for ever.
_CLAIMED = frozenset(
    kind.__name__ for kind in (ConfigError, DataError, DeviceError, DeviceUnhealthyError, ProductCrashError)
)
_LARGEST = 1e300
# What a result may say that is worth another device: that one is lost, or its lease, is not a worker's to say.
_ELSEWHERE = frozenset(
    kind.__name__
    for kind in (DeviceError, DeviceTimeoutError, DeviceUnhealthyError, ProductCrashError, StagingFailedError)
)
_RESULT_BYTES = 4 << 20  # a worker is not trusted: no result says more than this
_MEASURED = re.compile(r"[a-z0-9_]{1,64}|agreement(\.[A-Za-z0-9_]{1,64}){1,2}")  # of an event, by its name in the log
_MOST_MEASURED = 1_000  # three for each event there is, with room
_WORDS = 4_000  # characters of an error
_TAIL, _TAIL_OF_FAILED = 2_000, 16_000  # characters of a log that a record keeps


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one job: the digest of its trace in the store, or the error, and every attempt.

    `label` is what it was submitted under: a job that is replayed once more to confirm something has one.
    """

    job_id: str
    trace_sha256: str
    error: ErrorDescription | None
    attempts: tuple[Attempt, ...] = ()
    reused: bool = False
    label: str = ""


def collect(task: Task, outcome: WorkOutcome, store: Store, *, remember: bool = True) -> Iterator[Replayed]:
    """The jobs of one ended task: traces checked against what the worker said of them, and stored.

    Unless `remember`, the traces are kept but are not what an equal job is said to give from now on. All that a device
    or the software under test has said enters the record here, without secrets and cut to size.
    """
    known = known_secrets()
    error = outcome.error and _told(outcome.error, known)
    outcome = replace(outcome, error=error, attempts=tuple(_recorded(attempt, known) for attempt in outcome.attempts))
    for replayed in _jobs(task, outcome, store, remember=remember):
        yield replayed if replayed.error is None else replace(replayed, error=_told(replayed.error, known))


def what_failed_here(task: Task, work_id: str, device: str, files: Mapping[str, Path]) -> ErrorDescription | None:
    """What went wrong in a try that ran to its end and may go well on another device; None when nothing did.

    A recording that cannot be used, say, is as it is everywhere. The words are fit to be shown and kept of the device.
    """
    outcome = WorkOutcome(work_id, files, None, (Attempt("", device, 0, 0.0, 0.0),))
    try:
        said = _load_result(outcome)
    except ProductCrashError as crash:
        return crash.describe()
    except DataError:
        return None
    for job in task.jobs:
        error = _checked(job, said.get(job.id), outcome).error
        if error is not None and error.kind in _ELSEWHERE:
            told = _told(error, known_secrets())
            return ErrorDescription(*(plain_text(words) for words in astuple(told)))
    return None


def _recorded(attempt: Attempt, known: tuple[str, ...]) -> Attempt:
    """An attempt as it is recorded. Of a log the end is kept, from the beginning of a line on."""
    limit = _TAIL if attempt.error is None else _TAIL_OF_FAILED
    tail = redact(attempt.log_tail, known)
    if len(tail) > limit:
        cut = tail[-limit:]
        tail = cut.partition("\n")[2] or cut
    return replace(attempt, log_tail=tail, error=attempt.error and _told(attempt.error, known))


def _told(error: ErrorDescription, known: tuple[str, ...]) -> ErrorDescription:
    said = redact_error(error, known)
    cut = (words[:_WORDS] for words in (said.kind, said.problem, said.where, said.remedy))
    return ErrorDescription(*(words.encode(errors="replace").decode() for words in cut))  # half a character is no text


def _jobs(task: Task, outcome: WorkOutcome, store: Store, *, remember: bool) -> Iterator[Replayed]:
    if outcome.error is not None and RESULT not in outcome.files:
        for job in task.jobs:
            yield Replayed(job.id, "", outcome.error, outcome.attempts)
        return
    try:
        said = _load_result(outcome)
    except (DataError, ProductCrashError) as error:
        for job in task.jobs:
            yield Replayed(job.id, "", error.describe(), outcome.attempts)
        return
    finally:
        remove_files((outcome.files[RESULT],) if RESULT in outcome.files else ())  # the record has it without secrets
    for job in task.jobs:
        replayed = _checked(job, said.get(job.id), outcome)
        if replayed.error is None:
            yield _stored(job, replayed, outcome, store, remember=remember)
        elif outcome.error is not None and replayed.error.kind in _ELSEWHERE:
            yield replace(replayed, error=outcome.error)  # the first specific cause of all tries
        else:
            yield replayed


def _checked(job: ReplayJob, said: Any, outcome: WorkOutcome) -> Replayed:
    """What came of one job, its trace not stored yet."""
    if not isinstance(said, dict):
        error = _unusable("the worker's result does not mention the job", job.id).describe()
        return Replayed(job.id, "", error, outcome.attempts)
    *earlier, last = outcome.attempts
    measured = {**last.measurements, **_numbers(said.get("measurements"), known_secrets())}
    attempts = (*earlier, replace(last, measurements=measured))
    if told := said.get("error"):
        return Replayed(job.id, "", _claimed(told), attempts)
    path = outcome.files.get(f"{job.id}.trace")
    if path is None or file_sha256(path) != said.get("trace_sha256"):
        error = ErrorDescription("StagingFailedError", "the trace that came back is not the one made", job.id[:16])
        return Replayed(job.id, "", error, attempts)
    if (changed := changed_runtime(job, path, last.device)) is not None:
        return Replayed(job.id, "", changed, attempts)
    return Replayed(job.id, said["trace_sha256"], None, attempts)


def _stored(job: ReplayJob, replayed: Replayed, outcome: WorkOutcome, store: Store, *, remember: bool) -> Replayed:
    """The job with its trace in the store. Where only another job of the task failed, its own last try went well."""
    *earlier, last = replayed.attempts
    blob = store.put_file(outcome.files[f"{job.id}.trace"], link=True)
    if remember:
        store.remember_trace(job.id, blob.sha256, {"device": last.device, "segment": str(job.segment)})
    return replace(replayed, trace_sha256=blob.sha256, attempts=(*earlier, replace(last, error=None)))


def _claimed(told: object) -> ErrorDescription:
    """The error of a job as its worker tells it: in its words, and of a kind that is the worker's to say."""
    words = told if isinstance(told, dict) else {"problem": told}
    kind, *said = (str(words.get(name, "")) for name in ("kind", "problem", "where", "remedy"))
    return ErrorDescription(kind if kind in _CLAIMED else DataError.__name__, *said)


def _unusable(problem: str, name: str) -> DataError:
    return DataError(problem, where=name[:16], remedy="see the log of the attempt")


def _numbers(measurements: object, known: tuple[str, ...]) -> dict[str, float]:
    """What a worker measured, as far as it is finite numbers: a record could not be read back with others.

    A name is kept in the record as it is: only one that is a name, and tells nothing secret, and not too many.
    """
    if not isinstance(measurements, dict):
        return {}
    numbers = (
        (name, float(value))
        for name, value in measurements.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
        if _MEASURED.fullmatch(name) and redact(name, known) == name
    )
    return dict(islice(numbers, _MOST_MEASURED))


def _load_result(outcome: WorkOutcome) -> dict[str, Any]:
    path = outcome.files.get(RESULT)
    if path is None:
        raise ProductCrashError(
            "ended itself with exit 0 and left no result",
            where=outcome.work_id[:16],
            remedy="see in the log of the attempt what calls exit",
        )
    if path.stat().st_size > _RESULT_BYTES:
        raise _unusable("the worker's result.json is larger than 4 MB", outcome.work_id)
    try:
        result = json.loads(path.read_bytes())
        replays = result["replays"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unusable(f"the worker's result.json is not readable: {error}", outcome.work_id) from error
    if not isinstance(replays, dict):
        raise _unusable("the worker's result.json has no replays", outcome.work_id)
    return replays
