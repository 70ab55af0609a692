"""Numbers, times and outcomes as the pages say them."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from urllib.parse import quote

from markupsafe import Markup

from harness.errors import ExitCode
from harness.redaction import redact

_GATES = {
    ExitCode.GATE_OPEN: ("open", "good"),
    ExitCode.REGRESSION: ("regression", "bad"),
    ExitCode.USAGE: ("not configured", "warn"),
    ExitCode.NO_VERDICT: ("no verdict", "warn"),
    ExitCode.HARNESS_BUG: ("harness bug", "warn"),
    ExitCode.NOTHING_TO_RUN: ("nothing judged", "warn"),
}
_VERDICTS = {"PASS": "good", "FAIL": "bad", "ERROR": "warn", "QUARANTINED": "held"}
_HEALTHS = {"healthy": "good", "suspect": "warn", "quarantined": "bad", "disabled": "held", "unknown": "none"}


def number(value: float | None) -> str:
    """Four significant digits."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.4g}".replace("-", "−")


def day(unix_s: float) -> str:
    """The date, UTC."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d")


def moment(unix_s: float) -> Markup:
    """Date and time to the minute, UTC, as an element that programs can read."""
    if not unix_s:
        return Markup("never")
    at = datetime.fromtimestamp(unix_s, UTC)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M}")


def ago(unix_s: float) -> str:
    """How long ago, in the largest unit that says something."""
    if not unix_s:
        return "never"
    seconds = max(time.time() - unix_s, 0.0)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 12 s`, `2 h 5 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return "{} h {} min".format(*divmod(minutes, 60))


def share(part: float, whole: float) -> str:
    """A part of a whole in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def gate_words(exit_code: int) -> tuple[str, str]:
    """What an exit code says, and its tone: good, bad, warn."""
    return _GATES.get(ExitCode(exit_code), ("closed", "bad")) if exit_code in set(ExitCode) else ("closed", "bad")


def verdict_tone(verdict: str) -> str:
    """good, bad, warn or held; none where it is no verdict."""
    return _VERDICTS.get(verdict, "none")


def health_tone(state: str) -> str:
    """The tone of a device's state."""
    return _HEALTHS.get(state, "none")


def segment_of_address(text: str) -> str:
    """A name as one part of an address."""
    return quote(text, safe="~")


def said(text: str) -> str:
    """What somebody or something said, without what looks like a secret."""
    return redact(text)
