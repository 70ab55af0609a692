"""The quarantine file: what is accepted, every mistake with its line, and where a suite finds it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from harness.config import load_suite
from harness.config.quarantine import load_quarantine
from harness.domain import DeviceKind, QuarantineEntry
from harness.errors import ConfigError, ConfigMistakesError

GOOD = """\
quarantine:
  - route: 5beb9b58bd12b691/0000010a--a51155e496/3
    devices: [mici]
    replayers: [driving_*]
    checks: [action, plan]
    owner: lab@example.org
    issue: https://example.org/issues/7
    reason: the camera of mici-04 drops frames
    expires: 2026-12-01
  - {route: "*", owner: me, issue: "http://example.org/8", reason: new, expires: 2027-01-02}
"""
SUITE = """\
suite: pr
routes: [routes]
replayers: {driving_model: {checks: {action: {channels: ["action.*"]}}}}
"""


def write(folder: Path, text: str, name: str = "quarantine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigMistakesError) as caught:
        load_quarantine(path)
    return [str(error).removeprefix(f"{path}:") for error in caught.value.errors]


def test_entries_become_values(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    first, second = load_quarantine(path)
    assert first == QuarantineEntry(
        "5beb9b58bd12b691/0000010a--a51155e496/3",
        "lab@example.org",
        "https://example.org/issues/7",
        "the camera of mici-04 drops frames",
        datetime.date(2026, 12, 1),
        (DeviceKind.MICI,),
        ("driving_*",),
        ("action", "plan"),
        f"{path}:2",
    )
    assert (second.device_kinds, second.replayers, second.checks, second.where) == ((), ("*",), ("*",), f"{path}:10")
    assert second.days_left(datetime.date(2027, 1, 1)) == 1
    assert second.days_left(datetime.date(2027, 1, 3)) == -1
    assert load_quarantine(write(tmp_path, "quarantine: []", "none.yaml")) == ()


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """\
quarantine:
  - route: "*"
    owner: " "
    issue: JIRA-7
    reason: r
    expires: soon
  - route: "*"
    devices: [mikey]
    check: [action]
    owner: me
    issue: https://example.org
    expires: 2026-02-30
""",
    )
    told = mistakes(path)
    wanted = {
        "3: quarantine.0.owner",
        "4: quarantine.0.issue",
        "6: quarantine.0.expires: should be a valid date",
        "7: quarantine.1.reason: is missing",
        "8: quarantine.1.devices",
        "9: quarantine.1.check: unknown key",
        "12: cannot be understood",
    }
    assert not {words for words in wanted if not any(line.startswith(words) for line in told)}, told


def test_an_entry_twice_is_a_mistake(tmp_path: Path) -> None:
    entry = GOOD.splitlines()[-1]
    path = write(tmp_path, f"quarantine:\n{entry}\n{entry.replace('reason: new', 'reason: other')}\n")
    assert mistakes(path) == [f"3: says the same as {path}:2 (keep one)"]


def test_a_suite_finds_the_file_beside_it_or_the_one_it_names(tmp_path: Path) -> None:
    suite = write(tmp_path, SUITE, "suite.yaml")
    assert (load_suite(suite).quarantine, load_suite(suite).quarantine_path) == ((), None)
    beside = write(tmp_path, GOOD)
    assert load_suite(suite).quarantine_path == beside
    assert len(load_suite(suite).quarantine) == 2
    (tmp_path / "lab").mkdir()
    named = write(tmp_path / "lab", "quarantine: []", "q.yaml")
    named_suite = write(tmp_path, f"{SUITE}quarantine: lab/q.yaml\n", "named.yaml")
    assert (load_suite(named_suite).quarantine, load_suite(named_suite).quarantine_path) == ((), named)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_suite(write(tmp_path, f"{SUITE}quarantine: lab/none.yaml\n", "missing.yaml"))
    beside.write_text("quarantine: [{}]\n")
    with pytest.raises(ConfigMistakesError, match=r"quarantine\.yaml:1: quarantine\.0\.route: is missing"):
        load_suite(suite)


def test_what_is_confirmed_is_said_in_the_suite(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, SUITE, "suite.yaml"))
    assert (suite.confirm, suite.confirm_most) == (True, 20)
    suite = load_suite(write(tmp_path, f"{SUITE}confirm: false\nconfirm_most: 3\n", "suite.yaml"))
    assert (suite.confirm, suite.confirm_most) == (False, 3)
    with pytest.raises(ConfigMistakesError) as caught:
        load_suite(write(tmp_path, f"{SUITE}confirm: 1\nconfirm_most: -1\n", "suite.yaml"))
    assert len(caught.value.errors) == 2
