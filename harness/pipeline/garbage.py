"""Room on the orchestrator: which blobs and runs nobody needs any more, and letting go of them, oldest first.

Needed are: traces that are accepted as baseline on any branch, and those they replaced last; what a recent run names;
the newest evidence of each quarantined trial, and the run that holds it. What was used within the last day stays as
well: another run may be about to name it. Everything else may go, and goes only as far as the budget asks: first
what emulated workers keep of what they were sent, which is only copies. What a killed program left half done goes in
any case.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ClosetError
from harness.pipeline.emulated import EMULATED
from harness.pipeline.runs import LOCK, RECORD, load_run, run_order
from harness.store import MAIN, Store, sweep_halves
from harness.verdict import JobResult, RunRecord, Verdict

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept at least, and how much at most: `runs` newest runs, `used_within_s` of any use, `budget_bytes`."""

    budget_bytes: int
    runs: int = 30
    replaced: int = 1
    used_within_s: float = _DAY_S


@dataclass(frozen=True, slots=True)
class Garbage:
    """What went, or would go. `kept_bytes` is what is left; more than the budget when all of it is needed.

    `halves`: files and folders that a killed program left half done. `caches`: runs' emulated workers that let go of
    their copies.
    """

    blobs: int
    runs: int
    freed_bytes: int
    kept_bytes: int
    budget_bytes: int
    halves: int = 0
    caches: int = 0

    @property
    def over_budget(self) -> bool:
        """What is needed alone is more than the budget."""
        return self.kept_bytes > self.budget_bytes


@dataclass(frozen=True, slots=True)
class _Piece:
    """Something that may go: a run's folder or a blob, last used at `used_s`."""

    used_s: float
    path: Path
    size_bytes: int


def collect_garbage(store: Store, keep: Keep, *, dry_run: bool = False, now_s: float | None = None) -> Garbage:
    """Let go of what nobody needs until the budget is kept: runs beyond the newest, and blobs; longest unused first.

    Two of these at once do no harm; a run that is being written stays. With `dry_run` nothing is touched.
    """
    now_s = time.time() if now_s is None else now_s
    halves = 0 if dry_run else sum(sweep_halves(store.home / name, now_s) for name in ("store", "runs"))
    folders = _runs(store.home)
    recent, older = folders[: keep.runs], folders[keep.runs :]
    needed, evidence = _needed(store, folders, recent, keep)
    blobs = [_Piece(used_s, path, size) for path, size, used_s in _blobs(store.blobs.folder)]
    runs = {folder: _folder_bytes(folder) for folder in folders}
    caches = {folder: _cached_bytes(folder) for folder in (store.home / EMULATED).glob("*") if folder.is_dir()}
    total = sum(piece.size_bytes for piece in blobs) + sum(runs.values()) + sum(caches.values())
    pieces = [
        _Piece(used_s, folder, runs[folder])
        for folder in older
        if folder not in evidence and (used_s := _used_s(folder)) is not None
    ]
    pieces += [piece for piece in blobs if piece.path.name not in needed and piece.used_s < now_s - keep.used_within_s]
    freed = blobs_gone = runs_gone = caches_gone = 0
    for folder, size_bytes in caches.items():
        if total - freed > keep.budget_bytes and size_bytes and _empty_cache(folder, dry_run=dry_run):
            freed += size_bytes
            caches_gone += 1
    for piece in sorted(pieces, key=lambda piece: (piece.used_s, piece.path.name)):
        if total - freed <= keep.budget_bytes:
            break
        is_run = piece.path in runs
        if dry_run or (_remove_run(piece.path) if is_run else _remove_blob(piece, now_s - keep.used_within_s)):
            freed += piece.size_bytes
            runs_gone += is_run
            blobs_gone += not is_run
    return Garbage(blobs_gone, runs_gone, freed, total - freed, keep.budget_bytes, halves, caches_gone)


def _needed(store: Store, folders: list[Path], recent: list[Path], keep: Keep) -> tuple[set[str], set[Path]]:
    """Digests of the traces that are needed, and the runs that hold the newest evidence of quarantined trials.

    Those traces are known by nothing but the records of these runs: without them the next collection would let go of
    the evidence.
    """
    needed: set[str] = set()
    for branch in (MAIN, *store.baselines.branches()):
        needed |= {entry.trace_sha256 for entry in store.baselines.standing(branch)}
    replaced: dict[tuple[str, ...], list[str]] = {}
    for entry in store.ledger():
        replaced.setdefault((*entry.place, entry.runtime, entry.branch), []).append(entry.trace_sha256)
    for digests in replaced.values():
        needed |= set(digests[-1 - keep.replaced :])
    quarantined: set[str] = set()
    evidence: set[Path] = set()
    for folder in folders:
        record = _record(folder)
        for result in record.results if record is not None else ():
            newest = result.verdict is Verdict.QUARANTINED and result.name not in quarantined
            if newest:
                quarantined.add(result.name)
                evidence.add(folder)
            if newest or folder in recent:
                needed |= set(_named(result))
    return needed, evidence


def _named(result: JobResult) -> Iterator[str]:
    """Every trace that a result names."""
    yield result.candidate_trace
    yield result.baseline_trace
    for repeat in result.confirmations:
        yield repeat.candidate_trace
        yield repeat.baseline_trace


def _record(folder: Path) -> RunRecord | None:
    """A run's record; one that cannot be read names nothing that could be looked at."""
    try:
        return load_run(folder)
    except (ClosetError, FileNotFoundError):
        return None


def _runs(home: Path) -> list[Path]:
    """Folders of runs, newest first."""
    return sorted((path.parent for path in (home / "runs").glob(f"*/{RECORD}")), key=run_order, reverse=True)


def _blobs(folder: Path) -> Iterator[tuple[Path, int, float]]:
    for path in folder.glob("*/*"):
        try:
            state = path.stat()
        except FileNotFoundError:
            continue
        if path.is_file() and "." not in path.name:
            yield path, state.st_size, state.st_mtime


def _used_s(folder: Path) -> float | None:
    """Unix time at which the run was written last; None when another collection was faster."""
    try:
        return (folder / RECORD).stat().st_mtime
    except FileNotFoundError:
        return None


def _folder_bytes(folder: Path) -> int:
    """Bytes that would be free without the folder: files shared with the store count there.

    What a run at work, or another collection, removes meanwhile counts nothing.
    """
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                state = Path(at, name).lstat()
                total += state.st_size if stat.S_ISREG(state.st_mode) and state.st_nlink == 1 else 0
    return total


def _cached(folder: Path) -> Iterator[Path]:
    """Where the emulated workers of a run keep copies of what they were sent, and what jobs put by there."""
    yield from (cache for name in ("blobs", "cache") for cache in folder.glob(f"*/closet/{name}"))


def _cached_bytes(folder: Path) -> int:
    return sum(_folder_bytes(cache) for cache in _cached(folder))


def _empty_cache(folder: Path, *, dry_run: bool) -> bool:
    """Have emulated workers forget what they were sent, unless a run holds them. Their keys and epochs stay."""
    try:
        lock = (folder / LOCK).open("a")
    except FileNotFoundError:
        return False  # never held, so not one of a run
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        for cache in () if dry_run else _cached(folder):
            for entry in cache.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)
    return True


def _remove_run(folder: Path) -> bool:
    """Remove a run's folder unless a program is at work on it, or somebody removed it before."""
    try:
        lock = (folder / LOCK).open("a")
    except OSError as error:
        # On a full disk no lock can be made; what needs none makes the room for it.
        if error.errno not in {errno.ENOENT, errno.ENOSPC, errno.EDQUOT}:
            raise
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        removed = (folder / RECORD).is_file()
        # The record goes first: a folder without one is no run, whenever this is cut short.
        (folder / RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return removed


def _remove_blob(piece: _Piece, unused_since_s: float) -> bool:
    """Remove a blob unless somebody used it meanwhile."""
    try:
        if piece.path.stat().st_mtime >= unused_since_s:
            return False
        piece.path.unlink()
    except FileNotFoundError:
        return False
    return True
