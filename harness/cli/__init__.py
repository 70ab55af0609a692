"""The `closet` command: every error becomes one clear message and the exit code of whose fault it is."""

from __future__ import annotations

import errno
import importlib
import sys
import traceback
from contextlib import suppress
from typing import Any

import click

from harness import __version__
from harness.cli.streams import complain, give_up, tell
from harness.errors import ClosetError, ConfigError, ExitCode, refused_here

_EXAMPLES = """\b
Examples:
  closet run suites/pr.yaml --candidate models/next --baseline models/release
  closet diff last
  closet bless last --reason "approved in review"

\b
Exit codes: 0 gate open · 1 regression · 2 usage or configuration · 3 no verdict
            4 a bug of the harness · 5 nothing to run
"""


_MODULES = {
    "baselines": "ledger",
    "bench": "bench",
    "bisect": "bisect",
    "bless": "baselines",
    "check": "suites",
    "claims": "claims",
    "devices": "device_group",
    "diff": "results",
    "emulate": "emulators",
    "export": "export",
    "gate": "gating",
    "log": "logs",
    "nightly": "nightly",
    "noise": "noise",
    "plan": "suites",
    "quarantine": "quarantine",
    "report": "reporting",
    "resume": "suites",
    "routes": "routes",
    "run": "suites",
    "runs": "runs",
    "serve": "serve",
    "why": "why",
}
"""The module of each command. Only what is asked for is loaded: together they need most of our libraries."""


class _Closet(click.Group):
    """The commands, for a reader who may stop reading (`| head`): click itself would make that exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click gives it
        """Names of all commands."""
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 as above
        """The command of this name, loaded now; None where there is none."""
        if cmd_name not in _MODULES:
            return None
        command: click.Command = getattr(importlib.import_module(f"harness.cli.{_MODULES[cmd_name]}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """The command's exit code; 0 where its output was not read to the end and it had no other to give."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            give_up(sys.stdout)
            return ExitCode.GATE_OPEN


@click.group(
    cls=_Closet, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="closet")
def cli() -> None:
    """Replay recorded drives through the next driving software and decide whether it may go out."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        given = sys.argv[1:] if arguments is None else arguments
        result = cli.main(args=given, prog_name="closet", standalone_mode=False, obj=tuple(given))
    except ClosetError as error:
        return _tell(error)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        complain("closet: interrupted")
        return ExitCode.NO_VERDICT
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        return ExitCode.USAGE
    except UnicodeEncodeError as error:
        return _tell(
            ConfigError(
                f"a name is not UTF-8 text: {error.object[:200]!a}",
                where=f"character {error.start + 1}",
                remedy="rename it; where it looks right to you, set LC_ALL=C.UTF-8",
            )
        )
    except Exception as error:  # noqa: BLE001 the last line of defence: a bug of ours is told as one
        if isinstance(error, OSError) and (refusal := refused_here(error)):
            return _tell(refusal)
        if isinstance(error, OSError) and error.errno in {errno.ENAMETOOLONG, errno.ELOOP}:
            where, remedy = str(error.filename or ""), "name another file or folder"
            return _tell(ConfigError(f"no such path can be: {error.strerror}", where=where, remedy=remedy))
        complain(traceback.format_exc().rstrip())
        complain("closet: this is a bug of the harness, please report it with the lines above")
        return ExitCode.HARNESS_BUG
    return tell("", result if isinstance(result, int) else ExitCode.GATE_OPEN)


def _tell(error: ClosetError) -> int:
    lines = str(error).splitlines() or [type(error).__name__]
    for line in lines:
        complain(f"closet: {line}")
    if len(lines) > 1:
        complain(f"closet: {len(lines)} mistakes")
    return error.exit_code
