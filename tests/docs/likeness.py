"""Whether a command printed what the page says: the same words; times, digests and broken numbers may be others."""

from __future__ import annotations

import re
from collections.abc import Sequence

ANYTHING = "…"
_PLAIN = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)?"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d-\d{3}"), "<run>"),
    (re.compile(r"\bemulated-\d\d\b"), "<worker>"),
    (re.compile(r"\b(?:[0-9a-f]{12}|[0-9a-f]{16})\b(?![/-])"), "<digest>"),
    (re.compile(r"\bby \w+, run\b"), "by <somebody>, run"),
    (re.compile(r" · (?:\d+ h )?(?:\d+ min )?(?:[\d.]+ m?s )?· (?=\S*runs/)"), " · <duration> · "),
    (re.compile(r"\b(?:\d+ (?:s|min|h|d) ago|just now)\b"), "<some time> ago"),
    (re.compile(r"\bpeak \d+"), "peak <frame>"),
    (re.compile(r"\b\d+(?:\.\d+)? ms\b"), "<number> ms"),  # three digits: 99.8, and 103 on a busy machine
    (re.compile(r"[-−+]?\b\d+\.\d+(?:e[-+]?\d+)?\b|\b\d+e[-+]\d+\b"), "<number>"),
    (re.compile(r"\s+"), " "),
)


def plain(line: str) -> str:
    """A line with everything gone that another day or machine has otherwise."""
    for pattern, instead in _PLAIN:
        line = pattern.sub(instead, line)
    return line.strip()


def is_like(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether what was printed is what is shown."""
    wanted, found = _lines(shown), _lines(printed)
    return _matches(wanted, found)


def _lines(lines: Sequence[str]) -> list[str]:
    return [text for line in lines if (text := plain(line))]


def _matches(wanted: Sequence[str], found: Sequence[str]) -> bool:
    if not wanted:
        return not found
    if wanted[0] == ANYTHING:
        return any(_matches(wanted[1:], found[skipped:]) for skipped in range(len(found) + 1))
    if not found or not re.fullmatch(".*".join(map(re.escape, wanted[0].split(ANYTHING))), found[0]):
        return False
    return _matches(wanted[1:], found[1:])
