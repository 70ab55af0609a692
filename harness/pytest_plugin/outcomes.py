"""How a test item ends that stands for a check of a trial, or for a claim. Pure; verdicts are those of the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.intent import Action, ClaimResult, Standing
from harness.report.trials import columns, devices_of, entry_words, repeat_words
from harness.verdict import (
    NOT_RUN,
    Blame,
    CheckResult,
    Closeness,
    Finding,
    JobResult,
    QuarantineNote,
    RunRecord,
    Severity,
    Verdict,
    claim_action,
)

_COLUMN = 24


class Ending(StrEnum):
    """FAILED is a regression, ERROR no verdict, SKIPPED quarantined or a warning."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an item ends, in a line, and the whole of it."""

    ending: Ending
    line: str = ""
    text: str = ""


def check_outcome(result: JobResult, name: str) -> Outcome:
    """The outcome of one check of a trial. A check that found nothing passes though another one failed."""
    check = next((each for each in result.checks if each.check == name), None)
    blocking = [found for found in check.findings if found.severity is Severity.BLOCK] if check else []
    note = result.quarantine
    if note is not None and name in note.excused:
        return _excused(result, note, blocking)
    if blocking and result.verdict is not Verdict.ERROR:
        lines = [_head(result), *_finding_lines(blocking), *_blame_lines(result)]
        return Outcome(Ending.FAILED, _first_line(blocking), "\n".join(lines))
    if check is not None and check.closeness is not Closeness.NOTHING and result.error is None:
        return Outcome(Ending.PASSED)
    line, lines = _no_verdict(result, check)
    return Outcome(Ending.ERROR, line, "\n".join([_head(result), *lines, *_finding_lines(blocking)]))


def claim_outcome(record: RunRecord | None, claims: Sequence[ClaimResult]) -> Outcome:
    """The outcome of what was declared, in one or several claims of a run that is over."""
    if record is None or not claims:
        return Outcome(Ending.ERROR, "no verdict: not judged", "the run ended before this claim was judged")
    actions = [claim_action(record, claim.standing) for claim in claims]
    text = "\n".join(_claim_text(claim) for claim in claims)
    worst = [claim for claim, action in zip(claims, actions, strict=True) if action is Action.BLOCK]
    unjudged = [claim for claim in worst if claim.standing in {Standing.INCONCLUSIVE, Standing.NO_DATA}]
    if len(worst) > len(unjudged):
        return Outcome(Ending.FAILED, _claim_line(next(claim for claim in worst if claim not in unjudged)), text)
    if unjudged:
        return Outcome(Ending.ERROR, f"no verdict: {_claim_line(unjudged[0])}", text)
    warned = [claim for claim, action in zip(claims, actions, strict=True) if action is Action.WARN]
    return Outcome(Ending.SKIPPED, f"a warning: {_claim_line(warned[0])}", text) if warned else Outcome(Ending.PASSED)


def is_not_run(result: JobResult) -> bool:
    """Whether the run ended before it came to this trial."""
    return result.error == NOT_RUN


def _head(result: JobResult) -> str:
    return f"{result.segment} · {result.replayer} · {devices_of(result)}"


def _excused(result: JobResult, note: QuarantineNote, blocking: Sequence[Finding]) -> Outcome:
    if blocking:
        real = f"FAIL {_first_line(blocking)}"
    else:
        real = f"ERROR {result.error.problem if result.error else 'nothing compared'}"
    why = "; ".join(entry_words(entry) for entry in note.entries)
    return Outcome(Ending.SKIPPED, f"quarantined {why} · {real}")


def _no_verdict(result: JobResult, check: CheckResult | None) -> tuple[str, list[str]]:
    """Why nothing was judged, in a line and in full."""
    if result.error is not None:
        said = result.error
        place = f"{said.where}: " if said.where else ""
        remedy = f"\n{said.remedy}" if said.remedy else ""
        return f"no verdict: {said.problem}", columns(said.kind, f"{place}{said.problem}{remedy}", _COLUMN)
    if check is None:
        problem = next((found.words for found in result.blocking), "the job ended without a result for this check")
        return f"no verdict: {_one_line(problem)}", columns("not compared", problem, _COLUMN)
    words = [found.words for found in check.findings] or ["nothing compared"]
    return f"no verdict: {_one_line(words[0])}", columns("nothing compared", "\n".join(words), _COLUMN)


def _blame_lines(result: JobResult) -> list[str]:
    """Whose fault it is, as far as repeating told; and how each repeat came out where that is not the candidate's."""
    if result.blame is None:
        return []
    repeats = result.confirmations if result.blame is not Blame.PRODUCT else ()
    return columns("blame", f"{result.blame.value}: {result.repeated}", _COLUMN) + [
        line for repeat in repeats for line in columns("repeat", repeat_words(repeat), _COLUMN)
    ]


def _finding_lines(findings: Sequence[Finding]) -> list[str]:
    return [line for found in findings for line in columns(found.channel or found.kind.value, found.words, _COLUMN)]


def _first_line(findings: Sequence[Finding]) -> str:
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{first.channel} {_one_line(first.words)}".strip() + more


def _one_line(words: str) -> str:
    return words.split("\n", 1)[0]


def _claim_line(claim: ClaimResult) -> str:
    return f"{claim.name}: {claim.answer.value}: {_one_line(claim.words)}"


def _claim_text(claim: ClaimResult) -> str:
    lines = [claim.figures, f"{claim.answer.value}: {claim.words}", f"declared: {claim.expect.value} at {claim.where}"]
    return "\n".join([claim.name, *(f"  {line}" for text in lines if text for line in text.split("\n"))])
