"""Standard streams that are closed, full or no longer read. They never decide how a command ends.

A gate's exit code must reach the build server although `| head` has read enough, the terminal went away, or the disk
with the log is full.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import IO, TextIO, cast

import click
from rich.console import Console

from harness.errors import ExitCode

_LOG_COLUMNS = 160  # a build server's log has no width of its own


def give_up(stream: TextIO | None) -> None:
    """Nobody reads `stream` any more: what is left in it, and what is still written, goes nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, cast("TextIO", stream).fileno())
        os.close(nowhere)


def tell(text: str, code: int) -> ExitCode:
    """Print what there is to say and return the exit code.

    A reader who has seen enough changes nothing; good news that could not be written is none.
    """
    code = ExitCode(code)
    try:
        click.echo(text, nl=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        give_up(sys.stdout)
    except OSError as error:
        give_up(sys.stdout)
        complain(f"closet: standard output: cannot be written: {error.strerror} (make room there)")
        return ExitCode.worst([code, ExitCode.NO_VERDICT])
    return code


def complain(text: str) -> None:
    """Say something on standard error, if anybody listens there."""
    try:
        click.echo(text, err=True)
    except OSError:
        give_up(sys.stderr)


def result_console() -> Console:
    """A console on standard output; a log is wide enough for names that a program or a person copies from it."""
    console = Console()
    return console if console.is_terminal else Console(width=_LOG_COLUMNS)


def progress_console() -> Console:
    """A console on standard error that goes silent, instead of ending the run, when nobody can read it."""
    console = Console(file=cast("IO[str]", _Lenient(sys.stderr)))
    if console.is_terminal:
        return console
    return Console(file=cast("IO[str]", _Lenient(sys.stderr)), width=_LOG_COLUMNS)


class _Lenient:
    """A text stream whose failures end the telling, not the run."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            if self._stream is not None:
                self._stream.write(text)
        except (OSError, ValueError):
            self._give_up()
        return len(text)

    def flush(self) -> None:
        try:
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        if self._stream is None:
            raise OSError("no stream")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "utf-8"

    def _give_up(self) -> None:
        give_up(self._stream)
        self._stream = None
