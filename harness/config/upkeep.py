"""What keeps devices in order, as devices.yaml says it: limits of self-checks, recovery hooks, canaries, burn-in."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from harness.domain import DeviceKind
from harness.redaction import holds_password


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device may measure of itself and still be given jobs. None, and no `os_version`, limit nothing.

    The temperature is where openpilot begins to call a comma 3X overheated; the memory and load are what a replay
    needs to run undisturbed. `leftovers` is how many folders, files and processes of lost jobs are put up with.
    """

    min_free_bytes: int | None = 1_000_000_000
    min_memory_bytes: int | None = 250_000_000
    max_temperature_c: float | None = 88.0
    max_clock_offset_s: float | None = 5.0
    max_load_per_cpu: float | None = 2.0
    os_version: tuple[str, ...] = ()
    leftovers: int | None = 0


# An emulated worker shares its machine with whoever runs it: heat, load and memory there are no fault of the worker.
EMULATED_LIMITS = Limits(min_free_bytes=64 << 20, min_memory_bytes=None, max_temperature_c=None, max_load_per_cpu=None)


@dataclass(frozen=True, slots=True)
class RecoveryHook:
    """A command on this machine that may bring a device back: power-cycle it, re-image it.

    It is an argument list and never goes through a shell. `deadline_s` bounds the command and then, once more, the wait
    for the device to answer. `cool_down_s` lies between two tries, and there are at most `most_a_day`.
    """

    command: tuple[str, ...]
    deadline_s: float = 300.0
    cool_down_s: float = 900.0
    most_a_day: int = 3


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _listed(given: object) -> object:
    return [given] if isinstance(given, str) else given


class LimitsFile(_Strict):
    """Limits: what is said replaces the default, `null` takes a limit away."""

    min_free_bytes: int | None = Field(default=None, ge=0)
    """Free room in the work folder."""
    min_memory_bytes: int | None = Field(default=None, ge=0)
    """Memory that is available."""
    max_temperature_c: float | None = Field(default=None, gt=0, le=150, allow_inf_nan=False)
    """The hottest thermal zone."""
    max_clock_offset_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How far the device's clock may be off this machine's, beyond the time on the way."""
    max_load_per_cpu: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Load of the last minute, a processor."""
    os_version: Annotated[list[Annotated[str, Field(min_length=1)]] | None, BeforeValidator(_listed)] = None
    """What `/VERSION` may say: one, or a list. Not looked at unless it is set."""
    leftovers: int | None = Field(default=None, ge=0)
    """Folders, files and processes of lost jobs that are put up with."""

    def over(self, limits: Limits) -> Limits:
        """`limits` with what is said here instead."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        if "os_version" in said:
            said["os_version"] = tuple(said["os_version"] or ())
        return replace(limits, **said)


class RecoveryFile(_Strict):
    """A recovery hook."""

    command: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    """An argument list, never a shell. It is told the device by `CLOSET_DEVICE` and `CLOSET_ADDRESS`."""
    deadline_s: float = Field(default=300.0, gt=0, le=86_400, allow_inf_nan=False)
    """How long it may take, and then, once more, how long the device may take to answer."""
    cool_down_s: float = Field(default=900.0, ge=0, allow_inf_nan=False)
    """How long lies between two tries."""
    most_a_day: int = Field(default=3, ge=1, le=1000)
    """How often a day."""

    def hook(self) -> RecoveryHook:
        """It as a plain value."""
        return RecoveryHook(tuple(self.command), self.deadline_s, self.cool_down_s, self.most_a_day)


class BurnInFile(_Strict):
    """What a burn-in does when the command line does not say it."""

    hours: float = Field(default=12.0, gt=0, allow_inf_nan=False)
    """How long it goes on."""
    pause_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What lies between two canaries."""


def _without_password(address: str) -> str:
    if holds_password(address):
        raise ValueError("a password does not belong in a file: use PGPASSFILE, or set CLOSET_SHELF")
    return address


ShelfAddress = Annotated[str, Field(min_length=1), AfterValidator(_without_password)]


def default_limits(kind: DeviceKind) -> Limits:
    """The limits of a kind of device for which devices.yaml says nothing."""
    return EMULATED_LIMITS if kind is DeviceKind.EMULATED else Limits()


assert {field.name for field in fields(Limits)} == set(LimitsFile.model_fields)  # noqa: S101 one says the other
