"""The text a person sees first, in a terminal or a pull request: what failed, by how much, where to look."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from harness.domain import QuarantineEntry
from harness.explanation import Explained
from harness.report.budget import clean
from harness.report.claims import render_claims
from harness.report.execution import render_execution
from harness.report.trials import counted, devices_of, in_a_line, trial_text
from harness.report.why import render_why
from harness.verdict import Attempt, Closeness, JobResult, RunRecord, Verdict, gate

_SHOWN_TRIALS = 20  # of a kind; the rest is counted
_SHOWN_FINDINGS = 6  # of a trial; the rest is a `closet diff` away
_SHOWN_NOTES = 20


def render_summary(record: RunRecord, run_folder: str, explained: Explained | None = None) -> str:
    """The whole run as plain text; `run_folder` is how the reader reaches it, `explained` why its trials moved."""
    decided = gate(record)
    blocks = [header(record), tally(record)]
    if times := render_execution(record):
        blocks.append(times)
    for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.QUARANTINED):
        trials = [result for result in record.results if result.verdict is verdict]
        blocks += [trial_block(result, record, run_folder) for result in trials[:_SHOWN_TRIALS]]
        if len(trials) > _SHOWN_TRIALS:
            blocks.append(f"{verdict.value:<7}{len(trials) - _SHOWN_TRIALS} more, in {run_folder}/junit.xml")
    if claims := render_claims(record):
        blocks.append(claims)
    if explained is not None and (why := render_why(explained)):
        blocks.append(why)
    if said := notes(record):
        more = len(said) - _SHOWN_NOTES
        shown = [*said[:_SHOWN_NOTES], *([f"{more} more, in {run_folder}/junit.xml"] if more > 0 else [])]
        blocks.append("\n".join(f"NOTE   {clean(note, 500)}" for note in shown))
    state = "OPEN" if decided.is_open else "CLOSED"
    reason = decided.reason + (f" · warning: {', '.join(decided.warnings)}" if decided.warnings else "")
    blocks.append(
        f"gate {state}, exit {int(decided.exit_code)}: {clean(reason, 500)} · {duration(record.duration_s)} · "
        f"{run_folder}/junit.xml"
    )
    return "\n\n".join(blocks) + "\n"


def notes(record: RunRecord) -> list[str]:
    """What nobody is blamed for and somebody should know: lone crashes, quarantines that are over or not needed."""
    told = [_lone_crash(result, attempt) for result in record.results for attempt in result.lone_crashes]
    expired: dict[QuarantineEntry, None] = {}
    passing: dict[QuarantineEntry, list[bool]] = {}
    for result in record.results:
        if note := result.quarantine:
            expired |= dict.fromkeys(note.expired)
            for entry in note.entries:
                passing.setdefault(entry, []).append(result.verdict is Verdict.PASS)
    told += [
        f"quarantine of {entry.route} expired {entry.expires} and excuses nothing: {entry.owner}, {entry.issue}"
        for entry in expired
    ]
    told += [
        f"quarantine of {entry.route} could be released, {counted(len(passed), 'job')} passed: "
        f"{entry.owner}, {entry.issue}"
        for entry, passed in passing.items()
        if all(passed)
    ]
    return told


def _lone_crash(result: JobResult, attempt: Attempt) -> str:
    well = [other.device for other in result.attempts if other.error is None and other.side == attempt.side]
    then = f", not on {', '.join(dict.fromkeys(well))}" if well and attempt.device not in well else " once"
    problem = attempt.error.problem if attempt.error else ""
    return f"{result.segment} · {result.replayer} · crashed on {attempt.device}{then}: {problem}"


def trial_rows(record: RunRecord) -> list[tuple[str, str, str, str, str]]:
    """A row a trial for a table: verdict, segment, replayer, devices, and the finding or closeness in a line."""
    return [
        (result.verdict.value, result.segment, result.replayer, devices_of(result), in_a_line(result))
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


def header(record: RunRecord) -> str:
    """What was run on what: suite, segments, devices, both sides."""
    segments = len({result.segment for result in record.results})
    replayers = len({result.replayer for result in record.results})
    kinds: dict[str, int] = {}
    for device in record.devices:
        kinds[device.get("kind", "unknown")] = kinds.get(device.get("kind", "unknown"), 0) + 1
    each = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    parts = [
        record.suite,
        f"{counted(segments, 'segment')} × {counted(replayers, 'replayer')}",
        f"{counted(len(record.devices), 'device')} ({each})" if each else "no devices",
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


def tally(record: RunRecord) -> str:
    """A line a verdict: how many, and of what sort."""
    counts = gate(record).counts
    passed = [result for result in record.results if result.verdict is Verdict.PASS]
    exact = sum(all(check.closeness is Closeness.EXACT for check in result.checks) for result in passed)
    beyond = {Closeness.BEYOND, Closeness.BEYOND_NOISE}
    noted = sum(any(check.closeness in beyond for check in result.checks) for result in passed)
    noisy = sum(
        any(check.closeness is Closeness.WITHIN_NOISE for check in result.checks)
        and all(check.closeness in {Closeness.EXACT, Closeness.WITHIN_NOISE} for check in result.checks)
        for result in passed
    )
    within = len(passed) - exact - noted - noisy
    same = sum(_same_files(result) for result in passed)
    kinds = [
        f"{word} {count}"
        for word, count in (
            ("exact", exact),
            ("within noise", noisy),
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
        excused = [result for result in record.results if result.verdict is Verdict.QUARANTINED]
        really = [result.quarantine.outcome for result in excused if result.quarantine]
        words = " · ".join(f"{verdict} {really.count(verdict)}" for verdict in dict.fromkeys(really))
        told = f"   run and reported, not gating{f': {words}' if words else ''}"
        lines.append(f"QUARANTINED {counts[Verdict.QUARANTINED]}{told}")
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


def trial_block(result: JobResult, record: RunRecord, run_folder: str, *, findings: int = _SHOWN_FINDINGS) -> str:
    """One trial with so many findings, and the commands to look at it and to run it again."""
    lines = [trial_text(result, findings)]
    if result.checks:
        lines.append(f"  look   closet diff {shlex.quote(run_folder)} {shlex.quote(result.segment)}")
    again = replay_command(record.command, result.segment)
    if again:
        lines.append(f"  again  {again}")
    return "\n".join(lines)


def replay_command(command: Sequence[str], segment: str) -> str:
    """The command of the run, for one segment only."""
    kept: list[str] = []
    skip = maybe = False
    for word in command:
        if skip or (maybe and not word.startswith("-")):
            skip = maybe = False
        elif word in {"--only", "--run-dir", "--junit", "--html"}:
            # The folder of a page may be left out; what looks like an option is none.
            skip, maybe = word != "--html", word == "--html"
        elif not word.startswith(("--only=", "--run-dir=", "--junit=", "--html=")):
            kept.append(word)
            maybe = False
        else:
            maybe = False
    return shlex.join([*kept, "--only", segment]) if kept else ""
