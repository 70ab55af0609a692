"""What suites and devices look like as files, and the rules that a single file must keep."""

from __future__ import annotations

import fnmatch
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

from harness.config.intent import IntentFile, PolicyFile
from harness.config.text import folder_there
from harness.config.upkeep import BurnInFile, LimitsFile, RecoveryFile, ShelfAddress
from harness.domain import ENGAGEMENT_STATES, EVENT_CLASSES, EventRules, RuntimeChoice

Kind: TypeAlias = Literal["tici", "tizi", "mici", "emulated"]


def _only_emulated() -> list[Kind]:
    return ["emulated"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ToleranceFile(_Strict):
    """How far a channel may be off."""

    absolute: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """How far a value may be off, in the channel's unit."""
    relative: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    """How far it may be off as a share of the greater of both values. The wider of `absolute` and `relative` counts."""
    noise: float | None = Field(default=None, gt=0, le=1000, allow_inf_nan=False)
    """How many times the measured noise floor is tolerated, instead of `absolute` and `relative` (`closet noise`)."""
    floor: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The least that `noise` tolerates, in the channel's unit; nothing unless it is said."""
    ceiling: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The most that `noise` may come to, in the channel's unit: past it the job ends in ERROR. `noise` needs it."""

    @model_validator(mode="after")
    def _one_sort(self) -> ToleranceFile:
        if self.noise is None:
            if self.floor is not None or self.ceiling is not None:
                raise ValueError("floor and ceiling belong to noise: how many times the measured noise is tolerated")
            return self
        if self.absolute or self.relative:
            raise ValueError("name either noise or absolute and relative")
        if self.ceiling is None:
            raise ValueError("noise needs a ceiling: past it a device is in error, however noisy it is")
        if self.ceiling < (self.floor or 0.0):
            raise ValueError("the ceiling is below the floor")
        return self


Severity: TypeAlias = Literal["BLOCK", "NOTE", "IGNORE"]
EventClass: TypeAlias = Literal["NEW", "GONE", "MOVED", "LONGER", "SHORTER", "OUTCOME"]
EventType: TypeAlias = Literal[
    "enable", "noEntry", "warning", "userDisable", "softDisable", "immediateDisable",
    "preEnable", "permanent", "overrideLongitudinal", "overrideLateral",
]  # fmt: skip


class EventsFile(_Strict):
    """Rules of an event check; `severities` by class, or by type or name and then by class."""

    types: list[EventType] = Field(default_factory=lambda: list(cast("tuple[EventType, ...]", EventRules().types)))
    """Events with one of these types are compared."""
    names: list[str] = Field(default_factory=lambda: list(EventRules().names), min_length=1)
    """Of those, the events whose name fits one of these patterns."""
    states: list[str] = Field(default_factory=list)
    """Intervals of the engagement state are compared too: `disabled`, `preEnabled`, `enabled`, `softDisabling`,
    `overriding`, or patterns."""
    channels: list[str] = Field(default_factory=list)
    """Channels (patterns) that are true or false, or count: the stretches in which they are not zero are compared."""
    collar_s: float = Field(default=EventRules().collar_s, ge=0, le=60, allow_inf_nan=False)
    """Two intervals of one name are the same when they begin at most so many seconds apart."""
    tolerance_s: float = Field(default=EventRules().tolerance_s, ge=0, le=60, allow_inf_nan=False)
    """Beginnings and lengths that differ by no more are not told."""
    merge_s: float = Field(default=EventRules().merge_s, ge=0, le=60, allow_inf_nan=False)
    """Intervals with no more than this between them are one."""
    severities: dict[str, Severity | dict[EventClass, Severity]] = Field(default_factory=dict)
    """What becomes of a difference: by class (`NEW: BLOCK`), or by type, name, state or channel and then by class
    (`steerSaturated: {NEW: NOTE}`). By default NEW, LONGER and OUTCOME of soft and immediate disables BLOCK; the
    rest is a NOTE."""

    @model_validator(mode="after")
    def _something_known(self) -> EventsFile:
        if not (self.types or self.states or self.channels):
            raise ValueError("compares nothing: name types, states or channels")
        for pattern in self.states:
            if not any(fnmatch.fnmatchcase(state, pattern) for state in ENGAGEMENT_STATES):
                raise ValueError(f"states: {pattern} is none of {', '.join(ENGAGEMENT_STATES)}")
        groups = {*self.types, *self.names, *self.channels, "state", "channel", *ENGAGEMENT_STATES}
        for what, said in self.severities.items():
            if isinstance(said, str) and what not in EVENT_CLASSES:
                raise ValueError(f"severities: {what} is none of {', '.join(EVENT_CLASSES)}")
            if not isinstance(said, str) and what not in groups:
                raise ValueError(f"severities: {what} is no type, name, state or channel that this check compares")
        if self.tolerance_s > self.collar_s:
            raise ValueError("tolerance_s is greater than collar_s, so that nothing could ever be MOVED")
        return self


class CheckFile(_Strict):
    """One check: over channels, or over events."""

    channels: list[str] | None = Field(default=None, min_length=1)
    """Channels that are judged together, as patterns (`action.*`). Either this or `events`."""
    events: EventsFile | None = None
    """Rules by which intervals of events are compared. Either this or `channels`."""
    tolerance: Annotated[ToleranceFile, BeforeValidator(lambda given: {} if given == "exact" else given)] = Field(
        default_factory=ToleranceFile
    )
    """How far channels may be off: `exact`, or a mapping."""
    blocks: bool = True
    """Whether what is found closes the gate; otherwise it is noted."""

    @model_validator(mode="after")
    def _one_kind(self) -> CheckFile:
        if (self.channels is None) == (self.events is None):
            raise ValueError("name either channels or events")
        if self.events is not None and "tolerance" in self.model_fields_set:
            raise ValueError("tolerance belongs to channels; events have collar_s and tolerance_s")
        return self


class ReplayerFile(_Strict):
    """One replayer of a suite."""

    candidate: str | None = None
    """What is on trial unless `--candidate` names another: a folder or a file, relative to the suite."""
    baseline: str | None = None
    """What is replayed as the baseline unless `--baseline` names another. Without either, what was approved counts."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the replayer; see its own table."""
    where: str | None = Field(default=None, min_length=1)
    """Only segments that fit this expression over the index (`can_messages > 0`)."""
    optional: bool = False
    """Whether no segment at all may fit."""
    checks: dict[str, CheckFile] = Field(min_length=1)
    """Checks by name. At least one must block."""

    @model_validator(mode="after")
    def _can_close(self) -> ReplayerFile:
        if not any(check.blocks for check in self.checks.values()):
            raise ValueError("no check blocks, so that nothing could ever close the gate")
        return self


class RoutesFile(_Strict):
    """A folder of recordings, and which of them."""

    folder: str
    """A folder of recordings, relative to the suite."""
    select: list[str] | None = Field(default=None, min_length=1)
    """Which of them, named as people name routes and segments; all unless it is said."""
    where: str | None = Field(default=None, min_length=1)
    """Only segments that fit this expression over the index (`soft_disables > 0`)."""
    optional: bool = False
    """Whether the folder may be absent, or nothing in it fit."""


class RuntimeFile(_Strict):
    """What executes models on a kind of device."""

    provider: str = Field(default=RuntimeChoice().provider, pattern=r"^[A-Za-z]+ExecutionProvider$")
    """The execution provider of onnxruntime."""
    threads: int = Field(default=RuntimeChoice().threads, ge=1, le=256)
    """How many threads execute one model."""


class TargetFile(_Strict):
    """The devices a suite runs on, and by what they execute models where that is chosen."""

    kinds: list[Kind] = Field(default_factory=_only_emulated, min_length=1)
    """Kinds of device. Every segment is replayed on each."""
    tags: list[str] = Field(default_factory=list)
    """Only devices that have all of these tags."""
    runtime: dict[Kind, RuntimeFile] = Field(default_factory=dict)
    """By which provider and with how many threads models are executed, by kind of device."""

    @model_validator(mode="after")
    def _of_its_kinds(self) -> TargetFile:
        for kind in self.runtime:
            if kind not in self.kinds:
                raise ValueError(f"runtime: {kind} is none of the suite's kinds ({', '.join(self.kinds)})")
        return self


Conditions: TypeAlias = dict[
    Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Annotated[list[str], Field(min_length=1)]
]


class ConditionsFile(RootModel[Conditions]):
    """Conditions by name, each with the routes and segments it holds for."""

    model_config = ConfigDict(strict=True, frozen=True)


class SuiteFile(_Strict):
    """A suite."""

    suite: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """The suite's name, as reports show it."""
    routes: list[
        Annotated[RoutesFile, BeforeValidator(lambda given: {"folder": given} if isinstance(given, str) else given)]
    ] = Field(min_length=1)
    """Folders of recordings; a folder alone may be written as its path."""
    replayers: dict[str, ReplayerFile] = Field(min_length=1)
    """What is replayed, by the replayer's name."""
    devices: TargetFile = Field(default_factory=TargetFile)
    """Which devices it runs on."""
    deadline_s: float = Field(default=1800.0, gt=0, allow_inf_nan=False)
    """How many seconds a job may take, all of its attempts together."""
    confirm: bool = True
    """Whether what FAILs is repeated before anybody is blamed."""
    confirm_most: int = Field(default=20, ge=0, le=100_000)
    """How many FAILs of a run are repeated, the worst first."""
    why: int = Field(default=0, ge=0, le=1000)
    """Of so many of the worst FAILs the cause is looked for at the end of the run."""
    quarantine: str | None = Field(default=None, min_length=1)
    """The quarantine file. Without it, `quarantine.yaml` beside the suite where there is one."""
    intent: IntentFile | None = None
    """What a change is declared to do, in place."""
    intents: list[str] = Field(default_factory=list)
    """Files with further intents."""
    metrics: str | None = Field(default=None, min_length=1)
    """A file with metrics of your own, in Python."""
    conditions: Conditions | Annotated[str, Field(min_length=1)] = Field(default_factory=dict)
    """Conditions of your own for metrics, by name, or a file with them: each the routes and segments it holds for."""
    signers: str | None = Field(default=None, min_length=1)
    """A file of allowed signers: only baselines that one of them signed are used."""
    policy: PolicyFile | None = None
    """What of the claims' answers closes the gate: `pr`, `release`, `nightly`, or a mapping."""


class DeviceFile(_Strict):
    """One device."""

    kind: Kind
    """What the hardware is. Traces of one kind are never compared with those of another."""
    address: str = Field(min_length=1)
    """Host name or address."""
    port: int = Field(default=22, ge=1, le=65535)
    """Its SSH port."""
    user: str = "comma"
    """Who logs in."""
    key: str = Field(min_length=1)
    """The private key that the device accepts, relative to this file; `~` is expanded."""
    host_key: str = Field(pattern=r"^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$")
    """The pinned public host key: `ssh-ed25519 AAAA…`. Another one ends the connection."""
    work_folder: Annotated[str, AfterValidator(folder_there)] = Field(default="/data/closet", pattern=r"^/")
    """Where everything of ours goes on the device, and nothing elsewhere."""
    python: str | None = Field(default=None, min_length=1)
    """The Python that runs jobs there. Without it, that of the provisioned environment, else `python3`."""
    slots: int = Field(default=1, ge=1, le=64)
    """How many jobs run there at once."""
    tags: list[str] = Field(default_factory=list)
    """Words that suites may ask for."""
    limits: LimitsFile = Field(default_factory=LimitsFile)
    """Limits of this device alone, over those for all."""
    recovery: RecoveryFile | None = None
    """A command on this machine that may bring the device back."""


class ShelfFile(BaseModel):
    """Devices by name, and beside them `emulated: N`."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, DeviceFile]
    emulated: int = Field(default=0, ge=0, le=256)
    """So many emulated workers are started beside the devices, on this machine."""


class FleetFile(_Strict):
    """The shelf: its devices, where what several runs share is kept, and what keeps the devices in order."""

    devices: ShelfFile
    """Devices by name."""
    shelf: ShelfAddress | None = None
    """Where what several runs share is kept: a path, or `postgresql://…`. Default: `.closet/shelf.db`."""
    limits: LimitsFile = Field(default_factory=LimitsFile)
    """What a device may measure of itself and still be given jobs."""
    canary_every_h: float = Field(default=24.0, gt=0, allow_inf_nan=False)
    """A device that passed its canary longer ago, in hours, runs it again before its next job."""
    burn_in: BurnInFile = Field(default_factory=BurnInFile)
    """What a burn-in does when the command line does not say it."""
