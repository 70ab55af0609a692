"""What was tried, how long it took, what was replayed when. Every function works within its transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

import sqlalchemy as sa

from harness.domain import DeviceKind
from harness.shelf.database import Transaction
from harness.shelf.health import count_use
from harness.shelf.holders import LEFT
from harness.shelf.run_tables import device_days
from harness.shelf.schema import attempts, holders, leases, replays
from harness.shelf.values import PastAttempt

_LAST = 5
_CHUNK = 500
_DAY_S = 86_400.0
_LEASES_KEPT_S = 30 * _DAY_S
_ATTEMPTS_KEPT_S = 180 * _DAY_S


def record_attempt(transaction: Transaction, attempt: PastAttempt) -> None:
    """Remember one try."""
    transaction.execute(
        sa.insert(attempts).values(
            run=attempt.run,
            device=attempt.device,
            kind=attempt.kind.value,
            cost_key=attempt.cost_key,
            started_at=attempt.started_s,
            ended_at=attempt.ended_s,
            error_kind=attempt.error_kind,
            canary=attempt.canary,
        )
    )
    _count_day(transaction, attempt)
    count_use(transaction, attempt.device)


def _count_day(transaction: Transaction, attempt: PastAttempt) -> None:
    """One more in the tally of its device's day: the tries themselves are forgotten after a while."""
    busy_s = attempt.ended_s - attempt.started_s
    key = {"device": attempt.device, "day": int(attempt.ended_s // _DAY_S), "error_kind": attempt.error_kind}
    fresh = transaction.insert(device_days).values(key | {"attempts": 1, "busy_s": busy_s})
    more = {"attempts": device_days.c.attempts + 1, "busy_s": device_days.c.busy_s + busy_s}
    transaction.execute(fresh.on_conflict_do_update(index_elements=[device_days.c[name] for name in key], set_=more))


def past_attempts(transaction: Transaction, run: str, device: str, limit: int) -> tuple[PastAttempt, ...]:
    """The last tries, newest first; of one run, of one device, where they are not empty."""
    where = [attempts.c[name] == value for name, value in (("run", run), ("device", device)) if value]
    rows = transaction.execute(sa.select(attempts).where(*where).order_by(attempts.c.id.desc()).limit(limit))
    return tuple(
        PastAttempt(
            row.run,
            row.device,
            DeviceKind(row.kind),
            row.cost_key,
            row.started_at,
            row.ended_at,
            row.error_kind,
            row.canary,
        )
        for row in rows
    )


def costs(transaction: Transaction, keys: Sequence[str]) -> dict[str, float]:
    """Median seconds of the last few tries of each key that went well; keys without one are left out."""
    took: dict[str, list[float]] = {}
    rank = sa.func.row_number().over(partition_by=attempts.c.cost_key, order_by=attempts.c.id.desc())
    for some in _chunks(keys):
        well = (attempts.c.cost_key.in_(some), attempts.c.error_kind == "", attempts.c.canary.is_(False))
        seconds = (attempts.c.ended_at - attempts.c.started_at).label("seconds")
        ranked = sa.select(attempts.c.cost_key, seconds, rank.label("rank")).where(*well).subquery()
        for row in transaction.execute(sa.select(ranked).where(ranked.c.rank <= _LAST)):
            took.setdefault(row.cost_key, []).append(row.seconds)
    return {key: median(seconds) for key, seconds in took.items()}


def replayed(transaction: Transaction, what: Sequence[str]) -> dict[str, float]:
    """Unix time of the last replay of each; what was never replayed is left out."""
    found: dict[str, float] = {}
    for some in _chunks(what):
        rows = transaction.execute(sa.select(replays).where(replays.c.what.in_(some)))
        found |= {row.what: row.replayed_at for row in rows}
    return found


def mark_replayed(transaction: Transaction, what: Sequence[str]) -> None:
    """They were replayed just now."""
    for some in _chunks(what):
        fresh = transaction.insert(replays).values([{"what": name, "replayed_at": transaction.unix_s} for name in some])
        now = {"replayed_at": transaction.unix_s}
        transaction.execute(fresh.on_conflict_do_update(index_elements=[replays.c.what], set_=now))


def forget_the_old(transaction: Transaction) -> None:
    """Drop what nobody asks for any more, so that months of nightly runs do not fill the disk. Epochs stay."""
    ended = leases.c.ended_at < transaction.unix_s - _LEASES_KEPT_S
    transaction.execute(sa.delete(leases).where(ended))
    transaction.execute(sa.delete(attempts).where(attempts.c.ended_at < transaction.unix_s - _ATTEMPTS_KEPT_S))
    left = (holders.c.state == LEFT, holders.c.left_at < transaction.unix_s - _LEASES_KEPT_S)
    transaction.execute(sa.delete(holders).where(*left))


def _chunks(values: Sequence[str]) -> Iterator[list[str]]:
    """Distinct values, so few at a time that a statement can hold them."""
    distinct = sorted(set(values))
    for first in range(0, len(distinct), _CHUNK):
        yield distinct[first : first + _CHUNK]
