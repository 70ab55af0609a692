"""closet serve: the dashboard."""

from __future__ import annotations

import getpass
import json
import os
import sys
from pathlib import Path

import click

from harness.cli.options import json_option
from harness.cli.stopping import stopping
from harness.cli.streams import complain
from harness.config.quarantine import QUARANTINE_FILE
from harness.errors import ConfigError
from harness.pipeline.runs import closet_home

_TOKEN_VARIABLE = "CLOSET_SERVE_TOKEN"  # noqa: S105 the name of the variable, not a token


@click.command(
    epilog="\b\nExamples:\n"
    "  closet serve\n"
    "  closet serve --port 0 --devices devices.yaml\n"
    "  closet serve --host 0.0.0.0 --name closet.lab --token-file ~/.closet-token\n"
    "  closet serve --name closet.lab --identity-header X-Forwarded-User --identity-from 127.0.0.1/32",
    short_help="The dashboard: what runs now, devices, trends, triage.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8321, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--devices",
    "devices_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The shelf. Default: devices.yaml.",
)
@click.option(
    "--quarantine",
    "quarantine_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Tests are quarantined here. Default: suites/quarantine.yaml where there is one.",
)
@click.option("--name", "names", multiple=True, metavar="HOST", help="A host name under which it is reached.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"Who knows what is in it is let in. Or the variable {_TOKEN_VARIABLE}.",
)
@click.option("--identity-header", default="", metavar="HEADER", help="In which a reverse proxy says who it is.")
@click.option("--identity-from", multiple=True, metavar="CIDR", help="The proxy: only from there it is believed.")
@json_option
def serve(
    host: str,
    port: int,
    devices_file: Path | None,
    quarantine_file: Path | None,
    names: tuple[str, ...],
    token_file: Path | None,
    identity_header: str,
    identity_from: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the closet in a browser until Ctrl-C.

    On this machine everybody may look, and who logs in may change: the terminal shows a link that logs in once. Beyond
    it nobody sees anything without a token or a reverse proxy that says who they are.
    """
    try:
        # Imported here: the server and its libraries come with the extra.
        from harness.serve import Settings  # noqa: PLC0415
        from harness.serve import serve as answer  # noqa: PLC0415
        from harness.serve.settings import parse_networks, read_token  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("harness"):
            raise
        raise ConfigError(f"{error.name} is not installed", remedy="pip install 'testing-closet[serve]'") from None
    beside = Path("suites") / QUARANTINE_FILE
    settings = Settings(
        home=closet_home(),
        host=host,
        port=port,
        devices_file=devices_file or (Path("devices.yaml") if Path("devices.yaml").is_file() else None),
        quarantine_file=quarantine_file or (beside if beside.is_file() else None),
        names=names,
        token_sha256=read_token(token_file, os.environ.pop(_TOKEN_VARIABLE, "")),
        identity_header=identity_header,
        identity_from=parse_networks(identity_from),
        user=getpass.getuser(),
        login_link=sys.stderr.isatty(),
    )

    def ready(address: str) -> None:
        click.echo(json.dumps({"address": address}) if as_json else f"closet serve: {address}")
        if not settings.takes_changes:
            complain("closet serve: to look at only; --token-file, or a terminal to show a link on, lets people change")

    def link(address: str) -> None:
        complain(f"closet serve: log in once with {address}")

    with stopping("ending the streams") as stop:
        answer(settings, stop=stop, ready=ready, link=link, complain=lambda words: complain(f"closet serve: {words}"))
