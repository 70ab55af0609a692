"""Whose fault it is. Each error carries its exit code and whether another device may try again.

Every error says what is wrong, where, and what to do about it; `describe` and `from_description` carry one
across a process boundary as a plain value, so that the first specific cause is never lost on the way.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process tells its caller. Where several hold, `worst` picks in the order 4, 2, 1, 3, 5."""

    GATE_OPEN = 0
    """The gate is open: everything that was planned was judged, and nothing closes it."""
    REGRESSION = 1
    """A regression: a job FAILs, or a claim was judged and is not so."""
    USAGE = 2
    """Usage or configuration: nothing was started."""
    NO_VERDICT = 3
    """No verdict: a planned job, or a claim that blocks, could not be judged."""
    HARNESS_BUG = 4
    """A bug of the harness."""
    NOTHING_TO_RUN = 5
    """Nothing to run: nothing was selected, or all of it is quarantined."""

    @staticmethod
    def worst(codes: list[ExitCode]) -> ExitCode:
        """The one to exit with when several hold: a found regression never hides behind a lab error."""
        for code in (
            ExitCode.HARNESS_BUG,
            ExitCode.USAGE,
            ExitCode.REGRESSION,
            ExitCode.NO_VERDICT,
            ExitCode.NOTHING_TO_RUN,
        ):
            if code in codes:
                return code
        return ExitCode.GATE_OPEN


@dataclass(frozen=True, slots=True)
class ErrorDescription:
    """An error as a plain value: `kind` is the name of its class. `dataclasses.asdict` makes it JSON."""

    kind: str
    problem: str
    where: str = ""
    remedy: str = ""


class ClosetError(Exception):
    """Base of all errors we raise on purpose: `problem`, `where` it is (file, place) and the `remedy`."""

    exit_code: ClassVar[ExitCode] = ExitCode.HARNESS_BUG
    retry_elsewhere: ClassVar[bool] = False

    def __init__(self, problem: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(problem, where, remedy)
        self.problem = problem
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f" ({self.remedy})" if self.remedy else ""
        return f"{place}{self.problem}{remedy}"

    def describe(self) -> ErrorDescription:
        """This error as a plain value, to be stored or sent."""
        return ErrorDescription(type(self).__name__, self.problem, self.where, self.remedy)


class ConfigError(ClosetError):
    """The person's configuration or command line: the run does not start."""

    exit_code = ExitCode.USAGE


class ConfigMistakesError(ConfigError):
    """Every mistake of a configuration at once, in file order."""

    def __init__(self, errors: tuple[ConfigError, ...]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors

    def describe(self) -> ErrorDescription:
        """One plain ConfigError that says them all: that is what it comes back as."""
        return ErrorDescription(ConfigError.__name__, self.problem)


class DataError(ClosetError):
    """A recording, model or baseline that cannot be used: ERROR for that job, no retry."""

    exit_code = ExitCode.NO_VERDICT


_REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE, errno.ENFILE})


def refused_here(error: OSError) -> DataError | None:
    """What to say when this machine refused a file operation: a full disk, a folder that may not be written.

    None for any other error of the system: that one is a bug of ours.
    """
    if error.errno not in _REFUSALS:
        return None
    return DataError(
        f"this machine refused: {error.strerror or error}",
        where=str(error.filename or ""),
        remedy="make room or mend the permissions, then closet resume RUN",
    )


class DeviceError(ClosetError):
    """A device or the way to it failed: ERROR after the retries, another device may try."""

    exit_code = ExitCode.NO_VERDICT
    retry_elsewhere = True


class UnreachableError(DeviceError):
    """No connection, or it broke: power cut, network, refused key."""


class HostKeyError(DeviceError):
    """The device did not show the pinned host key. Another device may do the job; this one must be looked at."""


class StagingFailedError(DeviceError):
    """Files could not be brought to the device: disk full, digest mismatch on arrival."""


class LeaseLostError(DeviceError):
    """The right to use the device ended before the job did."""


class DeviceTimeoutError(DeviceError):
    """The job, or the device, did not answer within its deadline."""


class DeviceUnhealthyError(DeviceError):
    """The device cannot run jobs as it is: no Python, missing packages, no room."""


class OnroadError(DeviceUnhealthyError):
    """The car that the device is in is on: the device belongs to its driver until it is parked."""


class ProductCrashError(ClosetError):
    """The software on trial crashed or raised. Tried on a second device to tell product from device."""

    exit_code = ExitCode.REGRESSION
    retry_elsewhere = True


class NothingToRunError(ClosetError):
    """Nothing was selected. Never green."""

    exit_code = ExitCode.NOTHING_TO_RUN


_BY_NAME: dict[str, type[ClosetError]] = {
    kind.__name__: kind
    for kind in (
        ConfigError,
        DataError,
        DeviceError,
        UnreachableError,
        HostKeyError,
        StagingFailedError,
        LeaseLostError,
        DeviceTimeoutError,
        DeviceUnhealthyError,
        OnroadError,
        ProductCrashError,
        NothingToRunError,
    )
}


def from_description(description: ErrorDescription) -> ClosetError:
    """The error that `describe` described; an unknown kind becomes a plain ClosetError, a bug of ours."""
    kind = _BY_NAME.get(description.kind, ClosetError)
    return kind(description.problem, where=description.where, remedy=description.remedy)
