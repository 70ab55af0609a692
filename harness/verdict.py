"""Findings, verdicts and the record of a run. `judge` and `gate` are the only place that decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from harness.errors import ClosetError, DataError, ErrorDescription, ExitCode

RECORD_FORMAT = 1

# The kind of an error that names nobody else's fault.
OUR_BUG = ClosetError.__name__

# The "channel" of the finding that says which channel left first, and so where to begin looking.
FIRST_TO_MOVE = "first to move"


class Severity(StrEnum):
    """Whether a finding closes the gate."""

    BLOCK = "BLOCK"
    NOTE = "NOTE"


class FindingKind(StrEnum):
    """What sort of difference it is."""

    CHANGED = "changed"
    NOT_A_NUMBER = "not a number"
    MISSING_FRAMES = "missing frames"
    EXTRA_FRAMES = "extra frames"
    MISSING_CHANNEL = "missing channel"
    EXTRA_CHANNEL = "extra channel"
    SHAPE = "shape"
    EVENT = "event"
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between what was expected (baseline) and what was observed (candidate).

    Frames are camera frame ids, `first_s`/`last_s`/`peak_s` seconds since the trace's first frame. `excess` is the
    error at the peak divided by the tolerance there; None where no tolerance applies (infinite, or not a number).
    `expected` and `observed` are the values at the peak as text, `unit` their unit. `words` says it to a person.
    """

    kind: FindingKind
    severity: Severity
    channel: str
    words: str
    first_frame: int | None = None
    last_frame: int | None = None
    peak_frame: int | None = None
    first_s: float | None = None
    last_s: float | None = None
    peak_s: float | None = None
    expected: str = ""
    observed: str = ""
    unit: str = ""
    excess: float | None = None


class Closeness(StrEnum):
    """How near two traces are in one check."""

    EXACT = "exact"
    WITHIN = "within tolerance"
    BEYOND = "beyond tolerance"
    NOTHING = "nothing compared"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One named group of channels of one trial, compared."""

    check: str
    closeness: Closeness
    findings: tuple[Finding, ...] = ()
    channels_compared: int = 0
    frames_compared: int = 0


class Verdict(StrEnum):
    """The answer for one trial. There is no boolean success."""

    PASS = "PASS"  # noqa: S105 a verdict, not a password
    FAIL = "FAIL"
    ERROR = "ERROR"
    QUARANTINED = "QUARANTINED"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at producing a trace on one device. Times are seconds since the run began."""

    side: str
    device: str
    epoch: int
    started_s: float
    ended_s: float
    error: ErrorDescription | None = None
    log_tail: str = ""
    measurements: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobResult:
    """What came of one trial: starts as ERROR "not run", and only ever replaces its own entry."""

    name: str
    segment: str
    replayer: str
    device_kind: str
    verdict: Verdict
    error: ErrorDescription | None = None
    checks: tuple[CheckResult, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)
    candidate_trace: str = ""
    baseline_trace: str = ""
    reused: bool = False

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that close the gate, in check order."""
        return tuple(found for check in self.checks for found in check.findings if found.severity is Severity.BLOCK)


NOT_RUN = ErrorDescription("NotRun", "not run", remedy="closet resume RUN goes on with what is left")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The complete plain description of one run, from which every report is regenerated."""

    run: str
    suite: str
    started_at: str
    command: tuple[str, ...]
    candidate: dict[str, str]
    baseline: dict[str, str]
    devices: tuple[dict[str, str], ...]
    planned_checks: dict[str, tuple[str, ...]]
    results: tuple[JobResult, ...]
    duration_s: float = 0.0
    interrupted: bool = False
    harness_error: str = ""
    harness_version: str = ""
    format: int = RECORD_FORMAT


def judge(checks: tuple[CheckResult, ...], error: ErrorDescription | None) -> Verdict:
    """The verdict of one trial. A product crash is a finding, so it FAILs; any other error means nothing was judged.

    Nothing compared is an ERROR too: a trial without a single check says nothing, and a check that matched no
    channel or had no frame must not hide behind others that passed.
    """
    blocked = any(found.severity is Severity.BLOCK for check in checks for found in check.findings)
    if blocked:
        return Verdict.FAIL
    if any(check.closeness is Closeness.NOTHING for check in checks):
        return Verdict.ERROR
    if error is not None or all(check.channels_compared == 0 for check in checks):
        return Verdict.ERROR
    return Verdict.PASS


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the candidate may go out, and the sentence that says why."""

    exit_code: ExitCode
    counts: dict[Verdict, int]
    reason: str

    @property
    def is_open(self) -> bool:
        """True only for exit code 0."""
        return self.exit_code is ExitCode.GATE_OPEN


def gate(record: RunRecord) -> Gate:
    """The gate for a whole run: regressions, then jobs without a verdict, then nothing at all, then open."""
    counts = {verdict: sum(result.verdict is verdict for result in record.results) for verdict in Verdict}
    holds: list[ExitCode] = []
    reasons: list[str] = []
    if record.harness_error:
        holds.append(ExitCode.HARNESS_BUG)
        reasons.append(f"a bug of the harness: {(record.harness_error.strip().splitlines() or ['unknown'])[-1]}")
    bugs = [result for result in record.results if result.error is not None and result.error.kind == OUR_BUG]
    if bugs:
        holds.append(ExitCode.HARNESS_BUG)
        reasons.append(f"{_counted(len(bugs), 'job')} ended by a bug of the harness")
    if counts[Verdict.FAIL]:
        holds.append(ExitCode.REGRESSION)
        reasons.append(_counted(counts[Verdict.FAIL], "regression"))
    if counts[Verdict.ERROR]:
        holds.append(ExitCode.NO_VERDICT)
        reasons.append(f"{_counted(counts[Verdict.ERROR], 'job')} without a verdict")
    vanished = _vanished(record)
    if vanished:
        holds.append(ExitCode.NO_VERDICT)
        reasons.append(f"{_counted(vanished, 'job')} without all that was planned")
    if record.interrupted:
        holds.append(ExitCode.NO_VERDICT)
        reasons.append("interrupted")
    if not record.results or counts[Verdict.QUARANTINED] == len(record.results):
        holds.append(ExitCode.NOTHING_TO_RUN)
        reasons.append("nothing was judged")
    reason = ", ".join(reasons) or f"{_counted(counts[Verdict.PASS], 'job')} passed"
    return Gate(ExitCode.worst(holds), counts, reason)


def _vanished(record: RunRecord) -> int:
    """How many planned trials are not in the record, or passed without every check that was planned for them."""
    found = {result.name: result for result in record.results}
    return sum(
        name not in found
        or (found[name].verdict is Verdict.PASS and not set(checks) <= {check.check for check in found[name].checks})
        for name, checks in record.planned_checks.items()
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


_RECORD = TypeAdapter(RunRecord)


def render_record(record: RunRecord) -> str:
    """The record as JSON text, keys in declaration order."""
    return _RECORD.dump_json(record, indent=1).decode() + "\n"


def parse_record(text: str | bytes, *, where: str) -> RunRecord:
    """The record in `text`; DataError naming `where` when it is not one of this format."""
    try:
        record = _RECORD.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"not a run record: {place}: {first['msg']}", where=where, remedy="run the suite again"
        ) from error
    if record.format != RECORD_FORMAT:
        raise DataError(
            f"record format {record.format}, this program reads {RECORD_FORMAT}",
            where=where,
            remedy="run the suite again",
        )
    return record
