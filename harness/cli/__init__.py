"""The `closet` command: every error becomes one clear message and the exit code of whose fault it is."""

from __future__ import annotations

import errno
import sys
import traceback
from contextlib import suppress
from typing import Any

import click

from harness import __version__
from harness.cli.baselines import bless
from harness.cli.bench import bench
from harness.cli.bisect import bisect
from harness.cli.claims import claims
from harness.cli.device_burn_in import burn_in
from harness.cli.device_care import COMMANDS as DEVICE_CARE
from harness.cli.devices import devices
from harness.cli.emulators import emulate
from harness.cli.ledger import baselines
from harness.cli.logs import log
from harness.cli.nightly import nightly
from harness.cli.noise import noise
from harness.cli.provisioning import add, provision
from harness.cli.quarantine import quarantine
from harness.cli.results import diff, report
from harness.cli.routes import routes
from harness.cli.streams import complain, give_up, tell
from harness.cli.suites import check, plan, resume, run
from harness.cli.why import why
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


class _Closet(click.Group):
    """The commands, for a reader who may stop reading (`| head`): click itself would make that exit code 1."""

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


for command in (
    check, plan, run, resume, nightly, diff, why, report, claims, bless, baselines, quarantine, devices, emulate,
    routes, log, noise, bisect, bench,
):  # fmt: skip
    cli.add_command(command)
for part in (*DEVICE_CARE, burn_in, add, provision):
    devices.add_command(part)


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
