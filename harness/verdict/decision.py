"""The only place that decides: `judge` a trial, `excuse` what is quarantined, `gate` a run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.domain import QuarantineEntry
from harness.errors import ClosetError, ErrorDescription, ExitCode
from harness.intent import Action, ClaimResult, Standing
from harness.verdict.record import RunRecord
from harness.verdict.results import NOT_RUN, CheckResult, Closeness, JobResult, QuarantineNote, Verdict

# The kind of an error that names nobody else's fault.
OUR_BUG = ClosetError.__name__


def judge(checks: tuple[CheckResult, ...], error: ErrorDescription | None) -> Verdict:
    """The verdict of one trial. A product crash is a finding, so it FAILs; any other error means nothing was judged.

    Nothing compared is an ERROR too: a trial without a single check says nothing, and a check that matched no
    channel or had no frame must not hide behind others that passed.
    """
    if any(check.blocks for check in checks):
        return Verdict.FAIL
    if any(check.closeness is Closeness.NOTHING for check in checks):
        return Verdict.ERROR
    if error is not None or all(check.channels_compared == 0 for check in checks):
        return Verdict.ERROR
    return Verdict.PASS


def excuse(
    result: JobResult,
    quarantined: frozenset[str],
    planned: frozenset[str],
    entries: tuple[QuarantineEntry, ...] = (),
    expired: tuple[QuarantineEntry, ...] = (),
) -> JobResult:
    """A trial some of whose `planned` checks are `quarantined`: QUARANTINED when nothing else is wrong with it.

    Only those checks are excused: what another one found still FAILs, and an error of the whole trial is excused only
    where every planned check is quarantined. What was not run, and a bug of ours, is never excused.
    """
    note = QuarantineNote(result.verdict, tuple(sorted(quarantined)), (), entries, expired)
    if result.verdict is Verdict.PASS or (result.error is not None and result.error.kind in {NOT_RUN.kind, OUR_BUG}):
        return replace(result, quarantine=note)
    wrong = {check.check for check in result.checks if check.blocks or check.closeness is Closeness.NOTHING}
    if result.error is not None or not wrong:
        wrong |= planned
    note = replace(note, excused=tuple(sorted(wrong & quarantined)))
    if wrong <= quarantined:
        verdict = Verdict.QUARANTINED
    elif any(check.blocks for check in result.checks if check.check not in quarantined):
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.ERROR
    return replace(result, verdict=verdict, quarantine=note)


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the candidate may go out, and the sentence that says why. `warnings` are told, and close nothing."""

    exit_code: ExitCode
    counts: dict[Verdict, int]
    reason: str
    warnings: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """True only for exit code 0."""
        return self.exit_code is ExitCode.GATE_OPEN


def gate(record: RunRecord) -> Gate:
    """The gate for a whole run: regressions, then jobs without a verdict, then nothing at all, then open.

    Claims weigh as the record's policy says. What had no data, and what was planned and is not there, always closes it.
    """
    counts = {verdict: sum(result.verdict is verdict for result in record.results) for verdict in Verdict}
    holds: list[ExitCode] = []
    reasons: list[str] = []
    if record.harness_error:
        holds.append(ExitCode.HARNESS_BUG)
        reasons.append(f"a bug of the harness: {(record.harness_error.strip().splitlines() or ['unknown'])[-1]}")
    bugs = [result for result in record.results if result.error is not None and result.error.kind == OUR_BUG]
    if bugs:
        holds.append(ExitCode.HARNESS_BUG)
        reasons.append(f"{_counted(len(bugs), 'job')} ended by a bug of the harness")
    if counts[Verdict.FAIL]:
        holds.append(ExitCode.REGRESSION)
        reasons.append(_counted(counts[Verdict.FAIL], "regression"))
    if counts[Verdict.ERROR]:
        holds.append(ExitCode.NO_VERDICT)
        reasons.append(f"{_counted(counts[Verdict.ERROR], 'job')} without a verdict")
    vanished = _vanished(record)
    if vanished:
        holds.append(ExitCode.NO_VERDICT)
        reasons.append(f"{_counted(vanished, 'job')} without all that was planned")
    closing, warnings = _claims(record)
    for code, words in closing:
        holds.append(code)
        reasons.append(words)
    if record.interrupted:
        holds.append(ExitCode.NO_VERDICT)
        reasons.append("interrupted")
    if not record.results or counts[Verdict.QUARANTINED] == len(record.results):
        holds.append(ExitCode.NOTHING_TO_RUN)
        reasons.append("nothing was judged")
    passed = [f"{_counted(counts[Verdict.PASS], 'job')} passed"]
    if held := sum(claim.standing is Standing.HOLDS for claim in record.claims):
        passed.append(f"{_counted(held, 'claim')} held")
    reason = ", ".join(reasons or passed)
    return Gate(ExitCode.worst(holds), counts, reason, warnings)


# A regression was found where the declared thing was judged and is not so; where nothing could be judged, no verdict.
_CLAIM_CODES = {
    Standing.WORSE: ExitCode.REGRESSION,
    Standing.NOT_BETTER: ExitCode.REGRESSION,
    Standing.CHANGED: ExitCode.REGRESSION,
    Standing.INCONCLUSIVE: ExitCode.NO_VERDICT,
    Standing.NO_DATA: ExitCode.NO_VERDICT,
}


def _claims(record: RunRecord) -> tuple[list[tuple[ExitCode, str]], tuple[str, ...]]:
    """What of the claims closes the gate, with exit code and words, and what is only warned of."""
    closing: list[tuple[ExitCode, str]] = []
    warnings: list[str] = []
    for standing, code in _CLAIM_CODES.items():
        count = sum(claim.standing is standing for claim in record.claims)
        if not count:
            continue
        words = f"{_counted(count, 'claim')} {_CLAIM_WORDS.get(standing, standing.value)}"
        if claim_action(record, standing) is Action.BLOCK:
            closing.append((code, words))
        else:
            warnings.append(words)
    judged = {planned_name(claim) for claim in record.claims}
    if lost := sum(name not in judged for name in record.planned_claims):
        closing.append((ExitCode.NO_VERDICT, f"{_counted(lost, 'claim')} not judged"))
    return closing, tuple(warnings)


_CLAIM_WORDS = {Standing.NO_DATA: "without data", Standing.CHANGED: "better though unchanged was declared"}


def claim_action(record: RunRecord, standing: Standing) -> Action | None:
    """What the gate of a run does about a standing."""
    return record.gate_policy.action(standing)


def planned_name(claim: ClaimResult) -> str:
    """What a claim is known by within a run: its intent, and its own name."""
    return f"{claim.intent}: {claim.name}"


def _vanished(record: RunRecord) -> int:
    """How many planned trials are not in the record, or passed without every check that was planned for them."""
    found = {result.name: result for result in record.results}
    return sum(
        name not in found
        or (found[name].verdict is Verdict.PASS and not set(checks) <= {check.check for check in found[name].checks})
        for name, checks in record.planned_checks.items()
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
