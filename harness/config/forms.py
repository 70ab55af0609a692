"""What suites and devices look like as files, and the rules that a single file must keep."""

from __future__ import annotations

import fnmatch
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

from harness.config.intent import IntentFile, PolicyFile
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
    relative: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    noise: float | None = Field(default=None, gt=0, le=1000, allow_inf_nan=False)
    floor: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    ceiling: float | None = Field(default=None, gt=0, allow_inf_nan=False)

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
    names: list[str] = Field(default_factory=lambda: list(EventRules().names), min_length=1)
    states: list[str] = Field(default_factory=list)
    channels: list[str] = Field(default_factory=list)
    collar_s: float = Field(default=EventRules().collar_s, ge=0, le=60, allow_inf_nan=False)
    tolerance_s: float = Field(default=EventRules().tolerance_s, ge=0, le=60, allow_inf_nan=False)
    merge_s: float = Field(default=EventRules().merge_s, ge=0, le=60, allow_inf_nan=False)
    severities: dict[str, Severity | dict[EventClass, Severity]] = Field(default_factory=dict)

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
    events: EventsFile | None = None
    tolerance: Annotated[ToleranceFile, BeforeValidator(lambda given: {} if given == "exact" else given)] = Field(
        default_factory=ToleranceFile
    )
    blocks: bool = True

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
    baseline: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    where: str | None = Field(default=None, min_length=1)
    optional: bool = False
    checks: dict[str, CheckFile] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_close(self) -> ReplayerFile:
        if not any(check.blocks for check in self.checks.values()):
            raise ValueError("no check blocks, so that nothing could ever close the gate")
        return self


class RoutesFile(_Strict):
    """A folder of recordings, and which of them."""

    folder: str
    select: list[str] | None = Field(default=None, min_length=1)
    where: str | None = Field(default=None, min_length=1)
    optional: bool = False


class RuntimeFile(_Strict):
    """What executes models on a kind of device."""

    provider: str = Field(default=RuntimeChoice().provider, pattern=r"^[A-Za-z]+ExecutionProvider$")
    threads: int = Field(default=RuntimeChoice().threads, ge=1, le=256)


class TargetFile(_Strict):
    """The devices a suite runs on, and by what they execute models where that is chosen."""

    kinds: list[Kind] = Field(default_factory=_only_emulated, min_length=1)
    tags: list[str] = Field(default_factory=list)
    runtime: dict[Kind, RuntimeFile] = Field(default_factory=dict)

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
    routes: list[
        Annotated[RoutesFile, BeforeValidator(lambda given: {"folder": given} if isinstance(given, str) else given)]
    ] = Field(min_length=1)
    replayers: dict[str, ReplayerFile] = Field(min_length=1)
    devices: TargetFile = Field(default_factory=TargetFile)
    deadline_s: float = Field(default=1800.0, gt=0, allow_inf_nan=False)
    confirm: bool = True
    confirm_most: int = Field(default=20, ge=0, le=100_000)
    why: int = Field(default=0, ge=0, le=1000)
    quarantine: str | None = Field(default=None, min_length=1)
    intent: IntentFile | None = None
    intents: list[str] = Field(default_factory=list)
    metrics: str | None = Field(default=None, min_length=1)
    conditions: Conditions | Annotated[str, Field(min_length=1)] = Field(default_factory=dict)
    signers: str | None = Field(default=None, min_length=1)
    policy: PolicyFile | None = None


class DeviceFile(_Strict):
    """One device."""

    kind: Kind
    address: str = Field(min_length=1)
    port: int = Field(default=22, ge=1, le=65535)
    user: str = "comma"
    key: str = Field(min_length=1)
    host_key: str = Field(pattern=r"^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$")
    work_folder: str = Field(default="/data/closet", pattern=r"^/")
    python: str | None = Field(default=None, min_length=1)
    slots: int = Field(default=1, ge=1, le=64)
    tags: list[str] = Field(default_factory=list)
    limits: LimitsFile = Field(default_factory=LimitsFile)
    recovery: RecoveryFile | None = None


class ShelfFile(BaseModel):
    """Devices by name, and beside them `emulated: N`."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, DeviceFile]
    emulated: int = Field(default=0, ge=0, le=256)


class FleetFile(_Strict):
    """The shelf: its devices, where what several runs share is kept, and what keeps the devices in order."""

    devices: ShelfFile
    shelf: ShelfAddress | None = None
    limits: LimitsFile = Field(default_factory=LimitsFile)
    canary_every_h: float = Field(default=24.0, gt=0, allow_inf_nan=False)
    burn_in: BurnInFile = Field(default_factory=BurnInFile)
