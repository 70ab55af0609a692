"""Entries put into a quarantine file that people keep, and taken out: its comments and order stay as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from harness.config.entries import last_line, scalar
from harness.config.quarantine import QUARANTINE_FILE, load_quarantine
from harness.domain import QuarantineEntry
from harness.errors import ConfigError
from harness.files import lock_folder, write_text

_INDENT = "  "


def add_entry(path: Path, entry: QuarantineEntry) -> None:
    """Append an entry to the file, which is made when it is not there. ConfigError when it cannot be, or is there."""
    with _alone_at(path):
        old = load_quarantine(path) if path.exists() else ()
        text = path.read_text(encoding="utf-8") if path.exists() else f"{_KEY}: []\n"
        if any(_says(known) == _says(entry) for known in old):
            raise ConfigError("it is quarantined already", where=str(path), remedy="release it first, to change it")
        _write_checked(path, _with_entry(text, entry, path), (*old, entry))


def remove_entry(path: Path, entry: QuarantineEntry) -> None:
    """Take an entry out. ConfigError when it is not there, or stands where it cannot be taken out."""
    with _alone_at(path):
        old = load_quarantine(path)
        number = next((number for number, known in enumerate(old) if _says(known) == _says(entry)), None)
        if number is None:
            raise ConfigError("that is not quarantined any more", where=str(path), remedy="look at the list again")
        text = path.read_text(encoding="utf-8")
        entries = _entries(text, path)
        lines = text.splitlines(keepends=True)
        # The dash stands on the line where its entry begins.
        del lines[entries.value[number].start_mark.line : last_line(entries.value[number]) + 1]
        if len(old) == 1:
            lines = [line if not line.startswith(f"{_KEY}:") else f"{_KEY}: []\n" for line in lines]
        _write_checked(path, "".join(lines), tuple(known for place, known in enumerate(old) if place != number))


def render_quarantine(entry: QuarantineEntry, indent: str = _INDENT) -> str:
    """An entry as it stands below `quarantine:`; what has its default is left out."""
    values = {"route": scalar(entry.route)}
    if entry.device_kinds:
        values["devices"] = f"[{', '.join(kind.value for kind in entry.device_kinds)}]"
    for name, patterns in (("replayers", entry.replayers), ("checks", entry.checks)):
        if patterns != ("*",):
            values[name] = f"[{', '.join(scalar(pattern) for pattern in patterns)}]"
    values |= {"owner": scalar(entry.owner), "issue": scalar(entry.issue), "reason": scalar(entry.reason)}
    values["expires"] = entry.expires.isoformat()
    lines = [f"{name}: {value}" for name, value in values.items()]
    return f"{indent}- {lines[0]}\n" + "".join(f"{indent}  {line}\n" for line in lines[1:])


_KEY = "quarantine"


def _with_entry(text: str, entry: QuarantineEntry, path: Path) -> str:
    entries = _entries(text, path)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    if not entries.value:
        line = entries.start_mark.line
        if lines[line].split("#")[0].split() != [f"{_KEY}:", "[]"]:
            raise _by_hand(path, line)
        return "".join([*lines[:line], f"{_KEY}:\n", render_quarantine(entry), *lines[line + 1 :]])
    first, last = entries.value[0], last_line(entries)
    indent = " " * lines[first.start_mark.line].index("-")
    return "".join([*lines[: last + 1], render_quarantine(entry, indent), *lines[last + 1 :]])


def _entries(text: str, path: Path) -> yaml.SequenceNode:
    """The node of the list."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == _KEY and isinstance(value, yaml.SequenceNode):
            if value.flow_style and value.value:
                raise _by_hand(path, value.start_mark.line)
            return value
    raise ConfigError("has no list of entries", where=str(path), remedy=f"write `{_KEY}: []`")


def _by_hand(path: Path, line: int) -> ConfigError:
    return ConfigError(
        "the entries are written in brackets and cannot be changed here",
        where=f"{path}:{line + 1}",
        remedy="write each entry on lines of its own",
    )


def _says(entry: QuarantineEntry) -> tuple[object, ...]:
    """What two entries that mean the same have in common."""
    return entry.route, frozenset(entry.device_kinds), frozenset(entry.replayers), frozenset(entry.checks)


def _write_checked(path: Path, text: str, expected: tuple[QuarantineEntry, ...]) -> None:
    """Put `text` at `path` if it says exactly what is expected."""
    trial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write_text(trial, text)
        found = load_quarantine(trial)
    except ConfigError as error:
        raise ConfigError(
            f"the entry cannot be written there: {error.problem}", where=str(path), remedy="write it by hand"
        ) from error
    finally:
        trial.unlink(missing_ok=True)
    if [replace(entry, where="") for entry in found] != [replace(entry, where="") for entry in expected]:
        raise ConfigError("the file cannot be changed without changing others", where=str(path), remedy="by hand")
    write_text(path, text)


@contextmanager
def _alone_at(path: Path) -> Iterator[None]:
    """The only program that changes the file: what two write at once is not lost."""
    if path.name != QUARANTINE_FILE and not path.exists():
        raise ConfigError("no such quarantine file", where=str(path), remedy=f"name a {QUARANTINE_FILE}")
    try:
        with lock_folder(path.parent):
            yield
    except (FileNotFoundError, NotADirectoryError, PermissionError, TimeoutError) as error:
        remedy = "mend its mode" if isinstance(error, PermissionError) else "make its folder"
        remedy = "end the program that changes files there" if isinstance(error, TimeoutError) else remedy
        raise ConfigError(f"cannot be written: {error.strerror}", where=str(path), remedy=remedy) from error
