"""selfdrive_state from outside: every safety recording gives what its script says, event for event, state for state."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fixtures.safety import SCRIPTS, encode_all
from fixtures.safety_oracle import oracle_states
from fixtures.safety_script import Change, Script, events_at, play
from harness.errors import ConfigError
from harness.recording.log_writer import write_log
from harness.replay import inputs_needed
from harness.replay.__main__ import main
from harness.replay.models import find_model
from harness.replay.selfdrive.events import NEWEST, event_types
from harness.trace import Channel, Exactness, Trace, load_trace, write_trace
from tests.replay.selfdrive.conftest import Replay

NAMES = ("disabled", "preEnabled", "enabled", "softDisabling", "overriding")
BY_NAME = {script.name: script for script in SCRIPTS}


def events_of(trace: Trace) -> dict[str, np.ndarray]:
    return {name.removeprefix("events."): c.values for name, c in trace.channels.items() if name.startswith("events.")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_derivation_reproduces_what_was_worked_out_by_hand(script: Script, replay: Replay) -> None:
    trace = replay(script, mode="derived")
    types, present = event_types(NEWEST), events_at(script)
    told = {name for names in present for name in names if types[name]}  # without a type there is no channel
    for name in sorted(told | events_of(trace).keys()):
        rows = np.array([name in names for names in present])
        found = events_of(trace).get(name, np.zeros(script.rows, np.uint16))
        assert np.flatnonzero((found > 0) != rows).tolist() == [], name
        assert set(found[rows].tolist()) <= {types[name]}
    states = oracle_states(present, types, script.starts_enabled, script.initialized)
    assert [NAMES[state] for state in trace.channels["state"].values] == states


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_logs_own_events_give_the_same_states(script: Script, replay: Replay) -> None:
    trace = replay(script)
    assert trace.provenance["mode"] == "recorded"
    assert (trace.channels["state"].values == trace.channels["recorded.state"].values).all()
    agreement = trace.provenance["agreement"]
    assert isinstance(agreement, dict)
    for name, counts in agreement.items():
        assert counts["only_derived"] == counts["only_recorded"] == 0, name


def test_a_trace_as_agreed(replay: Replay) -> None:
    script = BY_NAME["engage, override, soft disable, recover"]
    trace = replay(script, mode="derived")
    assert trace.replayer == "selfdrive_state"
    assert trace.frame_ids.tolist() == list(range(script.rows))
    assert (np.diff(trace.t_ns) == 10_000_000).all()
    channels = trace.channels
    assert channels["state"].values.dtype == np.uint8
    assert channels["enabled"].values.dtype == channels["active"].values.dtype == np.bool_
    assert channels["softDisableTimer"].values.dtype == np.uint16
    assert channels["softDisableTimer"].values[[239, 240, 241, 299]].tolist() == [0, 300, 299, 241]
    assert (channels["enabled"].values == (channels["state"].values != 0)).all()
    assert all(channels[f"events.{name}"].exactness is Exactness.EXACT for name in events_of(trace))
    informative = {name for name, channel in channels.items() if channel.exactness is Exactness.INFORMATIVE}
    assert informative >= {"recorded.state", "recorded.events.steerOverride", "actuation.limitLateral"}
    assert channels["events.pcmEnable"].values[100] == 1
    assert {c.unit for n, c in channels.items() if n.startswith("events.")} == {"event types"}
    assert "events.doorOpen" not in channels


def test_the_frame_the_signal_and_the_limit_of_an_excess(replay: Replay, tmp_path) -> None:
    replay(BY_NAME["actuation: accelerates over the limit"], mode="derived")
    notes = json.loads((tmp_path / "0" / "out" / "a.notes.json").read_text())
    (excess,) = notes["excessive_actuation"]
    assert excess["signal"] == "longitudinal"
    assert (excess["first_frame"], excess["fired_frame"], excess["last_frame"]) == (300, 325, 349)
    assert (excess["limit"], excess["unit"]) == (4.0, "m/s²")
    assert excess["peak"] == pytest.approx(4.05)
    replay(BY_NAME["actuation: turns the other way over the limit"], mode="derived")
    notes = json.loads((tmp_path / "1" / "out" / "a.notes.json").read_text())
    assert notes["excessive_actuation"][0]["signal"] == "lateral"
    assert notes["excessive_actuation"][0]["peak"] == pytest.approx(-6.06)


def test_one_moved_threshold_moves_one_event_in_both_modes(replay: Replay) -> None:
    script = BY_NAME["actuation: accelerates over the limit"]
    softer = "format: 1\nbase: 0.11.2\nthresholds: {longitudinal_accel_max: 4.4 m/s²}\n"
    for mode in ("derived", "recorded"):
        base, moved = replay(script, mode=mode), replay(script, softer, mode=mode)
        assert "excessiveActuation" in events_of(base)
        assert "excessiveActuation" not in events_of(moved)
        assert (base.channels["state"].values != moved.channels["state"].values).any()
        assert base.channels["recorded.events.excessiveActuation"].values.any()
    harder = "format: 1\nbase: 0.11.2\nthresholds: {longitudinal_accel_max: 3.9 m/s²}\n"
    under = BY_NAME["actuation: accelerates at the limit"]
    for mode in ("derived", "recorded"):
        assert "excessiveActuation" not in events_of(replay(under, mode=mode))
        assert np.flatnonzero(events_of(replay(under, harder, mode=mode))["excessiveActuation"])[0] == 325


def test_a_shorter_soft_disable_and_other_types(replay: Replay) -> None:
    script = BY_NAME["engage, override, soft disable, recover"]
    state = replay(script, "format: 1\nbase: 0.11.2\nsoft_disable_time_s: 0.5\n").channels["state"].values
    assert state[240:292].tolist() == [3] * 50 + [0] * 2
    rules = (
        "format: 1\nbase: 0.11.2\nevent_types: {seatbeltNotLatched: {add: [immediateDisable], remove: [softDisable]}}"
    )
    trace = replay(script, rules)
    assert trace.channels["state"].values[[239, 240]].tolist() == [4, 0]
    assert set(events_of(trace)["seatbeltNotLatched"].tolist()) == {0, 2 | 32}


def test_a_gap_of_three_frames_in_two_releases(replay: Replay) -> None:
    script = BY_NAME["gap of 3 frames"]
    state = replay(script, mode="derived").channels["state"].values
    assert (state == 3).sum() == 300
    assert state[-1] == 0
    older = replay(script, "format: 1\nbase: 0.11.1\n", mode="derived")
    assert "modeldLagging" not in events_of(older)
    assert (older.channels["state"].values == 2).all()


def test_the_types_of_the_log_itself(replay: Replay) -> None:
    script = replace(BY_NAME["gap of 3 frames"], version="0.11.0")
    trace = replay(script, "format: 1\nbase: log\n")
    assert trace.provenance["rules"]["release"] == "0.11.0"
    assert set(events_of(trace)["modeldLagging"].tolist()) == {0, event_types(NEWEST)["modeldLagging"]}
    changed = replay(script, "format: 1\nbase: log\nevent_types: {modeldLagging: {remove: [softDisable]}}\n")
    assert (changed.channels["state"].values == 2).all()


def test_a_replayed_model_stands_in_for_the_logs(replay: Replay, tmp_path) -> None:
    script = BY_NAME["gap of 2 frames"]
    frames = script.rows // 5
    t_ns = np.arange(frames, dtype=np.int64) * 50_000_000 + 90_000_000_000
    dropped = np.where(np.arange(frames) >= 100, 1.5, 0.0)
    brakes = np.arange(frames) == 50
    channels = {
        "frameDropPerc": Channel("frameDropPerc", "%", dropped, Exactness.EXACT),
        "meta.hardBrakePredicted": Channel("meta.hardBrakePredicted", "state", brakes, Exactness.EXACT),
    }
    path = tmp_path / "model.trace"
    write_trace(path, Trace("driving_model", str(script.segment), np.arange(frames), t_ns, channels, {}))
    trace = replay(script, mode="derived", extra={"model.trace": path})
    assert np.flatnonzero(events_of(trace)["modeldLagging"])[[0, -1]].tolist() == [500, 999]
    assert np.flatnonzero(events_of(trace)["fcw"]).tolist() == [250, 251, 252, 253, 254]
    assert "model.trace" in trace.provenance["recording_files"]
    other = Trace("driving_model", "0123456789abcdef/00000001--aaaaaaaaaa/0", np.arange(frames), t_ns, channels, {})
    write_trace(path, other)
    error = replay(script, extra={"model.trace": path}, code=3)
    assert error["kind"] == "DataError"
    assert "the replayed model's trace is of 0123456789abcdef" in error["problem"]


def test_agreement_counts_frames_of_either_side(replay: Replay, tmp_path) -> None:
    base = BY_NAME["engage, override, soft disable, recover"]
    # The log says a door was open that its carState knows nothing of, and misses the gas.
    events = (*(event for event in base.events if event[0] != "gasPressedOverride"), ("doorOpen", 500, 520))
    result = replay(replace(base, events=events), mode="derived").provenance["agreement"]
    assert result["doorOpen"] == {"both": 0, "only_derived": 0, "only_recorded": 20, "derivable": True}
    assert result["gasPressedOverride"]["only_derived"] == 40
    assert result["steerOverride"] == {"both": 60, "only_derived": 0, "only_recorded": 0, "derivable": True}
    measured = json.loads((tmp_path / "0" / "out" / "result.json").read_text())["replays"]["a"]["measurements"]
    assert measured["agreement.doorOpen.only_recorded"] == 20
    assert 0 < measured["agreement.state"] < 1


def test_equal_bytes_every_time(replay: Replay, tmp_path) -> None:
    for _ in range(2):
        replay(BY_NAME["messages"], mode="derived")
    assert (tmp_path / "0" / "out" / "a.trace").read_bytes() == (tmp_path / "1" / "out" / "a.trace").read_bytes()


def test_services_a_log_does_not_have_are_not_judged(replay: Replay, tmp_path) -> None:
    script = BY_NAME["gap of 2 frames"]
    trace = replay(script, mode="derived")
    assert trace.provenance["unjudged_services"] == []


def test_a_log_without_events_cannot_be_replayed_by_them(replay: Replay, tmp_path) -> None:
    script = BY_NAME["actuation: nobody drives"]
    quiet = [each for each in play(script) if each.service not in ("onroadEvents", "selfdriveState", "radarState")]
    write_log(tmp_path / "quiet.zst", encode_all(quiet))
    job = {
        "format": 1, "segment": str(script.segment), "replayer": "selfdrive_state", "options": {},
        "recording": {"rlog.zst": "quiet.zst"}, "output_folder": "out",
        "replays": [{"job": "a", "model": {"rules.yaml": "rules.yaml"}}],
    }  # fmt: skip
    (tmp_path / "rules.yaml").write_text("format: 1\nbase: 0.11.2\n")
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert main([str(tmp_path / "job.json")]) == 0
    trace = load_trace(tmp_path / "out" / "a.trace")
    assert trace.provenance["mode"] == "derived"
    assert trace.provenance["unjudged_services"] == ["radarState"]
    assert not any(name.startswith("recorded.") for name in trace.channels)
    (tmp_path / "job.json").write_text(json.dumps(job | {"options": {"mode": "recorded"}}))
    assert main([str(tmp_path / "job.json")]) == 3


def test_an_option_nobody_knows() -> None:
    assert inputs_needed("selfdrive_state", {"mode": "derived"}) == ("rlog",)
    with pytest.raises(ConfigError, match=r"unknown option 'frames'.*known options: mode"):
        inputs_needed("selfdrive_state", {"frames": 3})
    with pytest.raises(ConfigError, match="mode must be one of recorded, derived"):
        inputs_needed("selfdrive_state", {"mode": "both"})


def test_a_rule_set_as_a_file_and_as_a_folder(tmp_path) -> None:
    (tmp_path / "softer.yaml").write_text("format: 1\nbase: 0.11.2\n")
    assert find_model(tmp_path / "softer.yaml", "selfdrive_state") == (("rules.yaml", tmp_path / "softer.yaml"),)
    (tmp_path / "softer.yaml").rename(tmp_path / "rules.yaml")
    (tmp_path / "machine.py").write_text("")
    files = find_model(tmp_path, "selfdrive_state")
    assert files == (("rules.yaml", tmp_path / "rules.yaml"), ("machine.py", tmp_path / "machine.py"))
    with pytest.raises(ConfigError, match="there is no such rule set"):
        find_model(tmp_path / "none", "selfdrive_state")
    (tmp_path / "rules.yaml").write_text("format: 1\nbase: 9.9.9\n")
    with pytest.raises(ConfigError, match="base must be a release that is known"):
        find_model(tmp_path, "selfdrive_state")


def test_rules_that_are_wrong_fail_their_replay_alone(replay: Replay) -> None:
    error = replay(BY_NAME["actuation: nobody drives"], "format: 1\nbase: 0.11.2\nthreshold: {}\n", code=2)
    assert error["kind"] == "ConfigError"
    assert "unknown key 'threshold'" in error["problem"]


def test_190_frames_without_a_pandas_leave_are_no_mismatch(replay: Replay) -> None:
    refused = Change("pandaStates", 300, 490, {"controlsAllowed": False})
    script = replace(BY_NAME["actuation: nobody drives"], changes=(refused,))
    assert "controlsMismatch" not in events_of(replay(script, mode="derived"))
