"""closet gate: a run that is over, decided again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from harness.cli.options import echo_json, json_option, shown_path
from harness.cli.streams import tell
from harness.config.intent import load_policy
from harness.errors import ConfigError
from harness.intent import POLICIES, GatePolicy
from harness.pipeline.runs import closet_home, find_run, load_run
from harness.report import render_redecided
from harness.verdict import Gate, redecide


@click.command(
    epilog="\b\nExamples:\n"
    "  closet gate last --policy release       may what passed as a pull request be released?\n"
    "  closet gate last --policy ours.yaml --json",
    short_help="Decide again about a run, by another policy.",
)
@click.argument("run_name", metavar="RUN")
@click.option(
    "--policy",
    default="",
    metavar="NAME|FILE",
    help=f"{', '.join(POLICIES)}, or a YAML file (worse, inconclusive, not_better, changed). Default: the run's own.",
)
@json_option
def gate(run_name: str, policy: str, as_json: bool) -> int:
    """Decide about RUN (a folder, a name, or `last`) from its record, and exit with that gate's code.

    A policy says which answers to what was declared close the gate. Regressions, jobs without a verdict and claims
    without data close it under every policy. Nothing is replayed, and the record stays as it is.
    """
    folder = find_run(closet_home(), run_name)
    decision = redecide(load_run(folder), _policy(policy))
    if not as_json:
        return tell(render_redecided(decision), decision.now.exit_code)
    echo_json(
        {"run": shown_path(folder)}
        | _told(decision.now, decision.policy)
        | {
            "before": _told(decision.before, decision.before_policy),
            "reweighed": [
                {
                    "standing": entry.standing,
                    "before": entry.before,
                    "now": entry.now,
                    "claims": [{"intent": claim.intent, "name": claim.name} for claim in entry.claims],
                }
                for entry in decision.reweighed
            ],
        }
    )
    return decision.now.exit_code


def _told(decided: Gate, policy: GatePolicy) -> dict[str, object]:
    return {
        "open": decided.is_open,
        "exit_code": int(decided.exit_code),
        "reason": decided.reason,
        "warnings": list(decided.warnings),
        "counts": decided.counts,
        "policy": asdict(policy),
    }


def _policy(text: str) -> GatePolicy | None:
    """A policy by its name, else from a file."""
    if not text or text in POLICIES:
        return POLICIES.get(text)
    if not Path(text).exists():
        raise ConfigError(
            f"no policy {text}", where="--policy", remedy=f"name {', '.join(POLICIES)}, or an existing YAML file"
        )
    return load_policy(Path(text))
