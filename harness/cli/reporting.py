"""closet report: what a record says, in every form that people and servers read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from harness.cli.options import shown_path
from harness.cli.page import make_page, page_options
from harness.cli.streams import complain, tell
from harness.errors import ConfigError, ExitCode
from harness.files import write_text
from harness.pipeline.runs import closet_home, find_run, load_run
from harness.pipeline.why import load_why
from harness.report import (
    READER_LIMIT,
    page_base,
    render_annotations,
    render_comment,
    render_gitlab,
    render_junit,
    render_markdown,
    render_parts,
    render_sarif,
    render_summary,
)
from harness.verdict import RunRecord, gate, render_record

_SPLIT = ("junit", "gitlab")
_KINDS = ("text", "junit", "github", "gitlab", "markdown", "comment", "json", "sarif")


@click.command(
    epilog="\b\nExamples:\n"
    "  closet report last\n"
    "  closet report last --format junit -o junit.xml --format markdown -o summary.md --format github\n"
    "  closet report last --format comment --page-url https://closet.example.org/runs/2026-11-21-001/page\n"
    "  closet report last --format gitlab -o report.xml --split 5000\n"
    "  closet report last --html                    a page to look at, in the run's folder\n"
    "  closet report last --html public --segments all",
    short_help="Regenerate a report from a run's record.",
)
@click.argument("run_name", metavar="RUN")
@click.option(
    "--format",
    "kinds",
    type=click.Choice(_KINDS),
    multiple=True,
    show_default="text, or only the page with --html",
    help="github: annotations. gitlab: JUnit as GitLab takes it. markdown: the summary of a job. comment: of a pull "
    "request. May be given several times.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Write the report of the --format before it here. The last report needs none: it goes to standard output.",
)
@click.option(
    "--split",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most so many test cases in a JUnit file: report.xml, report-2.xml, …",
)
@click.option(
    "--page-url",
    default="",
    envvar="CLOSET_PAGE_URL",
    metavar="URL",
    help="Where the page of this run can be opened; reports link to it. Also CLOSET_PAGE_URL.",
)
@page_options
def report(
    run_name: str,
    kinds: tuple[str, ...],
    outputs: tuple[Path, ...],
    split: int | None,
    page_url: str,
    html: str | None,
    segments: tuple[str, ...],
    films: bool,
) -> int:
    """Write reports of RUN (a folder, a name, or `last`), and exit with the gate's code.

    Nothing is replayed or judged again: each is made from the record that the run left. The page of --html opens from a
    disk and from any web server, and needs no network.
    """
    kinds = kinds or (("text",) if html is None else ())
    if not len(kinds) - 1 <= len(outputs) <= len(kinds):
        raise ConfigError(
            f"{len(kinds)} formats and {len(outputs)} files to write",
            where="--output",
            remedy="give each --format its -o; only the last may go to standard output",
        )
    page = page_base(page_url)
    folder = find_run(closet_home(), run_name)
    record = load_run(folder)
    code = ExitCode(gate(record).exit_code)
    for kind, path in zip(kinds, outputs, strict=False):
        texts = _texts(kind, record, folder, page, split)
        code = ExitCode.worst([code, _write(path, kind, texts)])
    if html is not None:
        written = make_page(folder, html, segments, films=films)
        if len(outputs) == len(kinds):
            return tell(written, code)
        complain(written.rstrip())  # a report has standard output for itself
    if len(outputs) == len(kinds):
        return code
    shown = kinds[-1]
    return tell("".join(_texts(shown, record, folder, page, None)), code)


def _texts(kind: str, record: RunRecord, folder: Path, page: str, split: int | None) -> Iterator[str]:
    """One report; several texts where it is split."""
    shown = shown_path(folder)
    junit: dict[str, Callable[[RunRecord], str]] = {
        "junit": functools.partial(render_junit, page_url=page),
        "gitlab": functools.partial(render_gitlab, page_url=page),
    }
    if kind in junit and split is not None:
        yield from render_parts(record, junit[kind], split)
    elif kind in junit:
        text = junit[kind](record)
        if len(text.encode()) > READER_LIMIT:
            complain(f"closet: a report of {len(text.encode()) / 1e6:.0f} MB, and readers refuse 30 MB (--split 5000)")
        yield text
    elif kind == "github":
        yield render_annotations(record, page_url=page)
    elif kind == "markdown":
        yield render_markdown(record, shown, page_url=page, explained=load_why(folder))
    elif kind == "comment":
        yield render_comment(record, shown, page_url=page, explained=load_why(folder))
    elif kind == "sarif":
        yield render_sarif(record, page_url=page)
    elif kind == "json":
        yield render_record(record)
    else:
        yield render_summary(record, run_folder=shown, explained=load_why(folder))


def _write(path: Path, kind: str, texts: Iterator[str]) -> ExitCode:
    """Put a report into its file, the parts of one beside it; NO_VERDICT where that could not be done."""
    number = 1
    try:
        for number, text in enumerate(texts, 1):
            write_text(_part(path, number), text)
        # Parts of an earlier report would be read as parts of this one.
        while kind in _SPLIT and _part(path, number + 1).is_file():
            number += 1
            _part(path, number).unlink()
    except OSError as error:
        complain(f"closet: {path}: cannot be written: {error.strerror} (name another -o)")
        return ExitCode.NO_VERDICT
    return ExitCode.GATE_OPEN


def _part(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
