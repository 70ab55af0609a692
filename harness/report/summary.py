"""The text a person sees first, in a terminal or a pull request: what failed, by how much, where to look."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from harness.report.budget import clean
from harness.verdict import (
    FIRST_TO_MOVE,
    Attempt,
    CheckResult,
    Closeness,
    Finding,
    JobResult,
    RunRecord,
    Severity,
    Verdict,
    gate,
)

_SHOWN_TRIALS = 20  # of a kind; the rest is counted
_SHOWN_FINDINGS = 6  # of a trial; the rest is a `closet diff` away
_LEAST_COLUMN, _WIDEST_COLUMN = 16, 26


def render_summary(record: RunRecord, run_folder: str) -> str:
    """The whole run as plain text; `run_folder` is how the reader reaches it."""
    decided = gate(record)
    blocks = [_header(record), _tally(record)]
    for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.QUARANTINED):
        trials = [result for result in record.results if result.verdict is verdict]
        blocks += [_block(result, record, run_folder) for result in trials[:_SHOWN_TRIALS]]
        if len(trials) > _SHOWN_TRIALS:
            blocks.append(f"{verdict.value:<7}{len(trials) - _SHOWN_TRIALS} more, in {run_folder}/junit.xml")
    state = "OPEN" if decided.is_open else "CLOSED"
    blocks.append(
        f"gate {state}, exit {int(decided.exit_code)}: {clean(decided.reason, 500)} · {duration(record.duration_s)} · "
        f"{run_folder}/junit.xml"
    )
    return "\n\n".join(blocks) + "\n"


def render_trial(result: JobResult, run_folder: str = "") -> str:
    """One trial in full: its verdict, what was found in the reader's terms, what was tried, where the run lies."""
    found = f"\n  run    {run_folder}" if run_folder else ""
    return f"{_trial(result, len(_distinct(result.checks)))}{found}\n"


def _trial(result: JobResult, findings_shown: int) -> str:
    lines = [f"{result.verdict.value:<7}{result.segment} · {result.replayer} · {_devices(result)}"]
    findings = _distinct(result.checks)
    names = [found.channel or found.kind.value for found in findings]
    names += [check.check for check in result.checks] + ([result.error.kind] if result.error else [])
    width = min(max([_LEAST_COLUMN, *(len(name) for name in names)]), _WIDEST_COLUMN)
    shown = findings[:findings_shown]
    # Where to begin looking is never cut off, and comes last, where the eye is.
    pointers = [found for found in findings if found.channel == FIRST_TO_MOVE]
    for found in [*(found for found in shown if found not in pointers), *pointers]:
        lines += _columns(found.channel or found.kind.value, found.words, width)
    if hidden := len([found for found in findings[findings_shown:] if found not in pointers]):
        lines.append(f"  {'':<{width}}  and {_counted(hidden, 'more finding')}")
    if result.error is not None:
        said = result.error
        place = f"{said.where}: " if said.where else ""
        remedy = f"\n{said.remedy}" if said.remedy else ""
        lines += _columns(said.kind, f"{place}{said.problem}{remedy}", width)
    if not findings and result.error is None:
        for check in result.checks:
            extent = f": {check.channels_compared} channels, {check.frames_compared} frames"
            lines += _columns(check.check, check.closeness.value + (extent if check.channels_compared else ""), width)
    lines += [
        line
        for attempt in result.attempts
        if attempt.error is not None
        for line in _columns("tried", _attempt_words(attempt), width)
    ]
    return "\n".join(lines)


def trial_rows(record: RunRecord) -> list[tuple[str, str, str, str, str]]:
    """A row a trial for a table: verdict, segment, replayer, devices, and the finding or closeness in a line."""
    return [
        (result.verdict.value, result.segment, result.replayer, _devices(result), _in_a_line(result))
        for result in record.results
    ]


def duration(seconds: float) -> str:
    """`3 min 12 s`, `2 h 5 min`, `4.2 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 59.95 else "1 min 0 s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def _header(record: RunRecord) -> str:
    segments = len({result.segment for result in record.results})
    replayers = len({result.replayer for result in record.results})
    kinds: dict[str, int] = {}
    for device in record.devices:
        kinds[device.get("kind", "unknown")] = kinds.get(device.get("kind", "unknown"), 0) + 1
    each = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    parts = [
        record.suite,
        f"{_counted(segments, 'segment')} × {_counted(replayers, 'replayer')}",
        f"{_counted(len(record.devices), 'device')} ({each})" if each else "no devices",
        f"candidate {_label(record.candidate)}",
        f"baseline {_label(record.baseline)}",
    ]
    return " · ".join(parts)


def _label(facts: dict[str, str]) -> str:
    """What a side is made of: one name when all replayers share it, else one each."""
    labels = dict.fromkeys(facts.values())
    if len(labels) <= 1:
        return next(iter(labels), "none")
    return ", ".join(f"{replayer} {label}" for replayer, label in facts.items())


def _tally(record: RunRecord) -> str:
    counts = gate(record).counts
    passed = [result for result in record.results if result.verdict is Verdict.PASS]
    exact = sum(all(check.closeness is Closeness.EXACT for check in result.checks) for result in passed)
    noted = sum(any(check.closeness is Closeness.BEYOND for check in result.checks) for result in passed)
    within = len(passed) - exact - noted
    same = sum(_same_files(result) for result in passed)
    kinds = [
        f"{word} {count}"
        for word, count in (
            ("exact", exact),
            ("within tolerance", within),
            ("noted", noted),
            ("the same files on both sides", same),
        )
        if count
    ]
    lines = [f"PASS  {counts[Verdict.PASS]:>4}" + (f"   {' · '.join(kinds)}" if kinds else "")]
    lines.append(f"FAIL  {counts[Verdict.FAIL]:>4}")
    causes = _causes([result for result in record.results if result.verdict is Verdict.ERROR])
    lines.append(f"ERROR {counts[Verdict.ERROR]:>4}" + (f"   {causes}" if causes else ""))
    if counts[Verdict.QUARANTINED]:
        lines.append(f"QUARANTINED {counts[Verdict.QUARANTINED]}   run and reported, not gating")
    return "\n".join(lines)


def _same_files(result: JobResult) -> bool:
    """Whether nothing was on trial: candidate and baseline are one model, so that they cannot differ."""
    made_of = result.provenance
    return "baseline_model" in made_of and made_of.get("candidate_model") == made_of["baseline_model"]


def _causes(errors: Sequence[JobResult]) -> str:
    """What the errors are, commonest first: `not run 3 · UnreachableError 1`."""
    kinds: dict[str, int] = {}
    for result in errors:
        kind = result.error.kind if result.error else "nothing compared"
        kinds[kind] = kinds.get(kind, 0) + 1
    return " · ".join(f"{kind} {count}" for kind, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0])))


def _block(result: JobResult, record: RunRecord, run_folder: str) -> str:
    lines = [_trial(result, _SHOWN_FINDINGS)]
    if result.checks:
        lines.append(f"  look   closet diff {shlex.quote(run_folder)} {shlex.quote(result.segment)}")
    again = _again(record.command, result.segment)
    if again:
        lines.append(f"  again  {again}")
    return "\n".join(lines)


def _again(command: Sequence[str], segment: str) -> str:
    """The command of the run, for one segment only."""
    kept: list[str] = []
    skip = False
    for word in command:
        if skip:
            skip = False
        elif word in {"--only", "--run-dir", "--junit"}:
            skip = True
        elif not word.startswith(("--only=", "--run-dir=", "--junit=")):
            kept.append(word)
    return shlex.join([*kept, "--only", segment]) if kept else ""


def _devices(result: JobResult) -> str:
    """Where it ran, by order of attempts; the device kind when it ran nowhere."""
    names = list(dict.fromkeys(attempt.device for attempt in result.attempts))
    if not names:
        return f"{result.device_kind}, reused" if result.reused else result.device_kind
    return ", then ".join(names)


def _distinct(checks: Sequence[CheckResult]) -> list[Finding]:
    """Findings once each, though several checks share a channel or lack the same frames; blocking ones first."""
    found = dict.fromkeys(entry for check in checks for entry in check.findings)
    return sorted(found, key=lambda entry: entry.severity is not Severity.BLOCK)


def _columns(left: str, words: str, width: int) -> list[str]:
    lines = clean(words, 2000).split("\n")
    pad = [left, *[""] * (len(lines) - 1)]
    return [f"  {name:<{width}}  {line}".rstrip() for name, line in zip(pad, lines, strict=True)]


def _attempt_words(attempt: Attempt) -> str:
    side = f"{attempt.side} on " if attempt.side else ""
    problem = f"{attempt.error.kind}: {attempt.error.problem}" if attempt.error else "done"
    return f"{side}{attempt.device}, {problem}"


def _in_a_line(result: JobResult) -> str:
    findings = _distinct(result.checks)
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
    for worst in (Closeness.BEYOND, Closeness.WITHIN, Closeness.EXACT):
        if worst in closeness:
            return worst.value if worst is not Closeness.BEYOND else "noted, not blocking"
    return Closeness.NOTHING.value


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
