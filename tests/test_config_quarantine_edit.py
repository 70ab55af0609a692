"""Entries put into a quarantine file, and taken out: what people wrote around them stays."""

from __future__ import annotations

import datetime
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config.quarantine import load_quarantine
from harness.config.quarantine_edit import add_entry, remove_entry, render_quarantine
from harness.domain import DeviceKind, QuarantineEntry
from harness.errors import ConfigError

ENTRY = QuarantineEntry(
    route="5beb9b58bd12b691/*",
    owner="lab@example.org",
    issue="https://example.org/issues/7",
    reason="flickers: since the camera was changed",
    expires=datetime.date(2026, 12, 24),
    device_kinds=(DeviceKind.MICI,),
    checks=("lanes", "lead*"),
)
TEXT = """\
# ours
quarantine:
  # the first
  - route: a/b/0
    owner: mia
    issue: https://example.org/1
    reason: >
      long
      words
    expires: 2026-12-01
  - {route: a/b/1, owner: mia, issue: "https://example.org/2", reason: short, expires: 2026-12-02}  # the second
"""


def plain(path: Path) -> list[QuarantineEntry]:
    return [replace(entry, where="") for entry in load_quarantine(path)]


def test_an_entry_comes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.yaml"
    path.write_text(TEXT)
    before = plain(path)
    add_entry(path, ENTRY)
    assert plain(path) == [*before, ENTRY]
    assert path.read_text().startswith(TEXT)
    with pytest.raises(ConfigError, match="quarantined already"):
        add_entry(path, replace(ENTRY, reason="another", checks=("lead*", "lanes")))
    remove_entry(path, load_quarantine(path)[-1])
    assert path.read_text() == TEXT


@pytest.mark.parametrize("number", [0, 1])
def test_one_of_several_is_taken_out(tmp_path: Path, number: int) -> None:
    path = tmp_path / "quarantine.yaml"
    path.write_text(TEXT)
    entries = load_quarantine(path)
    remove_entry(path, entries[number])
    assert plain(path) == [replace(entries[1 - number], where="")]
    assert path.read_text().startswith("# ours\nquarantine:\n  # the first\n")


@pytest.mark.parametrize("text", ["quarantine: []\n", "# ours\nquarantine: []  # none yet\n", "quarantine: []", None])
def test_the_first_and_the_last(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "quarantine.yaml"
    if text is not None:
        path.write_text(text)
    add_entry(path, ENTRY)
    assert plain(path) == [ENTRY]
    remove_entry(path, ENTRY)
    assert plain(path) == []
    assert "quarantine: []" in path.read_text()


def test_what_cannot_be_changed_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.yaml"
    text = "quarantine: [{route: a/b/1, owner: m, issue: 'https://e.org/2', reason: s, expires: 2026-12-02}]\n"
    path.write_text(text)
    for change in (lambda: add_entry(path, ENTRY), lambda: remove_entry(path, load_quarantine(path)[0])):
        with pytest.raises(ConfigError, match="in brackets"):
            change()
    with pytest.raises(ConfigError, match="not quarantined any more"):
        remove_entry(path, ENTRY)
    with pytest.raises(ConfigError, match="no such quarantine file"):
        add_entry(tmp_path / "other.yaml", ENTRY)
    with pytest.raises(ConfigError, match="cannot be written"):
        add_entry(tmp_path / "none" / "quarantine.yaml", ENTRY)
    assert path.read_text() == text
    assert [each.name for each in tmp_path.iterdir()] == ["quarantine.yaml"]


def test_two_at_once_are_both_kept(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.yaml"
    threads = [threading.Thread(target=add_entry, args=(path, replace(ENTRY, route=f"a/b/{n}"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.route for entry in plain(path)) == [f"a/b/{n}" for n in range(8)]


_WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=30).map(
    str.strip
)


@given(st.lists(_WORDS.filter(bool), min_size=4, max_size=4))
def test_whatever_is_said_is_read_back(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    path = tmp_path_factory.mktemp("said") / "quarantine.yaml"
    entry = replace(ENTRY, route=words[0], owner=words[1], reason=words[2], checks=(words[3],))
    path.write_text(f"quarantine:\n{render_quarantine(entry)}")
    assert plain(path) == [entry]
