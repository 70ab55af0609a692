"""What the scheduler is told, and what it tells the pool to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from harness.closet.work import Work
from harness.domain import DeviceKind, Health
from harness.errors import ErrorDescription
from harness.verdict import Attempt


@dataclass(frozen=True, slots=True)
class Submit:
    """More works."""

    works: tuple[Work, ...]


@dataclass(frozen=True, slots=True)
class DeviceUp:
    """A device can take work. `epochs` are the last ones it knows, a slot each; `blobs` what it holds.

    `proved`: it passed its canary not long ago, so that it need not run it before its first job.
    """

    device: str
    epochs: tuple[int, ...] = ()
    blobs: frozenset[str] = frozenset()
    proved: bool = False


@dataclass(frozen=True, slots=True)
class DeviceDown:
    """A device went away, or did not come; what ran there is lost.

    `returns`: what only this device can do waits for it, another DeviceUp or DeviceDown will follow. Without it nothing
    waits, but the device may be up again all the same.
    """

    device: str
    error: ErrorDescription
    returns: bool = False


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """What the shelf says of a device now: another run or a person may have changed it."""

    device: str
    state: Health
    reason: str = ""

    @property
    def given_out(self) -> bool:
        """False for a device that gets no job until somebody frees it."""
        return self.state not in {Health.QUARANTINED, Health.DISABLED}


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Somebody has reason to doubt a device: it proves itself before its next job."""

    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class CanaryDue:
    """The device's last canary was too long ago, though nothing is held against it."""

    device: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """A recovery hook ended. `error` is None when the device is worth another canary."""

    device: str
    error: ErrorDescription | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """The slot is ours under this epoch."""

    device: str
    slot: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Denied:
    """The slot is not ours now: busy, not given out, or another run's turn."""

    device: str
    slot: int


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """The slot is not ours any more, though what we started there may still run."""

    device: str
    slot: int
    epoch: int


@dataclass(frozen=True, slots=True)
class WorkRuns:
    """The command of the work under this lease runs; its files are there."""

    device: str
    slot: int
    epoch: int


@dataclass(frozen=True, slots=True)
class WorkDone:
    """The work under this lease ended well and its files are here. Of a canary: its answer is right."""

    device: str
    slot: int
    epoch: int
    measurements: dict[str, float] = field(default_factory=dict)
    log_tail: str = ""


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """The work under this lease did not end well; nothing of it runs any more.

    `known_epoch` is the slot's last one on the device, when that refused ours as stale. `answered`: of a canary that
    ran to its end, and whose answer is wrong.
    """

    device: str
    slot: int
    epoch: int
    error: ErrorDescription
    measurements: dict[str, float] = field(default_factory=dict)
    log_tail: str = ""
    known_epoch: int = 0
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing new; end what runs."""


Event: TypeAlias = (
    Submit
    | DeviceUp
    | DeviceDown
    | HealthSeen
    | Suspicion
    | CanaryDue
    | Recovered
    | Granted
    | Denied
    | LeaseLost
    | WorkRuns
    | WorkDone
    | WorkFailed
    | Tick
    | Stop
)


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the shelf for a slot, under an epoch above `least_epoch`; Granted or Denied follows.

    `proving`: for the canary of a quarantined device that was brought back.
    """

    device: str
    slot: int
    kind: DeviceKind
    tags: tuple[str, ...]
    for_s: float
    least_epoch: int
    proving: bool = False


@dataclass(frozen=True, slots=True)
class GiveBack:
    """The slot is not needed any more: what ran there ended so."""

    device: str
    slot: int
    epoch: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Start:
    """Run the work on the slot under this epoch: at most `deadline_s`, with staging over by `hard_end_s`."""

    work: Work
    device: str
    slot: int
    epoch: int
    deadline_s: float
    hard_end_s: float


@dataclass(frozen=True, slots=True)
class StageAhead:
    """Bring the blobs of a work that will probably run there next, while the device is busy. No lease, no answer."""

    work: Work
    device: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End what runs under this lease, and answer when it is gone."""

    device: str
    slot: int
    epoch: int


@dataclass(frozen=True, slots=True)
class SetHealth:
    """Tell the shelf what is known of the device now. `recovered`: a hook ran, and its canary after that is right."""

    device: str
    state: Health
    reason: str
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class Recover:
    """Try the device's recovery hook; Recovered follows."""

    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Connect to the device now, however long it was to be left alone: its hook brought it back."""

    device: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The work is over. `error` is None when its last attempt went well."""

    work_id: str
    error: ErrorDescription | None
    attempts: tuple[Attempt, ...]


Instruction: TypeAlias = Ask | GiveBack | Start | StageAhead | Kill | SetHealth | Recover | Reconnect | Finish
