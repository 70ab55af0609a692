"""Records that say one text in every place that somebody else can fill: for what must hold whatever it is."""

from __future__ import annotations

import datetime
from dataclasses import replace

from harness.domain import QuarantineEntry
from harness.errors import ErrorDescription
from harness.explanation import Cause, Explained, Story
from harness.intent import RELEASE_POLICY, Answer, ClaimResult, Expectation
from harness.verdict import (
    Attempt,
    Blame,
    CheckResult,
    Closeness,
    Confirmation,
    Finding,
    FindingKind,
    JobResult,
    QuarantineNote,
    RunRecord,
    Severity,
    Verdict,
)

NASTY = [
    "[a](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "@somebody and @org/team, #12, org/repo#3, GH-4, !5",
    "https://evil.example www.evil.example mail@evil.example <https://evil.example>",
    "<img src=x onerror=alert(1)><script>alert(1)</script></code></summary></details><!-- closet:pr -->",
    "a ` b `` c ``` d ```` e",
    "```\n# out\n@somebody\n```",
    "~~~\n</details>\n\n# out",
    "`",
    "``` `",
    "| a | b |\\| c \\\\| d |",
    "a\n\n# heading\n\n- list\n\n> quote\n\n***\n",
    "\r\n::error::x\n::set-output name=a::b\r::stop-commands::t",
    "##[error]x ::add-mask::y",
    "a%0A::error::x%25,title=b::c",
    "&lt;b&gt; &#64;somebody &commat;somebody",
    "*a* _b_ ~~c~~ $d$ $`e`$ \\@f \\`g",
    "\u202egnp.\u2066x\u2069 \u2028y\u0085z",
    "  leading and trailing  ",
    "",
    "\x1b[31mred\x1b[0m \x00",
    "[//]: # (x)\n[x]: https://evil.example\n\n[x]",
]


def hostile_record(text: str) -> RunRecord:
    """A run with every kind of trial and claim, saying `text` wherever devices, logs, names and people speak."""
    error = ErrorDescription(text, text, text, text)
    block = Finding(FindingKind.CHANGED, Severity.BLOCK, text, text, 412, 450, 431, 20.6, 22.5, 21.5, text, text, text)
    check = CheckResult(text, Closeness.BEYOND, (block, replace(block, severity=Severity.NOTE)), 3, 9)
    tried = Attempt(text, text, 1, 0.0, 1.0, error, text)
    entry = QuarantineEntry(text, text, text, text, datetime.date(2026, 12, 1))
    claim = ClaimResult(text, text, Expectation.IMPROVE, Answer.WORSE, text, text, worst=((text, 0.5),))

    def trial(verdict: Verdict, name: str, **rest: object) -> JobResult:
        facts = {"checks": (check,), "attempts": (tried,), "provenance": {text: text}}
        return JobResult(f"{name} {text}", text, text, text, verdict, **(facts | rest))

    repeats = (Confirmation(text, Verdict.FAIL, (text,), text, None, (tried,)), Confirmation(text, Verdict.ERROR))
    note = QuarantineNote(Verdict.FAIL, (text,), (text,), (entry,), (entry,))
    return RunRecord(
        text, text, text, (text, text), {text: text}, {text: text}, ({"kind": text, "name": text},), {},
        (
            trial(Verdict.FAIL, "a", blame=Blame.UNKNOWN, repeated=text, confirmations=repeats),
            trial(Verdict.ERROR, "b", error=error, checks=()),
            trial(Verdict.QUARANTINED, "c", quarantine=note),
            trial(Verdict.PASS, "d", checks=(CheckResult(text, Closeness.EXACT),)),
        ),
        1.0, harness_error=f"Traceback\n{text}", harness_version=text, declared=text, claims=(claim,),
        gate_policy=replace(RELEASE_POLICY, name=text),
    )  # fmt: skip


def hostile_explanation(text: str) -> Explained:
    """Why it moved, in the same words."""
    return Explained(text, text, 1, (Story(text, (text,), text, next(iter(Cause))),), note=text)
