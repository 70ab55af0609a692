"""The record as JUnit XML, as Jenkins, GitLab and GitHub really read it.

One testcase a trial × check, and one a claim. `<failure>` is a regression, `<error>` is infrastructure, not executed or
the harness, `<skipped>` is quarantined or a warning. The exit code decides the job, never this file: readers differ in
what they count.

Jenkins' published schema (xunit plugin, junit-10) knows `properties` in a suite but not in a testcase, where pytest,
junitparser and the Jenkins junit plugin have them. So they can be left out, and system-out says the same again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree import ElementTree

from junitparser import Error, Failure, Properties, Property, Skipped
from junitparser.xunit2 import FlakyError, JUnitXml, RerunError, TestCase, TestSuite

from harness.report.budget import TEXT_LIMIT, Budget, clean
from harness.report.claims import claims_suite
from harness.report.junit_properties import attempt_words, case_properties, run_properties
from harness.report.links import segment_link, trial_key
from harness.report.trials import entry_words, every_attempt, repeat_words
from harness.verdict import (
    CheckResult,
    Closeness,
    Finding,
    JobResult,
    QuarantineNote,
    RunRecord,
    Severity,
    Verdict,
)

Outcome: TypeAlias = "Error | Failure | Skipped | None"

_MESSAGE_LIMIT = 300
_LOG_LIMIT = 4_000  # characters of one attempt
_AROUND_A_PROPERTY = len('        <property name="" value="" />\n') * "."
_UNSAFE_IN_CLASSNAME = re.compile(r"[^A-Za-z0-9_\-]+")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a reader makes something of: properties of a testcase; what is said of one beside its outcome."""

    properties: bool = True
    output: bool = True


def render_junit(record: RunRecord, *, testcase_properties: bool = True, page_url: str = "") -> str:
    """JUnit XML of a run, to be written as UTF-8; equal text for equal records.

    Without `testcase_properties` it is valid against Jenkins' own schema to the letter. With the address of the run's
    page each failure says where on it to look.
    """
    return render_dialect(record, Dialect(properties=testcase_properties), page_url)


def render_dialect(record: RunRecord, dialect: Dialect, page_url: str) -> str:
    """The same as one reader has it."""
    budget = Budget()
    # Outcomes first: should the file fill up, what failed is told in full before what passed is.
    outcomes = {
        (result.name, check): _outcome(result, check, _found(result, check), budget, page_url)
        for result in record.results
        for check in checks_of(record, result)
    }
    root = JUnitXml(clean(f"testing-closet {record.suite}", _MESSAGE_LIMIT))
    for replayer in dict.fromkeys(result.replayer for result in record.results):
        suite = TestSuite(clean(f"{record.suite}.{replayer}", _MESSAGE_LIMIT))
        suite.timestamp = clean(record.started_at, _MESSAGE_LIMIT)
        for name, value in run_properties(record):
            suite.add_property(clean(name, _MESSAGE_LIMIT), clean(value, TEXT_LIMIT))
        cases = [
            _testcase(
                record,
                result,
                check,
                outcomes[result.name, check],
                _busy_s(result) if place == 0 else 0.0,
                budget=budget,
                dialect=dialect,
                with_logs=place == 0,
            )
            for result in record.results
            if result.replayer == replayer
            for place, check in enumerate(checks_of(record, result))
        ]
        suite.add_testcases(cases)
        root.append(suite)
    if record.claims:
        root.append(claims_suite(record, budget, with_properties=dialect.properties, output=dialect.output))
    root.update_statistics()
    return _canonical(root)


def checks_of(record: RunRecord, result: JobResult) -> list[str]:
    """Every check that was planned, whether or not it came to anything, then what was found beyond the plan."""
    names = [*record.planned_checks.get(result.name, ()), *(check.check for check in result.checks)]
    return list(dict.fromkeys(names)) or ["replay"]


def _testcase(
    record: RunRecord,
    result: JobResult,
    check_name: str,
    outcome: Outcome,
    time_s: float,
    *,
    budget: Budget,
    dialect: Dialect,
    with_logs: bool,
) -> TestCase:
    check = _found(result, check_name)
    parts = (record.suite, result.replayer, result.device_kind, result.segment)
    case = TestCase(
        clean(check_name, _MESSAGE_LIMIT),
        ".".join(_UNSAFE_IN_CLASSNAME.sub("_", part) for part in parts),
        round(time_s, 3),
    )
    properties: list[tuple[str, str]] = []
    if dialect.output or dialect.properties:
        given = case_properties(result, check)
        properties = [(clean(name, _MESSAGE_LIMIT), clean(value, _MESSAGE_LIMIT)) for name, value in given]
    written = "".join(f"{name}{value}{_AROUND_A_PROPERTY}" for name, value in properties)
    if dialect.properties and budget.reserve(written):
        element = Properties()
        for name, value in properties:
            element.add_property(Property(name, value))
        case.append(element)
    if outcome is not None:
        case.append(outcome)
    if not dialect.output:
        return case
    for attempt in every_attempt(result):
        if attempt.error is not None:
            kind = FlakyError if result.verdict in {Verdict.PASS, Verdict.FAIL} else RerunError
            case.append(kind(clean(attempt_words(attempt), _MESSAGE_LIMIT), clean(attempt.error.kind, _MESSAGE_LIMIT)))
    text = _system_out(result, check, [] if dialect.properties else properties)
    # Logs are those of the trial: once, with its first check.
    case.system_out = budget.take("\n".join([text, *_logs(result)]) if with_logs else text)
    return case


def _found(result: JobResult, check_name: str) -> CheckResult | None:
    return next((check for check in result.checks if check.check == check_name), None)


def _outcome(result: JobResult, name: str, check: CheckResult | None, budget: Budget, page_url: str) -> Outcome:
    """What the testcase ends in; None is a pass. A check that found nothing passes though another one failed.

    Differences of a trial that ended in ERROR after all (seen on one device only, not reproducible) are told there.
    """
    blocking = [found for found in check.findings if found.severity is Severity.BLOCK] if check else []
    page = [f"page   {_page_of(result, blocking, page_url)}"] if page_url else []
    note = result.quarantine
    if result.verdict is Verdict.QUARANTINED and note is None:
        message = _short(blocking) if blocking else "quarantined: still run and reported, does not gate"
        skipped = Skipped(message)
        skipped.text = budget.take(message)
        return skipped
    if note is not None and name in note.excused:
        return _skipped(result, note, blocking, budget)
    if blocking and result.verdict is not Verdict.ERROR:
        failure = Failure(_short(blocking), blocking[0].kind.value)
        failure.text = budget.take("\n".join([_finding_text(blocking), *_blame_lines(result), *page]))
        return failure
    if check is not None and check.closeness is not Closeness.NOTHING and result.error is None:
        return None
    if result.error is not None:
        said, kind = result.error, result.error.kind
        lines = [line for line in (said.where, said.problem, said.remedy) if line]
        lines += [_finding_text(blocking)] if blocking else []
        error = Error(clean(said.problem, _MESSAGE_LIMIT), clean(kind, _MESSAGE_LIMIT))
    else:
        lines = [found.words for found in check.findings] if check else []
        lines = lines or ["the job ended without a result for this check"]
        error = Error(clean(lines[0], _MESSAGE_LIMIT), "NothingCompared")
    error.text = budget.take("\n".join([*lines, *page, *_logs(result)]))
    return error


def _page_of(result: JobResult, blocking: list[Finding], page_url: str) -> str:
    """Where to look at a check of a trial: at the first frame of what blocks."""
    frames = [found.first_frame for found in blocking if found.first_frame is not None]
    trial = trial_key(result.replayer, result.device_kind)
    return segment_link(page_url, result.segment, min(frames, default=None), trial=trial)


def _skipped(result: JobResult, note: QuarantineNote, blocking: list[Finding], budget: Budget) -> Skipped:
    """A quarantined check that did not pass: readers show it as skipped, so what it really came to is in its text."""
    if blocking:
        real = f"FAIL {_short(blocking)}"
    else:
        real = f"ERROR {result.error.problem if result.error else 'nothing compared'}"
    until = max(entry.expires for entry in note.entries).isoformat() if note.entries else ""
    skipped = Skipped(clean(f"quarantined until {until}: {real}", _MESSAGE_LIMIT))
    lines = [real, *([_finding_text(blocking)] if blocking else []), *map(entry_words, note.entries), *_logs(result)]
    skipped.text = budget.take("\n".join(lines))
    return skipped


def _blame_lines(result: JobResult) -> list[str]:
    """Whose fault it is, as far as repeating told; and how each repeat came out."""
    blame = [f"{result.blame.value}: {result.repeated}"] if result.blame is not None else []
    return blame + [f"repeat on {repeat_words(repeat)}" for repeat in result.confirmations]


def _logs(result: JobResult) -> list[str]:
    """The end of the log of every attempt that failed, and of one that did not where no other has any."""
    told = [attempt for attempt in every_attempt(result) if attempt.log_tail]
    shown = [attempt for attempt in told if attempt.error is not None] or told[:1]
    return [f"--- log of {attempt.device}, epoch {attempt.epoch}\n{_end(attempt.log_tail)}" for attempt in shown]


def _end(text: str) -> str:
    """The last lines of a log that the report has room for."""
    return text if len(text) <= _LOG_LIMIT else f"… {text[-_LOG_LIMIT:].partition(chr(10))[2]}"


def _short(findings: list[Finding]) -> str:
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    words = first.words.split("\n", 1)[0]
    return clean(f"{first.channel}: {words}" if first.channel else words, _MESSAGE_LIMIT - len(more)) + more


def _finding_text(findings: list[Finding]) -> str:
    return "\n".join(f"{found.channel or 'frames'}\n    " + found.words.replace("\n", "\n    ") for found in findings)


def _system_out(result: JobResult, check: CheckResult | None, properties: list[tuple[str, str]]) -> str:
    notes = [found for found in check.findings if found.severity is Severity.NOTE] if check else []
    lines = [f"{name}: {value}" for name, value in properties]
    lines += [attempt_words(attempt) for attempt in result.attempts]
    for repeat in result.confirmations:
        lines += [f"repeat on {repeat_words(repeat)}", *(attempt_words(attempt) for attempt in repeat.attempts)]
    if note := result.quarantine:
        state = "passes, could be released" if result.verdict is Verdict.PASS else f"is {note.outcome.value}"
        lines += [f"quarantined, {state}: {entry_words(entry)}" for entry in note.entries]
        lines += [f"quarantine expired, excuses nothing: {entry_words(entry)}" for entry in note.expired]
    if notes:
        lines += ["notes", _finding_text(notes)]
    return "\n".join(lines)


def _busy_s(result: JobResult) -> float:
    """Seconds the trial kept devices busy, retries included: the time of its first testcase, so that sums are right."""
    return sum(max(attempt.ended_s - attempt.started_s, 0.0) for attempt in every_attempt(result))


def _canonical(root: JUnitXml) -> str:
    """One way to write it, whichever XML library junitparser found."""
    tree = ElementTree.fromstring(root.tostring())  # noqa: S314 our own text
    ElementTree.indent(tree)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(tree, encoding="unicode")}\n'
