"""closet baselines gc: what nobody needs any more makes room."""

from __future__ import annotations

import dataclasses
import re

import click

from harness.cli.options import echo_json, json_option, open_store
from harness.errors import ConfigError, ExitCode
from harness.pipeline.garbage import Keep, collect_garbage

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtT]?[bB])")
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@click.command(
    "gc",
    epilog="\b\nExamples:\n"
    "  closet baselines gc --budget 50GB --dry-run\n"
    "  closet baselines gc --budget 50GB --keep-runs 60",
)
@click.option(
    "--budget",
    required=True,
    metavar="SIZE",
    help="How much store, runs and emulated workers may take: 500MB, 50GB, 1TB.",
)
@click.option("--keep-runs", default=30, show_default=True, type=click.IntRange(min=1), help="Newest runs that stay.")
@click.option(
    "--keep-replaced", default=1, show_default=True, type=click.IntRange(min=0), help="Replaced baselines that stay."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
def gc(budget: str, keep_runs: int, keep_replaced: int, dry_run: bool, as_json: bool) -> int:
    """Let go of traces and runs that nobody needs, least recently used first, until the budget is kept.

    What counts as a baseline, what recent runs name, and the evidence of quarantined tests stays. Exit 3 when that
    alone is more than the budget.
    """
    keep = Keep(parse_size(budget), keep_runs, keep_replaced)
    gone = collect_garbage(open_store(), keep, dry_run=dry_run)
    if as_json:
        echo_json(dataclasses.asdict(gone))
    else:
        verb = "would go" if dry_run else "went"
        click.echo(
            f"{gone.blobs} traces and {gone.runs} runs {verb}, {gone.freed_bytes / 1e6:.1f} MB; "
            f"{gone.kept_bytes / 1e6:.1f} MB stay"
        )
        if gone.caches:
            click.echo(f"emulated workers of {gone.caches} runs: the copies they kept {verb} too")
        if gone.halves:
            click.echo(f"{gone.halves} temporary files that killed programs left are gone too")
        if gone.over_budget:
            click.echo("what is needed is more than the budget: raise it, or keep fewer runs")
    return ExitCode.NO_VERDICT if gone.over_budget else ExitCode.GATE_OPEN


def parse_size(text: str) -> int:
    """Bytes in `500MB`, `50GB`, `1.5TB`; ConfigError when it is no size."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"not a size: {text}", where="--budget", remedy="such as 500MB, 50GB or 1TB")
    return round(float(found[1]) * _UNITS[found[2].upper()])
