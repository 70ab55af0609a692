"""closet claims, and what closet check says of intents: whether the segments at hand can answer them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli.options import shown_path
from harness.cli.streams import tell
from harness.config import load_suite
from harness.domain import SegmentId
from harness.errors import ConfigError, ExitCode
from harness.pipeline.intents import MEASURED, declare
from harness.pipeline.power import Outlook, foresee, refuse
from harness.pipeline.runs import closet_home, find_run, load_run
from harness.pipeline.selection import segments_of, tagged_segments
from harness.pipeline.spreads import load_spreads
from harness.report import render_claims
from harness.verdict import gate

_Command = TypeVar("_Command", bound=Callable[..., Any])


def intent_option(command: _Command) -> _Command:
    """--intent, as often as there are files; a folder or a quoted pattern means all files it holds."""
    return click.option(
        "--intent",
        "intents",
        multiple=True,
        type=click.Path(path_type=Path),
        callback=_files,
        metavar="FILE",
        help="What the change is declared to do: a file, a folder of them or a quoted pattern ('intents/*.yaml'). May "
        "be given several times, beside the suite's own.",
    )(command)


def _files(_context: click.Context, _option: click.Parameter, given: tuple[Path, ...]) -> tuple[Path, ...]:
    """Every file that is meant, each once, those of a folder or pattern in the order of their names."""
    found: dict[Path, None] = {}
    for path in given:
        files = [path]
        if path.is_dir():
            files = sorted(path.glob("*.yaml"))
        elif not path.is_file() and any(mark in path.name for mark in "*?["):
            files = sorted(path.parent.glob(path.name))
        if not files:
            raise ConfigError(f"no intent is meant by {path}", where="--intent", remedy="mind the folder")
        found |= dict.fromkeys(files)
    return tuple(found)


def check_intents(suites: Sequence[Path], intents: Sequence[Path], *, force: bool) -> list[Outlook]:
    """What each suite can show of the intents; ConfigMistakesError where it cannot, unless forced."""
    outlooks: list[Outlook] = []
    spreads = load_spreads(closet_home())
    for path in suites:
        suite = load_suite(path)
        declared = declare(suite, intents)
        if not declared.intents:
            continue
        segments = segments_of(suite, MEASURED, closet_home())
        tagged = {name: counts(tagged_segments(suite, name, segments)) for name in suite.conditions}
        outlooks += foresee(declared, *counts(segments), spreads, tagged)
    if not force:
        refuse(outlooks)
    return outlooks


def counts(segments: Sequence[SegmentId]) -> tuple[int, int]:
    """How many segments, of how many routes."""
    return len(segments), len({segment.route for segment in segments})


def echo_outlooks(outlooks: Sequence[Outlook]) -> None:
    """One line a claim."""
    width = max((len(each.name) for each in outlooks), default=0)
    for each in outlooks:
        mark = {True: "ok ", None: "?  ", False: "no "}[each.enough]
        click.echo(f"{mark} {each.name:<{width}}  {each.words}")


@click.command(epilog="\b\nExample:\n  closet claims last", short_help="Say again what a run showed of its intents.")
@click.argument("run_name", metavar="RUN")
def claims(run_name: str) -> int:
    """Print the claims of RUN (a folder, a name, or `last`) with their answers, and exit with the gate's code."""
    folder = find_run(closet_home(), run_name)
    record = load_run(folder)
    decided = gate(record)
    text = render_claims(record)
    if not text:
        return tell(f"{shown_path(folder)}: nothing was declared\n", ExitCode(decided.exit_code))
    warned = f" · warning: {', '.join(decided.warnings)}" if decided.warnings else ""
    state = "OPEN" if decided.is_open else "CLOSED"
    return tell(f"{text}\n\ngate {state}, exit {int(decided.exit_code)}: {decided.reason}{warned}\n", decided.exit_code)
