"""closet diff: how the segments of a run that is over differ."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import click

from harness.cli.options import echo_json, json_option, open_store, shown_path
from harness.compare import describe_difference
from harness.errors import ConfigError, DataError
from harness.pipeline.runs import closet_home, find_run, load_run
from harness.report import render_trial
from harness.store import Store
from harness.trace import Trace, load_trace
from harness.verdict import JobResult, RunRecord, Verdict, gate


@click.command(
    epilog="\b\nExamples:\n"
    "  closet diff last                  every trial of the last run that did not pass\n"
    "  closet diff last 5beb9b58bd12b691/0000010a--a51155e496/3 --channel 'action.*'\n"
    "  closet diff one.trace other.trace",
    short_help="Show how a segment differs, channel by channel.",
)
@click.argument("run_name", metavar="RUN|TRACE")
@click.argument("segment", required=False, metavar="[SEGMENT|TRACE]")
@click.option("--channel", default="*", metavar="PATTERN", help="Only these channels in the table.")
@click.option("--all", "show_all", is_flag=True, help="Every channel, not only those that differ.")
@json_option
def diff(run_name: str, segment: str | None, channel: str, show_all: bool, as_json: bool) -> None:
    """Show how the candidate differs from the baseline: findings in words, then every channel that moved.

    Without SEGMENT all trials that did not pass are shown.
    """
    if segment is not None and Path(run_name).is_file() and Path(segment).is_file():
        rows = _rows(load_trace(Path(run_name)), load_trace(Path(segment)), channel, show_all)
        if as_json:
            echo_json(rows)
        elif rows:
            _print_rows(rows)
        else:
            click.echo("nothing differs")
        return
    folder = find_run(closet_home(), run_name)
    record = load_run(folder)
    store = open_store()
    shown = _chosen(record, segment)
    if as_json:
        echo_json(
            [
                {
                    "name": result.name,
                    "verdict": result.verdict.value,
                    "channels": _rows_of(result, store, channel, show_all),
                }
                for result in shown
            ]
        )
        return
    for result in shown:
        click.echo(render_trial(result, run_folder=shown_path(folder)), nl=False)
        _print_rows(_rows_of(result, store, channel, show_all))
    if not shown:
        click.echo(f"nothing differs: {gate(record).reason}")


def print_difference(expected: Trace, observed: Trace, channel: str) -> None:
    """Every channel that moved between two traces, as a table."""
    rows = _rows(expected, observed, channel, show_all=False)
    if rows:
        _print_rows(rows)
    else:
        click.echo("nothing differs")


def _chosen(record: RunRecord, segment: str | None) -> list[JobResult]:
    if segment is None:
        return [result for result in record.results if result.verdict is not Verdict.PASS]
    wanted = segment.replace("|", "/").rstrip("/")
    chosen = [result for result in record.results if fnmatch.fnmatchcase(result.segment, f"*{wanted}")]
    if not chosen:
        raise ConfigError(
            f"no segment {segment} in run {record.run}",
            where=record.run,
            remedy="closet report RUN lists what there is",
        )
    return chosen


def _rows_of(result: JobResult, store: Store, channel: str, show_all: bool) -> list[dict[str, str]]:
    if not (result.candidate_trace and result.baseline_trace):
        return []
    expected = store.load_trace(result.baseline_trace)
    observed = store.load_trace(result.candidate_trace)
    return _rows(expected, observed, channel, show_all)


def _rows(expected: Trace, observed: Trace, channel: str, show_all: bool) -> list[dict[str, str]]:
    if expected.segment != observed.segment or expected.replayer != observed.replayer:
        raise DataError(
            f"{expected.replayer} on {expected.segment} is not {observed.replayer} on {observed.segment}",
            remedy="compare traces of one replayer on one segment",
        )
    return [
        row
        for row in describe_difference(expected, observed)
        if fnmatch.fnmatchcase(row["channel"], channel) and (show_all or row["differs"] == "yes")
    ]


def _print_rows(rows: list[dict[str, str]]) -> None:
    """A table whose columns are as wide as their longest cell."""
    if not rows:
        return
    titles = [title for title in rows[0] if title != "differs"]
    widths = {title: max(len(title), *(len(row[title]) for row in rows)) for title in titles}
    for row in ({title: title for title in titles}, *rows):
        click.echo("  " + "  ".join(row[title].ljust(widths[title]) for title in titles).rstrip())
    click.echo()
