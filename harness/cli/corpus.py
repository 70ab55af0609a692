"""closet routes index, find, coverage: the minutes that matter, found among all there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import click

from harness.cli.options import echo_json, json_option
from harness.errors import ConfigError
from harness.files import write_text
from harness.pipeline.runs import closet_home
from harness.recording.corpus import CORPUS_FILE, Corpus
from harness.recording.corpus_columns import COLUMNS
from harness.recording.corpus_coverage import measure_coverage, render_coverage_svg, render_coverage_table
from harness.recording.corpus_query import parse_query

_SHOWN = ("segment", "car", "device", "engaged_s", "soft_disables", "immediate_disables", "user_disables")
_NAMES_HELP = "\n".join(f"  {column.name:<24}{column.words}" for column in COLUMNS)
_TOLD_EVERY_S = 1.0


@click.command(
    "index",
    epilog="\b\nExamples:\n  closet routes index /data/drives\n  closet routes index /data/a /data/b --jobs 8",
    short_help="Index recordings, so that `find` finds minutes among them.",
)
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes that read logs; default: one a core.")
@json_option
def index_routes(folders: tuple[Path, ...], jobs: int | None, as_json: bool) -> None:
    """Keep one row a segment of every recording below DIR, however deep, in $CLOSET_HOME/corpus.db.

    Logs that have not changed since are not read again; segments that are gone are dropped. A log that cannot be read
    is kept with its error and does not stop the walk. Interrupted, it goes on where it was.
    """
    begin_s = time.monotonic()
    with _open() as corpus:
        report = corpus.index(folders, workers=jobs, progress=_progress())
        rows = corpus.count()
    if as_json:
        echo_json(
            {
                "segments": report.segments,
                "read": report.read,
                "unchanged": report.unchanged,
                "removed": report.removed,
                "broken": [{"segment": segment, "error": error} for segment, error in report.broken],
                "index_rows": rows,
            }
        )
        return
    for segment, error in report.broken:
        click.echo(f"{segment}: {error}", err=True)
    removed = f", {report.removed} gone" if report.removed else ""
    broken = f", {len(report.broken)} cannot be read" if report.broken else ""
    click.echo(
        f"{report.segments} segments: {report.read} read, {report.unchanged} unchanged{removed}{broken} · "
        f"{time.monotonic() - begin_s:.1f} s · {rows} rows in all"
    )


@click.command(
    "find",
    epilog="\b\nExamples:\n"
    "  closet routes find 'soft_disables > 0 and brand = \"toyota\"'\n"
    '  closet routes find \'event in ("commIssue", "modeldLagging") and not night\' --json\n'
    "  closet routes find 'max_lateral_mps2 > 2.5 or version like \"0.9.%\"' --names\n"
    f"\n\b\nNames:\n{_NAMES_HELP}\n  {'event':<24}name of any disabling event: =, !=, in, like",
    short_help="Find indexed segments by an expression.",
)
@click.argument("expression")
@click.option("--names", "only_names", is_flag=True, help="Print segment names only, one a line.")
@json_option
def find_routes(expression: str, only_names: bool, as_json: bool) -> None:
    """Segments of the index that EXPRESSION picks: comparisons joined by and, or, not and brackets.

    Comparisons are =, !=, <, <=, >, >=, in (…), like "…" (with % and _) and is [not] unknown; text stands in quotes.
    The same expression picks the minutes of a suite: `routes: [{folder: …, where: …}]`.
    """
    query = parse_query(expression)
    with _open(must_exist=True) as corpus:
        rows = corpus.find(query) if as_json else corpus.find(query, _SHOWN)
        if as_json:
            events = corpus.disablings(query)
            echo_json([{**row, "disablings": events.get((str(row["segment"]), str(row["place"])), [])} for row in rows])
            return
        total = corpus.count()
    for row in rows:
        click.echo(str(row["segment"]) if only_names else _line(row))
    click.echo(f"{len(rows)} of {total} segments", err=True)


@click.command(
    "coverage",
    epilog="\b\nExamples:\n  closet routes coverage\n  closet routes coverage --picture coverage.svg --missing",
    short_help="What the index covers: cars × devices × events.",
)
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.svg", help="Draw it, as SVG.")
@click.option("--missing", is_flag=True, help="List the known cars that have no route.")
@json_option
def coverage_routes(picture: Path | None, missing: bool, as_json: bool) -> None:
    """Cars, devices and disabling events of the index, and which cars opendbc knows that have no route."""
    if picture is not None and picture.suffix != ".svg":
        raise ConfigError("a picture is written as SVG", where=str(picture), remedy="name it coverage.svg")
    with _open(must_exist=True) as corpus:
        coverage = measure_coverage(corpus, _known_cars())
    if picture is not None:
        write_text(picture, render_coverage_svg(coverage))
    if as_json:
        echo_json(
            {
                "cars": [
                    {
                        "brand": row.brand,
                        "car": row.car,
                        "device": row.device,
                        "segments": row.segments,
                        "hours": round(row.hours, 4),
                        "engaged_hours": round(row.engaged_hours, 4),
                        "events": [
                            {"type": kind, "name": name, "count": count} for (kind, name), count in row.events.items()
                        ],
                    }
                    for row in coverage.rows
                ],
                "cars_without_routes": list(coverage.missing),
                "picture": str(picture) if picture else None,
            }
        )
        return
    click.echo(render_coverage_table(coverage), nl=False)
    if missing:
        for car in coverage.missing:
            click.echo(f"  {car}")
    if picture is not None:
        click.echo(f"picture: {picture}")


def _known_cars() -> list[str]:
    """The cars opendbc knows; imported only when asked for, as that takes longer than the whole command line."""
    return sorted(str(name) for name in import_module("opendbc.car.values").PLATFORMS)


def _open(*, must_exist: bool = False) -> Corpus:
    path = closet_home() / CORPUS_FILE
    if must_exist and not path.is_file():
        raise ConfigError("nothing is indexed yet", where=str(path), remedy="closet routes index DIR reads recordings")
    return Corpus(path)


def _progress() -> Callable[[int, int], None]:
    """Tells on stderr how far the walk is, about once a second."""
    last_s = begin_s = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s >= _TOLD_EVERY_S or (done == total and now_s - begin_s > _TOLD_EVERY_S):
            last_s = now_s
            click.echo(f"{done} of {total} logs, {done / (now_s - begin_s) * 60:.0f} a minute", err=True)

    return tell


def _line(row: Mapping[str, object]) -> str:
    engaged_s = row["engaged_s"]
    engaged = "engaged ?" if engaged_s is None else f"engaged {engaged_s:>5} s"
    events = [
        f"{row[column]} {words}"
        for column, words in (("soft_disables", "soft"), ("immediate_disables", "immediate"), ("user_disables", "user"))
        if row[column]
    ]
    car = str(row["car"]) or "unknown car"
    return f"{row['segment']}  {car:<28} {row['device'] or '?':<6} {engaged}  {', '.join(events)}".rstrip()
