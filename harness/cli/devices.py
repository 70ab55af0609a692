"""closet devices: the shelf, how each device is, and who has it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
from click.core import ParameterSource
from rich.console import Console
from rich.live import Live

from harness.cli.device_rows import Board, read_board, render_board, with_contact
from harness.cli.options import echo_json, json_option
from harness.cli.streams import result_console
from harness.config import Fleet, load_fleet
from harness.errors import ExitCode
from harness.pipeline.runs import closet_home
from harness.pipeline.shelf import open_shelf
from harness.shelf import Shelf

DEFAULT_FILE = Path("devices.yaml")
_WATCH_EVERY_S = 1.0

devices_option = click.option(
    "--devices",
    "devices_file",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    metavar="FILE",
    help="The shelf.",
)


@click.group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n  closet devices --devices devices.yaml --json\n  closet devices --watch\n"
    "  closet devices check mici-01\n"
    '  closet devices quarantine mici-01 --reason "the fan rattles"',
    short_help="List the devices, how they are and who has them; check, quarantine, release them.",
)
@devices_option
@click.option("--no-contact", is_flag=True, help="Only what the shelf knows, do not connect.")
@click.option("--watch", is_flag=True, help="Show what the shelf knows until Ctrl-C, once a second; do not connect.")
@json_option
@click.pass_context
def devices(ctx: click.Context, devices_file: Path, no_contact: bool, watch: bool, as_json: bool) -> int:
    """List the shelf: each device's state with its reason, who has it, its last canary, and what it says of itself.

    Exit code 3 when a device that was contacted does not answer.
    """
    if ctx.invoked_subcommand is not None:
        if ctx.get_parameter_source("devices_file") is ParameterSource.COMMANDLINE:
            ctx.default_map = {ctx.invoked_subcommand: {"devices_file": str(devices_file)}}
        return ExitCode.GATE_OPEN
    fleet = load_fleet(devices_file)
    with open_shelf(closet_home(), fleet) as shelf:
        if watch:
            return _watch(fleet, shelf, as_json=as_json)
        board = read_board(fleet, shelf)
    if not no_contact:
        board = with_contact(board, fleet)
    if as_json:
        echo_json([row.plain() for row in board.rows])
    else:
        _print(result_console(), board)
    silent = any(row.contact is not None and not row.contact.answers for row in board.rows)
    return ExitCode.NO_VERDICT if silent else ExitCode.GATE_OPEN


def _print(console: Console, board: Board) -> None:
    console.print(render_board(board, time.time()), soft_wrap=True, highlight=False)


def _watch(fleet: Fleet, shelf: Shelf, *, as_json: bool) -> int:
    """Until Ctrl-C, which is how it is meant to end. Without a terminal a board is printed when it has changed.

    With `as_json` each is one line.
    """
    console = result_console()
    board = read_board(fleet, shelf)

    def show(board: Board) -> None:
        if as_json:
            console.out(json.dumps([row.plain() for row in board.rows]), highlight=False)
        else:
            _print(console, board)

    try:
        if as_json or not console.is_terminal:
            show(board)
            while True:
                time.sleep(_WATCH_EVERY_S)
                before, board = board, read_board(fleet, shelf)
                if board != before:
                    if not as_json:
                        console.print()
                    show(board)
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                live.update(render_board(read_board(fleet, shelf), time.time()), refresh=True)
                time.sleep(_WATCH_EVERY_S)
    except KeyboardInterrupt:
        return ExitCode.GATE_OPEN
