"""`closet report RUN --html`: the options of a run's page, and writing it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli.options import open_store, shown_path
from harness.cli.streams import progress_console

_IN_THE_RUN = ""
_CHANGED, _PAGE = "changed", "page"

Command = TypeVar("Command", bound=Callable[..., Any])


html_option = click.option(
    "--html",
    is_flag=False,
    flag_value=_IN_THE_RUN,
    default=None,
    metavar="[FOLDER]",
    help="Write a page to look at into FOLDER, by default `page` in the run's folder.",
)


def page_options(command: Command) -> Command:
    """--html, --segments and --no-video."""
    for option in (
        click.option("--video/--no-video", "films", default=True, help="Films beside the segments' pages, or none."),
        click.option(
            "--segments",
            multiple=True,
            default=(_CHANGED,),
            metavar="all|changed|PATTERN",
            help="Which segments get pages of their own. Default: changed, those with a trial that did not PASS.",
        ),
        html_option,
    ):
        command = option(command)
    return command


def make_page(folder: Path, html: str, segments: tuple[str, ...], *, films: bool) -> str:
    """Write the page of the run in `folder` to `html`, "" for the run's own folder; where it is and what is in it."""
    from harness.pipeline.page import write_page  # noqa: PLC0415 half of all our libraries, which most reports need not

    target = Path(html).absolute() if html else folder / _PAGE
    with open_store() as store, progress_console().status("writing the page") as status:
        written = write_page(
            folder,
            store,
            target,
            segments=segments,
            films=films,
            shown_run=shown_path(folder),
            tell=lambda done, total: status.update(f"writing the page: {done} of {total} segments"),
        )
    pages = f"{written.segments} segment{'' if written.segments == 1 else 's'}"
    kept = f", {written.films} with a film" if written.films else ""
    return f"{shown_path(written.overview)}\n{pages}{kept} · {written.size_bytes / 1e6:.1f} MB\n"
