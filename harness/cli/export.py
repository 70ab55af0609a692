"""closet export: a segment with both traces, for other tools."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from harness.cli.options import echo_json, json_option, open_store, shown_path
from harness.cli.streams import progress_console
from harness.errors import ConfigError
from harness.export import ExportFormat, Segment, export_segment
from harness.export.formats import load_writer
from harness.pipeline.exporting import segment_of_run, segment_of_traces
from harness.pipeline.runs import closet_home, find_run, load_run
from harness.trace import load_trace
from harness.verdict import JobResult, RunRecord


@click.command(
    epilog="\b\nExamples:\n"
    "  closet export last 5beb9b58bd12b691/0000010a--a51155e496/3 --format mcap\n"
    "  closet export last 5beb9b58bd12b691/0000010a--a51155e496/3 --format rrd -o minute.rrd\n"
    "  closet export baseline.trace candidate.trace --format parquet",
    short_help="Write a segment with both traces for Foxglove, Rerun or tables.",
)
@click.argument("run_name", metavar="RUN|TRACE")
@click.argument("segment", metavar="SEGMENT|TRACE")
@click.option(
    "--format",
    "kind",
    type=click.Choice([each.value for each in ExportFormat]),
    required=True,
    help="mcap opens in Foxglove, rrd in Rerun, parquet in anything that reads tables.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Default: named by the segment.")
@click.option("--replayer", metavar="NAME", help="Which trial, where the segment has several.")
@click.option("--device-kind", metavar="KIND", help="Which trial, where several kinds of device replayed it.")
@json_option
def export(
    run_name: str,
    segment: str,
    kind: str,
    output: Path | None,
    replayer: str | None,
    device_kind: str | None,
    as_json: bool,
) -> None:
    """Write SEGMENT of RUN (a folder, a name, or `last`) with both traces, the drive's video and the way the car took.

    Two trace files, the baseline's first, are exported without a recording. Each format is an extra to install.
    """
    chosen = ExportFormat(kind)
    load_writer(chosen)  # a missing library is told before anything is read
    if Path(run_name).is_file() and Path(segment).is_file():
        found = segment_of_traces(load_trace(Path(run_name)), load_trace(Path(segment)))
    else:
        folder = find_run(closet_home(), run_name)
        record = load_run(folder)
        with open_store() as store:
            found = segment_of_run(record, _chosen(record, segment, replayer, device_kind), folder, store)
    path = output or Path(f"{found.name.replace('/', '_')}-{found.replayer}.{chosen}")
    _write(found, chosen, path)
    if as_json:
        echo_json({"file": str(path), "bytes": path.stat().st_size, "notes": [*found.notes]})
        return
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{shown_path(path.absolute())}  {path.stat().st_size / 1e6:.1f} MB")


def _write(segment: Segment, kind: ExportFormat, path: Path) -> None:
    console = progress_console()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(f"writing {path.name}", total=None)
        try:
            export_segment(segment, kind, path, lambda done, total: bar.update(task, completed=done, total=total))
        except OSError as error:
            raise ConfigError(
                f"cannot be written: {error.strerror or error}", where=str(path), remedy="name another file with -o"
            ) from error


def _chosen(record: RunRecord, segment: str, replayer: str | None, device_kind: str | None) -> JobResult:
    """The one trial that is meant."""
    wanted = segment.replace("|", "/").rstrip("/")
    found = [
        result
        for result in record.results
        if result.segment.endswith(wanted)
        and replayer in {None, result.replayer}
        and device_kind in {None, result.device_kind}
    ]
    if not found:
        raise ConfigError(
            f"no such trial in run {record.run}", where=segment, remedy="closet report RUN lists what there is"
        )
    if len(found) > 1:
        raise ConfigError(
            f"{len(found)} trials are meant: {'; '.join(result.name for result in found)}",
            where=segment,
            remedy="name the segment in full, --replayer and --device-kind",
        )
    return found[0]
