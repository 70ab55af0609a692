"""closet runs: what the database remembers of runs, made again from their records."""

from __future__ import annotations

import click

from harness.cli.options import echo_json, json_option
from harness.cli.streams import complain
from harness.errors import ExitCode
from harness.pipeline.archive import index_runs
from harness.pipeline.runs import closet_home
from harness.pipeline.shelf import open_shelf


@click.group(epilog="\b\nExample:\n  closet runs index", short_help="What the dashboard knows of runs.")
def runs() -> None:
    """What the database remembers of runs, for `closet serve`. The record in a run's folder stays the truth."""


@runs.command("index", epilog="\b\nExamples:\n  closet runs index\n  closet runs index --all")
@click.option("--all", "all_of_them", is_flag=True, help="Also the runs that are known as they are.")
@json_option
def index(all_of_them: bool, as_json: bool) -> int:
    """Bring runs that the database does not know, or knows otherwise, into it. Exit 3 when a record cannot be read."""
    done = failed = 0
    with open_shelf(closet_home()) as shelf:
        for folder, error in index_runs(closet_home(), shelf.archive, all_of_them=all_of_them):
            done += error is None
            failed += error is not None
            if error is not None:
                complain(f"closet: {folder.name}: {error}")
    if as_json:
        echo_json({"indexed": done, "failed": failed})
    else:
        click.echo(f"{done} runs indexed" + (f", {failed} cannot be read" if failed else ""))
    return ExitCode.NO_VERDICT if failed else ExitCode.GATE_OPEN
