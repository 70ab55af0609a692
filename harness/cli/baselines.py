"""closet bless: a run's traces become baselines. Approvals on a branch, beside others, signed."""

from __future__ import annotations

import datetime
import fnmatch
import getpass
import socket
from pathlib import Path

import click

from harness.cli.options import echo_json, json_option, open_store
from harness.errors import ConfigError
from harness.pipeline.runs import closet_home, find_run, load_run
from harness.store import Approval, Signature
from harness.verdict import JobResult, RunRecord


def now() -> str:
    """The time of an approval."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


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
    if not reason.strip():
        raise ConfigError("the reason is empty", where="--reason", remedy="say why these traces are right")
    record = load_run(find_run(closet_home(), run_name))
    pattern = f"*{only.replace('|', '/')}*"
    chosen = [result for result in record.results if fnmatch.fnmatchcase(result.name, pattern)]
    if not chosen:
        raise ConfigError(f"no trial matches {only}", where=record.run, remedy="closet report RUN lists the trials")
    unusable = [result.name for result in chosen if not result.candidate_trace]
    if unusable:
        raise ConfigError(
            f"{len(unusable)} of {len(chosen)} trials have no candidate trace, the first is {unusable[0]}",
            where=record.run,
            remedy="closet resume RUN first, or choose others with --only",
        )
    store = open_store()
    when = now()
    approvals = tuple(
        _approval(result, record, when=when, reason=reason.strip(), branch=branch, change=change, beside=beside)
        for result in chosen
    )
    approvals = store.approve(approvals, signature(sign, signer))
    created = sum(not entry.replaces for entry in approvals)
    unchanged = sum(entry.replaces == entry.trace_sha256 for entry in approvals)
    counts = {"created": created, "updated": len(approvals) - created - unchanged, "unchanged": unchanged}
    if as_json:
        echo_json(counts)
        return
    on = f" on branch {branch}" if branch else ""
    click.echo(" · ".join(f"{name} {count}" for name, count in counts.items()) + on)


def _approval(
    result: JobResult, record: RunRecord, *, when: str, reason: str, branch: str, change: str, beside: bool
) -> Approval:
    return Approval(
        when=when,
        who=getpass.getuser(),
        reason=reason,
        run=record.run,
        segment=result.segment,
        replayer=result.replayer,
        device_kind=result.device_kind,
        trace_sha256=result.candidate_trace,
        runtime=result.provenance.get("runtime", ""),
        model_digest=result.provenance.get("candidate_model", ""),
        candidate=record.candidate.get(result.replayer, ""),
        options=result.provenance.get("options", "{}"),
        branch=branch,
        change=change,
        beside=beside,
    )
