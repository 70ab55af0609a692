"""One round of the night: which segments, the run of them, and what is remembered of it."""

from __future__ import annotations

import datetime
import shutil
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.domain import Priority
from harness.errors import ClosetError, NothingToRunError, from_description
from harness.pipeline import execute_run, prepare
from harness.pipeline.events import Observer
from harness.pipeline.garbage import Garbage, Keep, collect_garbage
from harness.pipeline.nightly_state import NightState, load_state
from harness.pipeline.picking import Candidate, Picked, pick
from harness.pipeline.prepare import Prepared
from harness.pipeline.request import Request, load_request
from harness.pipeline.resume import check_same_run
from harness.pipeline.runs import RECORD, REQUEST, alone_in, load_run, new_run_folder
from harness.pipeline.shelf import open_shelf
from harness.recording.corpus import CORPUS_FILE, Corpus
from harness.store import Store
from harness.verdict import NOT_RUN, RunRecord


@dataclass(frozen=True, slots=True)
class Round:
    """One round that ended. `not_reproduced` are trials whose trace is not the one that an equal job gave before."""

    number: int
    folder: Path
    record: RunRecord
    picked: tuple[Picked, ...]
    resumed: bool
    not_reproduced: tuple[str, ...]
    garbage: Garbage | None


def one_round(
    request: Request,
    store: Store,
    state_path: Path,
    batch: int,
    keep: Keep | None,
    observer: Observer,
    stop: threading.Event,
    say: Callable[[str], None],
) -> Round:
    """Go on with the round that was cut off, or begin the next one, until it has ended or `stop` is set.

    `say` is told why a round that was cut off is not gone on with.
    """
    state = load_state(state_path)
    folder = store.home / "runs" / state.run
    picked: tuple[Picked, ...] = ()
    cut_off = _cut_off(state, folder, store, say)
    if cut_off is not None:
        asked, prepared = cut_off
    else:
        everything = prepare(request, store)
        picked = _pick(everything, store, batch, state.again or state.repeated)
        asked = replace(request, segments=tuple(entry.segment for entry in picked), fresh=True)
        prepared = prepare(asked, store)
        folder = new_run_folder(store.home, datetime.datetime.now(datetime.UTC).date())
        traces = {job: found.sha256 for job in prepared.plan.jobs if (found := store.find_trace(job)) is not None}
        due = frozenset(state.again or state.repeated)
        repeated = tuple(entry.segment for entry in picked if entry.segment in due)
        state = NightState(state.number + 1, folder.name, repeated=repeated, traces=traces)
    try:
        if cut_off is None:
            state.write(state_path)
        with alone_in(folder):
            record = execute_run(
                asked,
                prepared,
                store,
                folder=folder,
                observer=observer,
                stop=stop,
                priority=Priority.NIGHTLY,
                before=None if cut_off is None else load_run(folder),
            )
    except (ClosetError, OSError):
        if not (folder / RECORD).is_file():  # no run yet, and nobody would ever remove it
            shutil.rmtree(folder, ignore_errors=True)
        raise
    _mark_replayed(prepared, record, store)
    if not record.interrupted:
        NightState(state.number, again=failed_by_devices(record, state.repeated)).write(state_path)
    return Round(
        state.number,
        folder,
        record,
        picked,
        cut_off is not None,
        _not_reproduced(prepared, record, state.traces),
        None if keep is None else collect_garbage(store, keep),
    )


def _cut_off(
    state: NightState, folder: Path, store: Store, say: Callable[[str], None]
) -> tuple[Request, Prepared] | None:
    """What the round that was cut off asked; None when there is none, or when that cannot be asked any more.

    It is given up then, whatever the reason: a model that was deleted since would hold up every later round.
    """
    if not state.run or not (folder / RECORD).is_file():
        return None
    try:
        asked = load_request(folder / REQUEST)
        prepared = prepare(asked, store)
        check_same_run(load_run(folder), prepared)
    except ClosetError as error:
        say(f"round {state.number} ({state.run}) is given up: {error}")
        return None
    return asked, prepared


def failed_by_devices(record: RunRecord, repeated: Collection[str]) -> tuple[str, ...]:
    """Segments that nothing was judged of through no fault of their own, in the order of the record.

    Their turn may be weeks away, so they come once more in the next round; once, so that they hold up nobody else's.
    """
    errors = [(str(result.segment), result.error) for result in record.results]
    failed = [name for name, error in errors if error is not None and from_description(error).retry_elsewhere]
    return tuple(name for name in dict.fromkeys(failed) if name not in repeated)


def _pick(everything: Prepared, store: Store, batch: int, again: tuple[str, ...]) -> tuple[Picked, ...]:
    names = [trial.name for trial in everything.plan.trials]
    with open_shelf(store.home, everything.fleet) as shelf:
        last = shelf.replayed(names)
    segments: dict[str, list[float | None]] = {}
    for trial in everything.plan.trials:
        segments.setdefault(str(trial.segment), []).append(last.get(trial.name))
    if not segments:
        raise NothingToRunError("the suite plans nothing", where=str(everything.suite.path), remedy="see closet plan")
    facts = _facts(everything, store)
    candidates = [
        replace(
            facts.get(segment, Candidate(segment, None)),
            last_s=None if None in seen else min(moment for moment in seen if moment is not None),
        )
        for segment, seen in segments.items()
    ]
    return pick(candidates, batch, now_s=time.time(), again=again)


def _facts(everything: Prepared, store: Store) -> Mapping[str, Candidate]:
    """What the corpus index knows of the segments' risk; one whose log cannot be read is an ordinary one."""
    folders = [source.folder for source in everything.suite.routes if source.folder.is_dir()]
    with Corpus(store.home / CORPUS_FILE) as corpus:
        corpus.index(folders)
        rows = corpus.find(columns=("segment", "soft_disables", "immediate_disables", "car"))
    return {
        str(row["segment"]): Candidate(
            str(row["segment"]),
            None,
            int(row["soft_disables"] or 0) + int(row["immediate_disables"] or 0),
            str(row["car"] or ""),
        )
        for row in rows
    }


def _mark_replayed(prepared: Prepared, record: RunRecord, store: Store) -> None:
    """Also what ended in an error: it comes again in its turn, and does not hold up the others.

    A bug of ours ends a round before much of it is judged. Whatever provoked it would be picked first, and end the
    round, for ever; so all that was picked counts.
    """
    everything = broke_off(record)
    with open_shelf(store.home, prepared.fleet) as shelf:
        shelf.mark_replayed([result.name for result in record.results if everything or result.error != NOT_RUN])


def broke_off(record: RunRecord) -> bool:
    """Whether a bug of ours, and nobody's stop, ended the round: then all that was picked counts as replayed."""
    return bool(record.harness_error) and not record.interrupted


def _not_reproduced(prepared: Prepared, record: RunRecord, before: Mapping[str, str]) -> tuple[str, ...]:
    traces = {result.name: result.candidate_trace for result in record.results if result.candidate_trace}
    return tuple(
        trial.name
        for trial in prepared.plan.trials
        if trial.name in traces and before.get(trial.candidate.id, traces[trial.name]) != traces[trial.name]
    )
