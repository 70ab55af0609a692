"""Runs into the database: as they begin, go on and end. Each function works within its transaction.

Writing a run again gives the same rows: what was there of it is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any, TypeVar

import sqlalchemy as sa

from harness.errors import DataError
from harness.intent import Standing
from harness.shelf.database import Transaction
from harness.shelf.run_tables import claims, places, runs, series, trials
from harness.shelf.run_values import ClaimEntry, Counts, RunEntry, TrialEntry

_CHUNK = 300

_Place = tuple[str, str, str]
_Value = TypeVar("_Value")


def write_run(transaction: Transaction, entry: RunEntry) -> int:
    """Everything of a run as it is now; its number."""
    run = _write_row(transaction, entry)
    _write_trials(transaction, run, entry)
    _write_claims(transaction, run, entry)
    return run


def write_progress(transaction: Transaction, run: int, counts: Counts, duration_s: float, seen: str) -> None:
    """How far a run is."""
    values = asdict(counts) | {"duration_s": duration_s, "changed_at": transaction.unix_s, "seen": seen}
    transaction.execute(sa.update(runs).where(runs.c.id == run).values(values))


def seen_records(transaction: Transaction, host: str) -> dict[str, str]:
    """Of each run of a machine, by folder: the state of the record that the database was told."""
    rows = transaction.execute(sa.select(runs.c.folder, runs.c.seen).where(runs.c.host == host))
    return {row.folder: row.seen for row in rows}


def _write_row(transaction: Transaction, entry: RunEntry) -> int:
    values: dict[str, Any] = asdict(entry.counts) | {
        "suite": entry.suite,
        "candidate": entry.candidate,
        "baseline": entry.baseline,
        "started_at": entry.started_s,
        "changed_at": transaction.unix_s,
        "duration_s": entry.duration_s,
        "state": entry.state,
        "exit_code": entry.exit_code,
        "reason": entry.reason,
        "segments": len({trial.segment for trial in entry.trials}),
        "devices": entry.devices,
        "claims": len(entry.claims),
        "claims_held": sum(claim.standing == Standing.HOLDS.value for claim in entry.claims),
        "seen": entry.seen,
    }
    mine = (runs.c.host == entry.host, runs.c.folder == entry.folder)
    place = {"host": entry.host, "folder": entry.folder}
    # The folder's name; with a few digits of where it is when another closet has a run of that name.
    digits = sha256(f"{entry.host}:{entry.folder}".encode()).hexdigest()[:12]
    for slug in (entry.name, f"{entry.name}~{digits}"):
        known = transaction.execute(sa.update(runs).where(*mine).values(values).returning(runs.c.id)).scalar()
        if known is not None:
            return int(known)
        fresh = transaction.insert(runs).values(values | place | {"slug": slug}).on_conflict_do_nothing()
        made = transaction.execute(fresh.returning(runs.c.id)).scalar()
        if made is not None:
            return int(made)
    raise DataError(f"another run has the name {entry.name}", where=entry.folder, remedy="name its folder otherwise")


def _write_trials(transaction: Transaction, run: int, entry: RunEntry) -> None:
    transaction.execute(sa.delete(trials).where(trials.c.run == run))
    if not entry.trials:
        return
    numbers = _place_numbers(transaction, entry.trials)
    made = [_trial_row(run, ordinal, numbers, trial) for ordinal, trial in enumerate(entry.trials)]
    transaction.connection.execute(sa.insert(trials), made)
    # In one order, so that two runs that end at once queue for each other and do not lock each other out.
    judged = sorted((numbers[_place(trial)], trial.verdict) for trial in entry.trials if trial.judged)
    if judged:
        newer = (places.c.id == sa.bindparam("of_place"), places.c.last_at <= sa.bindparam("at"))
        last = sa.update(places).where(*newer).values(last_at=sa.bindparam("at"), last_verdict=sa.bindparam("verdict"))
        rows = [{"of_place": place, "at": entry.started_s, "verdict": verdict} for place, verdict in judged]
        transaction.connection.execute(last.values(last_run=run), rows)


def _trial_row(run: int, ordinal: int, numbers: Mapping[_Place, int], trial: TrialEntry) -> dict[str, object]:
    return {
        "run": run,
        "ordinal": ordinal,
        "place": numbers[_place(trial)],
        "verdict": trial.verdict,
        "device": trial.device,
        "words": trial.words,
        "error_kind": trial.error_kind,
        "blame": trial.blame,
        "job": trial.job,
        "trace": trial.trace,
    }


def _place_numbers(transaction: Transaction, entries: Sequence[TrialEntry]) -> dict[_Place, int]:
    wanted = sorted({_place(entry) for entry in entries})
    found = _known_places(transaction, wanted)
    missing = [place for place in wanted if place not in found]
    if missing:
        unseen = {"last_at": 0.0, "last_verdict": "", "last_run": 0}
        for some in _chunks(missing):
            rows = [dict(zip(("segment", "replayer", "device_kind"), place, strict=True)) | unseen for place in some]
            transaction.execute(transaction.insert(places).values(rows).on_conflict_do_nothing())
        found |= _known_places(transaction, missing)
    return found


def _known_places(transaction: Transaction, wanted: Sequence[_Place]) -> dict[_Place, int]:
    found: dict[_Place, int] = {}
    for some in _chunks(sorted({place[0] for place in wanted})):
        rows = transaction.execute(sa.select(places).where(places.c.segment.in_(some)))
        found |= {(row.segment, row.replayer, row.device_kind): row.id for row in rows}
    return found


def _write_claims(transaction: Transaction, run: int, entry: RunEntry) -> None:
    transaction.execute(sa.delete(claims).where(claims.c.run == run))
    if not entry.claims:
        return
    numbers = {key: _series(transaction, entry.suite, *key) for key in dict.fromkeys(map(_series_key, entry.claims))}
    rows = [
        {
            "run": run,
            "ordinal": ordinal,
            "series": numbers[_series_key(claim)],
            "measured_at": entry.started_s,
            "intent": claim.intent,
            "name": claim.name,
            "expect": claim.expect,
            "answer": claim.answer,
            "standing": claim.standing,
            "words": claim.words,
            "segments": claim.segments,
            "candidate": claim.candidate,
            "baseline": claim.baseline,
            "effect": claim.effect,
            "low": claim.low,
            "high": claim.high,
        }
        for ordinal, claim in enumerate(entry.claims)
    ]
    transaction.connection.execute(sa.insert(claims), rows)


def _series(transaction: Transaction, suite: str, metric: str, condition: str, unit: str) -> int:
    fresh = transaction.insert(series).values(suite=suite, metric=metric, condition=condition, unit=unit)
    key = [series.c.suite, series.c.metric, series.c.condition]
    written = fresh.on_conflict_do_update(index_elements=key, set_={"unit": unit}).returning(series.c.id)
    return int(transaction.execute(written).scalar_one())


def _series_key(claim: ClaimEntry) -> tuple[str, str, str]:
    """What a claim measures; a budget counts events, and goes by its own name."""
    return claim.metric or claim.name, claim.condition, claim.unit


def _place(entry: TrialEntry) -> _Place:
    return entry.segment, entry.replayer, entry.device_kind


def _chunks(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """So few at a time that a statement can hold them."""
    for first in range(0, len(values), _CHUNK):
        yield values[first : first + _CHUNK]
