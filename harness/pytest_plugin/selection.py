"""What of a suite's plan the selected items need: nothing else is replayed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.domain import Check, Plan, Trial
from harness.pipeline.prepare import Prepared
from harness.plan import without

CLAIMS = "claims"
"""The second part of the node id of a claim, where that of a check has the segment."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is selected of one suite: names of trials, (replayer, check) pairs, and whether any claim is."""

    trials: frozenset[str]
    checks: frozenset[tuple[str, str]]
    claims: bool


def check_id(suite_id: str, trial: Trial, check: str) -> str:
    """The node id of a trial's check: `suites/pr.yaml::dongle/log_id/3::driving_model::emulated::plan`."""
    return "::".join((suite_id, *trial_parts(trial), check))


def trial_parts(trial: Trial) -> tuple[str, str, str]:
    """What a trial is called within a suite, one part a level."""
    return str(trial.segment), trial.replayer, trial.device_kind.value


def own_id(suite: str, trial: Trial) -> str:
    """What a trial is called in the brackets of a person's own test: `pr-dongle/log_id/3-driving_model-emulated`."""
    return "-".join((suite, *trial_parts(trial)))


def scope_of(node_id: str) -> str:
    """What one process does in one go: the checks of one trial, and any other test alone."""
    parts = node_id.split("::")
    return "::".join(parts[:-1]) if len(parts) == 5 and "/" in parts[1] else node_id


def select_by_ids(prepared: Prepared, suite_id: str, node_ids: Iterable[str]) -> Selection:
    """What node ids ask of one suite, of which `suite_id` is the node id: for who has nothing but the ids."""
    by_parts = {"::".join(trial_parts(trial)): trial for trial in prepared.plan.trials}
    by_own = {own_id(prepared.plan.suite, trial): trial for trial in prepared.plan.trials}
    trials: set[str] = set()
    checks: set[tuple[str, str]] = set()
    claims = False
    for node_id in node_ids:
        ours, _, rest = node_id.partition("::")
        parts = rest.split("::")
        if ours == suite_id and parts[0] == CLAIMS:
            claims = True
        elif ours == suite_id and len(parts) == 4 and (trial := by_parts.get("::".join(parts[:3]))) is not None:
            trials.add(trial.name)
            checks.add((trial.replayer, parts[3].partition("@")[0]))
        elif ours != suite_id and "[" in node_id:
            given = node_id.partition("[")[2]
            trials |= {trial.name for own, trial in by_own.items() if own in given}
    return Selection(frozenset(trials), frozenset(checks), claims)


def narrowed(prepared: Prepared, selection: Selection) -> Prepared:
    """The run of what is selected: its trials, the tasks that these need, the checks that are asked.

    A replayer of which no check is selected keeps them all: somebody's own test waits for its traces. What is declared
    for a suite is a matter of all its trials, so a part of them has nothing declared.
    """
    plan = prepared.plan
    trials = tuple(trial for trial in plan.trials if trial.name in selection.trials)
    needed = {job.id for trial in trials for job in trial.jobs}
    tasks = without(plan, frozenset(plan.jobs.keys() - needed))
    declared = prepared.declared
    if len(trials) < len(plan.trials):
        declared = replace(declared, intents=(), questions=())
    return replace(
        prepared,
        plan=Plan(plan.suite, trials, tasks),
        checks=_asked(prepared.checks, selection),
        declared=declared,
    )


def _asked(checks: Mapping[str, tuple[Check, ...]], selection: Selection) -> dict[str, tuple[Check, ...]]:
    return {
        replayer: tuple(check for check in known if (replayer, check.name) in selection.checks) or known
        for replayer, known in checks.items()
    }
