"""Logs that lack things: what can be said is said, what cannot is an error that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.recording.log import Log, parse_log
from harness.recording.log_writer import encode_event, write_log
from harness.replay.__main__ import main
from harness.replay.selfdrive.inputs import Inputs
from harness.replay.selfdrive.replay import run_rules
from harness.replay.selfdrive.rules import RuleSpec, release_rules
from harness.replay.selfdrive.run import run_machine

CAR = {"canValid": True, "gearShifter": "drive", "cruiseState": {"available": True, "enabled": True}}
RULES, SPEC = release_rules("0.11.2"), RuleSpec("0.11.2")


def log_of(*messages: tuple[str, int, Any]) -> Log:
    return parse_log(b"".join(encode_event(*message) for message in messages), where="made")


def test_one_row_is_a_drive() -> None:
    log = log_of(("carParams", 1, {}), ("carState", 2, CAR))
    replayed, recorded = run_rules(Inputs(log), RULES, SPEC, run_machine, None)
    assert recorded is None
    assert replayed.run.states.tolist() == [0]


def test_the_logs_events_need_no_car_parameters() -> None:
    soft = [{"name": "doorOpen", "softDisable": True, "noEntry": True}]
    messages = [("pandaStates", 5, [{"controlsAllowed": True}]), ("onroadEvents", 30, []), ("onroadEvents", 50, soft)]
    log = log_of(*messages, *(("carState", t, CAR) for t in (10, 20, 40, 60)))
    replayed, recorded = run_rules(Inputs(log), RULES, SPEC, run_machine, None)
    assert recorded is not None
    # The list of 30 is about the row of 20, that of 50 about the row of 40; the row of 10 is before any list.
    assert recorded.known.tolist() == [False, True, True, True]
    assert replayed.run.states.tolist() == [2, 2, 3, 3]
    assert replayed.actuation is None
    assert replayed.agreement == {}


def test_moved_thresholds_need_what_a_derivation_needs() -> None:
    log = log_of(("onroadEvents", 30, []), ("carState", 10, CAR))
    spec = RuleSpec("0.11.2", thresholds={"lateral_accel_max": 5.0})
    with pytest.raises(Exception, match="the log has no carParams"):
        run_rules(Inputs(log), RULES, spec, run_machine, None)


def test_an_event_newer_than_the_schema_is_kept_by_number() -> None:
    events = [{"name": 200, "softDisable": True}, {"name": "doorOpen", "softDisable": True}]
    log = log_of(("onroadEvents", 20, events), ("carState", 10, CAR))
    replayed, recorded = run_rules(Inputs(log), RULES, SPEC, run_machine, None)
    assert recorded is not None
    assert set(recorded.present) == {"doorOpen", "unknown200"}
    assert replayed.without_types == ("unknown200",)
    as_logged, _ = run_rules(Inputs(log), RULES, RuleSpec("log"), run_machine, None)
    assert as_logged.masks["unknown200"].tolist() == [16]


def test_the_same_event_twice_in_a_list_is_one() -> None:
    events = [{"name": "doorOpen", "softDisable": True}, {"name": "doorOpen", "noEntry": True}]
    log = log_of(("onroadEvents", 20, events), ("carState", 10, CAR))
    _, recorded = run_rules(Inputs(log), RULES, SPEC, run_machine, None)
    assert recorded is not None
    assert recorded.events["doorOpen"].tolist() == [2 | 16]


def test_not_a_number_raises_nothing_and_is_shown() -> None:
    vector = {"x": float("nan"), "y": 0.0, "z": 0.0}
    motion = {"accelerationDevice": vector, "angularVelocityDevice": vector, "inputsOK": True, "posenetOK": True}
    rows = [("carState", t, CAR) for t in range(10, 2000, 10)]
    log = log_of(
        ("carParams", 1, {}),
        ("deviceMotion", 2, motion),
        *rows,
        ("carControl", 3, {"longActive": True, "latActive": True}),
    )
    replayed, _ = run_rules(Inputs(log), RULES, SPEC, run_machine, "derived")
    assert replayed.actuation is not None
    assert np.isnan(replayed.actuation.longitudinal_mps2).all()
    assert "excessiveActuation" not in replayed.masks


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([("carParams", 1, {})], "the log has no carState"),
        ([("carState", 1, CAR)], "the log has no carParams"),
    ],
)
def test_what_is_missing_is_named(messages: list[tuple[str, int, Any]], words: str, tmp_path: Path) -> None:
    write_log(tmp_path / "rlog.zst", [encode_event(*message) for message in messages])
    (tmp_path / "rules.yaml").write_text("format: 1\nbase: 0.11.2\n")
    job = {
        "format": 1, "segment": "0123456789abcdef/0000002a--a1b2c3d4e5/3", "replayer": "selfdrive_state", "options": {},
        "recording": {"rlog.zst": "rlog.zst"}, "replays": [{"job": "a", "model": {"rules.yaml": "rules.yaml"}}],
        "output_folder": "out",
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert main([str(tmp_path / "job.json")]) == 3
    error = json.loads((tmp_path / "out" / "result.json").read_text())["replays"]["a"]["error"]
    assert error["kind"] == "DataError"
    assert words in error["problem"]
