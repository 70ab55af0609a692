"""The quarantine file: checks that may go wrong for a while, who owns that, and until when."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from harness.config.forms import Kind
from harness.config.text import line_of, load_yaml, validated
from harness.domain import DeviceKind, QuarantineEntry
from harness.errors import ConfigError, ConfigMistakesError

# Looked for beside every suite that names no other.
QUARANTINE_FILE = "quarantine.yaml"

_Words = Annotated[str, Field(min_length=1, pattern=r"\S")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _EntryFile(_Strict):
    route: _Words
    """A selector, or a pattern over the names of segments (`5beb9b58bd12b691/*`)."""
    devices: list[Kind] | None = Field(default=None, min_length=1)
    """Kinds of device; all when left out."""
    replayers: list[_Words] = Field(default_factory=lambda: ["*"], min_length=1)
    """Patterns over replayers."""
    checks: list[_Words] = Field(default_factory=lambda: ["*"], min_length=1)
    """Patterns over checks. Where they are all of a job's, a job that could not be judged is excused too."""
    owner: _Words
    """Who sees to it that this ends."""
    issue: str = Field(pattern=r"^https?://\S+$")
    """Where that is talked about: an http or https address."""
    reason: _Words
    """Why."""
    expires: datetime.date
    """The last day it holds (UTC). Afterwards it excuses nothing and fails `closet check`."""


class _QuarantineFile(_Strict):
    quarantine: list[_EntryFile]
    """The entries; an empty list is fine."""


def load_quarantine(path: Path) -> tuple[QuarantineEntry, ...]:
    """The entries of a quarantine file, expired ones too. ConfigMistakesError with every mistake."""
    content, places, mistakes = load_yaml(path)
    file = validated(_QuarantineFile, content, places, mistakes, path)
    errors: list[ConfigError] = []
    entries: dict[tuple[object, ...], QuarantineEntry] = {}
    for number, entry in enumerate(file.quarantine):
        where = f"{path}:{line_of(places, ('quarantine', number))}"
        made = QuarantineEntry(
            route=entry.route.strip(),
            owner=entry.owner.strip(),
            issue=entry.issue,
            reason=entry.reason.strip(),
            expires=entry.expires,
            device_kinds=tuple(DeviceKind(kind) for kind in entry.devices or ()),
            replayers=tuple(entry.replayers),
            checks=tuple(entry.checks),
            where=where,
        )
        what = (made.route, frozenset(made.device_kinds), frozenset(made.replayers), frozenset(made.checks))
        if what in entries:
            errors.append(ConfigError(f"says the same as {entries[what].where}", where=where, remedy="keep one"))
        entries.setdefault(what, made)
    if errors:
        raise ConfigMistakesError(tuple(errors))
    return tuple(entries.values())


def find_quarantine(suite: Path, named: Path | None) -> Path | None:
    """The quarantine file of a suite: the one it names, else the one beside it if there is one."""
    beside = suite.parent / QUARANTINE_FILE
    return named or (beside if beside.is_file() else None)
