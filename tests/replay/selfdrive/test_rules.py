"""Rule sets: what they may say, and every mistake told at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import ConfigError, DataError
from harness.replay.selfdrive.events import NEWEST, RELEASES, event_types, known_events, known_release, types_in_words
from harness.replay.selfdrive.machine import IMMEDIATE_DISABLE, NO_ENTRY, PERMANENT, SOFT_DISABLE, USER_DISABLE, WARNING
from harness.replay.selfdrive.rules import RuleSpec, apply_spec, load_rules, parse_rules, release_rules
from harness.replay.selfdrive.thresholds import THRESHOLDS

BASE = "format: 1\nbase: 0.11.2\n"


@pytest.mark.parametrize(
    ("types", "count"),
    [(SOFT_DISABLE, 26), (IMMEDIATE_DISABLE, 11), (USER_DISABLE, 8), (NO_ENTRY, 55), (WARNING, 15), (PERMANENT, 43)],
)
def test_the_newest_table_has_what_openpilot_counts(types: int, count: int) -> None:
    table = event_types(NEWEST)
    assert len(table) == 98
    assert sum(bool(mask & types) for mask in table.values()) == count
    assert all(mask & NO_ENTRY for mask in table.values() if mask & SOFT_DISABLE)


def test_what_older_releases_had_otherwise() -> None:
    assert event_types("0.11.1")["usbError"] & SOFT_DISABLE
    assert "usbError" not in event_types("0.11.2")
    assert event_types("0.9.7")["brakeHold"] == USER_DISABLE | NO_ENTRY
    assert event_types("0.9.8")["brakeHold"] == WARNING
    assert event_types("0.9.5")["plannerError"] & IMMEDIATE_DISABLE
    assert "plannerError" not in event_types("0.9.6")
    assert "excessiveActuation" in event_types("0.10.0")
    assert "excessiveActuation" not in event_types("0.9.9")
    assert release_rules("0.11.1")["frame_drop_max_percent"] == 20
    assert release_rules("0.11.2")["frame_drop_max_percent"] == 1


def test_releases_between_and_beyond() -> None:
    assert known_release("0.9.1") == RELEASES[0]
    assert known_release("0.10.4") == "0.10.3"
    assert known_release("v0.10.1-release") == "0.10.1"
    assert known_release("1.0.0") == NEWEST
    with pytest.raises(ConfigError, match="no openpilot release is called 'master'"):
        known_release("master")


def test_a_rule_set_changes_what_it_names_and_nothing_else() -> None:
    text = BASE + (
        "name: softer\nsoft_disable_time_s: 2.5\nthresholds:\n  lateral_accel_max: 6.6 m/s2\n"
        "  actuation_hold_frames: 30 frames\n  saturated_undershoot_ratio: 1.3\nevent_types:\n"
        "  steerSaturated: {add: [softDisable, noEntry], remove: warning}\n"
        "  doorOpen: {remove: [softDisable]}\n"
    )
    spec = parse_rules(text, where="rules.yaml")
    rules, base = apply_spec(spec, "0.9.4"), release_rules("0.11.2")
    assert (rules.release, rules.soft_disable_frames, spec.name) == ("0.11.2", 250, "softer")
    changed = {name: value for name, value in rules.thresholds.items() if value != base.thresholds[name]}
    assert changed == {"lateral_accel_max": 6.6, "actuation_hold_frames": 30, "saturated_undershoot_ratio": 1.3}
    differ = {name: types_in_words(mask) for name, mask in rules.types.items() if mask != base.types[name]}
    assert differ == {"steerSaturated": "noEntry+softDisable", "doorOpen": "noEntry"}


def test_the_release_of_the_log() -> None:
    spec = parse_rules("format: 1\nbase: log\n", where="rules.yaml")
    assert apply_spec(spec, "0.9.7").release == "0.9.7"
    assert apply_spec(spec, "0.9.7").types["brakeHold"] == USER_DISABLE | NO_ENTRY


def test_an_event_that_comes_back() -> None:
    spec = parse_rules(BASE + "event_types: {usbError: {add: [softDisable]}}", where="rules.yaml")
    assert apply_spec(spec, "0.9.7").types["usbError"] == SOFT_DISABLE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "not YAML"),
        ("[]", "it must be a mapping"),
        ("base: 0.11.2", "format must be 1, not None"),
        ("format: 2\nbase: 0.11.2", "format must be 1, not 2"),
        ("format: 1", "base is missing"),
        ("format: 1\nbase: 0.11.7", "base must be a release that is known, not '0.11.7'.*take the last before it"),
        ("format: 1\nbase: 0.11", "base must be a release that is known, not 0.11"),
        (BASE + "threshold: {}", "unknown key 'threshold'"),
        (
            BASE + "thresholds: {lateral_acel_max: 6 m/s²}",
            "no threshold is called 'lateral_acel_max', did you mean lateral_accel_max",
        ),
        (BASE + "thresholds: {lateral_accel_max: 6}", "lateral_accel_max is in m/s², as in `6 m/s²`, not 6"),
        (BASE + "thresholds: {lateral_accel_max: 6 g}", "lateral_accel_max is in m/s²"),
        (BASE + "thresholds: {lateral_accel_max: fast}", "must be a number with its unit"),
        (BASE + "thresholds: {lateral_accel_max: .nan}", "must be a number with its unit"),
        (BASE + "thresholds: {lateral_accel_max: true}", "must be a number with its unit"),
        (BASE + "thresholds: {lateral_accel_max: 1e300 m/s²}", "cannot be"),
        (BASE + "thresholds: {actuation_hold_frames: 2.5 frames}", "must be a whole number"),
        (BASE + "thresholds: {saturated_undershoot_ratio: 1.3 m}", "without a unit"),
        (BASE + "thresholds: [1]", "thresholds must be a mapping"),
        (BASE + "soft_disable_time_s: -1", "soft_disable_time_s must be seconds from 0 to 600, not -1"),
        (BASE + "soft_disable_time_s: 3 s", "soft_disable_time_s must be seconds"),
        (BASE + "soft_disable_time_s: .nan", "soft_disable_time_s must be seconds"),
        (BASE + "event_types: {dorOpen: {add: [enable]}}", "no event is called 'dorOpen', did you mean doorOpen"),
        (BASE + "event_types: {doorOpen: [enable]}", "event_types.doorOpen must be a mapping of add and remove"),
        (BASE + "event_types: {doorOpen: {add: [SOFT]}}", "no event type is called 'SOFT', one of enable"),
        (BASE + "event_types: {doorOpen: {add: [enable], remove: [enable]}}", "adds and removes the same type"),
        (BASE + "name: 3", "name must be text"),
    ],
)
def test_mistakes_are_told(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules(text, where="rules.yaml")
    assert re.search(words, str(caught.value))
    assert str(caught.value).startswith("rules.yaml: ")


def test_all_mistakes_at_once() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'x'; .*no threshold is called 'y'.*; no event is called 'z'"):
        parse_rules(BASE + "x: 1\nthresholds: {y: 1}\nevent_types: {z: {add: [enable]}}", where="rules.yaml")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read"):
        load_rules(tmp_path / "rules.yaml")
    with pytest.raises(DataError, match="cannot be read"):
        load_rules(tmp_path / "none.yaml")


def test_every_threshold_says_what_it_is() -> None:
    for name, threshold in THRESHOLDS.items():
        assert name == threshold.name
        assert threshold.meaning
        assert parse_rules(
            f"{BASE}thresholds: {{{name}: '{threshold.value:g} {threshold.unit}'}}", where="x"
        ) == RuleSpec("0.11.2", thresholds={name: threshold.value})
    assert known_events() >= set(event_types(NEWEST))
