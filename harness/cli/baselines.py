"""closet bless: a run's traces become baselines. Approvals on a branch, beside others, signed."""

from __future__ import annotations

import getpass
import socket
from dataclasses import asdict
from pathlib import Path

import click

from harness.cli.options import echo_json, json_option, open_store
from harness.pipeline.approving import approve, matching
from harness.pipeline.runs import closet_home, find_run, load_run
from harness.store import Signature


def signature(sign: Path | None, signer: str) -> Signature | None:
    """How to sign, as said on the command line."""
    return None if sign is None else Signature(sign, signer or f"{getpass.getuser()}@{socket.gethostname()}")


def signing_options(command: click.decorators.FC) -> click.decorators.FC:
    """--sign and --signer."""
    command = click.option(
        "--signer", default="", envvar="CLOSET_SIGNER", metavar="NAME", help="Who signs. Default: you at this machine."
    )(command)
    return click.option(
        "--sign",
        type=click.Path(path_type=Path),
        envvar="CLOSET_SIGN",
        metavar="KEY",
        help="Sign with this SSH key, as ssh-keygen -Y does. Also CLOSET_SIGN.",
    )(command)


@click.command(
    epilog="\b\nExamples:\n"
    '  closet bless last --only "*driving_model*" --reason "release 0.11.3, reviewed"\n'
    '  closet bless last --branch better-curves --change 4be007 --reason "wider in curves, wanted"\n'
    '  closet bless last --beside --only "*/3 *" --reason "both ways past the truck are right"',
    short_help="Approve a run's traces as the baseline.",
)
@click.argument("run_name", metavar="RUN")
@click.option("--only", default="*", metavar="PATTERN", help="Only trials whose name matches; others are not touched.")
@click.option("--reason", required=True, help="Why these are right; kept in the ledger for ever.")
@click.option(
    "--branch",
    default="",
    envvar="CLOSET_BRANCH",
    metavar="NAME",
    help="They count for runs on this branch, until `closet baselines land`.",
)
@click.option("--change", default="", metavar="TEXT", help="The change they belong to: a commit, an address.")
@click.option("--beside", is_flag=True, help="What was accepted before is accepted still.")
@signing_options
@json_option
def bless(
    run_name: str,
    only: str,
    reason: str,
    branch: str,
    change: str,
    beside: bool,
    sign: Path | None,
    signer: str,
    as_json: bool,
) -> None:
    """Approve the candidate traces of RUN as baseline: all of the chosen trials, or none.

    Nothing is replayed again. A trial whose candidate was not replayed cannot be blessed.
    """
    record = load_run(find_run(closet_home(), run_name))
    approved = approve(
        record,
        matching(record, only),
        open_store(),
        who=getpass.getuser(),
        reason=reason,
        branch=branch,
        change=change,
        beside=beside,
        signature=signature(sign, signer),
    )
    counts = asdict(approved)
    if as_json:
        echo_json(counts)
        return
    on = f" on branch {branch}" if branch else ""
    click.echo(" · ".join(f"{name} {count}" for name, count in counts.items()) + on)
