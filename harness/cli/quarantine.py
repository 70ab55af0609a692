"""closet quarantine: what is quarantined, who owns it, how many days are left; and what closet check says of it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from harness.cli.options import echo_json, json_option, who
from harness.cli.streams import complain
from harness.config import Suite
from harness.config.quarantine import QUARANTINE_FILE, load_quarantine
from harness.domain import DeviceKind, QuarantineEntry
from harness.errors import ConfigError
from harness.pipeline.changes import Person, one_line
from harness.pipeline.quarantine import Place, check_entries, check_expiry, unmatched
from harness.pipeline.quarantining import LONGEST_DAYS, quarantine_test, release_test
from harness.pipeline.runs import closet_home
from harness.pipeline.shelf import open_shelf


@click.group(
    epilog="\b\nExamples:\n  closet quarantine list suites\n"
    "  closet quarantine add '5beb9b58bd12b691/*' --checks lanes --owner lab@example.org --days 14 \\\n"
    '      --issue https://example.org/issues/7 --reason "the lane lines flicker since the camera was changed"',
    short_help="Checks that do not gate for a while.",
)
def quarantine() -> None:
    """Checks that may go wrong for a while without closing the gate: they still run and are still reported."""


_file_option = click.option(
    "--file",
    type=click.Path(path_type=Path),
    default=Path("suites") / QUARANTINE_FILE,
    show_default=True,
    help="The quarantine file.",
)


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


@quarantine.command(
    "add",
    epilog="\b\nExample:\n"
    "  closet quarantine add '5beb9b58*' --owner lab@example.org --days 14 --issue https://a.example/7 --reason odd",
)
@click.argument("route")
@click.option("--devices", "kinds", multiple=True, type=click.Choice([kind.value for kind in DeviceKind]))
@click.option("--replayers", multiple=True, default=("*",), metavar="PATTERN", help="Only these. Default: all.")
@click.option("--checks", multiple=True, default=("*",), metavar="PATTERN", help="Only these. Default: all.")
@click.option("--owner", required=True, help="Who sees to it that the while ends.")
@click.option("--issue", required=True, metavar="URL", help="Where it is worked on.")
@click.option("--reason", required=True, help="Why; kept in the file and in the audit log.")
@click.option("--days", required=True, type=click.IntRange(1, LONGEST_DAYS), help="How long it holds, today included.")
@_file_option
def add(
    route: str,
    kinds: tuple[str, ...],
    replayers: tuple[str, ...],
    checks: tuple[str, ...],
    owner: str,
    issue: str,
    reason: str,
    days: int,
    file: Path,
) -> None:
    """Quarantine checks on ROUTE (a selector, or a pattern over segment names): an entry in the file."""
    entry = QuarantineEntry(
        route=route,
        owner=one_line(owner, "the owner"),
        issue=issue,
        reason=one_line(reason),
        expires=today() + datetime.timedelta(days=days - 1),
        device_kinds=tuple(DeviceKind(kind) for kind in kinds),
        replayers=replayers,
        checks=checks,
    )
    with open_shelf(closet_home()) as shelf:
        quarantine_test(file, entry, today=today(), archive=shelf.archive, person=_person())
    click.echo(f"{route} is quarantined until {entry.expires}: {file}")


@quarantine.command(
    "release", epilog="\b\nExample:\n  closet quarantine release '5beb9b58bd12b691/*' --reason 'the camera is back'"
)
@click.argument("route")
@click.option("--reason", required=True, help="What was done about it; kept in the audit log.")
@_file_option
def release(route: str, reason: str, file: Path) -> None:
    """Take every entry of ROUTE out of the file: its checks gate again."""
    entries = load_quarantine(file)
    numbers = [number for number, entry in enumerate(entries) if entry.route == route]
    if not numbers:
        raise ConfigError(f"nothing of {route} is quarantined", where=str(file), remedy="closet quarantine list")
    with open_shelf(closet_home()) as shelf:
        for number in reversed(numbers):
            release_test(file, number, route, reason=one_line(reason), archive=shelf.archive, person=_person())
    click.echo(f"{route} is released: {file}")


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


def _person() -> Person:
    return Person(who(), "command line")


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
