"""Metrics of a person's own: Python functions in a given file, run in a process of their own, never imported here.

    from closet import metric

    @metric(unit="m", direction="lower", aggregation="mean", practical_size=0.05, words="how far left the plan starts")
    def left_of_path(trace, truth):
        return np.maximum(-trace["position.y"][:, 10], 0.0)     # one value a frame, NaN where there is none

`trace` and `truth` map channel names to arrays over the frames both have (`truth` is empty without a log). A function
returns one value a frame. `aggregation` is mean, rms, max, min, sum or median, over the frames of each condition;
`direction` is lower, higher or none. The process has a deadline, limited memory and may answer only so much; what it
prints is nobody's. A file that raises, dies or answers nonsense is an error that names the function and the line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.compare.metrics import METRICS, Direction, Metric, SegmentMetrics
from harness.compare.metrics.conditions import condition_masks
from harness.compare.metrics.view import View, view
from harness.errors import ConfigError, DataError
from harness.pipeline import user_metrics_child as child
from harness.trace import Trace

WALL_LIMIT_S = 60.0
_CHILD = Path(child.__file__)
_MOST_BYTES = 16 << 20
_SAID_CHARS = 600
_MOST_METRICS = 64
_REMEDY = "it holds functions under @metric(unit=…, direction=…, aggregation=…, practical_size=…) from `closet`"


@dataclass(frozen=True, slots=True)
class UserMetrics:
    """What a file of metrics declares, and its values for each trace that was asked, in order."""

    metrics: tuple[Metric, ...]
    values: tuple[SegmentMetrics, ...]


def declared_metrics(path: Path, *, wall_limit_s: float = WALL_LIMIT_S) -> tuple[Metric, ...]:
    """The metrics of a file, without any trace; ConfigError with what is wrong with it."""
    return run_user_metrics(path, (), wall_limit_s=wall_limit_s).metrics


def run_user_metrics(
    path: Path, traces: Sequence[tuple[Trace, Trace | None]], *, wall_limit_s: float = WALL_LIMIT_S
) -> UserMetrics:
    """Every metric of the file over every (trace, truth), all in one process.

    ConfigError when the file cannot be used, DataError when a function of it fails on a trace.
    """
    seen = [view(trace, truth) for trace, truth in traces]
    with tempfile.TemporaryDirectory(prefix="closet-metrics-") as name:
        folder = Path(name)
        for number, each in enumerate(seen):
            _write(folder / str(number), each)
        answer = _ask(path, folder, len(seen), wall_limit_s)
    metrics = _parse_metrics(path, answer)
    tables = answer.get("tables")
    if not isinstance(tables, list) or len(tables) != len(seen):
        raise _refused(path, f"answered no table for each of {len(seen)} traces")
    return UserMetrics(
        metrics, tuple(_parse_table(path, metrics, each, table) for each, table in zip(seen, tables, strict=True))
    )


def _write(folder: Path, seen: View) -> None:
    """The arrays of one trace: only numbers, one file a channel, as numpy reads them without any of our code."""
    for side, trace, of in (("trace", seen.trace, seen.of_trace), ("truth", seen.truth, seen.of_truth)):
        (folder / side).mkdir(parents=True)
        index = {}
        for number, name in enumerate(sorted(trace.channels) if trace is not None else ()):
            values = of(name)
            if values is not None and values.dtype.kind in "biuf":
                np.save(folder / side / f"{number}.npy", values, allow_pickle=False)
                index[name] = f"{number}.npy"
        (folder / side / "index.json").write_text(json.dumps(index))
    masks = condition_masks(seen)
    np.save(folder / "masks.npy", np.stack(list(masks.values())), allow_pickle=False)


def _ask(path: Path, folder: Path, count: int, wall_limit_s: float) -> Mapping[str, object]:
    answer = folder / "answer.json"
    # What it prints goes to a file of limited size, for pipes would have to be read without end.
    with (folder / "said").open("w+b") as said:
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(_CHILD), str(path.absolute()), str(folder), str(count)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            cwd=folder,
            env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        try:
            code = process.wait(wall_limit_s)
        except subprocess.TimeoutExpired as error:
            raise _refused(path, f"took longer than {wall_limit_s:g} s") from error
        finally:
            _end(process)
        if code:
            raise _failure(path, folder, code)
    try:
        if answer.stat().st_size > _MOST_BYTES:
            raise _refused(path, f"answered more than {_MOST_BYTES >> 20} MB")
        told = json.loads(answer.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(path, "gave no answer") from error
    if not isinstance(told, dict):
        raise _refused(path, "gave no answer")
    return told


def _failure(path: Path, folder: Path, code: int) -> ConfigError | DataError:
    """Why the process ended: the last line it said, or the signal."""
    said = (folder / "said").read_bytes()[-_SAID_CHARS:].decode(errors="replace").strip().splitlines()
    last = said[-1] if said else f"ended with code {code}"
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        last = f"was ended by {name}"
    if code == child.FAILED_ON_TRACE:
        return DataError(f"a metric of your own failed: {last}", where=str(path), remedy=_REMEDY)
    return _refused(path, last)


def _parse_metrics(path: Path, answer: Mapping[str, object]) -> tuple[Metric, ...]:
    listed = answer.get("metrics")
    if not isinstance(listed, list) or not listed:
        raise _refused(path, "declares no metric")
    if len(listed) > _MOST_METRICS:
        raise _refused(path, f"declares {len(listed)} metrics, {_MOST_METRICS} are allowed")
    metrics: list[Metric] = []
    for entry in listed:
        try:
            name = str(entry["name"])
            metric = Metric(
                name,
                str(entry["unit"]),
                Direction(entry["direction"]),
                float(entry["practical_size"]),
                str(entry["words"]),
                path.name,
                "user",
                headline=True,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise _refused(path, f"declares a metric that is none: {error}") from error
        if name in METRICS or name in {other.name for other in metrics}:
            raise _refused(path, f"declares {name}, and there is a metric of that name already")
        if not (np.isfinite(metric.practical_size) and metric.practical_size > 0):
            raise _refused(path, f"declares {name} with a practical size of {metric.practical_size:g}")
        metrics.append(metric)
    return tuple(metrics)


def _parse_table(path: Path, metrics: tuple[Metric, ...], seen: View, table: object) -> SegmentMetrics:
    conditions = tuple(condition_masks(seen))
    try:
        values = np.array(table, np.float64).reshape(len(metrics), len(conditions), 2)
    except (ValueError, TypeError) as error:
        raise _refused(path, f"answered no table of numbers: {error}") from error
    full = np.full((len(metrics), len(conditions), 4), np.nan)
    full[..., :2], full[..., 3] = values, 0.0
    full[..., 1] = np.where(np.isfinite(full[..., 0]), full[..., 1], 0.0)
    return SegmentMetrics(
        seen.trace.segment, seen.trace.replayer, tuple(metric.name for metric in metrics), conditions, full
    )


def _refused(path: Path, problem: str) -> ConfigError:
    return ConfigError(f"the file of metrics {problem}", where=str(path), remedy=_REMEDY)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever is left of it: the session is its own, so nobody else is in the group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.poll()
    process.wait()
