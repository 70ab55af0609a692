"""Tasks as works for devices: what is run there, with which files, and how long that will take."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence

from harness.closet.work import Work
from harness.domain import Blob, Json, ReplayJob, RuntimeChoice, Task, canonical_json, json_digest
from harness.replay.job import FORMAT as JOB_FORMAT
from harness.replay.models import FEATURES_TRACE


def history_key(task: Task) -> str:
    """What the cost of tasks like it is remembered under: the models on trial change, the work they are does not."""
    first = task.jobs[0]
    follows = " on given features" if any(entry.name == FEATURES_TRACE for entry in first.model) else ""
    return f"{first.segment} {first.replayer} {first.device_kind} x{len(task.jobs)}{follows}"


def expected_s(tasks: Sequence[Task], costs: Mapping[str, float]) -> list[float]:
    """How long each will take: what tasks like it took, else the plan's guess in the measure of those."""
    known = [costs[history_key(task)] / task.cost_s for task in tasks if history_key(task) in costs and task.cost_s]
    scale = statistics.median(known) if known else 1.0
    return [costs.get(history_key(task), task.cost_s * scale) for task in tasks]


def make_work(task: Task, code: Blob, label: str, *, anew: bool, runtime: RuntimeChoice | None) -> Work:
    """The argument list and the job file for one task, with paths as they are on every device."""
    first = task.jobs[0]
    job: dict[str, Json] = {
        "format": JOB_FORMAT,
        "segment": str(first.segment),
        "replayer": first.replayer,
        "options": json.loads(first.options),
        "recording": {entry.name: _on_device(entry.blob) for entry in first.recording},
        "replays": [
            {
                "job": entry.id,
                "model": {named.name: _on_device(named.blob) for named in entry.model},
                "provenance": _provenance(entry),
            }
            for entry in task.jobs
        ],
        "output_folder": "out",
        # A repeat that recalled what the device once made of the pictures would repeat that, right or wrong.
        "cache_folder": None if anew else "../../cache",
    }
    if runtime is not None:
        job["runtime"] = {"provider": runtime.provider, "threads": runtime.threads}
    return Work(
        id=json_digest([task.id, label]) if label else task.id,
        device_kind=task.device_kind,
        tags=task.tags,
        blobs=tuple(sorted(task.blobs.values())),
        job_text=canonical_json(job),
        arguments=("-m", "harness.replay", "job.json"),
        code=code,
        cost_s=task.cost_s,
        deadline_s=task.deadline_s,
        history_key=history_key(task),
    )


def _on_device(blob: Blob) -> str:
    return f"../../blobs/{blob.sha256}"


def _provenance(job: ReplayJob) -> dict[str, Json]:
    return {
        "job": job.id,
        "device_kind": job.device_kind.value,
        "replayer_version": job.replayer_version,
        "options": job.options,
        "recording": {entry.name: entry.blob.sha256 for entry in job.recording},
        "model": {entry.name: entry.blob.sha256 for entry in job.model},
    }
