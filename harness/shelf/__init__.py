"""What several runs share: who may use which device slot, how devices are, what was measured. SQLite or PostgreSQL."""

from harness.shelf.address import Address, parse_address
from harness.shelf.archive import Archive
from harness.shelf.database import DEADLINE_S
from harness.shelf.holders import LOST_AFTER_S, RENEW_EVERY_S
from harness.shelf.labels import refuse_unavailable
from harness.shelf.offers import PATIENCE_S
from harness.shelf.run_values import (
    ENDED,
    RUNNING,
    AuditEntry,
    ClaimEntry,
    Counts,
    Covered,
    DeviceDays,
    FlakyPlace,
    LastSeen,
    Moved,
    PastTrial,
    Point,
    RunEntry,
    RunFilter,
    RunRow,
    SeriesRow,
    TrialEntry,
    TrialRow,
)
from harness.shelf.shelf import Shelf
from harness.shelf.turns import AGEING_S, Claim, whose_turn
from harness.shelf.values import CanaryAnswer, DeviceHealth, HealthChange, HolderState, PastAttempt, name_of_run

__all__ = [
    "AGEING_S",
    "DEADLINE_S",
    "ENDED",
    "LOST_AFTER_S",
    "PATIENCE_S",
    "RENEW_EVERY_S",
    "RUNNING",
    "Address",
    "Archive",
    "AuditEntry",
    "CanaryAnswer",
    "Claim",
    "ClaimEntry",
    "Counts",
    "Covered",
    "DeviceDays",
    "DeviceHealth",
    "FlakyPlace",
    "HealthChange",
    "HolderState",
    "LastSeen",
    "Moved",
    "PastAttempt",
    "PastTrial",
    "Point",
    "RunEntry",
    "RunFilter",
    "RunRow",
    "SeriesRow",
    "Shelf",
    "TrialEntry",
    "TrialRow",
    "name_of_run",
    "parse_address",
    "refuse_unavailable",
    "whose_turn",
]
