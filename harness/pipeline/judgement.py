"""Two traces to one result: load, compare (or recall the comparison), judge."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

from harness.compare import COMPARE_VERSION, compare_traces, runtime_difference
from harness.domain import Check, Trial, canonical_json, json_digest
from harness.errors import ClosetError, DataError, ErrorDescription, ProductCrashError
from harness.noise import resolve
from harness.pipeline.collect import Replayed
from harness.store import Store
from harness.trace import Trace
from harness.verdict import (
    NOT_RUN,
    Attempt,
    CheckResult,
    Closeness,
    Finding,
    FindingKind,
    JobResult,
    Severity,
    Verdict,
    judge,
)

# The first check of every trial: the software on trial ran to its end. Its finding is a crash.
REPLAY_CHECK = "replay"

_LAST_LINES, _LINE = 8, 200  # of standard error, in the finding of a crash; the log of the attempt has more


def not_run(trial: Trial) -> JobResult:
    """The entry a record starts with: ERROR "not run"."""
    return JobResult(
        trial.name,
        str(trial.segment),
        trial.replayer,
        trial.device_kind.value,
        Verdict.ERROR,
        NOT_RUN,
        provenance=provenance(trial),
    )


def judge_trial(
    trial: Trial, candidate: Replayed, baseline: Replayed | None, checks: tuple[Check, ...], store: Store
) -> JobResult:
    """The result of one trial from what came of its jobs; `baseline` None where an approved trace is held against."""
    attempts = tuple(
        entry for replayed in (candidate, baseline) if replayed is not None for entry in _sided(replayed, candidate)
    )
    baseline_trace = baseline.trace_sha256 if baseline else trial.baseline_trace
    results: tuple[CheckResult, ...] = ()
    error = candidate.error
    if error is not None and error.kind == ProductCrashError.__name__:
        results, error = (_crash(error, candidate.attempts),), None
    elif error is None and baseline is not None and baseline.error is not None:
        problem = f"the baseline was not replayed: {baseline.error.problem}"
        error = ErrorDescription(baseline.error.kind, problem, baseline.error.where, baseline.error.remedy)
    elif error is None and not baseline_trace:
        options = trial.candidate.options
        error = ErrorDescription(
            "MissingBaseline",
            "no baseline is approved" + ("" if options == "{}" else f" for these options: {options}"),
            trial.name,
            "closet bless RUN --reason TEXT approves this run's traces, or --baseline MODEL replays both sides",
        )
    elif error is None:
        try:
            baseline_trace, compared = _held_against(
                trial, (baseline_trace, *trial.also_accepted), candidate, checks, store
            )
            results = (CheckResult(REPLAY_CHECK, Closeness.EXACT), *compared)
        except ClosetError as caught:
            error = caught.describe()
    return JobResult(
        trial.name,
        str(trial.segment),
        trial.replayer,
        trial.device_kind.value,
        judge(results, error),
        error,
        results,
        attempts,
        provenance(trial, checks),
        candidate.trace_sha256,
        baseline_trace,
        reused=candidate.reused and (baseline is None or baseline.reused),
    )


def _held_against(
    trial: Trial, accepted: tuple[str, ...], candidate: Replayed, checks: tuple[Check, ...], store: Store
) -> tuple[str, tuple[CheckResult, ...]]:
    """The accepted trace that the candidate is like, and the checks; like none: the newest that could be compared."""
    first: tuple[str, tuple[CheckResult, ...]] | None = None
    refused: ClosetError | None = None
    for trace in accepted:
        try:
            compared = trace, _compared(trial, trace, candidate, checks, store)
        except ClosetError as error:
            refused = refused or error
            continue
        if judge(compared[1], None) is Verdict.PASS:
            return compared
        first = first or compared
    if first is None:
        raise refused or DataError("no accepted trace", where=candidate.job_id, remedy="closet bless approves one")
    return first


def _compared(
    trial: Trial, baseline_trace: str, candidate: Replayed, checks: tuple[Check, ...], store: Store
) -> tuple[CheckResult, ...]:
    """The checks over both traces, recalled when the same two traces were compared in the same way before."""
    key = json_digest(
        {
            "version": COMPARE_VERSION,
            "expected": baseline_trace,
            "observed": candidate.trace_sha256,
            "checks": [asdict(check) for check in checks],
            "noise": store.noise.digests(trial.replayer, trial.device_kind.value),
        }
    )
    recalled = store.find_checks(key)
    if recalled is not None:
        return recalled
    # Most of what this takes is the digest of what was read, for which threads need not wait for each other.
    with ThreadPoolExecutor(2) as both:
        expected, observed = both.map(store.load_trace, (baseline_trace, candidate.trace_sha256))
    if difference := runtime_difference(expected, observed):
        raise DataError(
            f"the baseline was made by another runtime: {difference}",
            where=str(observed.segment),
            remedy="approve a baseline made by this runtime, or --baseline MODEL replays both sides",
        )
    if difference := _made_otherwise(expected, observed):
        raise DataError(
            f"the approved baseline was made otherwise: {difference}",
            where=str(observed.segment),
            remedy="closet bless RUN --reason TEXT approves this run's traces, or --baseline MODEL replays both sides",
        )
    floor = store.noise.find(trial.replayer, trial.device_kind, str(observed.provenance.get("runtime", "")))
    checks = resolve(checks, floor, expected, where=trial.name)
    floors = {} if floor is None else {name: channel.worst for name, channel in floor.channels.items()}
    results = compare_traces(expected, observed, checks, floors)
    store.remember_checks(key, results)
    return results


def _made_otherwise(expected: Trace, observed: Trace) -> str:
    """What differs in how two traces were made, the models and the runtime apart; "" when nothing does.

    Whether the software changed can only be seen where all else is equal.
    """
    ours, theirs = _making(expected), _making(observed)
    return ", ".join(
        f"{name} {ours.get(name, 'nothing')} instead of {theirs.get(name, 'nothing')}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    )


def _making(trace: Trace) -> dict[str, str]:
    made = trace.provenance
    recording, replayer = made.get("recording"), made.get("replayer")
    making = {name: str(sha256)[:12] for name, sha256 in recording.items()} if isinstance(recording, dict) else {}
    if isinstance(replayer, dict):
        making["replayer version"] = str(replayer.get("version"))
    return making | {"options": canonical_json(made.get("options"))}


def _crash(error: ErrorDescription, attempts: tuple[Attempt, ...]) -> CheckResult:
    """The finding that the software on trial crashed: by what, where, and the last it said."""
    crashed = [attempt for attempt in attempts if attempt.error is not None and attempt.error.kind == error.kind]
    log = (crashed or attempts)[-1].log_tail if attempts else ""
    said = [line for line in log.splitlines() if line.strip()]
    words = "\n".join([error.problem, *(line[:_LINE] for line in said[-_LAST_LINES:])])
    finding = Finding(FindingKind.CRASH, Severity.BLOCK, REPLAY_CHECK, words, observed=error.where)
    return CheckResult(REPLAY_CHECK, Closeness.BEYOND, (finding,))


def _sided(replayed: Replayed, candidate: Replayed) -> list[Attempt]:
    side = "candidate" if replayed is candidate else "baseline"
    return [replace(attempt, side=side) for attempt in replayed.attempts]


def provenance(trial: Trial, checks: tuple[Check, ...] = ()) -> dict[str, str]:
    """What the trial's two sides are made of and how they are judged, as text for the record and the reports."""
    made_of = {
        "candidate_job": trial.candidate.id,
        "candidate_model": trial.candidate.model_digest,
        "runtime": trial.candidate.runtime,
        "replayer_version": trial.candidate.replayer_version,
        "options": trial.candidate.options,
    }
    if checks:
        made_of["checks"] = json_digest([asdict(check) for check in checks])
    made_of |= {f"recording {entry.name}": entry.blob.sha256 for entry in trial.candidate.recording}
    if trial.baseline_job is not None:
        made_of |= {"baseline_job": trial.baseline_job.id, "baseline_model": trial.baseline_job.model_digest}
    return made_of
