"""The nouns of the closet as frozen values: routes, segments, devices, jobs, plans, leases. No numpy, no I/O."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TypeAlias

from harness.domain.checks import (
    ENGAGEMENT_STATES,
    EVENT_CLASSES,
    EVENT_TYPES,
    Check,
    EventRules,
    NoiseRule,
    Tolerance,
)

__all__ = [
    "ENGAGEMENT_STATES",
    "EVENT_CLASSES",
    "EVENT_TYPES",
    "Blob",
    "Check",
    "Device",
    "DeviceKind",
    "EventRules",
    "Health",
    "Json",
    "Lease",
    "NamedBlob",
    "NoiseRule",
    "Plan",
    "Priority",
    "QuarantineEntry",
    "ReplayJob",
    "Route",
    "RuntimeChoice",
    "SegmentId",
    "Task",
    "Tolerance",
    "Trial",
    "Want",
    "canonical_json",
    "json_digest",
]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def canonical_json(value: object) -> str:
    """One text for one value: keys sorted, no spaces, no NaN. The only form that is ever hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def json_digest(value: object) -> str:
    """sha256 of the canonical JSON of `value`, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """A drive from ignition on to off. Shown as `dongle/log_id`."""

    dongle_id: str
    log_id: str

    def __str__(self) -> str:
        return f"{self.dongle_id}/{self.log_id}"


@dataclass(frozen=True, slots=True, order=True)
class SegmentId:
    """One minute of a route. Shown as `dongle/log_id/n`; `folder_name` is its name on disk."""

    route: Route
    number: int

    def __str__(self) -> str:
        return f"{self.route}/{self.number}"

    @property
    def folder_name(self) -> str:
        """A name that is safe as one path component: `dongle_log_id--n`."""
        return f"{self.route.dongle_id}_{self.route.log_id}--{self.number}"


class DeviceKind(StrEnum):
    """What the hardware is. Traces of one kind are never compared with those of another."""

    TICI = "tici"
    TIZI = "tizi"
    MICI = "mici"
    EMULATED = "emulated"


@dataclass(frozen=True, slots=True)
class Device:
    """A machine reached over SSH. `host_key` is the pinned public key as `type base64`; paths are on the device.

    An empty `python` is that of the provisioned environment below `work_folder`, without which nothing runs there.
    """

    name: str
    kind: DeviceKind
    address: str
    port: int
    user: str
    key_path: str
    host_key: str
    work_folder: str
    python: str
    slots: int = 1
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Blob:
    """Bytes known by their digest."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, order=True)
class NamedBlob:
    """A file of a job: the name the replayer knows it by (`rlog.zst`, `driving_vision.onnx`) and its bytes."""

    name: str
    blob: Blob


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """What models are to be executed by on a kind of device, where that is not left to the harness.

    `provider` is onnxruntime's name of an execution provider, `threads` how many one call of a model may use.
    """

    provider: str = "CPUExecutionProvider"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class ReplayJob:
    """One replayer over one segment with one model on one kind of device.

    `options` is canonical JSON text of a mapping. `runtime` names what executes the model (library versions,
    instruction set), as far as it is known when planning. Equal inputs mean an equal `id`, and an equal job is never
    run twice.
    """

    replayer: str
    replayer_version: str
    segment: SegmentId
    recording: tuple[NamedBlob, ...]
    model: tuple[NamedBlob, ...]
    options: str
    device_kind: DeviceKind
    runtime: str

    @property
    def id(self) -> str:
        """sha256 over every input of the replay."""
        return json_digest(
            {
                "replayer": self.replayer,
                "replayer_version": self.replayer_version,
                "segment": str(self.segment),
                "recording": {entry.name: entry.blob.sha256 for entry in self.recording},
                "model": {entry.name: entry.blob.sha256 for entry in self.model},
                "options": self.options,
                "device_kind": self.device_kind.value,
                "runtime": self.runtime,
            }
        )

    @property
    def model_digest(self) -> str:
        """One digest for all files of the model."""
        return json_digest({entry.name: entry.blob.sha256 for entry in self.model})


@dataclass(frozen=True, slots=True)
class Task:
    """What one device slot does in one go: jobs over the same segment that share its decoded pictures."""

    jobs: tuple[ReplayJob, ...]
    tags: tuple[str, ...]
    cost_s: float
    deadline_s: float

    @property
    def id(self) -> str:
        """Digest of the jobs' ids."""
        return json_digest([job.id for job in self.jobs])

    @property
    def device_kind(self) -> DeviceKind:
        """The kind of device that may run it."""
        return self.jobs[0].device_kind

    @property
    def blobs(self) -> Mapping[str, Blob]:
        """Every file the task needs on the device, by digest."""
        return {entry.blob.sha256: entry.blob for job in self.jobs for entry in (*job.recording, *job.model)}


@dataclass(frozen=True, slots=True)
class Trial:
    """One planned judgement: the candidate's job held against the baseline's.

    Exactly one of `baseline_job` (replay it too) and `baseline_trace` (digest of an approved trace) is set, or
    neither when no baseline is approved: then the trial ends in ERROR, and says so. `also_accepted` are the digests of
    other approved traces: the candidate may be like any of them.
    """

    segment: SegmentId
    replayer: str
    device_kind: DeviceKind
    candidate: ReplayJob
    baseline_job: ReplayJob | None = None
    baseline_trace: str = ""
    also_accepted: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`dongle/log_id/n · replayer · kind`: unique within a plan."""
        return f"{self.segment} · {self.replayer} · {self.device_kind}"

    @property
    def jobs(self) -> tuple[ReplayJob, ...]:
        """The jobs it waits for: the candidate's, and the baseline's where it is replayed."""
        return (self.candidate,) if self.baseline_job is None else (self.candidate, self.baseline_job)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run will do: trials in report order, and the tasks that produce their traces, longest first."""

    suite: str
    trials: tuple[Trial, ...]
    tasks: tuple[Task, ...]

    @property
    def jobs(self) -> dict[str, ReplayJob]:
        """Every job of the plan by id."""
        return {job.id: job for trial in self.trials for job in trial.jobs}


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """Checks that may go wrong for a while without closing the gate, and who sees to it that the while ends.

    `route` is a selector as people type it, or a shell pattern over the names of segments. Kinds: all when empty;
    `replayers` and `checks` are shell patterns. It holds until the end of the day `expires` (UTC). `where` is its line.
    """

    route: str
    owner: str
    issue: str
    reason: str
    expires: datetime.date
    device_kinds: tuple[DeviceKind, ...] = ()
    replayers: tuple[str, ...] = ("*",)
    checks: tuple[str, ...] = ("*",)
    where: str = ""

    def days_left(self, today: datetime.date) -> int:
        """Days it still holds after today; negative when it has expired."""
        return (self.expires - today).days


class Priority(IntEnum):
    """Who is served first where several runs share a shelf: somebody waits for PROMPT runs (a person, a gate)."""

    NIGHTLY = 0
    PROMPT = 1


class Health(StrEnum):
    """What is known of a device. Only a healthy one is given jobs; one that is unknown or suspect runs its canary."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    SUSPECT = "suspect"
    QUARANTINED = "quarantined"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, order=True)
class Want:
    """How many slots of which devices a run could use right now."""

    device_kind: DeviceKind
    tags: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to use one device slot for one task.

    `epoch` only grows, a slot each; a stale one is refused by the device. `renew_by_s` and `hard_end_s` are seconds of
    the shelf's clock. `task_id` is empty until the holder has chosen what to run under it.
    """

    device: str
    slot: int
    epoch: int
    holder: str
    task_id: str
    renew_by_s: float
    hard_end_s: float
