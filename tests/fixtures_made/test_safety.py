"""The safety recordings: deterministic, in our layout, and complete: every event that can be derived is in one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from fixtures.safety import SCRIPTS, write_safety_routes
from fixtures.safety_oracle import oracle_states
from fixtures.safety_script import events_at
from harness.recording.layout import find_recordings
from harness.recording.log import load_log
from harness.replay.selfdrive.derive import NOT_DERIVABLE
from harness.replay.selfdrive.events import NEWEST, event_types, known_events
from harness.replay.selfdrive.machine import SOFT_DISABLE

FEW = SCRIPTS[:1] + SCRIPTS[-2:]


def test_recordings_in_our_layout_and_equal_every_time(tmp_path: Path) -> None:
    routes = write_safety_routes(tmp_path / "a", FEW)
    write_safety_routes(tmp_path / "b", FEW)
    found = find_recordings(tmp_path / "a")
    assert {each.segment for each in found} == {route.segment for route in routes}
    assert all(each.files.keys() == {"rlog", "qlog"} for each in found)
    for route in routes:
        for name in ("rlog.zst", "qlog.zst"):
            path = route.rlog.with_name(name)
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
        log = load_log(route.rlog)
        assert log.damage is None
        assert log.counts()["carState"] == route.script.rows


def test_every_script_has_a_segment_of_its_own() -> None:
    assert len({script.segment for script in SCRIPTS}) == len(SCRIPTS)


def test_every_event_is_in_a_script_or_cannot_be_derived() -> None:
    told = {name for script in SCRIPTS for name, first, stop in script.events if first < stop}
    assert told | NOT_DERIVABLE == known_events()
    assert not told & NOT_DERIVABLE
    soft = {name for name, types in event_types(NEWEST).items() if types & SOFT_DISABLE}
    assert soft - told == {"steerTimeLimit", "selfdrivedLagging"}


def test_every_transition_is_in_a_script() -> None:
    seen = set()
    for script in SCRIPTS:
        states = oracle_states(events_at(script), event_types(NEWEST), script.starts_enabled, script.initialized)
        seen |= set(pairwise(states[script.initialized :]))  # forced on at first, by no transition
    names = ("disabled", "preEnabled", "enabled", "softDisabling", "overriding")
    assert seen == {
        *((name, name) for name in names),
        *((name, "disabled") for name in names[1:]),
        *((name, "enabled") for name in ("disabled", "preEnabled", "softDisabling", "overriding")),
        ("disabled", "preEnabled"), ("disabled", "overriding"), ("enabled", "softDisabling"),
        ("enabled", "overriding"), ("overriding", "softDisabling"),
    }  # fmt: skip
