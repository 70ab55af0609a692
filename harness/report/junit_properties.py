"""What JUnit's properties say of a run and of one of its checks, as names and values."""

from __future__ import annotations

from harness.report.trials import entry_words, repeat_words
from harness.verdict import Attempt, CheckResult, JobResult, QuarantineNote, RunRecord


def attempt_words(attempt: Attempt) -> str:
    """Who tried what, when, and how it ended."""
    side = f"{attempt.side} " if attempt.side else ""
    came = "done" if attempt.error is None else f"{attempt.error.kind}: {attempt.error.problem}"
    times = f"{attempt.started_s:.1f}–{attempt.ended_s:.1f} s of the run"
    return f"attempt: {side}on {attempt.device}, epoch {attempt.epoch}, {times}, {came}"


def run_properties(record: RunRecord) -> list[tuple[str, str]]:
    """What there is to know of the run, in every suite."""
    sides = {"candidate": record.candidate, "baseline": record.baseline}
    return [
        ("run", record.run),
        ("suite", record.suite),
        ("harness_version", record.harness_version),
        ("command", " ".join(record.command)),
        *((f"{side}.{name}", facts[name]) for side, facts in sides.items() for name in sorted(facts)),
    ]


def case_properties(result: JobResult, check: CheckResult | None) -> list[tuple[str, str]]:
    """What there is to know of one check of a trial; what is empty is left out."""
    properties = [
        ("segment", result.segment),
        ("replayer", result.replayer),
        ("device_kind", result.device_kind),
        ("verdict", result.verdict.value),
        ("devices", ", ".join(dict.fromkeys(attempt.device for attempt in result.attempts))),
        ("attempts", str(len(result.attempts))),
        ("reused", "yes" if result.reused else "no"),
        *((f"attempt.{number}", attempt_words(attempt)) for number, attempt in enumerate(result.attempts, 1)),
        ("crashed_on", ", ".join(dict.fromkeys(attempt.device for attempt in result.lone_crashes))),
        ("blame", result.blame.value if result.blame else ""),
        ("repeated", result.repeated),
        *((f"repeat.{number}", repeat_words(repeat)) for number, repeat in enumerate(result.confirmations, 1)),
        *_quarantine_properties(result.quarantine),
        ("candidate_trace", result.candidate_trace),
        ("baseline_trace", result.baseline_trace),
    ]
    if check is not None:
        excesses = [found.excess for found in check.findings if found.excess is not None]
        properties += [
            ("exactness", check.closeness.value),
            ("channels_compared", str(check.channels_compared)),
            ("frames_compared", str(check.frames_compared)),
            ("excess", f"{max(excesses):.6g}" if excesses else ""),
        ]
    properties += [(f"provenance.{name}", result.provenance[name]) for name in sorted(result.provenance)]
    return [(name, value) for name, value in properties if value]


def _quarantine_properties(note: QuarantineNote | None) -> list[tuple[str, str]]:
    if note is None:
        return []
    return [
        ("quarantine.outcome", note.outcome.value),
        ("quarantine.checks", ", ".join(note.checks)),
        ("quarantine.excused", ", ".join(note.excused)),
        *((f"quarantine.{number}", entry_words(entry)) for number, entry in enumerate(note.entries, 1)),
    ]
