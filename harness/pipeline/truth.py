"""Segments measured against what the car really did: recalled where known, else worked out on all cores and kept.

Known by digest: the truth by the log it was made from, values by trace and truth. A segment whose log has no frames or
cannot be read has an error of its own; the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.compare.metrics import METRICS_VERSION, SegmentMetrics, decode_metrics
from harness.domain import Check, json_digest
from harness.errors import DataError, ErrorDescription
from harness.pipeline.measurement import Errand, Findings, run_errand
from harness.replay.driven import DRIVEN_VERSION
from harness.store import Store

_FEW = 4  # so many segments are measured sooner than other processes would have started
_AHEAD = 2  # errands given out a process: more would only hold memory
# Every process works on one segment; linear algebra in threads would have them wait for each other.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Measure:
    """A segment that is to be measured: digests of its traces ("" for none), and its log for the truth.

    `log` None measures without a truth. `checks` give the tolerances of the distance between both traces; `tags` are
    what is known of the whole segment from elsewhere ("rain"). `own_metrics` is a file of a person's own metrics,
    `own_sha256` its digest: their values stand in the tables of both traces.
    """

    segment: str
    candidate: str
    baseline: str = ""
    log: Path | None = None
    log_sha256: str = ""
    checks: tuple[Check, ...] = ()
    tags: tuple[str, ...] = ()
    wheel_speed: bool = False
    own_metrics: Path | None = None
    own_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a measure: values of both traces and of the distance between them, or the error."""

    measure: Measure
    candidate: SegmentMetrics | None = None
    baseline: SegmentMetrics | None = None
    pair: SegmentMetrics | None = None
    truth_sha256: str = ""
    error: ErrorDescription | None = None


def measure_segments(measures: Sequence[Measure], store: Store, *, workers: int | None = None) -> Iterator[Measured]:
    """Each measure's outcome, in the order they are done; `workers` processes, by default one a core."""
    pending = []
    for measure in measures:
        recalled = _recall(measure, store)
        if recalled is None:
            pending.append(measure)
        else:
            yield recalled
    if not pending:
        return
    workers = min(workers or os.cpu_count() or 1, len(pending))
    with tempfile.TemporaryDirectory(prefix="closet-truth-") as name:
        if workers == 1 or len(pending) <= _FEW:
            for number, measure in enumerate(pending):
                errand = _errand(measure, store, Path(name) / f"{number}.trace")
                yield _keep(measure, errand, run_errand(errand), store)
        else:
            yield from _in_processes(pending, store, Path(name), workers)


def truth_of(measure: Measure, store: Store) -> str:
    """Digest of the truth of a measure's log; "" where it is not known yet, or there is no log."""
    found = store.find_trace(_truth_key(measure)) if measure.log is not None else None
    return found.sha256 if found else ""


def _in_processes(pending: Sequence[Measure], store: Store, folder: Path, workers: int) -> Iterator[Measured]:
    """A bounded number of errands at a time, so that no more than that is ever in memory."""
    running: dict[Future[Findings], tuple[Measure, Errand]] = {}
    left = iter(enumerate(pending))
    with processes(workers) as pool:
        try:
            while True:
                while len(running) < workers * _AHEAD and (entry := next(left, None)) is not None:
                    number, measure = entry
                    errand = _errand(measure, store, folder / f"{number}.trace")
                    running[pool.submit(run_errand, errand)] = measure, errand
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    measure, errand = running.pop(future)
                    yield _keep(measure, errand, future.result(), store)
        finally:
            for future in running:
                future.cancel()


@contextmanager
def processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that share nothing with this one, which may have threads and open connections."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            # Read by each process when it starts, and by nothing in this one any more.
            os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
            yield pool
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _recall(measure: Measure, store: Store) -> Measured | None:
    """The outcome, when all of it is known."""
    truth = truth_of(measure, store)
    if measure.log is not None and not truth:
        return None
    keys = _keys(measure, truth)
    candidate, baseline, pair = told = [_known(key, store) for key in keys]
    if any(key is not None and values is None for key, values in zip(keys, told, strict=True)):
        return None
    return Measured(measure, candidate, baseline, pair, truth)


def _known(key: str | None, store: Store) -> SegmentMetrics | None:
    """Values kept earlier, if they are still readable by this program."""
    content = store.find_metrics(key) if key is not None else None
    try:
        return None if content is None else decode_metrics(content)
    except DataError:
        return None


def _errand(measure: Measure, store: Store, new_truth: Path) -> Errand:
    """What of a measure is left to do."""
    truth = truth_of(measure, store)
    own = _keys(measure, truth)[:2] if truth or measure.log is None else (None, None)
    known = [_known(key, store) is not None for key in own]
    candidate, baseline = (store.path(digest) if digest else None for digest in (measure.candidate, measure.baseline))
    return Errand(
        measure.segment,
        None if truth else measure.log,
        store.path(truth) if truth else (new_truth if measure.log is not None else None),
        (None if known[0] else candidate, None if known[1] else baseline),
        (candidate, baseline) if candidate is not None and baseline is not None else None,
        measure.checks,
        measure.tags,
        measure.wheel_speed,
        measure.own_metrics,
    )


def _keep(measure: Measure, errand: Errand, findings: Findings, store: Store) -> Measured:
    """Put what was found into the store and make the outcome of it and of what was known."""
    if findings.error is not None:
        return Measured(measure, error=findings.error)
    truth = truth_of(measure, store)
    if errand.log is not None and errand.truth is not None:
        truth = store.put_file(errand.truth).sha256
        errand.truth.unlink()
        store.remember_trace(_truth_key(measure), truth, {"segment": measure.segment})
    keys = _keys(measure, truth)
    for key, content in zip(keys, findings.values, strict=True):
        if key is not None and content is not None:
            store.remember_metrics(key, content)
    candidate, baseline, pair = (_known(key, store) for key in keys)
    return Measured(measure, candidate, baseline, pair, truth)


def _truth_key(measure: Measure) -> str:
    return json_digest(
        {
            "driven": DRIVEN_VERSION,
            "log": measure.log_sha256,
            "segment": measure.segment,
            "tags": sorted(set(measure.tags)),
            "wheel_speed": measure.wheel_speed,
        }
    )


def _keys(measure: Measure, truth: str) -> tuple[str | None, str | None, str | None]:
    """Under which the values of candidate, baseline and pair are kept; None for what is not asked for."""
    made_of = {"metrics": METRICS_VERSION, "truth": truth}
    own = [
        json_digest({**made_of, "trace": digest, "own": measure.own_sha256}) if digest else None
        for digest in (measure.candidate, measure.baseline)
    ]
    pair = None
    if measure.candidate and measure.baseline:
        checks = [asdict(check) for check in measure.checks]
        pair = json_digest({**made_of, "candidate": measure.candidate, "baseline": measure.baseline, "checks": checks})
    return own[0], own[1], pair
