"""A run as workflow commands of GitHub Actions: what is red, in the few annotations that a step has."""

from __future__ import annotations

from harness.intent import Action
from harness.report.links import overview_link, segment_link, trial_key
from harness.report.markup import line
from harness.report.trials import first_wrong, in_a_line
from harness.verdict import Gate, JobResult, RunRecord, Verdict, claim_action, gate

ANNOTATIONS = 10  # of a kind and step; what comes later is dropped without a word
_TITLE_LIMIT, _MESSAGE_LIMIT = 200, 1000


def render_annotations(record: RunRecord, *, page_url: str = "") -> str:
    """A line an annotation: the gate first, then what closes it, regressions before the rest; never more than ten."""
    decided = gate(record)
    told = [_trial(result, page_url) for result in _of(record, Verdict.FAIL)]
    told += [
        _command("error", f"{claim.intent}: {claim.name}", f"{claim.answer.value}: {claim.words}")
        for claim in record.claims
        if claim_action(record, claim.standing) is Action.BLOCK
    ]
    told += [_trial(result, page_url) for result in _of(record, Verdict.ERROR)]
    room = ANNOTATIONS - 1
    left = len(told) - room
    if left > 0:
        where = f": {overview_link(page_url)}" if page_url else ", in the summary of this job and in junit.xml"
        told = [*told[: room - 1], _command("error", "and more", f"{left + 1} more{where}")]
    return "\n".join([_gate(record, decided, page_url), *told]) + "\n"


def _gate(record: RunRecord, decided: Gate, page_url: str) -> str:
    state = "OPEN" if decided.is_open else f"CLOSED, exit {int(decided.exit_code)}"
    kind = "error" if not decided.is_open else "warning" if decided.warnings else "notice"
    warned = f" · warning: {', '.join(decided.warnings)}" if decided.warnings else ""
    page = f" · {overview_link(page_url)}" if page_url else ""
    return _command(kind, f"closet {record.suite}: gate {state}", f"{decided.reason}{warned}{page}")


def _trial(result: JobResult, page_url: str) -> str:
    title = f"{result.verdict.value} {result.segment} · {result.replayer} · {result.device_kind}"
    message = line(in_a_line(result), _MESSAGE_LIMIT)
    if page_url:
        found = first_wrong(result)
        frame = None if found is None else found.first_frame
        trial = trial_key(result.replayer, result.device_kind)
        message += f" · {segment_link(page_url, result.segment, frame, trial=trial)}"
    return _command("error", title, message)


def _of(record: RunRecord, verdict: Verdict) -> list[JobResult]:
    return [result for result in record.results if result.verdict is verdict]


def _command(kind: str, title: str, message: str) -> str:
    """One command. What is untrusted stands behind its `::`, on its line, so it can begin none of its own."""
    head = _escaped(line(title, _TITLE_LIMIT)).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={head}::{_escaped(line(message, 2 * _MESSAGE_LIMIT))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
