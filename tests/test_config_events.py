"""Event checks, conditions and optional parts of a suite: what is accepted, and the line of what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import load_suite
from harness.domain import Check, EventRules
from harness.errors import ConfigMistakesError

SUITE = """\
suite: safety
routes:
  - {{folder: routes, where: 'soft_disables > 0 and brand = "toyota"', optional: true}}
replayers:
  selfdrive_state:
    where: can_messages > 0
    checks:
      events: {check}
      enabled: {{channels: [enabled]}}
"""


def write(folder: Path, check: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(SUITE.format(check=check))
    return path


def load_check(folder: Path, check: str) -> Check:
    (told, _blocking) = load_suite(write(folder, check)).replayers[0].checks
    return told


def test_conditions_are_kept_as_they_are_written(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, "{channels: [state]}"))
    (source,), (replayer,) = suite.routes, suite.replayers
    assert (source.condition, source.optional) == ('soft_disables > 0 and brand = "toyota"', True)
    assert source.where.endswith("suite.yaml:3")
    assert (replayer.condition, replayer.optional) == ("can_messages > 0", False)


def test_an_event_check_without_rules_has_the_default_ones(tmp_path: Path) -> None:
    assert load_check(tmp_path, "{events: {}}") == Check("events", (), events=EventRules())


def test_every_rule_can_be_set(tmp_path: Path) -> None:
    said = (
        "{blocks: false, events: {collar_s: 0.5, tolerance_s: 0.02, merge_s: 1.0, types: [softDisable, noEntry], "
        'names: ["comm*", overheat], states: ["soft*"], channels: [controlsAllowed], '
        "severities: {NEW: NOTE, softDisable: {MOVED: BLOCK, GONE: IGNORE}, softDisabling: {NEW: BLOCK}}}}"
    )
    rules = EventRules(
        ("softDisable", "noEntry"),
        ("comm*", "overheat"),
        ("soft*",),
        ("controlsAllowed",),
        *(0.5, 0.02, 1.0),
        (
            ("", "NEW", "NOTE"),
            ("softDisable", "MOVED", "BLOCK"),
            ("softDisable", "GONE", "IGNORE"),
            ("softDisabling", "NEW", "BLOCK"),
        ),
    )
    assert load_check(tmp_path, said) == Check("events", (), blocks=False, events=rules)


@pytest.mark.parametrize(
    ("check", "word"),
    [
        ("{}", "either channels or events"),
        ("{channels: [a], events: {}}", "either channels or events"),
        ("{events: {}, tolerance: {absolute: 1}}", "tolerance belongs to channels"),
        ("{events: {types: [softDisabled]}}", "types"),
        ("{events: {types: []}}", "compares nothing"),
        ("{events: {states: [engaged]}}", "engaged is none of disabled"),
        ("{events: {collar_s: -1}}", "collar_s"),
        ("{events: {collar_s: .inf}}", "collar_s"),
        ("{events: {tolerance_s: 0.3}}", "greater than collar_s"),
        ("{events: {severities: {NEW: FAIL}}}", "severities"),
        ("{events: {severities: {NWE: BLOCK}}}", "NWE is none of NEW, GONE"),
        ("{events: {severities: {softDisabel: {NEW: BLOCK}}}}", "softDisabel is no type"),
        ("{events: {severities: {softDisable: {NWE: BLOCK}}}}", "severities.softDisable"),
        ("{events: {names: []}}", "names"),
        ("{events: {colar_s: 1}}", "unknown key"),
    ],
)
def test_mistakes_have_their_line(tmp_path: Path, check: str, word: str) -> None:
    path = write(tmp_path, check)
    with pytest.raises(ConfigMistakesError) as caught:
        load_suite(path)
    assert all(error.where == f"{path}:8" for error in caught.value.errors)
    assert word in str(caught.value)
