"""A run's traces become baselines. For `closet bless` and the dashboard."""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import ConfigError
from harness.store import Approval, Signature, Store
from harness.verdict import JobResult, RunRecord


@dataclass(frozen=True, slots=True)
class Approved:
    """How many places have a baseline for the first time, another one, or the one they had."""

    created: int
    updated: int
    unchanged: int


def now() -> str:
    """The time of an approval."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def matching(record: RunRecord, only: str) -> list[JobResult]:
    """The trials whose name matches a pattern; ConfigError when none does."""
    pattern = f"*{only.replace('|', '/')}*"
    chosen = [result for result in record.results if fnmatch.fnmatchcase(result.name, pattern)]
    if not chosen:
        raise ConfigError(f"no trial matches {only}", where=record.run, remedy="closet report RUN lists the trials")
    return chosen


def approve(
    record: RunRecord,
    chosen: Sequence[JobResult],
    store: Store,
    *,
    who: str,
    reason: str,
    branch: str = "",
    change: str = "",
    beside: bool = False,
    signature: Signature | None = None,
) -> Approved:
    """Approve the candidate traces of the chosen trials as baseline: all of them, or none."""
    if not reason.strip():
        raise ConfigError("the reason is empty", where="--reason", remedy="say why these traces are right")
    unusable = [result.name for result in chosen if not result.candidate_trace]
    if unusable:
        raise ConfigError(
            f"{len(unusable)} of {len(chosen)} trials have no candidate trace, the first is {unusable[0]}",
            where=record.run,
            remedy="closet resume RUN first, or choose others with --only",
        )
    when = now()
    asked = tuple(
        Approval(
            when=when,
            who=who,
            reason=reason.strip(),
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
        for result in chosen
    )
    approvals = store.approve(asked, signature)
    created = sum(not entry.replaces for entry in approvals)
    unchanged = sum(entry.replaces == entry.trace_sha256 for entry in approvals)
    return Approved(created, len(approvals) - created - unchanged, unchanged)
