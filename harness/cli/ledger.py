"""closet baselines: what is approved, its history, and moving it between branches and closets."""

from __future__ import annotations

import dataclasses
import fnmatch
import getpass
from pathlib import Path

import click

from harness.cli.baselines import signature, signing_options
from harness.cli.garbage import gc
from harness.cli.options import echo_json, json_option, open_store
from harness.cli.results import print_difference
from harness.errors import ConfigError, ExitCode
from harness.pipeline.approving import now
from harness.store import MAIN, Approval, Store, landing

_branch_option = click.option(
    "--branch", default=MAIN, envvar="CLOSET_BRANCH", metavar="NAME", help="As seen from this branch. Default: main."
)


@click.group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n"
    "  closet baselines\n"
    '  closet baselines show "*/3 *"\n'
    "  closet baselines land better-curves --reason merged\n"
    "  CLOSET_BASELINES=s3://lab/baselines closet baselines sync",
    short_help="What is approved: list, history, branches, copies.",
)
@click.option("--only", default="*", metavar="PATTERN", help="Only places whose name matches.")
@_branch_option
@json_option
@click.pass_context
def baselines(context: click.Context, only: str, branch: str, as_json: bool) -> None:
    """List what is approved now for each segment, replayer, kind of device and options: when, by whom, why.

    With CLOSET_BASELINES the ledger is shared with other closets: a folder, s3://bucket/prefix, or any address that
    fsspec knows. Approvals then go there first, and every run begins by bringing what others approved.
    """
    if context.invoked_subcommand is not None:
        return
    store = _synced()
    entries = _chosen(store.baselines.standing(branch), only)
    if as_json:
        echo_json([dataclasses.asdict(entry) for entry in entries])
        return
    _tell(entries)
    others = [name for name in store.baselines.branches() if name != branch]
    beyond = f" · other branches: {', '.join(others)}" if others else ""
    click.echo(f"{len(entries)} baselines{beyond}")


@baselines.command("log", epilog="\b\nExample:\n  closet baselines log --only '*driving_model*'")
@click.option("--only", default="*", metavar="PATTERN", help="Only places whose name matches.")
@json_option
def log(only: str, as_json: bool) -> None:
    """The whole ledger, oldest first: every approval that was ever made."""
    entries = _chosen(_synced().ledger(), only)
    if as_json:
        echo_json([dataclasses.asdict(entry) for entry in entries])
        return
    _tell(entries)
    click.echo(f"{len(entries)} approvals")


@baselines.command("show", epilog="\b\nExample:\n  closet baselines show '*/3 *driving_model*'")
@click.argument("pattern")
@_branch_option
@json_option
def show(pattern: str, branch: str, as_json: bool) -> None:
    """What is accepted at the places that match PATTERN, and how it came to that."""
    store = _synced()
    standing = _wanted(_chosen(store.baselines.standing(branch), pattern), pattern)
    history = {entry.place: [old for old in store.ledger() if old.place == entry.place] for entry in standing}
    if as_json:
        echo_json(
            [
                dataclasses.asdict(entry) | {"history": [dataclasses.asdict(old) for old in history[entry.place]]}
                for entry in standing
            ]
        )
        return
    for entry in standing:
        click.echo(f"{_place(entry)}\n  trace    {entry.trace_sha256}")
        for title, value in (
            ("model", f"{entry.candidate} {entry.model_digest[:12]}".strip()),
            ("runtime", entry.runtime),
            ("change", entry.change),
            ("branch", entry.branch),
            *((name, f"{value:g}") for name, value in sorted(entry.metrics.items())),
        ):
            if value:
                click.echo(f"  {title:8} {value}")
        for old in history[entry.place]:
            what = "withdrawn" if old.withdrawn else f"{old.replaces[:12] or 'nothing'} → {old.trace_sha256[:12]}"
            on = f" on {old.branch}" if old.branch else ""
            click.echo(f"  {old.when}  {what}{on}  by {old.who}, run {old.run}: {old.reason}")


@baselines.command("diff", epilog="\b\nExample:\n  closet baselines diff '*/3 *driving_model*'")
@click.argument("pattern")
@_branch_option
@click.option("--channel", default="*", metavar="PATTERN", help="Only these channels.")
def diff(pattern: str, branch: str, channel: str) -> None:
    """What the newest approval changed, channel by channel: the trace it replaced held against its own.

    Seen from a branch: what lands with it.
    """
    store = _synced()
    for entry in _wanted(_chosen(store.baselines.standing(branch), pattern), pattern):
        click.echo(f"{_place(entry)}: {entry.replaces[:12] or 'nothing'} → {entry.trace_sha256[:12]}")
        if entry.replaces:
            print_difference(store.load_trace(entry.replaces), store.load_trace(entry.trace_sha256), channel)


@baselines.command("land", epilog="\b\nExample:\n  closet baselines land better-curves --reason 'merged as 4be007'")
@click.argument("branch")
@click.option("--reason", required=True, help="Why; kept in the ledger.")
@signing_options
@json_option
def land(branch: str, reason: str, sign: Path | None, signer: str, as_json: bool) -> None:
    """Make what is approved on BRANCH hold on main, when the change has landed: all of it, or nothing.

    Refused where main has approved something else since.
    """
    store = _synced()
    if branch not in store.baselines.branches():
        raise ConfigError(
            f"no approval on branch {branch}",
            where="closet baselines land",
            remedy=f"there are: {', '.join(store.baselines.branches()) or 'none'}",
        )
    who = getpass.getuser()
    landed = landing(store.ledger(), branch, who=who, when=now(), reason=f"landed from {branch}, {reason}")
    store.approve(landed, signature(sign, signer))
    if as_json:
        echo_json({"landed": len(landed)})
        return
    click.echo(f"{len(landed)} approvals of {branch} hold on main")


@baselines.command(
    "withdraw", epilog="\b\nExample:\n  closet baselines withdraw '*/3 *' --reason 'approved by mistake'"
)
@click.argument("pattern")
@click.option("--trace", default="", metavar="DIGEST", help="Only this trace; its first digits are enough.")
@click.option("--reason", required=True, help="Why; kept in the ledger.")
@_branch_option
@signing_options
def withdraw(pattern: str, trace: str, reason: str, branch: str, sign: Path | None, signer: str) -> None:
    """Accept these traces no more. What was replaced by them does not come back by itself: bless a run."""
    store = _synced()
    found = [
        entry
        for entry in _wanted(_chosen(store.baselines.standing(branch), pattern), pattern)
        if entry.trace_sha256.startswith(trace)
    ]
    gone = tuple(
        dataclasses.replace(
            entry, when=now(), who=getpass.getuser(), reason=reason.strip(), withdrawn=True, branch=branch, beside=False
        )
        for entry in found
    )
    store.approve(gone, signature(sign, signer))
    click.echo(f"{len(gone)} withdrawn")


@baselines.command("verify", epilog="\b\nExample:\n  closet baselines verify --signers ci/allowed_signers")
@click.option(
    "--signers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check that every approval that counts is signed by one of these.",
)
@json_option
def verify(signers: Path | None, as_json: bool) -> int:
    """Check the ledger, that every approved trace is here and undamaged, and signatures; exit 3 when not."""
    store = _synced()
    problems = store.baselines.problems(signers)
    counted = len({entry.trace_sha256 for entry in store.baselines.standing()})
    if as_json:
        echo_json({"traces": counted, "problems": [dataclasses.asdict(found.describe()) for found in problems]})
    else:
        for found in problems:
            click.echo(str(found))
        click.echo(f"{counted} traces on main, {len(store.ledger())} approvals: {len(problems) or 'no'} problems")
    return ExitCode.NO_VERDICT if problems else ExitCode.GATE_OPEN


@baselines.command("export", epilog="\b\nExample:\n  closet baselines export baselines.tar")
@click.argument("file", type=click.Path(path_type=Path))
def export(file: Path) -> None:
    """Write the ledger and every trace that holds now into one tar FILE."""
    count = _synced().baselines.write_archive(file)
    click.echo(f"{count} traces, {file.stat().st_size / 1e6:.1f} MB: {file}")


@baselines.command("import", epilog="\b\nExample:\n  CLOSET_HOME=/srv/closet closet baselines import baselines.tar")
@click.argument("file", type=click.Path(path_type=Path))
def import_(file: Path) -> None:
    """Take over what another closet exported. Refused when both have approved on their own."""
    batches, traces = open_store().baselines.read_archive(file)
    click.echo(f"{traces} traces, {batches} new approvals")


@baselines.command("sync", epilog="\b\nExample:\n  CLOSET_BASELINES=s3://lab/baselines closet baselines sync")
def sync() -> None:
    """Bring what others approved, and take there what was approved here before."""
    store = open_store()
    if store.baselines.depot is None:
        raise ConfigError(
            "there is no depot",
            where="CLOSET_BASELINES",
            remedy="set it: a folder, s3://bucket/prefix",
        )
    came = store.baselines.sync()
    click.echo(f"{came} came · {store.baselines.depot.count()} approvals in {store.baselines.depot.address}")


baselines.add_command(gc)


def _synced() -> Store:
    store = open_store()
    store.baselines.sync()
    return store


def _chosen(entries: tuple[Approval, ...], only: str) -> tuple[Approval, ...]:
    return tuple(entry for entry in entries if fnmatch.fnmatchcase(_place(entry), f"*{only.replace('|', '/')}*"))


def _wanted(entries: tuple[Approval, ...], pattern: str) -> tuple[Approval, ...]:
    if not entries:
        raise ConfigError(
            f"nothing approved matches {pattern}", where="closet baselines", remedy="closet baselines lists all"
        )
    return entries


def _place(entry: Approval) -> str:
    options = "" if entry.options == "{}" else f" · {entry.options}"
    return f"{entry.segment} · {entry.replayer} · {entry.device_kind}{options}"


def _tell(entries: tuple[Approval, ...]) -> None:
    for entry in entries:
        notes = "".join(
            (
                f" · on branch {entry.branch}" if entry.branch else "",
                " · beside others" if entry.beside else "",
                " · WITHDRAWN" if entry.withdrawn else "",
            )
        )
        click.echo(
            f"{entry.when}  {entry.trace_sha256[:12]}  {_place(entry)}{notes}"
            f"  by {entry.who}, run {entry.run}: {entry.reason}"
        )
