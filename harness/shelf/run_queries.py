"""What is remembered of runs: lists, one run, two held beside each other. Each function works within its transaction.

Lists go on where the last page ended, by key and not by number of rows, so that page 200 costs what page 1 does.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from harness.shelf.database import Transaction
from harness.shelf.run_tables import claims, places, runs, series, trials
from harness.shelf.run_values import (
    ENDED,
    RUNNING,
    ClaimEntry,
    Counts,
    Moved,
    PastTrial,
    RunFilter,
    RunRow,
    TrialRow,
)

_TRIAL_COLUMNS = (
    *(trials.c.run, trials.c.ordinal, trials.c.place, trials.c.verdict, trials.c.device, trials.c.words),
    *(trials.c.error_kind, trials.c.blame, places.c.segment, places.c.replayer, places.c.device_kind),
)
_MOST_MOVED = 500


def run_rows(
    transaction: Transaction, chosen: RunFilter, before: tuple[float, int] | None, limit: int
) -> tuple[RunRow, ...]:
    """Runs, the newest first; those after (start, number) `before` where it is given."""
    asked = sa.select(runs).where(*_conditions(chosen))
    if before is not None:
        asked = asked.where(sa.tuple_(runs.c.started_at, runs.c.id) < sa.tuple_(*before))
    newest = asked.order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(limit)
    return tuple(_run(row) for row in transaction.execute(newest))


def running(transaction: Transaction) -> tuple[RunRow, ...]:
    """Runs that have begun and not ended, the newest first."""
    mine = sa.select(runs).where(runs.c.state == RUNNING)
    return tuple(_run(row) for row in transaction.execute(mine.order_by(runs.c.started_at.desc()).limit(50)))


def run_row(transaction: Transaction, slug: str) -> RunRow | None:
    """One run by its name in addresses."""
    row = transaction.execute(sa.select(runs).where(runs.c.slug == slug)).one_or_none()
    return None if row is None else _run(row)


def run_before(transaction: Transaction, run: RunRow) -> RunRow | None:
    """The run of the same suite that ended before this one."""
    earlier = sa.tuple_(runs.c.started_at, runs.c.id) < sa.tuple_(run.started_s, run.id)
    asked = sa.select(runs).where(runs.c.suite == run.suite, runs.c.state == ENDED, earlier)
    row = transaction.execute(asked.order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _run(row)


def latest_of_each_suite(transaction: Transaction, limit: int) -> tuple[RunRow, ...]:
    """The newest run of every suite that has ended, the newest first."""
    found = []
    for name in suites(transaction)[:limit]:
        mine = sa.select(runs).where(runs.c.suite == name, runs.c.state == ENDED)
        found.append(transaction.execute(mine.order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(1)).first())
    latest = [_run(row) for row in found if row is not None]
    return tuple(sorted(latest, key=lambda run: -run.started_s))


def trial_rows(
    transaction: Transaction, run: int, *, verdict: str, text: str, after: int, limit: int
) -> tuple[TrialRow, ...]:
    """Trials of a run in report order, behind ordinal `after`; of a verdict, with a text, where they are given."""
    asked = sa.select(*_TRIAL_COLUMNS).join(places, places.c.id == trials.c.place)
    asked = asked.where(trials.c.run == run, trials.c.ordinal > after)
    if verdict:
        asked = asked.where(trials.c.verdict == verdict)
    if text:
        said = (places.c.segment, places.c.replayer, trials.c.device, trials.c.words)
        asked = asked.where(sa.or_(*(column.contains(text, autoescape=True) for column in said)))
    return tuple(_trial(row) for row in transaction.execute(asked.order_by(trials.c.ordinal).limit(limit)))


def trial_row(transaction: Transaction, run: int, ordinal: int) -> TrialRow | None:
    """One trial of a run."""
    asked = sa.select(*_TRIAL_COLUMNS).join(places, places.c.id == trials.c.place)
    row = transaction.execute(asked.where(trials.c.run == run, trials.c.ordinal == ordinal)).one_or_none()
    return None if row is None else _trial(row)


def past_trials(transaction: Transaction, place: int, limit: int) -> tuple[PastTrial, ...]:
    """The same place in the last runs that have it, the newest first."""
    newest = (
        sa.select(trials.c.run, trials.c.ordinal, trials.c.verdict, trials.c.device, trials.c.words)
        .where(trials.c.place == place)
        .order_by(trials.c.run.desc())
        .limit(limit)
        .subquery()
    )
    asked = sa.select(newest, runs.c.slug, runs.c.started_at, runs.c.candidate).join(runs, runs.c.id == newest.c.run)
    rows = transaction.execute(asked.order_by(runs.c.started_at.desc(), runs.c.id.desc()))
    return tuple(
        PastTrial(row.slug, row.ordinal, row.started_at, row.candidate, row.verdict, row.device, row.words)
        for row in rows
    )


def claim_entries(transaction: Transaction, run: int) -> tuple[ClaimEntry, ...]:
    """The claims of a run, in the order of its record."""
    asked = sa.select(claims, series.c.metric, series.c.condition, series.c.unit)
    asked = asked.join(series, series.c.id == claims.c.series).where(claims.c.run == run)
    return tuple(
        ClaimEntry(
            row.intent,
            row.name,
            row.metric,
            row.condition,
            row.unit,
            row.expect,
            row.answer,
            row.standing,
            row.words,
            row.segments,
            row.candidate,
            row.baseline,
            row.effect,
            row.low,
            row.high,
        )
        for row in transaction.execute(asked.order_by(claims.c.ordinal))
    )


def moved(transaction: Transaction, before: int, after: int) -> tuple[Moved, ...]:
    """Trials whose verdict is not the same in two runs, or that only one of them has."""
    old = sa.select(trials.c.place, trials.c.verdict, trials.c.words).where(trials.c.run == before).subquery()
    columns = (trials.c.place, trials.c.verdict, trials.c.words, trials.c.ordinal)
    new = sa.select(*columns).where(trials.c.run == after).subquery()
    either = old.join(new, old.c.place == new.c.place, full=True)
    place = sa.func.coalesce(new.c.place, old.c.place)
    asked = (
        sa.select(
            places.c.segment,
            places.c.replayer,
            places.c.device_kind,
            old.c.verdict.label("before"),
            new.c.verdict.label("after"),
            new.c.ordinal,
            sa.func.coalesce(new.c.words, old.c.words).label("words"),
        )
        .select_from(either.join(places, places.c.id == place))
        .where(sa.func.coalesce(old.c.verdict, "") != sa.func.coalesce(new.c.verdict, ""))
        .order_by(places.c.segment, places.c.replayer, places.c.device_kind)
        .limit(_MOST_MOVED)
    )
    return tuple(
        Moved(
            row.segment, row.replayer, row.device_kind, row.before or "", row.after or "", row.ordinal, row.words or ""
        )
        for row in transaction.execute(asked)
    )


def suites(transaction: Transaction) -> tuple[str, ...]:
    """Names of all suites that were ever run."""
    # One step of the index a suite: DISTINCT would read it all.
    found: list[str] = []
    asked = sa.select(sa.func.min(runs.c.suite)).where(runs.c.suite > sa.bindparam("behind"))
    while (name := transaction.execute(asked, behind=found[-1] if found else "").scalar()) is not None:
        found.append(str(name))
    return tuple(found)


def _conditions(chosen: RunFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if chosen.suite:
        conditions.append(runs.c.suite == chosen.suite)
    if chosen.gate == RUNNING:
        conditions.append(runs.c.state == RUNNING)
    elif chosen.gate:
        conditions += [runs.c.state == ENDED, runs.c.exit_code == 0 if chosen.gate == "open" else runs.c.exit_code != 0]
    if chosen.text:
        said = (runs.c.candidate, runs.c.baseline, runs.c.slug, runs.c.reason)
        conditions.append(sa.or_(*(column.contains(chosen.text, autoescape=True) for column in said)))
    return conditions


def _run(row: sa.Row[Any]) -> RunRow:
    return RunRow(
        id=row.id,
        slug=row.slug,
        host=row.host,
        folder=row.folder,
        suite=row.suite,
        candidate=row.candidate,
        baseline=row.baseline,
        started_s=row.started_at,
        changed_s=row.changed_at,
        duration_s=row.duration_s,
        state=row.state,
        exit_code=row.exit_code,
        reason=row.reason,
        counts=Counts(row.total, row.passed, row.failed, row.errors, row.quarantined, row.waiting),
        segments=row.segments,
        devices=row.devices,
        claims=row.claims,
        claims_held=row.claims_held,
    )


def _trial(row: sa.Row[Any]) -> TrialRow:
    return TrialRow(
        row.run,
        row.ordinal,
        row.place,
        row.segment,
        row.replayer,
        row.device_kind,
        row.verdict,
        row.device,
        row.words,
        row.error_kind,
        row.blame,
    )
