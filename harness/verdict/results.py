"""What came of one trial as plain values: findings, checks, attempts, repeats, and the verdict they lead to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from harness.domain import QuarantineEntry
from harness.errors import ErrorDescription, ProductCrashError

# The "channel" of the finding that says which channel left first, and so where to begin looking.
FIRST_TO_MOVE = "first to move"


# The kind of an error that is a crash of the software on trial.
PRODUCT_CRASH = ProductCrashError.__name__


class Severity(StrEnum):
    """Whether a finding closes the gate."""

    BLOCK = "BLOCK"
    """It closes the gate."""
    NOTE = "NOTE"
    """It is told, and closes nothing."""


class FindingKind(StrEnum):
    """What sort of difference it is."""

    CHANGED = "changed"
    """Values are further apart than the check tolerates."""
    NOT_A_NUMBER = "not a number"
    """A value is not a number, or infinite, on one side alone."""
    MISSING_FRAMES = "missing frames"
    """The baseline has frames that the candidate lacks."""
    EXTRA_FRAMES = "extra frames"
    """The candidate has frames that the baseline lacks."""
    MISSING_CHANNEL = "missing channel"
    """The baseline has a channel that the candidate lacks."""
    EXTRA_CHANNEL = "extra channel"
    """The candidate has a channel that the baseline lacks."""
    SHAPE = "shape"
    """A channel has another shape, unit or sort of value."""
    EVENT = "event"
    """An interval is new, gone, moved, longer, shorter, or ended another way."""
    CRASH = "crash"
    """The software on trial crashed, on two devices."""


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
    """Every value is the same, bit by bit."""
    WITHIN = "within tolerance"
    """Values differ, and no more than the check tolerates."""
    WITHIN_NOISE = "within noise"
    """Values differ, and no more than so many times the measured noise floor."""
    BEYOND_NOISE = "beyond noise"
    """Values differ by more than the tolerated noise."""
    BEYOND = "beyond tolerance"
    """Values differ by more than the check tolerates."""
    NOTHING = "nothing compared"
    """No channel matched, or none had a value to compare: an ERROR, never a pass."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One named group of channels of one trial, compared."""

    check: str
    closeness: Closeness
    findings: tuple[Finding, ...] = ()
    channels_compared: int = 0
    frames_compared: int = 0

    @property
    def blocks(self) -> bool:
        """Whether something was found that closes the gate."""
        return any(found.severity is Severity.BLOCK for found in self.findings)


class Verdict(StrEnum):
    """The answer for one trial. There is no boolean success."""

    PASS = "PASS"  # noqa: S105 a verdict, not a password
    """Everything that was planned was compared, and nothing blocks."""
    FAIL = "FAIL"
    """Something was found that closes the gate."""
    ERROR = "ERROR"
    """Nothing could be judged: a device, the network, a recording, or nothing to compare."""
    QUARANTINED = "QUARANTINED"
    """Something is wrong, and only in checks that are quarantined."""


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


class Blame(StrEnum):
    """Whose fault a FAIL is, as far as repeating it could tell."""

    PRODUCT = "the software on trial"
    """It happened again, there and on a second device."""
    DEVICE = "a device"
    """Only one device shows it: ERROR SuspectDevice, and that device runs its canary."""
    CHANCE = "not reproducible"
    """It did not happen again on the same device: ERROR NotReproducible."""
    UNKNOWN = "not confirmed"
    """No repeat could tell: the FAIL stands."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One repeat of a trial that FAILed: its jobs once more on one device, what came of them held together again.

    `blocked` are the checks that closed the gate this time, `words` the first thing that was found. With verdict ERROR
    nothing could be told, and `error` says why.
    """

    device: str
    verdict: Verdict
    blocked: tuple[str, ...] = ()
    words: str = ""
    error: ErrorDescription | None = None
    attempts: tuple[Attempt, ...] = ()
    candidate_trace: str = ""
    baseline_trace: str = ""


@dataclass(frozen=True, slots=True)
class QuarantineNote:
    """That checks of a trial are quarantined: `checks` by `entries`, of which `excused` would have closed the gate.

    `outcome` is the verdict there would be without. Entries in `expired` excuse nothing any more.
    """

    outcome: Verdict
    checks: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    entries: tuple[QuarantineEntry, ...] = ()
    expired: tuple[QuarantineEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class JobResult:
    """What came of one trial: starts as ERROR "not run", and only ever replaces its own entry.

    A FAIL that was repeated has `confirmations`; `blame` and `repeated` say what they tell.
    """

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
    confirmations: tuple[Confirmation, ...] = ()
    blame: Blame | None = None
    repeated: str = ""
    quarantine: QuarantineNote | None = None

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that close the gate, in check order."""
        return tuple(found for check in self.checks for found in check.findings if found.severity is Severity.BLOCK)

    @property
    def lone_crashes(self) -> tuple[Attempt, ...]:
        """The attempts in which the software on trial crashed, of a trial in which it did not crash everywhere."""
        if any(found.kind is FindingKind.CRASH for found in self.blocking):
            return ()
        return tuple(entry for entry in self.attempts if entry.error is not None and entry.error.kind == PRODUCT_CRASH)

    @property
    def blocked_checks(self) -> tuple[str, ...]:
        """The checks with a finding that closes the gate, those that are excused left out."""
        excused = self.quarantine.excused if self.quarantine else ()
        return tuple(check.check for check in self.checks if check.blocks and check.check not in excused)


NOT_RUN = ErrorDescription("NotRun", "not run", remedy="closet resume RUN goes on with what is left")
