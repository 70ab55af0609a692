"""What the shelf is told of a run, and what it tells of many: plain values. Times are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass

RUNNING, ENDED = "running", "ended"


@dataclass(frozen=True, slots=True)
class Counts:
    """Trials of a run by what came of them. `waiting` have no verdict yet and are not among the errors."""

    total: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    quarantined: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class TrialEntry:
    """One trial as it is remembered. `job` and `trace` begin the digests of what was asked and what it gave."""

    segment: str
    replayer: str
    device_kind: str
    verdict: str
    device: str
    words: str
    error_kind: str = ""
    blame: str = ""
    job: str = ""
    trace: str = ""
    judged: bool = True


@dataclass(frozen=True, slots=True)
class ClaimEntry:
    """One claim as it is remembered; numbers in the metric's unit, None where they are not known."""

    intent: str
    name: str
    metric: str
    condition: str
    unit: str
    expect: str
    answer: str
    standing: str
    words: str
    segments: int
    candidate: float | None = None
    baseline: float | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run as it is remembered: what its record says, shortly. `seen` is the state of the record on disk."""

    host: str
    folder: str
    name: str
    suite: str
    candidate: str
    baseline: str
    started_s: float
    duration_s: float
    state: str
    exit_code: int
    reason: str
    counts: Counts
    devices: int
    seen: str
    trials: tuple[TrialEntry, ...] = ()
    claims: tuple[ClaimEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in a list. `slug` is its name in addresses."""

    id: int
    slug: str
    host: str
    folder: str
    suite: str
    candidate: str
    baseline: str
    started_s: float
    changed_s: float
    duration_s: float
    state: str
    exit_code: int
    reason: str
    counts: Counts
    segments: int
    devices: int
    claims: int
    claims_held: int


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are meant: all where nothing is said. `gate`: open, closed or running. `text` is in the candidate."""

    suite: str = ""
    gate: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial of a run in a list; `place` numbers segment × replayer × kind over all runs."""

    run: int
    ordinal: int
    place: int
    segment: str
    replayer: str
    device_kind: str
    verdict: str
    device: str
    words: str
    error_kind: str
    blame: str

    @property
    def name(self) -> str:
        """The trial's name in its record."""
        return f"{self.segment} · {self.replayer} · {self.device_kind}"


@dataclass(frozen=True, slots=True)
class PastTrial:
    """The same place in another run."""

    slug: str
    ordinal: int
    started_s: float
    candidate: str
    verdict: str
    device: str
    words: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A trial whose verdict is not the same in two runs; empty where a run does not have it."""

    segment: str
    replayer: str
    device_kind: str
    before: str
    after: str
    ordinal: int | None
    words: str


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A metric under a condition in a suite that runs have measured."""

    id: int
    suite: str
    metric: str
    condition: str
    unit: str


@dataclass(frozen=True, slots=True)
class Point:
    """One run's value of a series, the baseline's beside it, and the interval of their difference."""

    slug: str
    at_s: float
    value: float
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    standing: str = ""


@dataclass(frozen=True, slots=True)
class FlakyPlace:
    """How steady a place was over the last runs.

    `flips`: its verdict changed from one run to the next though the same was asked. `moved`: the same was asked and its
    trace came out otherwise. `alone`: it failed and a repeat did not say so again.
    """

    segment: str
    replayer: str
    device_kind: str
    runs: int
    failed: int
    errors: int
    flips: int
    moved: int
    alone: int


@dataclass(frozen=True, slots=True)
class DeviceDays:
    """How a device did since a day: attempts, those that ended in an error by kind of it, and hours at work."""

    device: str
    attempts: int
    failed: int
    busy_s: float
    kinds: tuple[tuple[str, int], ...] = ()

    @property
    def share(self) -> float:
        """Of all its attempts, those that ended in an error."""
        return self.failed / self.attempts if self.attempts else 0.0


@dataclass(frozen=True, slots=True)
class Covered:
    """How much of what is known was judged lately, for one replayer on one kind of device."""

    replayer: str
    device_kind: str
    places: int
    day: int
    week: int
    month: int


@dataclass(frozen=True, slots=True)
class LastSeen:
    """When a place was judged last, and what came of it."""

    segment: str
    replayer: str
    device_kind: str
    at_s: float
    verdict: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changed what by hand, when, why, and what came of it."""

    id: int
    at: str
    who: str
    via: str
    action: str
    subject: str
    reason: str
    outcome: str
