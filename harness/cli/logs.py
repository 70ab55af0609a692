"""closet log: what is inside a log."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import echo_json, json_option
from harness.recording.loginfo import describe_log, message_lines


@click.group(short_help="Look into a log: what it holds, its messages.")
def log() -> None:
    """Look into an rlog or qlog: .zst, .bz2 or bare."""


@log.command(epilog="\b\nExample:\n  closet log info rlog.zst --json")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def info(file: Path, as_json: bool) -> None:
    """Container, messages, seconds, count by service, sentinels, initData, and whether the tail is corrupt."""
    described = describe_log(file)
    if as_json:
        echo_json(described)
        return
    for name, value in described.items():
        if isinstance(value, dict):
            click.echo(f"{name}:")
            for key, inner in value.items():
                click.echo(f"  {key:<32} {inner}")
        else:
            click.echo(f"{name + ':':<24} {value}")


@log.command(epilog="\b\nExample:\n  closet log cat rlog.zst carState | head -1 | python -m json.tool")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("service")
def cat(file: Path, service: str) -> None:
    """Every message of SERVICE as one JSON line: {"t_ns": …, "valid": …, "carState": {…}}."""
    for line in message_lines(file, service):
        click.echo(line)
