"""What the scheduler is told, and what it tells the pool to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from harness.closet.work import Work
from harness.errors import ErrorDescription
from harness.verdict import Attempt


@dataclass(frozen=True, slots=True)
class DeviceUp:
    """A device can take work. `epochs` are the last ones it knows, a slot each; `blobs` what it holds."""

    device: str
    epochs: tuple[int, ...] = ()
    blobs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DeviceDown:
    """A device went away; what ran there is lost. `returns`: another DeviceUp or a final DeviceDown will follow."""

    device: str
    error: ErrorDescription
    returns: bool = False


@dataclass(frozen=True, slots=True)
class WorkDone:
    """The work under this lease ended well and its files are here."""

    device: str
    slot: int
    epoch: int
    measurements: dict[str, float] = field(default_factory=dict)
    log_tail: str = ""


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """The work under this lease did not end well; nothing of it runs any more."""

    device: str
    slot: int
    epoch: int
    error: ErrorDescription
    measurements: dict[str, float] = field(default_factory=dict)
    log_tail: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing new; end what runs."""


Event: TypeAlias = DeviceUp | DeviceDown | WorkDone | WorkFailed | Tick | Stop


@dataclass(frozen=True, slots=True)
class Start:
    """Run the work on the slot under a new epoch, to be over by `hard_end_s`."""

    work: Work
    device: str
    slot: int
    epoch: int
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
class Finish:
    """The work is over. `error` is None when its last attempt went well."""

    work_id: str
    error: ErrorDescription | None
    attempts: tuple[Attempt, ...]


Instruction: TypeAlias = Start | StageAhead | Kill | Finish
