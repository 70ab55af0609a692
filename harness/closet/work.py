"""What the pool is asked to do, what came of it, and what it tells while it is at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from harness.domain import Blob, DeviceKind, Health, Json
from harness.errors import ErrorDescription
from harness.verdict import Attempt


@dataclass(frozen=True, slots=True)
class Work:
    """One argument list to run on one slot of a device, with the blobs it reads.

    On the device: `blobs/<sha256>`, `code/<sha256>/` (the unpacked `code` tar), `cache/`, and for each try
    `jobs/<id[:16]>-<slot>-<epoch>/` with `job.json` (= `job_text`) and `out/`. The command is
    `[device.python, *arguments]` in that last folder with PYTHONPATH on the code, so `job_text` refers to
    `../../blobs/<sha256>` and `out`.

    `deadline_s` bounds the command, all tries together. `cost_s` is how long it is expected to take; `history_key` is
    what tries like it are remembered under, so that the next one is known better. `threads` is how many the command may
    use, as many as its share of the device when 0. `only_devices` (empty: any) and
    `not_devices` are names. `canary`: nobody waits for what it makes, it is run to see whether the device is well.
    """

    id: str
    device_kind: DeviceKind
    tags: tuple[str, ...]
    blobs: tuple[Blob, ...]
    job_text: str
    arguments: tuple[str, ...]
    code: Blob
    cost_s: float
    deadline_s: float
    only_devices: tuple[str, ...] = ()
    not_devices: tuple[str, ...] = ()
    history_key: str = ""
    canary: bool = False
    threads: int = 0


@dataclass(frozen=True, slots=True)
class WorkOutcome:
    """How one work ended. `files` is what it left in `out/`, copied here and checked by digest.

    `error` is None when the command ran to its end on a device, and the pool's judge found nothing in its files that
    another device may do better. Every try is in `attempts`, the successful one last; `files` are of the last one also
    when it failed by what the judge found.
    """

    work_id: str
    files: Mapping[str, Path]
    error: ErrorDescription | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a device says of itself when the agent starts there. `onroad`: why it takes no jobs now, empty if parked.

    Of its free bytes, `for_drives_bytes` stay free for its drives.
    """

    device: str
    python: str
    machine: str
    cpus: int
    free_bytes: int
    packages: Mapping[str, str]
    epochs: tuple[int, ...]
    blobs: frozenset[str]
    onroad: str = ""
    for_drives_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DeviceConnected:
    """A device answered and can take jobs."""

    device: str
    facts: DeviceFacts


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A device could not be reached or went away. `returns`: it will be tried again in this run."""

    device: str
    error: ErrorDescription
    returns: bool = False


@dataclass(frozen=True, slots=True)
class StagingProgress:
    """Bytes of a work's files that are on their way; `total_bytes` counts only what was missing on the device."""

    work_id: str
    device: str
    sent_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The command runs."""

    work_id: str
    device: str
    slot: int
    epoch: int


@dataclass(frozen=True, slots=True)
class JobProgress:
    """One JSON line that the command printed."""

    work_id: str
    device: str
    progress: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobFinished:
    """One try ended; `error` says how when not well."""

    work_id: str
    device: str
    error: ErrorDescription | None


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """What this run found out about a device: suspect, or quarantined and why."""

    device: str
    state: Health
    reason: str


@dataclass(frozen=True, slots=True)
class ShelfSilent:
    """The shelf's database has not answered for `silent_s`; unless it does, the run ends in `left_s`."""

    address: str
    silent_s: float
    left_s: float


@dataclass(frozen=True, slots=True)
class ShelfAnswers:
    """It answers again, after `silent_s`."""

    address: str
    silent_s: float


PoolEvent: TypeAlias = (
    DeviceConnected
    | DeviceLost
    | StagingProgress
    | JobStarted
    | JobProgress
    | JobFinished
    | HealthChanged
    | ShelfSilent
    | ShelfAnswers
)
