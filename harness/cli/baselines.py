"""closet bless and baselines: what is approved, by whom, why."""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
import getpass

import click

from harness.cli.options import echo_json, json_option, open_store
from harness.errors import ConfigError
from harness.pipeline.runs import closet_home, find_run, load_run
from harness.store import Approval
from harness.verdict import JobResult, RunRecord


@click.command(
    epilog='\b\nExample:\n  closet bless last --only "*driving_model*" --reason "release 0.11.3, reviewed"',
    short_help="Approve a run's traces as the baseline.",
)
@click.argument("run_name", metavar="RUN")
@click.option("--only", default="*", metavar="PATTERN", help="Only trials whose name matches; others are not touched.")
@click.option("--reason", required=True, help="Why these are right; kept in the ledger for ever.")
@json_option
def bless(run_name: str, only: str, reason: str, as_json: bool) -> None:
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
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    approvals = tuple(_approval(result, record, when=now, reason=reason.strip()) for result in chosen)
    approvals = store.approve(approvals)
    created = sum(not entry.replaces for entry in approvals)
    unchanged = sum(entry.replaces == entry.trace_sha256 for entry in approvals)
    counts = {"created": created, "updated": len(approvals) - created - unchanged, "unchanged": unchanged}
    if as_json:
        echo_json(counts)
        return
    click.echo(" · ".join(f"{name} {count}" for name, count in counts.items()))


@click.command(epilog="\b\nExample:\n  closet baselines --log", short_help="List the approved baselines.")
@click.option("--log", "whole_log", is_flag=True, help="The whole ledger, oldest first, not only what counts now.")
@json_option
def baselines(whole_log: bool, as_json: bool) -> None:
    """List what is approved now for each segment, replayer, kind of device and options: when, by whom, why."""
    entries = open_store().ledger()
    if not whole_log:
        entries = tuple({entry.place: entry for entry in entries}.values())
    if as_json:
        echo_json([dataclasses.asdict(entry) for entry in entries])
        return
    for entry in entries:
        options = "" if entry.options == "{}" else f" · {entry.options}"
        click.echo(
            f"{entry.when}  {entry.trace_sha256[:12]}  {entry.segment} · {entry.replayer} · {entry.device_kind}"
            f"{options}  by {entry.who}, run {entry.run}: {entry.reason}"
        )
    click.echo(f"{len(entries)} approvals" if whole_log else f"{len(entries)} baselines")


def _approval(result: JobResult, record: RunRecord, *, when: str, reason: str) -> Approval:
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
    )
