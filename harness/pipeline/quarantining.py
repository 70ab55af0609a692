"""Tests that are quarantined, and released, by hand. For `closet quarantine` and the dashboard."""

from __future__ import annotations

import datetime
from pathlib import Path

from harness.config.quarantine import load_quarantine
from harness.config.quarantine_edit import add_entry, remove_entry
from harness.domain import QuarantineEntry
from harness.errors import ConfigError
from harness.pipeline.changes import Person, audited
from harness.pipeline.quarantine import check_entries, check_expiry
from harness.shelf import Archive

LONGEST_DAYS = 366


def quarantine_test(
    path: Path, entry: QuarantineEntry, *, today: datetime.date, archive: Archive, person: Person
) -> None:
    """Put an entry into the file at `path`: it excuses nothing before, and nothing after its last day."""
    check_entries((entry,))
    check_expiry((entry,), today)
    if entry.days_left(today) > LONGEST_DAYS:
        raise ConfigError(
            f"{entry.expires} is more than a year away", where="expires", remedy="a quarantine is for a while"
        )
    with audited(archive, person, "quarantine test", entry.route, f"{entry.reason} ({entry.owner}, {entry.issue})"):
        add_entry(path, entry)


def release_test(path: Path, number: int, route: str, *, reason: str, archive: Archive, person: Person) -> None:
    """Take entry `number` (from 0), which is of `route`, out of the file at `path`."""
    entries = load_quarantine(path)
    if not 0 <= number < len(entries) or entries[number].route != route:
        raise ConfigError(f"entry {number} is not one of {route}", where=str(path), remedy="look at the list again")
    with audited(archive, person, "release test", route, reason):
        remove_entry(path, entries[number])
