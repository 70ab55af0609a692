"""The schema: golden messages made with openpilot's own, and the rule of ordinals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.recording.log import parse_log
from harness.recording.log_plain import plain_payload
from harness.recording.log_schema import discriminant_of, event_type, ordinals_of, payload_kinds, payload_schema
from harness.recording.log_writer import encode_event
from harness.recording.services import EVENT_NAMES, ordinal_of

SOFT_DISABLING = bytes.fromhex(
    "00000000090000000000000002000100d202964900000000800000000000000000000000020003000300030000000000"
    "0000000000000000000000000000000000000000000000000000000000000000"
)
TWO_EVENTS = bytes.fromhex(
    "00000000070000000000000002000100050000000000000084000100000000000100000017000000080000000100000046001000000000"
    "000e00000200000000"
)

# Words of data and pointers of openpilot's structs, by the service that carries them (and the way to it).
DIMENSIONS = {
    "initData": (2, 21),
    "narrowRoadCameraState": (12, 7),
    "narrowRoadEncodeIdx": (6, 0),
    "narrowRoadEncodeData": (2, 3),
    "sentinel": (1, 0),
    "thumbnail": (2, 1),
    "can": (1, 1),
    "selfdriveState": (2, 3),
    "controlsState": (24, 6),
    "controlsState.lateralControlState.pidState": (5, 0),
    "controlsState.lateralControlState.torqueState": (6, 0),
    "controlsState.lateralControlState.angleState": (2, 0),
    "controlsState.lateralControlState.debugState": (2, 0),
    "controlsState.lateralControlState.curvatureState": (4, 0),
    "longitudinalPlan": (11, 6),
    "driverAssistance": (1, 0),
    "lateralManeuverPlan": (1, 0),
    "drivingModelData": (2, 4),
    "drivingModelData.path": (0, 3),
    "drivingModelData.laneLineMeta": (2, 0),
    "drivingModelData.meta": (1, 0),
    "modelV2": (6, 17),
    "modelV2.position": (0, 7),
    "modelV2.leadsV3": (1, 9),
    "modelV2.meta": (3, 3),
    "modelV2.meta.disengagePredictions": (0, 9),
    "modelV2.action": (2, 0),
    "modelV2.deprecated.temporalPose": (0, 4),
    "modelV2.deprecated.leadsDEPRECATED": (1, 2),
    "extrinsicsCalibration": (2, 8),
    "deviceMotion": (2, 5),
    "deviceMotion.orientationNED": (4, 0),
    "cameraOdometry": (2, 8),
    "pandaStates": (10, 4),
    "pandaStates.canState0": (8, 0),
    "peripheralState": (2, 0),
    "deviceState": (15, 11),
    "radarState": (5, 6),
    "radarState.leadOne": (7, 0),
    "vehicleParameters": (7, 2),
    "lateralTorqueParameters": (6, 1),
    "lateralDelay": (3, 1),
    "driverMonitoringState": (2, 3),
    "driverMonitoringState.visionPolicyState": (1, 2),
    "driverMonitoringState.wheeltouchPolicyState": (1, 0),
    "driverMonitoringState.rhdCalibration": (1, 0),
    "driverMonitoringStateDEPRECATED": (7, 2),
    "driverStateV2": (3, 3),
    "liveLocationKalmanDEPRECATED": (5, 15),
    "accelerometer": (4, 1),
    "gpsLocation": (8, 1),
    "managerState": (0, 1),
    "managerState.processes": (2, 1),
    "procLog": (0, 3),
    "clocks": (5, 0),
    "boot": (1, 5),
    "userBookmark": (0, 0),
    "alertDebug": (0, 2),
    "rawAudioData": (1, 1),
    "soundPressure": (2, 0),
    "chestnutState": (4, 0),
    "onroadEvents": (1, 0),
    "onroadEventsDEPRECATED": (1, 0),
    "carOutput": (0, 1),
    "radarTracks": (0, 4),
}


def test_golden_message_of_selfdrive_state() -> None:
    log = parse_log(SOFT_DISABLING, where="golden")
    message = log.message(0)
    assert (message.t_ns, message.valid, message.service) == (1234567890, True, "selfdriveState")
    assert (str(message.payload.state), message.payload.enabled, message.payload.active) == (
        "softDisabling",
        True,
        True,
    )
    assert (
        encode_event("selfdriveState", 1234567890, {"state": "softDisabling", "enabled": True, "active": True})
        == SOFT_DISABLING
    )


def test_golden_message_of_onroad_events_is_not_valid() -> None:
    log = parse_log(TWO_EVENTS, where="golden")
    message = log.message(0)
    assert (message.t_ns, message.valid, message.service) == (5, False, "onroadEvents")
    plain = plain_payload(ordinal_of("onroadEvents"), message.payload)
    assert isinstance(plain, list)
    said = [{key for key, value in entry.items() if value is True} | {entry["name"]} for entry in plain]
    assert said == [{"modeldLagging", "softDisable"}, {"steerOverride", "overrideLateral"}]
    events = [{"name": "modeldLagging", "softDisable": True}, {"name": "steerOverride", "overrideLateral": True}]
    assert encode_event("onroadEvents", 5, events, valid=False) == TWO_EVENTS


def test_ordinals_and_names_are_those_of_the_table() -> None:
    fields = event_type().schema.fields
    assert {int(fields[name].proto.ordinal.explicit) for name in EVENT_NAMES} == set(range(153))
    for ordinal, name in enumerate(EVENT_NAMES):
        assert fields[name].proto.ordinal.explicit == ordinal


def test_discriminants_follow_the_rule() -> None:
    members = [ordinal for ordinal in range(153) if ordinal not in (0, 67)]
    fields = event_type().schema.fields
    tags = [fields[EVENT_NAMES[ordinal]].proto.discriminantValue for ordinal in members]
    assert tags == [ordinal - 1 if ordinal <= 66 else ordinal - 2 for ordinal in members]
    assert tags == [discriminant_of(ordinal) for ordinal in members]
    assert ordinals_of(np.array(tags, np.uint16)).tolist() == members
    known = {"can": 4, "carState": 21, "carParams": 67, "sentinel": 71, "modelV2": 73, "pandaStates": 79}
    known |= {"selfdriveState": 128, "onroadEvents": 132, "chestnutState": 150}
    assert {name: fields[name].proto.discriminantValue for name in known} == known


def test_the_tag_is_what_is_written() -> None:
    for name in ("initData", "carParams", "thumbnail", "onroadEvents", "chestnutState"):
        written = encode_event(name, 1, [] if name == "onroadEvents" else {})
        assert int.from_bytes(written[24:26], "little") == discriminant_of(ordinal_of(name))


@pytest.mark.parametrize("path", DIMENSIONS)
def test_structs_are_as_large_as_openpilots(path: str) -> None:
    service, *way = path.split(".")
    schema = payload_schema(ordinal_of(service))
    schema = getattr(schema, "elementType", schema)
    for part in way:
        schema = schema.fields[part].schema
        schema = getattr(schema, "elementType", schema)
    node = schema.node.struct
    assert (node.dataWordCount, node.pointerCount) == DIMENSIONS[path]


def test_no_ordinal_is_skipped_in_any_struct() -> None:
    seen: set[int] = set()
    for ordinal, kind in enumerate(payload_kinds()):
        if kind.name in ("STRUCT", "LIST"):
            schema = payload_schema(ordinal)
            _check_ordinals(getattr(schema, "elementType", schema), seen)
    assert len(seen) > 60


def _check_ordinals(schema: Any, seen: set[int]) -> None:
    node = schema.node
    if node.id in seen:
        return
    seen.add(node.id)
    ordinals: list[int] = []
    _collect(schema, ordinals, seen)
    assert sorted(ordinals) == list(range(len(ordinals))), node.displayName


def _collect(schema: Any, ordinals: list[int], seen: set[int]) -> None:
    for field in schema.fields_list:
        if field.proto.which() == "group":
            _collect(field.schema, ordinals, seen)
            continue
        ordinals.append(field.proto.ordinal.explicit)
        kind = field.proto.slot.type
        if kind.which() == "struct":
            _check_ordinals(field.schema, seen)
        elif kind.which() == "list" and kind.list.elementType.which() == "struct":
            _check_ordinals(field.schema.elementType, seen)
