"""What was found: runs, trials, claims; how devices did by day; who changed what."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _serial() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _counts(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def _numbers(*names: str, nullable: bool = False) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double(), nullable=nullable) for name in names]


def upgrade() -> None:
    """Make the tables; how devices did is counted from the attempts that are remembered."""
    op.create_table(
        "runs",
        _serial(),
        *_texts("slug", "host", "folder", "suite", "candidate", "baseline"),
        *_numbers("started_at", "changed_at", "duration_s"),
        *_texts("state"),
        *_counts("exit_code"),
        *_texts("reason"),
        *_counts("total", "passed", "failed", "errors", "quarantined", "waiting", "segments", "devices"),
        *_counts("claims", "claims_held"),
        *_texts("seen"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("runs_by_slug", "runs", ["slug"], unique=True)
    op.create_index("runs_by_folder", "runs", ["host", "folder"], unique=True)
    op.create_index("runs_by_start", "runs", ["started_at", "id"], unique=False)
    op.create_index("runs_by_suite", "runs", ["suite", "started_at", "id"], unique=False)
    op.create_index("runs_by_state", "runs", ["state"], unique=False)
    op.create_table(
        "places",
        _serial(),
        *_texts("segment", "replayer", "device_kind"),
        *_numbers("last_at"),
        *_texts("last_verdict"),
        sa.Column("last_run", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("places_by_name", "places", ["segment", "replayer", "device_kind"], unique=True)
    op.create_index("places_by_last", "places", ["last_at"], unique=False)
    op.create_table(
        "trials",
        sa.Column("run", sa.BigInteger(), nullable=False),
        *_counts("ordinal"),
        sa.Column("place", sa.BigInteger(), nullable=False),
        *_texts("verdict", "device", "words", "error_kind", "blame", "job", "trace"),
        sa.PrimaryKeyConstraint("run", "ordinal"),
        sqlite_with_rowid=False,
    )
    op.create_index("trials_by_place", "trials", ["place", "run"], unique=False)
    op.create_table("series", _serial(), *_texts("suite", "metric", "condition", "unit"), sa.PrimaryKeyConstraint("id"))
    op.create_index("series_by_name", "series", ["suite", "metric", "condition"], unique=True)
    op.create_table(
        "claims",
        sa.Column("run", sa.BigInteger(), nullable=False),
        *_counts("ordinal"),
        sa.Column("series", sa.BigInteger(), nullable=False),
        *_numbers("measured_at"),
        *_texts("intent", "name", "expect", "answer", "standing", "words"),
        *_counts("segments"),
        *_numbers("candidate", "baseline", "effect", "low", "high", nullable=True),
        sa.PrimaryKeyConstraint("run", "ordinal"),
    )
    op.create_index("claims_by_series", "claims", ["series", "measured_at"], unique=False)
    op.create_table(
        "device_days",
        *_texts("device"),
        *_counts("day"),
        *_texts("error_kind"),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        *_numbers("busy_s"),
        sa.PrimaryKeyConstraint("device", "day", "error_kind"),
    )
    op.create_index("device_days_by_day", "device_days", ["day"], unique=False)
    op.create_table(
        "audit",
        _serial(),
        *_numbers("at"),
        *_texts("who", "via", "action", "subject", "reason", "outcome"),
        sa.PrimaryKeyConstraint("id"),
    )
    attempts = sa.table("attempts", *(sa.column(name) for name in ("device", "error_kind", "started_at", "ended_at")))
    names = ("device", "day", "error_kind", "attempts", "busy_s")
    days = sa.table("device_days", *(sa.column(name) for name in names))
    whole = attempts.c.ended_at / 86_400.0
    # A cast cuts off in SQLite and rounds in PostgreSQL.
    whole = sa.func.floor(whole) if op.get_bind().dialect.name == "postgresql" else whole
    key = (attempts.c.device, sa.cast(whole, sa.Integer), attempts.c.error_kind)
    counted = sa.select(*key, sa.func.count(), sa.func.sum(attempts.c.ended_at - attempts.c.started_at)).group_by(*key)
    op.execute(days.insert().from_select(names, counted))
