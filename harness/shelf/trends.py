"""What many runs say together: metrics over time, what is not steady, what was looked at lately.

Each function works within its transaction. Unsteadiness is counted over the last so many runs: the tables are read for
those alone, however many there are.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from harness.shelf.database import Transaction
from harness.shelf.run_tables import claims, device_days, places, runs, series, trials
from harness.shelf.run_values import ENDED, Covered, DeviceDays, FlakyPlace, LastSeen, Point, SeriesRow

_DAY_S = 86_400.0
_LONE = ("a device", "not reproducible")


def series_rows(transaction: Transaction, suite: str) -> tuple[SeriesRow, ...]:
    """The metrics that runs have measured; of one suite where it is given."""
    asked = sa.select(series).order_by(series.c.suite, series.c.metric, series.c.condition)
    asked = asked.where(series.c.suite == suite) if suite else asked
    return tuple(
        SeriesRow(row.id, row.suite, row.metric, row.condition, row.unit) for row in transaction.execute(asked)
    )


def series_points(transaction: Transaction, number: int, limit: int) -> tuple[Point, ...]:
    """The last values of a series, oldest first; runs without a value are left out."""
    newest = (
        sa.select(claims.c.run, claims.c.ordinal)
        .where(claims.c.series == number, claims.c.candidate.is_not(None))
        .order_by(claims.c.measured_at.desc())
        .limit(limit)
        .subquery()
    )
    asked = (
        sa.select(claims, runs.c.slug)
        .join(newest, sa.and_(newest.c.run == claims.c.run, newest.c.ordinal == claims.c.ordinal))
        .join(runs, runs.c.id == claims.c.run)
        .order_by(claims.c.measured_at, claims.c.run)
    )
    return tuple(_point(row) for row in transaction.execute(asked))


def recent_points(transaction: Transaction, suite: str, last_runs: int) -> dict[SeriesRow, tuple[Point, ...]]:
    """What the last runs of a suite measured, by series, oldest first."""
    newest = sa.select(runs.c.id, runs.c.slug).where(runs.c.suite == suite)
    chosen = newest.order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(last_runs).subquery()
    columns = (series.c.suite, series.c.metric, series.c.condition, series.c.unit)
    asked = (
        sa.select(claims, chosen.c.slug, *columns)
        .join(chosen, chosen.c.id == claims.c.run)
        .join(series, series.c.id == claims.c.series)
        .where(claims.c.candidate.is_not(None))
        .order_by(series.c.metric, series.c.condition, claims.c.measured_at, claims.c.run)
    )
    found: dict[SeriesRow, list[Point]] = {}
    for row in transaction.execute(asked):
        key = SeriesRow(row.series, row.suite, row.metric, row.condition, row.unit)
        found.setdefault(key, []).append(_point(row))
    return {key: tuple(points) for key, points in found.items()}


def one_series(transaction: Transaction, number: int) -> SeriesRow | None:
    """A series by its number."""
    row = transaction.execute(sa.select(series).where(series.c.id == number)).one_or_none()
    return None if row is None else SeriesRow(row.id, row.suite, row.metric, row.condition, row.unit)


def flaky_places(transaction: Transaction, suite: str, last_runs: int, limit: int) -> tuple[FlakyPlace, ...]:
    """Places that were not steady over the last runs, the worst first; of one suite where it is given."""
    window = sa.select(runs.c.id, runs.c.started_at).where(runs.c.state == ENDED)
    window = window.where(runs.c.suite == suite) if suite else window
    chosen = window.order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(last_runs).subquery()

    def last(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
        """The column's value in the run before."""
        return sa.func.lag(column).over(partition_by=trials.c.place, order_by=(chosen.c.started_at, chosen.c.id))

    same = sa.and_(trials.c.job != "", last(trials.c.job) == trials.c.job)
    otherwise = sa.and_(trials.c.trace != "", last(trials.c.trace) != "", last(trials.c.trace) != trials.c.trace)
    steps = (
        sa.select(
            trials.c.place,
            trials.c.verdict,
            trials.c.blame,
            sa.and_(same, last(trials.c.verdict) != trials.c.verdict).label("flip"),
            sa.and_(same, otherwise).label("moved"),
        )
        .join(chosen, chosen.c.id == trials.c.run)
        .subquery()
    )
    flips, moved, alone = (_count(steps.c.flip), _count(steps.c.moved), _count(steps.c.blame.in_(_LONE)))
    counted = (
        sa.select(
            steps.c.place,
            sa.func.count().label("runs"),
            _count(steps.c.verdict == "FAIL").label("failed"),
            _count(steps.c.verdict == "ERROR").label("errors"),
            flips.label("flips"),
            moved.label("moved"),
            alone.label("alone"),
        )
        .group_by(steps.c.place)
        .having(flips + moved + alone > 0)
        .order_by((flips + moved + alone).desc(), steps.c.place)
        .limit(limit)
        .subquery()
    )
    asked = sa.select(counted, places.c.segment, places.c.replayer, places.c.device_kind)
    asked = asked.join(places, places.c.id == counted.c.place)
    asked = asked.order_by((counted.c.flips + counted.c.moved + counted.c.alone).desc(), places.c.segment)
    return tuple(
        FlakyPlace(
            row.segment,
            row.replayer,
            row.device_kind,
            row.runs,
            row.failed,
            row.errors,
            row.flips,
            row.moved,
            row.alone,
        )
        for row in transaction.execute(asked)
    )


def devices_since(transaction: Transaction, days: int) -> tuple[DeviceDays, ...]:
    """How every device did in the last so many days, the worst first."""
    since = int(transaction.unix_s // _DAY_S) - days
    columns = device_days.c
    asked = (
        sa.select(
            columns.device,
            columns.error_kind,
            sa.func.sum(columns.attempts).label("attempts"),
            sa.func.sum(columns.busy_s).label("busy_s"),
        )
        .where(columns.day > since)
        .group_by(columns.device, columns.error_kind)
    )
    kinds: dict[str, dict[str, int]] = {}
    busy: dict[str, float] = {}
    for row in transaction.execute(asked):
        kinds.setdefault(row.device, {})[row.error_kind] = int(row.attempts)
        busy[row.device] = busy.get(row.device, 0.0) + float(row.busy_s)
    found = [
        DeviceDays(
            device,
            sum(counts.values()),
            sum(count for kind, count in counts.items() if kind),
            busy[device],
            tuple(sorted(((kind, count) for kind, count in counts.items() if kind), key=lambda pair: -pair[1])),
        )
        for device, counts in kinds.items()
    ]
    return tuple(sorted(found, key=lambda entry: (-entry.share, entry.device)))


def device_errors_by_day(transaction: Transaction, device: str, days: int) -> tuple[tuple[int, int, int], ...]:
    """(day since 1970, attempts, errors) of a device, oldest first; days without an attempt are left out."""
    columns = device_days.c
    since = int(transaction.unix_s // _DAY_S) - days
    errors = sa.func.sum(sa.case((columns.error_kind != "", columns.attempts), else_=0))
    asked = sa.select(columns.day, sa.func.sum(columns.attempts).label("attempts"), errors.label("errors"))
    asked = asked.where(columns.device == device, columns.day > since).group_by(columns.day).order_by(columns.day)
    return tuple((int(row.day), int(row.attempts), int(row.errors)) for row in transaction.execute(asked))


def coverage(transaction: Transaction) -> tuple[Covered, ...]:
    """How much of what is known was judged in the last day, week and month, by replayer and kind of device."""
    by = (places.c.replayer, places.c.device_kind)
    within = [
        _count(places.c.last_at > transaction.unix_s - days * _DAY_S).label(f"within_{days}") for days in (1, 7, 30)
    ]
    asked = sa.select(*by, sa.func.count().label("places"), *within).group_by(*by).order_by(*by)
    return tuple(
        Covered(row.replayer, row.device_kind, row.places, row.within_1, row.within_7, row.within_30)
        for row in transaction.execute(asked)
    )


def longest_unseen(transaction: Transaction, limit: int) -> tuple[LastSeen, ...]:
    """Places that were not judged for longest, those never judged first."""
    asked = sa.select(places).order_by(places.c.last_at, places.c.id).limit(limit)
    return tuple(
        LastSeen(row.segment, row.replayer, row.device_kind, row.last_at, row.last_verdict)
        for row in transaction.execute(asked)
    )


def _point(row: sa.Row[Any]) -> Point:
    return Point(row.slug, row.measured_at, row.candidate, row.baseline, row.low, row.high, row.standing)


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    """How many rows it holds for; none rather than nothing."""
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)
