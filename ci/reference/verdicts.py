"""Verdicts, findings, closeness, blame, answers and standings, from the enumerations that have them."""

from __future__ import annotations

from enum import Enum

from ci.reference.text import GENERATED, enum_rows, first_line, table
from harness.domain import EVENT_CLASSES
from harness.explanation import Cause, Course
from harness.intent import Answer, Standing
from harness.verdict import Blame, Closeness, FindingKind, Severity, Verdict
from harness.verdict.execution import Untimed

SECTIONS: dict[str, type[Enum]] = {
    "Verdicts": Verdict,
    "Kinds of findings": FindingKind,
    "Severity of a finding": Severity,
    "Closeness of a check": Closeness,
    "Blame": Blame,
    "Answers to claims": Answer,
    "Standing of a claim": Standing,
    "Causes": Cause,
    "Courses": Course,
    "Why nobody knows how long it took": Untimed,
}
EVENTS = {
    "NEW": "Only the candidate has it.",
    "GONE": "Only the baseline has it.",
    "MOVED": "It begins at another time, within the collar.",
    "LONGER": "It lasts longer.",
    "SHORTER": "It lasts less long.",
    "OUTCOME": "It ended another way: recovered, ran out, cut short.",
}


def render() -> str:
    """The page."""
    head = (
        f"{GENERATED}# Verdicts and findings\n\n"
        "The words that records and reports use, as they stand there. What they mean together: [reading a\n"
        "verdict](../reading-a-verdict.md), [the gate of a pull request](../pr-gate.md).\n"
    )
    parts = [head]
    for title, members in SECTIONS.items():
        parts.append(f"\n## {title}\n\n{first_line(members)}\n\n{table(['value', 'meaning'], enum_rows(members))}")
        if members is FindingKind:
            rows = [(f"`{name}`", EVENTS[name]) for name in EVENT_CLASSES]
            classes = table(["class", "meaning"], rows)
            parts.append(f"\n## Classes of events\n\nWhat an event finding begins with.\n\n{classes}")
    return "".join(parts)
