"""Whether a run that is gone on with still asks what it asked: a verdict is never exchanged for another question's."""

from __future__ import annotations

from harness.domain import Trial
from harness.errors import ConfigError, ConfigMistakesError
from harness.pipeline.judgement import provenance
from harness.pipeline.prepare import Prepared
from harness.verdict import JobResult, RunRecord, Verdict

# Ids follow from the rest, and say less to a person.
_DERIVED = frozenset({"candidate_job", "baseline_job"})


def check_same_run(before: RunRecord, prepared: Prepared) -> None:
    """Refuse to go on where a planned trial would vanish, or one that has its verdict would be judged anew otherwise.

    What has no verdict yet may have been mended meanwhile: a broken recording, a baseline that was missing.
    """
    trials = {trial.name: trial for trial in prepared.plan.trials}
    errors: list[ConfigError] = []
    if before.declared != prepared.declared.digest:
        errors.append(
            ConfigError(
                "what this run declares was changed since",
                where=before.run,
                remedy="closet run asks anew, in a record of its own",
            )
        )
    for result in before.results:
        trial = trials.get(result.name)
        changed = ["it is no longer planned"] if trial is None else _changed(result, trial, prepared)
        if changed:
            errors.append(
                ConfigError(
                    f"what this run asks was changed since: {', '.join(changed)}",
                    where=f"{before.run}: {result.name}",
                    remedy="closet run asks anew, in a record of its own",
                )
            )
    if errors:
        raise ConfigMistakesError(tuple(errors))


def _changed(result: JobResult, trial: Trial, prepared: Prepared) -> list[str]:
    if Verdict.ERROR in (result.verdict, result.quarantine.outcome if result.quarantine else None):
        return []
    was, now = result.provenance, provenance(trial, prepared.checks[trial.replayer])
    changed = [name for name in sorted((was.keys() | now.keys()) - _DERIVED) if was.get(name) != now.get(name)]
    if trial.baseline_job is None and result.baseline_trace not in (trial.baseline_trace, *trial.also_accepted):
        changed.append("approved baseline")
    return changed
