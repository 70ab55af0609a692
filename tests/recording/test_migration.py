"""A drive told by old software and by new gives the same columns and the same trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures.safety import SCRIPTS, write_script
from fixtures.safety_script import Script
from harness.errors import DataError
from harness.recording.log import Log, load_log, parse_log
from harness.recording.log_writer import encode_event
from harness.recording.migration import (
    DRIVER_FIELDS,
    PANDA_FIELDS,
    RADAR_ERRORS,
    STATE_FIELDS,
    calibration_status,
    canonical_event,
    car_state,
    device_motion,
    driver_monitoring,
    engagement,
    event_lists,
    fan_speed_rpm,
    panda_states,
    radar_errors,
    relay_faults,
    safety_configs,
)
from harness.replay.selfdrive.inputs import Inputs
from harness.replay.selfdrive.replay import make_channels, run_rules
from harness.replay.selfdrive.rules import RuleSpec, release_rules
from harness.replay.selfdrive.run import run_machine

BY_NAME = {script.name: script for script in SCRIPTS}
# Every script whose messages and events old software could tell.
TELLABLE = (
    *("transitions", "messages", "gap of 3 frames", "engage, override, soft disable, recover"),
    *("steering gone just late enough", "long silences", "a drive begins", "a message never valid"),
    *("actuation: accelerates at the limit", "actuation: turns at the limit"),
)
MOTION = ("accelerationDevice.x", "accelerationDevice.z", "angularVelocityDevice.z", "inputsOK", "posenetOK")


def both(tmp_path: Path, script: Script) -> tuple[Log, Log]:
    for old in (False, True):
        write_script(tmp_path / f"{old}.zst", script, old=old)
    return load_log(tmp_path / "False.zst"), load_log(tmp_path / "True.zst")


@pytest.mark.parametrize("mode", ["recorded", "derived"])
@pytest.mark.parametrize("name", TELLABLE)
def test_one_drive_told_twice_gives_one_trace(name: str, mode: str, tmp_path: Path) -> None:
    rules, spec = release_rules("0.11.2"), RuleSpec("0.11.2")
    channels = []
    for log in both(tmp_path, BY_NAME[name]):
        inputs = Inputs(log)
        replayed, recorded = run_rules(inputs, rules, spec, run_machine, mode)
        channels.append({channel.name: channel for channel in make_channels(inputs, replayed, recorded, rules)})
    new, old = channels
    assert new.keys() == old.keys()
    for channel in new:
        np.testing.assert_array_equal(new[channel].values, old[channel].values, err_msg=channel)
        assert new[channel].exactness is old[channel].exactness


def test_the_old_log_is_old(tmp_path: Path) -> None:
    new, old = (log.counts() for log in both(tmp_path, BY_NAME["messages"]))
    for service in ("selfdriveState", "onroadEvents", "deviceMotion", "driverMonitoringState"):
        assert service in new
        assert service not in old
    assert {"onroadEventsDEPRECATED", "liveLocationKalmanDEPRECATED", "driverMonitoringStateDEPRECATED"} <= old.keys()


def test_each_migration_gives_todays_columns(tmp_path: Path) -> None:
    new, old = both(tmp_path, BY_NAME["warnings and refusals"])
    for function, fields in (
        (engagement, STATE_FIELDS),
        (driver_monitoring, DRIVER_FIELDS),
        (calibration_status, ("calStatus", "rpyCalib")),
        (radar_errors, RADAR_ERRORS),
        (lambda log: device_motion(log, MOTION), MOTION),
    ):
        ours, theirs = function(new), function(old)
        assert ours is not None
        assert theirs is not None
        assert ours.service == theirs.service
        levels = ("lockout", "alwaysOnLockout")
        for field in fields:
            if field in levels:
                continue
            np.testing.assert_array_equal(ours[field], theirs[field], err_msg=field)
        if "lockout" in fields:  # the old list knew one word for both
            np.testing.assert_array_equal(ours["lockout"] | ours["alwaysOnLockout"], theirs["lockout"])


def test_events_go_by_name_never_by_number(tmp_path: Path) -> None:
    new, old = both(tmp_path, BY_NAME["messages"])
    told = []
    for log in (new, old):
        lists = event_lists(log)
        assert lists is not None
        told.append(
            [
                (lists.vocabulary[n], int(at), int(t))
                for n, at, t in zip(lists.names, lists.lists, lists.types, strict=True)
            ]
        )
    assert told[0] == told[1]
    assert {name for name, _, _ in told[0]} >= {"commIssue", "cameraMalfunction", "canError"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("preDriverDistracted", "driverDistracted1"), ("driverDistracted", "driverDistracted3"),
        ("driverDistracted1", "driverDistracted1"), ("controlsdLagging", "selfdrivedLagging"),
        ("vehicleModelInvalid", "paramsdTemporaryError"), ("userFlag", "userBookmark"),
        ("usbErrorDEPRECATED", "usbError"), ("doorOpen", "doorOpen"), ("gasPressed", "preEnableStandstill"),
    ],
)  # fmt: skip
def test_names_of_every_age(old: str, new: str) -> None:
    assert canonical_event(old) == new
    assert canonical_event(new) == new


def log_of(*messages: tuple[str, int, object], valid: bool = True) -> Log:
    return parse_log(b"".join(encode_event(s, t, p, valid=valid) for s, t, p in messages), where="made")  # type: ignore[arg-type]


def test_what_is_not_there_is_none() -> None:
    log = log_of(("can", 1, []))
    assert engagement(log) is None
    assert event_lists(log) is None
    assert device_motion(log, MOTION) is None
    assert driver_monitoring(log) is None
    assert panda_states(log) is None
    assert calibration_status(log) is None
    assert radar_errors(log) is None
    assert fan_speed_rpm(log) is None
    assert safety_configs(log) == ((), 0)
    with pytest.raises(DataError, match="the log has no carState"):
        car_state(log, ("vEgo",))


def test_one_panda_becomes_a_list() -> None:
    config = {"safetyConfigs": [{"safetyModel": "honda" + "Bosch", "safetyParam": 5}], "alternativeExperience": 2}
    panda = {
        "controlsAllowed": True,
        "safetyModel": "hondaBosch",
        "alternativeExperience": 3,
        "faults": ["relayMalfunction"],
    }
    log = log_of(
        ("carParams", 1, config),
        ("pandaStateDEPRECATED", 2, panda | {"deprecated": {"fanSpeedRpm": 900}}),
        ("pandaStateDEPRECATED", 3, {"safetyModel": "hondaBosch"}),
    )
    states = panda_states(log)
    assert states is not None
    assert states.counts.tolist() == [1, 1]
    assert set(PANDA_FIELDS) <= set(states.values)
    assert states["controlsAllowed"].tolist() == [True, False]
    assert states["safetyParam"].tolist() == [5, 5]
    assert states["alternativeExperience"].tolist() == [2, 0]
    assert relay_faults(log)[1].tolist() == [True, False]
    fan = fan_speed_rpm(log)
    assert fan is not None
    assert fan["fanSpeedRpm"].tolist() == [900, 0]


def test_relay_faults_of_several_pandas() -> None:
    states = [
        [{"faults": []}, {"faults": ["heartbeatLoopWatchdog", "relayMalfunction"]}],
        [{"faults": ["sirenMalfunction"]}, {}],
        [],
    ]
    log = log_of(*(("pandaStates", t, pandas) for t, pandas in enumerate(states, 1)))
    assert relay_faults(log)[1].tolist() == [True, False, False]
    same = log_of(*(("pandaStates", t, [{"faults": ["relayMalfunction"]}]) for t in (1, 2)))
    assert relay_faults(same)[1].tolist() == [True, True]


def test_the_set_speed_comes_from_where_it_stood() -> None:
    log = log_of(
        ("controlsState", 1, {"deprecated": {"vCruise": 80.0, "vCruiseCluster": 82.0}}),
        ("carState", 2, {"vCruise": 0.0}),
        ("carState", 3, {"vCruise": 79.95}),
        ("controlsState", 4, {"deprecated": {"vCruise": 40.0}}),
        ("carState", 5, {"vCruise": 50.0}),
    )
    car = car_state(log, ("vCruise", "vCruiseCluster", "vEgo"))
    assert car["vCruise"].tolist() == pytest.approx([80.0, 79.95, 50.0])
    assert car["vCruiseCluster"].tolist() == [82.0, 0.0, 0.0]


def test_an_old_location_without_a_value_is_nan() -> None:
    log = log_of(("liveLocationKalmanDEPRECATED", 1, {"inputsOK": True}))
    motion = device_motion(log, ("accelerationDevice.x", "inputsOK"))
    assert motion is not None
    assert np.isnan(motion["accelerationDevice.x"]).all()
    assert motion["inputsOK"].tolist() == [True]


def test_radar_errors_of_both_kinds() -> None:
    old = log_of(
        ("radarState", 1, {"deprecated": {"radarErrors": ["fault", "wrongConfig"]}}),
        ("radarState", 2, {}),
        ("radarState", 3, {"deprecated": {"radarErrors": ["canError"]}}),
    )
    errors = radar_errors(old)
    assert errors is not None
    assert [errors[name].tolist() for name in RADAR_ERRORS] == [
        [False, False, True], [True, False, False], [True, False, False], [False, False, False],
    ]  # fmt: skip
    new = radar_errors(log_of(("radarState", 1, {"radarErrors": {"radarUnavailableTemporary": True}})))
    assert new is not None
    assert new["radarUnavailableTemporary"].tolist() == [True]
