"""Runs into the archive: a record shortly, as it begins, goes on and ends; and again from what is on disk.

The record in the run's folder is the truth. A database that does not answer costs a run nothing but its row, which
is made from the record later.
"""

from __future__ import annotations

import datetime
import platform
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from harness.errors import ClosetError
from harness.intent import ClaimResult
from harness.pipeline.runs import LOCK, RECORD, load_run, run_order
from harness.redaction import known_secrets, redact
from harness.report import trial_rows
from harness.shelf import ENDED, RUNNING, Archive, ClaimEntry, Counts, RunEntry, Shelf, TrialEntry
from harness.verdict import NOT_RUN, JobResult, RunRecord, Verdict, gate

_WORDS = 300
_DIGITS = 16
_PATIENCE_S = 5.0
_LOCKS = Path("/proc/locks")


def summarise(record: RunRecord, folder: Path, *, state: str, seen: str = "") -> RunEntry:
    """What is remembered of a run. `state`: RUNNING or ENDED."""
    decided = gate(record)
    known = known_secrets()
    return RunEntry(
        host=platform.node(),
        folder=str(folder),
        name=_short(folder.name),
        suite=_short(record.suite),
        candidate=_short(_label(record.candidate), known),
        baseline=_short(_label(record.baseline), known),
        started_s=_unix_s(record.started_at),
        duration_s=record.duration_s,
        state=state,
        exit_code=int(decided.exit_code),
        reason=_short(decided.reason, known),
        counts=count(record),
        devices=len(record.devices),
        seen=seen,
        trials=tuple(
            _trial(result, row[-1], known) for result, row in zip(record.results, trial_rows(record), strict=True)
        ),
        claims=tuple(_claim(claim, known) for claim in record.claims),
    )


def count(record: RunRecord) -> Counts:
    """Its trials by what came of them so far."""
    waiting = sum(result.error == NOT_RUN for result in record.results)
    verdicts = [result.verdict for result in record.results]
    return Counts(
        total=len(verdicts),
        passed=verdicts.count(Verdict.PASS),
        failed=verdicts.count(Verdict.FAIL),
        errors=verdicts.count(Verdict.ERROR) - waiting,
        quarantined=verdicts.count(Verdict.QUARANTINED),
        waiting=waiting,
    )


def record_state(folder: Path) -> str:
    """What changes whenever the record in a folder is written."""
    state = (folder / RECORD).stat()
    return f"{state.st_mtime_ns}:{state.st_size}"


class RunArchive:
    """Keeps the archive's row of one run up to date while it goes on.

    `open_archive` opens the shelf, and is given how many seconds to wait for others at most. What the database does
    not take is told to `complain`, once, and tried again when the run ends. While the run goes on nobody waits for it:
    a server that stands still holds up whoever asks it something for a minute.
    """

    def __init__(
        self, open_archive: Callable[[float], Shelf], folder: Path, complain: Callable[[ClosetError], None]
    ) -> None:
        self._open, self._folder, self._complain = open_archive, folder, complain
        self._run = 0
        self._lost: ClosetError | None = None
        self._complained = False
        self._progress = threading.Thread()

    def begin(self, record: RunRecord) -> None:
        """The run has begun: nothing of it is judged yet."""
        self._try(lambda archive: self._write(archive, record, RUNNING))
        self._complain_once()

    def go_on(self, record: RunRecord) -> None:
        """The run has come so far. Not written while what it told before still is: more will follow."""
        told = (count(record), record.duration_s, record_state(self._folder))
        self._complain_once()
        if self._run and self._lost is None and not self._progress.is_alive():
            step = partial(self._try, lambda archive: archive.write_progress(self._run, *told))
            self._progress = threading.Thread(target=step, name="closet archive", daemon=True)
            self._progress.start()

    def end(self, record: RunRecord) -> None:
        """The run has ended."""
        if self._progress.ident is not None:
            self._progress.join()
        self._try(lambda archive: self._write(archive, record, ENDED))
        self._complain_once()

    def _write(self, archive: Archive, record: RunRecord, state: str) -> None:
        entry = summarise(record, self._folder, state=state, seen=record_state(self._folder))
        self._run = archive.write_run(entry)

    def _try(self, step: Callable[[Archive], None]) -> None:
        try:
            with self._open(_PATIENCE_S) as shelf:
                step(shelf.archive)
        except ClosetError as error:
            self._lost = error

    def _complain_once(self) -> None:
        """In the thread of the run, which is where people are told."""
        if self._lost is not None and not self._complained:
            self._complained = True
            self._complain(self._lost)


def index_runs(home: Path, archive: Archive, *, all_of_them: bool = False) -> Iterator[tuple[Path, ClosetError | None]]:
    """Bring the runs on disk that the archive does not know, or knows otherwise, into it, oldest first.

    Yields each folder with the error that kept it out, if any. With `all_of_them` also what it knows already.
    """
    known = {} if all_of_them else archive.seen_records(platform.node())
    for folder in sorted((path.parent for path in (home / "runs").glob(f"*/{RECORD}")), key=run_order):
        try:
            seen = record_state(folder)
            if known.get(str(folder)) == seen:
                continue
            record = load_run(folder)
            archive.write_run(summarise(record, folder, state=_state(record), seen=seen))
        except FileNotFoundError:
            continue  # garbage collection was quicker
        except ClosetError as error:
            yield folder, error
        else:
            yield folder, None


def _state(record: RunRecord) -> str:
    """A record with trials that were not run, and that was not interrupted, is one of a run that goes on or died."""
    waiting = any(result.error == NOT_RUN for result in record.results)
    return RUNNING if waiting and not record.interrupted and not record.harness_error else ENDED


def is_at_work(folder: Path) -> bool:
    """Whether a program of this machine holds the run in `folder`.

    Read from the kernel's list: to try the lock would be in the way of a program that is about to take it.
    """
    try:
        inode = (folder / LOCK).stat().st_ino
        locks = _LOCKS.read_text("ascii").splitlines()
    except OSError:
        return False
    return any(" FLOCK " in line and f":{inode} " in line for line in locks)


def _trial(result: JobResult, words: str, known: tuple[str, ...]) -> TrialEntry:
    return TrialEntry(
        segment=_short(result.segment),
        replayer=_short(result.replayer),
        device_kind=_short(result.device_kind),
        verdict=result.verdict.value,
        device=_short(result.attempts[-1].device) if result.attempts else "",
        words=_short(words, known),
        error_kind=_short(result.error.kind) if result.error else "",
        blame=result.blame.value if result.blame else "",
        job=result.provenance.get("candidate_job", "")[:_DIGITS],
        trace=result.candidate_trace[:_DIGITS],
        judged=result.error != NOT_RUN,
    )


def _claim(claim: ClaimResult, known: tuple[str, ...]) -> ClaimEntry:
    return ClaimEntry(
        intent=_short(claim.intent),
        name=_short(claim.name),
        metric=_short(claim.metric),
        condition=_short(claim.condition),
        unit=_short(claim.unit),
        expect=claim.expect.value,
        answer=claim.answer.value,
        standing=claim.standing.value,
        words=_short(claim.words, known),
        segments=claim.segments,
        candidate=claim.candidate,
        baseline=claim.baseline,
        effect=claim.effect,
        low=claim.interval[0],
        high=claim.interval[1],
    )


def _label(facts: dict[str, str]) -> str:
    """What a side is made of: one name when all replayers share it, else one each."""
    labels = dict.fromkeys(facts.values())
    if len(labels) <= 1:
        return next(iter(labels), "")
    return ", ".join(f"{replayer} {label}" for replayer, label in facts.items())


def _short(text: str, known: tuple[str, ...] = ()) -> str:
    """A line of it without secrets, and without what no database takes."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    said = redact(line, known)
    return said if len(said) <= _WORDS else f"{said[: _WORDS - 1]}…"


def _unix_s(text: str) -> float:
    """Unix time of an ISO date; 0 where a record has none that can be read."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
