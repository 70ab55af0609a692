"""closet claims, and what closet check says of intents: whether the segments at hand can answer them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli.options import shown_path
from harness.cli.streams import tell
from harness.config import load_suite
from harness.errors import ExitCode
from harness.pipeline.intents import MEASURED, declare
from harness.pipeline.power import Outlook, foresee, refuse
from harness.pipeline.runs import closet_home, find_run, load_run
from harness.pipeline.selection import segments_of
from harness.pipeline.spreads import load_spreads
from harness.report import render_claims
from harness.verdict import gate

_Command = TypeVar("_Command", bound=Callable[..., Any])


def intent_option(command: _Command) -> _Command:
    """--intent, as often as there are files."""
    return click.option(
        "--intent",
        "intents",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="What the change is declared to do; may be given several times, beside the suite's own.",
    )(command)


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
        outlooks += foresee(declared, len(segments), len({segment.route for segment in segments}), spreads)
    if not force:
        refuse(outlooks)
    return outlooks


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
