"""The tables of the shelf: what several runs know together. The newest migration makes these and those of `run_tables`.

Two clocks. Columns in `_s` that end a lease or begin a wait are seconds of the shelf's clock (see `clock`), which no
change of the date moves. Columns in `_at` are Unix time, for people.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    text,
)

REVISION = "0002"

metadata = MetaData()

# SQLite numbers rows by itself only where the key is its own INTEGER.
Serial = BigInteger().with_variant(Integer(), "sqlite")

# A run that uses the shelf. `state`: joined, or left. A joined one counts while `renew_by_s` has not passed.
holders = Table(
    "holders",
    metadata,
    Column("id", String, primary_key=True),
    Column("run", String, nullable=False),
    Column("suite", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("host", String, nullable=False),
    Column("boot", String, nullable=False),
    Column("pid_space", BigInteger, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", BigInteger, nullable=False),
    Column("renew_by_s", Double, nullable=False),
    Column("joined_at", Double, nullable=False),
    Column("left_at", Double),
    Index("holders_by_state", "state"),
)

# What a holder waits for. `since_s`: when it was last served, or began to wait.
wants = Table(
    "wants",
    metadata,
    Column("holder", String, nullable=False),
    Column("device_kind", String, nullable=False),
    Column("tags", String, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("since_s", Double, nullable=False),
    PrimaryKeyConstraint("holder", "device_kind", "tags"),
    Index("wants_by_kind", "device_kind"),
)

# The epoch of a slot outlives its leases: it only grows. Its row is what two holders queue for.
slots = Table(
    "slots",
    metadata,
    Column("device", String, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    PrimaryKeyConstraint("device", "slot"),
)

# `state`: active, then one of released, expired, revoked, for good.
leases = Table(
    "leases",
    metadata,
    Column("id", String, primary_key=True),
    Column("device", String, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", String, nullable=False),
    Column("task_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("renew_by_s", Double, nullable=False),
    Column("hard_end_s", Double, nullable=False),
    Column("acquired_at", Double, nullable=False),
    Column("ended_at", Double),
    Index("leases_by_epoch", "device", "slot", "epoch", unique=True),
    Index("leases_by_holder", "holder", "state"),
    Index("leases_by_end", "ended_at"),
    Index(
        "leases_one_active",
        "device",
        "slot",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
)

# A free slot that somebody else was refused because it is this holder's turn: it is not kept free for ever.
offers = Table(
    "offers",
    metadata,
    Column("device", String, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("holder", String, nullable=False),
    Column("offered_s", Double, nullable=False),
    PrimaryKeyConstraint("device", "slot", "holder"),
)

devices = Table(
    "devices",
    metadata,
    Column("name", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("tags", String, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("changed_by", String, nullable=False),
    Column("since_at", Double, nullable=False),
    Column("canary_at", Double),
    Column("runtime", String, nullable=False),
    Column("uses", BigInteger, nullable=False),
)

health_changes = Table(
    "health_changes",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("device", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("changed_by", String, nullable=False),
    Column("changed_at", Double, nullable=False),
    Index("health_changes_by_device", "device", "id"),
)

canary_answers = Table(
    "canary_answers",
    metadata,
    Column("kind", String, nullable=False),
    Column("runtime", String, nullable=False),
    Column("canary", String, nullable=False),
    Column("answer", String, nullable=False),
    Column("device", String, nullable=False),
    Column("answered_at", Double, nullable=False),
    Column("confirmed_by", String, nullable=False),
    PrimaryKeyConstraint("kind", "runtime", "canary"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("run", String, nullable=False),
    Column("device", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("cost_key", String, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double, nullable=False),
    Column("error_kind", String, nullable=False),
    Column("canary", Boolean, nullable=False),
    Index("attempts_by_key", "cost_key", "id"),
    Index("attempts_by_device", "device", "id"),
    Index("attempts_by_end", "ended_at"),
)

replays = Table(
    "replays",
    metadata,
    Column("what", String, primary_key=True),
    Column("replayed_at", Double, nullable=False),
)
