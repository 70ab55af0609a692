"""closet why: what made the worst segments of a run move, and which moved alike."""

from __future__ import annotations

import fnmatch

import click

from harness.cli.live import Watch
from harness.cli.options import json_option, open_store
from harness.cli.stopping import stopping
from harness.cli.streams import progress_console
from harness.errors import ConfigError
from harness.explanation import render_explained
from harness.pipeline.runs import alone_in, closet_home, find_run, load_run
from harness.pipeline.why import REPLAYER, explain_run, swap_anew, write_why
from harness.report import render_why
from harness.verdict import RunRecord


@click.command(
    epilog="\b\nExamples:\n"
    "  closet why last                   the stories, and the five worst segments\n"
    "  closet why last --most 0          the stories alone: nothing is replayed\n"
    "  closet why last 5beb9b58bd12b691/0000010a--a51155e496/3",
    short_help="Tell which input made a run's worst segments move.",
)
@click.argument("run_name", metavar="RUN")
@click.argument("segment", required=False)
@click.option(
    "--most",
    default=5,
    show_default=True,
    type=click.IntRange(min=0, max=1000),
    help="Swap vision and policy of so many of the worst.",
)
@json_option
def why(run_name: str, segment: str | None, most: int, as_json: bool) -> None:
    """Tell why trials of RUN FAILed: vision, policy, or state carried over; and which segments moved alike.

    Of the worst segments (or of SEGMENT) the candidate's policy is replayed over the baseline's vision features, and
    the other way round, on the run's kinds of device. That takes a moment: no picture is decoded.
    """
    folder = find_run(closet_home(), run_name)
    record = load_run(folder)
    segments = _segments(record, segment)
    store = open_store()
    with alone_in(folder), stopping("ending the remote jobs") as stop, Watch(progress_console()) as watch:
        swap = swap_anew(folder, store, watch, stop)
        explained = explain_run(record, store, most=most, swap=swap, segments=segments)
        write_why(folder, explained)
    click.echo(render_explained(explained) if as_json else render_why(explained), nl=not as_json)


def _segments(record: RunRecord, segment: str | None) -> tuple[str, ...]:
    """Those that are meant; none named means the worst."""
    if segment is None:
        return ()
    wanted = segment.replace("|", "/").rstrip("/")
    known = [result.segment for result in record.results if result.replayer == REPLAYER]
    chosen = tuple(dict.fromkeys(name for name in known if fnmatch.fnmatchcase(name, f"*{wanted}")))
    if not chosen:
        raise ConfigError(
            f"no segment {segment} of {REPLAYER} in run {record.run}",
            where=record.run,
            remedy="closet report RUN lists what there is",
        )
    return chosen
