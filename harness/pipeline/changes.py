"""What people change by hand: written into the audit log before it is done, and what came of it after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.errors import ClosetError, ConfigError
from harness.redaction import known_secrets, redact
from harness.shelf import Archive

_MOST = 500


@dataclass(frozen=True, slots=True)
class Person:
    """Who changes something, and how they came: `command line`, or where a browser spoke from."""

    name: str
    via: str


@contextmanager
def audited(archive: Archive, person: Person, action: str, subject: str, reason: str) -> Iterator[None]:
    """Around a change: nothing is changed that could not be noted first."""
    secrets = known_secrets()
    said = {"action": action, "subject": redact(subject, secrets), "reason": redact(reason, secrets)}
    number = archive.begin_change(who=person.name, via=person.via, **said)
    outcome = "broke off"
    try:
        yield
        outcome = "done"
    except ClosetError as error:
        outcome = redact(f"refused: {error.problem}", secrets)[:_MOST]
        raise
    finally:
        archive.end_change(number, outcome)


def one_line(text: str, what: str = "the reason") -> str:
    """A text that a person gave, as one line; ConfigError when it says nothing or is endless."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if not line:
        raise ConfigError(f"{what} is empty", remedy="say why: who looks at it next will read this")
    if len(line) > _MOST:
        raise ConfigError(f"{what} is longer than {_MOST} letters", remedy="say it shortly, and link to the rest")
    return line
