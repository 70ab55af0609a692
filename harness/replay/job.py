"""The job a worker is given, as JOB.json, and the answer it leaves, as result.json."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from harness.domain import Json, RuntimeChoice, canonical_json
from harness.errors import ClosetError, ConfigError, DataError
from harness.files import file_sha256
from harness.trace import Trace, write_trace

FORMAT = 1
RESULT_NAME = "result.json"

MOST_THREADS = 256
_PROGRESS_EVERY_S = 0.25
_KEYS = {"format", "segment", "replayer", "options", "recording", "replays", "output_folder", "cache_folder", "runtime"}
_REPLAY_KEYS = {"job", "model", "provenance"}

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the stage, frames done and frames in all, as often as one likes."""


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """One trace to make: the job's id, the model's files by name, and what is known of where they come from."""

    job: str
    model: Mapping[str, Path]
    provenance: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Job:
    """Replays of one segment that share its pictures. `recording` maps names such as `rlog.zst` to files."""

    segment: str
    replayer: str
    options: Mapping[str, Json]
    recording: Mapping[str, Path]
    replays: tuple[ReplayRequest, ...]
    output_folder: Path
    cache_folder: Path | None
    runtime: RuntimeChoice = RuntimeChoice()  # noqa: RUF009 frozen, and what is usual

    def file(self, stem: str) -> tuple[str, Path] | None:
        """Name and path of a recording file by its stem, None when the job has none."""
        return next(((name, path) for name, path in self.recording.items() if name.split(".")[0] == stem), None)

    def needed(self, stem: str) -> tuple[str, Path]:
        """Name and path of a recording file; DataError when the job has none."""
        found = self.file(stem)
        if found is None:
            listed = ", ".join(sorted(self.recording)) or "nothing"
            raise DataError(
                f"the recording has no {stem}, only {listed}",
                where=self.segment,
                remedy=f"fetch the segment's {stem}, or leave the segment out",
            )
        return found


@dataclass(slots=True)
class Outcome:
    """What became of one replay: a trace or an error, and what it cost."""

    trace: Trace | None = None
    error: ClosetError | None = None
    measurements: dict[str, float] = field(default_factory=dict)


def load_job(path: Path) -> Job:
    """Read JOB.json; ConfigError with every mistake in it. Its paths are relative to its folder."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"not a job: {error}", where=str(path), remedy="python -m harness.replay --help shows one"
        ) from error
    mistakes: list[str] = []
    if not isinstance(value, dict):
        mistakes.append("it must be a mapping")
        value = {}
    mistakes += [f"unknown key {key!r}" for key in sorted(set(value) - _KEYS)]
    if value.get("format") != FORMAT:
        mistakes.append(f"format must be {FORMAT}, not {value.get('format')!r}")
    for key, kind, name in (
        ("segment", str, "text"),
        ("replayer", str, "text"),
        ("recording", dict, "a mapping"),
        ("replays", list, "a list"),
        ("output_folder", str, "text"),
    ):
        if not isinstance(value.get(key), kind):
            mistakes.append(f"{key} must be {name}")
    if not isinstance(value.get("options", {}), dict):
        mistakes.append("options must be a mapping")
    if not isinstance(value.get("cache_folder"), str | None):
        mistakes.append("cache_folder must be text or null")
    folder = path.resolve().parent
    recording = _paths(value.get("recording"), folder, "recording", mistakes)
    replays = _replays(value.get("replays"), folder, mistakes)
    runtime = _runtime(value.get("runtime"), mistakes)
    if mistakes:
        raise ConfigError("; ".join(mistakes), where=str(path), remedy="python -m harness.replay --help shows a job")
    cache = value.get("cache_folder")
    return Job(
        value["segment"],
        value["replayer"],
        value.get("options", {}),
        recording,
        replays,
        folder / value["output_folder"],
        folder / cache if cache else None,
        runtime,
    )


def _runtime(value: Any, mistakes: list[str]) -> RuntimeChoice:
    usual = RuntimeChoice()
    given = {} if value is None else value
    if not isinstance(given, dict) or set(given) - {"provider", "threads"}:
        mistakes.append("runtime must be a mapping of provider and threads")
        return usual
    provider, threads = given.get("provider", usual.provider), given.get("threads", usual.threads)
    if not isinstance(provider, str) or not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
        mistakes.append(f"runtime: provider must be text, threads a whole number up to {MOST_THREADS}")
        return usual
    return RuntimeChoice(provider, threads)


def _replays(value: Any, folder: Path, mistakes: list[str]) -> tuple[ReplayRequest, ...]:
    requests: dict[str, ReplayRequest] = {}
    for i, entry in enumerate(value if isinstance(value, list) else []):
        name = f"replays[{i}]"
        if not isinstance(entry, dict) or set(entry) - _REPLAY_KEYS:
            mistakes.append(f"{name} must be a mapping of {', '.join(sorted(_REPLAY_KEYS))}")
            continue
        job, provenance = entry.get("job"), entry.get("provenance", {})
        # The id becomes a file's name, so it may not lead anywhere.
        if (
            not isinstance(job, str)
            or not job
            or not job.replace("-", "").replace("_", "").isalnum()
            or job in requests
        ):
            mistakes.append(f"{name}.job must be an id of its own of letters and digits, not {job!r}")
            continue
        if not isinstance(provenance, dict):
            mistakes.append(f"{name}.provenance must be a mapping")
            continue
        requests[job] = ReplayRequest(job, _paths(entry.get("model"), folder, f"{name}.model", mistakes), provenance)
    if isinstance(value, list) and not value:
        mistakes.append("replays is empty")
    return tuple(requests.values())


def _paths(value: Any, folder: Path, name: str, mistakes: list[str]) -> dict[str, Path]:
    if not isinstance(value, dict) or not all(isinstance(path, str) for path in value.values()):
        mistakes.append(f"{name} must map names to paths")
        return {}
    paths = {str(key): folder / path for key, path in value.items()}
    mistakes += [f"{name}: {key} is not there: {path}" for key, path in paths.items() if not path.is_file()]
    return paths


def write_outcome(folder: Path, job: str, outcome: Outcome) -> dict[str, Json]:
    """Write the trace, if there is one; the entry of this job in result.json."""
    entry: dict[str, Json] = {"trace_sha256": None, "trace_bytes": 0, "error": None}
    if outcome.trace is not None:
        path = folder / f"{job}.trace"
        write_trace(path, outcome.trace)
        entry |= {"trace_sha256": file_sha256(path), "trace_bytes": path.stat().st_size}
    if outcome.error is not None:
        entry["error"] = {name: str(text) for name, text in asdict(outcome.error.describe()).items()}
    return entry | {"measurements": {name: round(value, 6) for name, value in outcome.measurements.items()}}


class ProgressLines:
    """Progress as JSON lines through `write`, at most about four a second; the last frame is always told."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._last_s = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Tell where the work is."""
        now_s = time.monotonic()
        if now_s - self._last_s >= _PROGRESS_EVERY_S or done == total:
            self._last_s = now_s
            self._write(canonical_json({"frames_done": done, "frames_total": total, "stage": stage}))
