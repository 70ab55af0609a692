"""Claims as text: what was declared, what the segments say, what the gate does about it."""

from __future__ import annotations

from collections.abc import Sequence

from junitparser import Error, Failure, Properties, Property, Skipped
from junitparser.xunit2 import TestCase, TestSuite

from harness.intent import Action, ClaimResult, Standing
from harness.report.budget import TEXT_LIMIT, Budget, clean
from harness.report.trials import counted
from harness.verdict import RunRecord, claim_action

_MESSAGE_LIMIT = 300
_WIDEST_NAME = 40
_TALLY = {Standing.HOLDS: "held"}
_SHOWN = 40  # of an intent; what did not hold comes first


def render_claims(record: RunRecord) -> str:
    """All claims of a run, intent by intent; empty where nothing was declared."""
    blocks = []
    for intent in dict.fromkeys(claim.intent for claim in record.claims):
        claims = [claim for claim in record.claims if claim.intent == intent]
        lines = [_head(record, intent, claims)]
        ordered = sorted(claims, key=lambda claim: claim.standing is Standing.HOLDS)
        width = min(max(len(claim.name) for claim in claims), _WIDEST_NAME)
        for claim in ordered[:_SHOWN]:
            lines += _claim_lines(record, claim, width)
        if len(claims) > _SHOWN:
            lines.append(f"{len(claims) - _SHOWN} more, in junit.xml")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def claims_suite(record: RunRecord, budget: Budget, *, with_properties: bool = True, output: bool = True) -> TestSuite:
    """A testcase a claim: what closes the gate fails, what could not be judged is an error, a warning is skipped."""
    suite = TestSuite(clean(f"{record.suite}.claims", _MESSAGE_LIMIT))
    suite.timestamp = clean(record.started_at, _MESSAGE_LIMIT)
    for claim in record.claims:
        case = TestCase(
            clean(claim.name, _MESSAGE_LIMIT), clean(f"{record.suite}.claims.{claim.intent}", _MESSAGE_LIMIT), 0.0
        )
        if with_properties:
            element = Properties()
            for name, value in claim_properties(claim):
                element.add_property(Property(name, clean(value, _MESSAGE_LIMIT)))
            case.append(element)
        action = claim_action(record, claim.standing)
        message = clean(f"{claim.answer.value}: {claim.words}".split("\n", 1)[0], _MESSAGE_LIMIT)
        outcome: Error | Failure | Skipped | None = None
        if action is Action.WARN:
            outcome = Skipped(message)
            outcome.text = budget.take(message)
        elif action is Action.BLOCK:
            judged = claim.standing not in {Standing.INCONCLUSIVE, Standing.NO_DATA}
            outcome = Failure(message, claim.standing.value) if judged else Error(message, claim.standing.value)
            outcome.text = budget.take("\n".join(_text(claim)))
        if outcome is not None:
            case.append(outcome)
        if output:
            told = [*_text(claim), f"declared: {claim.expect.value} at {claim.where}"]
            case.system_out = budget.take("\n".join(told))
        suite.add_testcase(case)
    return suite


def _head(record: RunRecord, intent: str, claims: Sequence[ClaimResult]) -> str:
    tally = []
    for standing in Standing:
        count = sum(claim.standing is standing for claim in claims)
        if count:
            warned = ", a warning" if claim_action(record, standing) is Action.WARN else ""
            tally.append(f"{count} {_TALLY.get(standing, standing.value)}{warned}")
    return clean(f"INTENT {intent} · {record.gate_policy.name} policy · {' · '.join(tally)}", TEXT_LIMIT)


def _claim_lines(record: RunRecord, claim: ClaimResult, width: int) -> list[str]:
    action = claim_action(record, claim.standing)
    mark = {None: " ", Action.WARN: "?", Action.BLOCK: "!"}[action]
    lines = [line for text in _text(claim) for line in text.split("\n")]
    return [
        f"{mark if number == 0 else ' '} {claim.name if number == 0 else '':<{width}}  {line}".rstrip()
        for number, line in enumerate(lines)
    ]


def _text(claim: ClaimResult) -> list[str]:
    expected = f"  (declared: {claim.expect.value})"
    answer = f"{claim.answer.value}: {claim.words}" if claim.words else claim.answer.value
    first, newline, rest = answer.partition("\n")
    told = first + (expected if claim.standing is not Standing.HOLDS else "") + newline + rest
    return [clean(text, TEXT_LIMIT) for text in (claim.figures, told, drive_words(claim)) if text]


def drive_words(claim: ClaimResult) -> str:
    """What the recorded drives score by the same measure, and what was excused for it; "" where neither is known."""
    parts = []
    # An error against the path that was driven is 0 for the drive itself, which goes without saying.
    if claim.human is not None and (claim.human or claim.unit.startswith("share of")):
        parts.append(f"the recorded drive itself: {_plain(claim.human)} {claim.unit}".rstrip())
    if claim.excused or claim.baseline_excused:
        frames, segments = counted(claim.excused, "frame"), counted(claim.excused_segments, "segment")
        parts.append(
            f"it fails as well in {frames} of {segments} that the candidate fails: they count as passed (of the "
            f"baseline {claim.baseline_excused})"
        )
    return "; ".join(parts)


def _plain(value: float) -> str:
    """Three digits that count, with a real minus sign."""
    return f"{value:.3g}".replace("-", "−")


def claim_properties(claim: ClaimResult) -> list[tuple[str, str]]:
    """A claim's numbers, as properties of its testcase; those that are not known are left out."""
    known = {
        "answer": claim.answer.value,
        "declared": claim.expect.value,
        "metric": claim.metric,
        "condition": claim.condition,
        "unit": claim.unit,
        "segments": claim.segments,
        "routes": claim.routes,
        "candidate": claim.candidate,
        "baseline": claim.baseline,
        "effect": claim.effect,
        "adjusted_p": claim.adjusted_p,
        "equivalence_p": claim.equivalence_p,
        "smallest": claim.smallest,
        "more_segments": claim.more_segments,
        "human": claim.human,
        "excused": claim.excused or None,
        "excused_segments": claim.excused_segments or None,
        "baseline_excused": claim.baseline_excused or None,
    }
    return [
        (name, f"{value:.6g}" if isinstance(value, float) else str(value))
        for name, value in known.items()
        if value is not None and value != ""
    ]
