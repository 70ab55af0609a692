"""The tables of what was found: runs, their trials, what their claims measured, and who changed what by hand.

The record in a run's folder stays the truth; these rows are made from it and can be made again. Columns in `_at` are
Unix time. What a page shows of many runs stands in `runs` itself, so that a list of runs reads no trials.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
)

from harness.shelf.schema import Serial, metadata

# One execution of a suite. `slug` is its name in addresses: the folder's, made unique. `state`: running, then ended.
# `seen` says which state of the record on disk the row was made from. `waiting`: trials that have no verdict yet.
runs = Table(
    "runs",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("slug", String, nullable=False),
    Column("host", String, nullable=False),
    Column("folder", String, nullable=False),
    Column("suite", String, nullable=False),
    Column("candidate", String, nullable=False),
    Column("baseline", String, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("state", String, nullable=False),
    Column("exit_code", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("total", Integer, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("claims", Integer, nullable=False),
    Column("claims_held", Integer, nullable=False),
    Column("seen", String, nullable=False),
    Index("runs_by_slug", "slug", unique=True),
    Index("runs_by_folder", "host", "folder", unique=True),
    Index("runs_by_start", "started_at", "id"),
    Index("runs_by_suite", "suite", "started_at", "id"),
    Index("runs_by_state", "state"),
)

# What is replayed and judged again and again: a segment by a replayer on a kind of device, and what came of it last.
places = Table(
    "places",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("segment", String, nullable=False),
    Column("replayer", String, nullable=False),
    Column("device_kind", String, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("last_verdict", String, nullable=False),
    Column("last_run", BigInteger, nullable=False),
    Index("places_by_name", "segment", "replayer", "device_kind", unique=True),
    Index("places_by_last", "last_at"),
)

# One trial of a run, in report order. `job` and `trace` begin the digests of what was asked and of what it gave.
trials = Table(
    "trials",
    metadata,
    Column("run", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("verdict", String, nullable=False),
    Column("device", String, nullable=False),
    Column("words", String, nullable=False),
    Column("error_kind", String, nullable=False),
    Column("blame", String, nullable=False),
    Column("job", String, nullable=False),
    Column("trace", String, nullable=False),
    PrimaryKeyConstraint("run", "ordinal"),
    Index("trials_by_place", "place", "run"),
    sqlite_with_rowid=False,
)

# A metric under a condition in a suite, over the runs that judged it.
series = Table(
    "series",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("suite", String, nullable=False),
    Column("metric", String, nullable=False),
    Column("condition", String, nullable=False),
    Column("unit", String, nullable=False),
    Index("series_by_name", "suite", "metric", "condition", unique=True),
)

# One claim of a run, answered. `measured_at` is when its run began.
claims = Table(
    "claims",
    metadata,
    Column("run", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("series", BigInteger, nullable=False),
    Column("measured_at", Double, nullable=False),
    Column("intent", String, nullable=False),
    Column("name", String, nullable=False),
    Column("expect", String, nullable=False),
    Column("answer", String, nullable=False),
    Column("standing", String, nullable=False),
    Column("words", String, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("candidate", Double),
    Column("baseline", Double),
    Column("effect", Double),
    Column("low", Double),
    Column("high", Double),
    PrimaryKeyConstraint("run", "ordinal"),
    Index("claims_by_series", "series", "measured_at"),
)

# How often a device was tried on a day (UTC, days since 1970), how that ended (empty: well), how long it was busy.
device_days = Table(
    "device_days",
    metadata,
    Column("device", String, nullable=False),
    Column("day", Integer, nullable=False),
    Column("error_kind", String, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("busy_s", Double, nullable=False),
    PrimaryKeyConstraint("device", "day", "error_kind"),
    Index("device_days_by_day", "day"),
)

# What people changed, or tried to: written before it is done, and never taken away.
audit = Table(
    "audit",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", Double, nullable=False),
    Column("who", String, nullable=False),
    Column("via", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("outcome", String, nullable=False),
)
