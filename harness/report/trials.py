"""One trial as text: its verdict, what was found in the reader's terms, what was tried, whose fault it is."""

from __future__ import annotations

from collections.abc import Sequence

from harness.domain import QuarantineEntry
from harness.report.budget import clean
from harness.verdict import (
    FIRST_TO_MOVE,
    Attempt,
    Blame,
    CheckResult,
    Closeness,
    Confirmation,
    Finding,
    JobResult,
    Severity,
    Verdict,
)

_LEAST_COLUMN, _WIDEST_COLUMN = 16, 26


def render_trial(result: JobResult, run_folder: str = "") -> str:
    """One trial in full: its verdict, what was found, what was tried and repeated, where the run lies."""
    found = f"\n  run    {run_folder}" if run_folder else ""
    return f"{trial_text(result, len(distinct(result.checks)), every_repeat=True)}{found}\n"


def trial_text(result: JobResult, findings_shown: int, *, every_repeat: bool = False) -> str:
    """The same with so many findings; repeats a line each where they did not simply confirm, or `every_repeat`."""
    lines = [f"{result.verdict.value:<7}{result.segment} · {result.replayer} · {devices_of(result)}"]
    if result.verdict is Verdict.QUARANTINED:
        lines = [f"{result.verdict.value} {lines[0].removeprefix(result.verdict.value)}"]
    findings = distinct(result.checks)
    names = [found.channel or found.kind.value for found in findings]
    names += [check.check for check in result.checks] + ([result.error.kind] if result.error else [])
    width = min(max([_LEAST_COLUMN, *(len(name) for name in names)]), _WIDEST_COLUMN)
    shown = findings[:findings_shown]
    # Where to begin looking is never cut off, and comes last, where the eye is.
    pointers = [found for found in findings if found.channel == FIRST_TO_MOVE]
    for found in [*(found for found in shown if found not in pointers), *pointers]:
        lines += columns(found.channel or found.kind.value, found.words, width)
    if hidden := len([found for found in findings[findings_shown:] if found not in pointers]):
        lines.append(f"  {'':<{width}}  and {counted(hidden, 'more finding')}")
    if result.error is not None:
        said = result.error
        place = f"{said.where}: " if said.where else ""
        remedy = f"\n{said.remedy}" if said.remedy else ""
        lines += columns(said.kind, f"{place}{said.problem}{remedy}", width)
    if not findings and result.error is None:
        for check in result.checks:
            extent = f": {check.channels_compared} channels, {check.frames_compared} frames"
            lines += columns(check.check, check.closeness.value + (extent if check.channels_compared else ""), width)
    if result.blame is Blame.UNKNOWN or (result.blame is Blame.PRODUCT and not _simply_again(result)):
        lines += columns("repeated", result.repeated, width)
    if every_repeat or result.blame is not Blame.PRODUCT:
        lines += [line for repeat in result.confirmations for line in columns("repeat", repeat_words(repeat), width)]
    lines += _quarantine_lines(result, width)
    lines += [
        line
        for attempt in result.attempts
        if attempt.error is not None
        for line in columns("tried", attempt_words(attempt), width)
    ]
    return "\n".join(lines)


def devices_of(result: JobResult) -> str:
    """Where it ran, by order of attempts, and where it was seen again; the device kind when it ran nowhere."""
    names = list(dict.fromkeys(attempt.device for attempt in result.attempts))
    again = list(dict.fromkeys(repeat.device for repeat in result.confirmations if repeat.blocked))
    ran = ", then ".join(names) or (f"{result.device_kind}, reused" if result.reused else result.device_kind)
    if result.blame is not Blame.PRODUCT or not again:
        return ran
    return f"{ran}, again {_places(names, again)}"


def _places(ran: list[str], again: list[str]) -> str:
    """`there and on mici-03`, `on mici-01 and mici-03`."""
    there = ["there"] if ran and ran[-1] in again else []
    others = [name for name in again if not there or name != ran[-1]]
    return " and ".join([*there, *([f"on {' and '.join(others)}"] if others else [])])


def in_a_line(result: JobResult) -> str:
    """The finding, the error or the closeness, shortly."""
    findings = distinct(result.checks)
    if result.verdict is Verdict.ERROR and result.error is not None:
        return result.error.problem
    if findings and findings[0].severity is Severity.BLOCK:
        first = min(
            (found for found in findings if found.severity is Severity.BLOCK),
            key=lambda found: -1 if found.first_frame is None else found.first_frame,
        )
        words = first.words.split("\n", 1)[0]
        return f"{first.channel} {words}".strip()
    if result.error is not None:
        return result.error.problem
    closeness = {check.closeness for check in result.checks}
    if Closeness.NOTHING in closeness:
        return Closeness.NOTHING.value
    for worst in (
        *(Closeness.BEYOND, Closeness.BEYOND_NOISE),
        *(Closeness.WITHIN, Closeness.WITHIN_NOISE, Closeness.EXACT),
    ):
        if worst in closeness:
            beyond = worst in {Closeness.BEYOND, Closeness.BEYOND_NOISE}
            return "noted, not blocking" if beyond else worst.value
    return Closeness.NOTHING.value


def first_wrong(result: JobResult) -> Finding | None:
    """The blocking finding that begins at the earliest frame; None where none begins at a frame."""
    found = [entry for entry in result.blocking if entry.first_frame is not None]
    return min(found, key=lambda entry: entry.first_frame or 0, default=None)


def every_attempt(result: JobResult) -> tuple[Attempt, ...]:
    """The attempts of the trial, then those of its repeats."""
    return (*result.attempts, *(attempt for repeat in result.confirmations for attempt in repeat.attempts))


def distinct(checks: Sequence[CheckResult]) -> list[Finding]:
    """Findings once each, though several checks share a channel or lack the same frames; blocking ones first."""
    found = dict.fromkeys(entry for check in checks for entry in check.findings)
    return sorted(found, key=lambda entry: entry.severity is not Severity.BLOCK)


def columns(left: str, words: str, width: int) -> list[str]:
    """A name and what is said of it, line under line."""
    lines = clean(words, 2000).split("\n")
    pad = [left, *[""] * (len(lines) - 1)]
    return [f"  {name:<{width}}  {line}".rstrip() for name, line in zip(pad, lines, strict=True)]


def attempt_words(attempt: Attempt) -> str:
    """Who tried what, and how it ended."""
    side = f"{attempt.side} on " if attempt.side else ""
    problem = f"{attempt.error.kind}: {attempt.error.problem}" if attempt.error else "done"
    return f"{side}{attempt.device}, {problem}"


def repeat_words(repeat: Confirmation) -> str:
    """Where a repeat ran and what it showed."""
    if repeat.error is not None:
        return f"{repeat.device}: {repeat.error.kind}: {repeat.error.problem}"
    said = f"{repeat.verdict.value} {', '.join(repeat.blocked)}: {repeat.words}" if repeat.blocked else "passes"
    return f"{repeat.device}: {said}"


def entry_words(entry: QuarantineEntry) -> str:
    """Why an entry is there, and who sees to it."""
    return f"until {entry.expires}, {entry.owner}, {entry.issue}: {entry.reason}"


def counted(count: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _simply_again(result: JobResult) -> bool:
    """Whether where it was seen again says it all: no device was lost, no check left out, no earlier run recalled."""
    return bool(result.confirmations) and not set(",;") & set(result.repeated)


def _quarantine_lines(result: JobResult, width: int) -> list[str]:
    note = result.quarantine
    if note is None:
        return []
    lines: list[str] = []
    if note.excused:
        whole = result.error is not None
        excused = f"{note.outcome.value} of " + ("the whole trial" if whole else ", ".join(note.excused))
        lines = [f"{excused} does not gate", *(entry_words(entry) for entry in note.entries)]
    if result.verdict is not Verdict.PASS:
        lines += [f"expired {entry.expires}, excuses nothing: {entry.owner}, {entry.issue}" for entry in note.expired]
    return columns("quarantine", "\n".join(lines), width) if lines else []
