"""What the shelf tells: plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.domain import DeviceKind, Health, Priority, Want

_BY_RUN = re.compile(r"run .+ \([0-9a-f]{12}\)")


def name_of_run(run: str, holder: str) -> str:
    """By what name a run changes a device's health. Two hosts may each have a run `run`: the holder's id has an end."""
    return f"run {run} ({holder.removeprefix(f'{run}-')})"


@dataclass(frozen=True, slots=True)
class HolderState:
    """A run that uses the shelf now. `leases`: slots it has. `renews_in_s` below 0: it missed its renewals."""

    holder: str
    run: str
    suite: str
    priority: Priority
    host: str
    pid: int
    joined: str
    renews_in_s: float
    leases: int
    wants: tuple[Want, ...]


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """What is known of a device. `since` and `by`: when and who changed it last, empty when nobody ever did.

    `canary_at`: Unix time of the last canary it passed, under `runtime` (empty when it is not known).
    """

    device: str
    state: Health = Health.UNKNOWN
    reason: str = ""
    since: str = ""
    by: str = ""
    canary_at: float | None = None
    runtime: str = ""

    @property
    def given_out(self) -> bool:
        """False for a device that gets no job until a person or a recovery hook frees it."""
        return self.state not in {Health.QUARANTINED, Health.DISABLED}

    @property
    def quarantined_by_run(self) -> bool:
        """True for a quarantine that a recovery hook may end: no person put it there."""
        return self.state is Health.QUARANTINED and _BY_RUN.fullmatch(self.by) is not None


@dataclass(frozen=True, slots=True)
class HealthChange:
    """One entry of a device's history. `at` is ISO 8601, UTC."""

    device: str
    state: Health
    reason: str
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class CanaryAnswer:
    """What a canary answers under one runtime: from the first device, until a second one has said the same."""

    answer: str
    device: str
    at: str
    confirmed_by: str


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """One try of one work on one device, as it is remembered."""

    run: str
    device: str
    kind: DeviceKind
    cost_key: str
    started_s: float
    ended_s: float
    error_kind: str
    canary: bool


def iso_time(unix_s: float) -> str:
    """Unix time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
