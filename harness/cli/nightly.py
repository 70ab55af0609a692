"""closet nightly: replay for ever."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from harness.cli.claims import intent_option
from harness.cli.garbage import parse_size
from harness.cli.live import Watch
from harness.cli.options import json_option, make_request, open_store, shown_path, suite_options
from harness.cli.stopping import stopping
from harness.cli.streams import complain, progress_console
from harness.errors import ExitCode
from harness.pipeline.garbage import Keep
from harness.pipeline.nightly import keep_replaying, render_round
from harness.pipeline.nightly_round import Round, broke_off
from harness.verdict import gate


@click.command(
    epilog="\b\nExamples:\n"
    "  closet nightly suites/nightly.yaml --candidate models/master --budget 200GB\n"
    "  closet nightly suites/nightly.yaml --candidate models/master --rounds 1 --batch 10",
    short_help="Replay for ever: the longest unseen first, riskier ones sooner.",
)
@suite_options
@intent_option
@click.option(
    "--batch", default=24, show_default=True, type=click.IntRange(min=1), help="Segments a round; each round is a run."
)
@click.option("--rounds", type=click.IntRange(min=1), help="End after so many. Default: never.")
@click.option("--budget", metavar="SIZE", help="Keep store, runs and emulated workers within this: 500MB, 200GB, 1TB.")
@click.option("--keep-runs", default=100, show_default=True, type=click.IntRange(min=1), help="Newest runs that stay.")
@json_option
@click.pass_obj
def nightly(
    given: tuple[str, ...],
    suite: Path,
    candidate: tuple[str, ...],
    baseline: tuple[str, ...],
    devices_file: Path | None,
    only: tuple[str, ...],
    branch: str,
    intents: tuple[Path, ...],
    batch: int,
    rounds: int | None,
    budget: str | None,
    keep_runs: int,
    as_json: bool,
) -> int:
    """Replay SUITE round after round: segments never replayed first, then those not seen for longest.

    Soft disables and rare cars bring a segment up to eight times as often. Everything is replayed anew, so that a
    device that begins to answer otherwise shows. Other runs on the shelf go first. Ctrl-C or SIGTERM ends it cleanly;
    the next start goes on where it was. Each round prints a line; the exit code is the worst of all rounds.
    """
    request = make_request(suite, candidate, baseline, devices_file, only, ("closet", *given), branch, intents=intents)
    keep = None if budget is None else Keep(parse_size(budget), keep_runs)
    codes: list[ExitCode] = []

    def say(text: str) -> None:
        for line in text.splitlines():
            complain(f"closet: {line}")

    with stopping("ending the remote jobs; the next start goes on") as stop:
        for ended in keep_replaying(
            request,
            open_store(),
            batch=batch,
            rounds=rounds,
            keep=keep,
            observed=lambda: Watch(progress_console()),
            say=say,
            stop=stop,
        ):
            click.echo(_json_line(ended) if as_json else render_round(ended, folder=shown_path(ended.folder)))
            if not ended.record.interrupted:
                codes.append(gate(ended.record).exit_code)
    return ExitCode.worst(codes)


def _json_line(ended: Round) -> str:
    decided = gate(ended.record)
    return json.dumps(
        {
            "round": ended.number,
            "run": str(ended.folder),
            "resumed": ended.resumed,
            "picked": [dataclasses.asdict(entry) for entry in ended.picked],
            "counts": {verdict.value: count for verdict, count in decided.counts.items()},
            "exit_code": int(decided.exit_code),
            "reason": decided.reason,
            "broke_off": broke_off(ended.record),
            "not_reproduced": ended.not_reproduced,
            "garbage": None if ended.garbage is None else dataclasses.asdict(ended.garbage),
            "duration_s": ended.record.duration_s,
        }
    )
