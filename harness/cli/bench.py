"""closet bench: how fast replays, logs, runs, staging and the dashboard are on this machine, measured in one run."""

from __future__ import annotations

from pathlib import Path

import click

from harness.bench import FIGURES, FULL, QUICK, choose, measure, open_workbench, render_table
from harness.cli.options import echo_json, json_option
from harness.errors import from_description


@click.command(
    epilog="\b\nExamples:\n  closet bench\n  closet bench replay --keep /var/tmp/bench\n  closet bench 'log*' --json"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--quick", is_flag=True, help="Seconds instead of minutes of driving: shows that it works, not how fast.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the made segments and models in DIR for the next time.",
)
@json_option
def bench(names: tuple[str, ...], quick: bool, keep: Path | None, as_json: bool) -> None:
    """Measure how fast this machine replays, reads logs, runs suites, stages files and shows the dashboard.

    NAME is the beginning of a figure's name or a pattern; without one all are measured, in about ten minutes on two
    cores. Each figure is a ratio or a rate measured within this run; a figure that misses its goal is told in the table
    and does not change the exit code.
    """
    chosen = choose(FIGURES, names)
    results = []
    with open_workbench(QUICK if quick else FULL, keep, lambda text: click.echo(f"bench: {text}", err=True)) as bench:
        for result in measure(chosen, bench):
            results.append(result)
            if result.error is not None:
                click.echo(f"bench: {result.figure.name}: {from_description(result.error)}", err=True)
    if as_json:
        echo_json([result.as_json() for result in results])
    else:
        click.echo(render_table(results))
    for result in results:
        if result.error is not None:
            raise from_description(result.error)
