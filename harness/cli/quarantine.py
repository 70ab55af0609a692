"""closet quarantine: what is quarantined, who owns it, how many days are left; and what closet check says of it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from harness.cli.options import echo_json, json_option
from harness.cli.streams import complain
from harness.config import Suite
from harness.config.quarantine import QUARANTINE_FILE, load_quarantine
from harness.domain import QuarantineEntry
from harness.pipeline.quarantine import Place, check_entries, check_expiry, unmatched


@click.group(epilog="\b\nExample:\n  closet quarantine list suites", short_help="Checks that do not gate for a while.")
def quarantine() -> None:
    """Checks that may go wrong for a while without closing the gate: they still run and are still reported."""


@quarantine.command("list", epilog="\b\nExample:\n  closet quarantine list suites/quarantine.yaml")
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE|FOLDER]")
@json_option
def list_quarantine(file: Path | None, as_json: bool) -> None:
    """List the entries of FILE (or of FOLDER's quarantine.yaml, by default that of suites), soonest to expire first."""
    path = file or Path("suites")
    path = path / QUARANTINE_FILE if path.is_dir() else path
    entries = load_quarantine(path)
    check_entries(entries)
    now = today()
    rows = [_row(entry, now) for entry in sorted(entries, key=lambda entry: (entry.expires, entry.where))]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        days = int(str(row["days_left"]))
        left = f"{days} days left" if days >= 0 else f"EXPIRED {-days} days ago"
        click.echo(f"{row['route']} · {row['devices']} · {row['replayers']} · {row['checks']}")
        click.echo(f"  {left}, until {row['expires']} · {row['owner']} · {row['issue']}\n  {row['reason']}")
    if not rows:
        click.echo(f"nothing is quarantined in {path}")


def today() -> datetime.date:
    """The day by which entries expire: UTC, wherever the closet is."""
    return datetime.datetime.now(datetime.UTC).date()


def check_quarantine_file(path: Path) -> None:
    """Raise unless a quarantine file is in order and nothing in it has expired."""
    entries = load_quarantine(path)
    check_entries(entries)
    check_expiry(entries, today())


def warn_of_unmatched(suites: Sequence[Suite], places: Mapping[Path, Sequence[Place]]) -> list[str]:
    """Say which entries mean nothing in any of the suites that share their file; `places` by the suite's path."""
    warnings: list[str] = []
    for path in dict.fromkeys(suite.quarantine_path for suite in suites if suite.quarantine_path):
        sharing = [suite for suite in suites if suite.quarantine_path == path]
        there = [place for suite in sharing for place in places[suite.path]]
        names = ", ".join(suite.name for suite in sharing)
        warnings += [
            f"{entry.where}: the quarantine of {entry.route} matches nothing in {names}"
            for entry in unmatched(sharing[0].quarantine, there)
        ]
    for warning in warnings:
        complain(f"warning: {warning}")
    return warnings


def _row(entry: QuarantineEntry, now: datetime.date) -> dict[str, str | int]:
    return {
        "route": entry.route,
        "devices": ", ".join(entry.device_kinds) or "all devices",
        "replayers": ", ".join(entry.replayers),
        "checks": ", ".join(entry.checks),
        "owner": entry.owner,
        "issue": entry.issue,
        "reason": entry.reason,
        "expires": entry.expires.isoformat(),
        "days_left": entry.days_left(now),
        "where": entry.where,
    }
