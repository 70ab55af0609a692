"""Logs described and printed as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigError, DataError
from harness.recording.log_writer import encode_event, write_log
from harness.recording.loginfo import describe_log, message_lines

INIT = {
    "dongleId": "5beb9b58bd12b691",
    "version": "0.11.2",
    "gitCommit": "9f31c2",
    "gitBranch": "master",
    "gitRemote": "https://example.com/openpilot.git",
    "dirty": True,
    "deviceType": "mici",
    "osVersion": "12.8",
    "wallTimeNanos": 1_700_000_000_000_000_000,
}


def write_drive(path: Path) -> None:
    events = [
        encode_event("initData", 1_000_000_000, {**INIT, "params": {"entries": [{"key": "IsMetric", "value": b"1"}]}}),
        encode_event("sentinel", 61_000_000_000, {"type": "startOfSegment"}),
        encode_event("carState", 61_500_000_000, {"vEgo": 2.5, "gearShifter": "drive"}),
        encode_event("carState", 61_400_000_000, {"vEgo": float("nan")}, valid=False),
        encode_event("can", 61_450_000_000, [{"address": 0x224, "dat": b"\x00\xff", "src": 1}]),
        encode_event("sentinel", 63_500_000_000, {"type": "endOfRoute", "signal": 2}),
    ]
    write_log(path, events)


def test_a_description(tmp_path: Path) -> None:
    path = tmp_path / "rlog.zst"
    write_drive(path)
    described = describe_log(path)
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described == {
        "file": str(path),
        "container": "zst",
        "bytes": path.stat().st_size,
        "uncompressed_bytes": described["uncompressed_bytes"],
        "messages": 6,
        "invalid_messages": 1,
        "seconds": 2.5,
        "first_t_ns": 1_000_000_000,
        "last_t_ns": 63_500_000_000,
        "services": {"can": 1, "carState": 2, "initData": 1, "sentinel": 2},
        "sentinels": ["startOfSegment", "endOfRoute"],
        "init_data": INIT,
        "damage": None,
    }


def test_a_damaged_log_is_described_with_its_damage(tmp_path: Path) -> None:
    path = tmp_path / "rlog"
    write_drive(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    damage = describe_log(path)["damage"]
    assert isinstance(damage, dict)
    assert damage["messages_kept"] == 5
    assert damage["reason"] == "the last message is cut off"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        describe_log(path)


def lines(path: Path, service: str) -> list[Any]:
    return [json.loads(line, parse_constant=pytest.fail) for line in message_lines(path, service)]


def test_messages_are_lines_in_time_order(tmp_path: Path) -> None:
    path = tmp_path / "rlog.bz2"
    write_drive(path)
    first, second = lines(path, "carState")
    assert list(first) == ["t_ns", "valid", "carState"]
    assert (first["t_ns"], first["valid"], first["carState"]["vEgo"]) == (61_400_000_000, False, "NaN")
    assert (second["valid"], second["carState"]["vEgo"], second["carState"]["gearShifter"]) == (True, 2.5, "drive")
    assert second["carState"]["cruiseState"] is None
    assert second["carState"]["buttonEvents"] == []
    (can,) = lines(path, "can")
    assert [(f["address"], f["dat"], f["src"]) for f in can["can"]] == [(0x224, "00ff", 1)]


def test_lines_carry_the_newest_name(tmp_path: Path) -> None:
    write_log(tmp_path / "rlog", [encode_event("livePose", 1, {"posenetOK": True})])
    (line,) = lines(tmp_path / "rlog", "livePose")
    assert line["deviceMotion"]["posenetOK"] is True


def test_every_kind_of_value(tmp_path: Path) -> None:
    newer = bytearray(encode_event("onroadEvents", 3, [{"name": "carNotReady", "softDisable": True}]))
    newer[newer.index(103)] = 250
    events = [
        encode_event("logMessage", 1, 'a "quoted" line\n'),
        encode_event("ubloxRaw", 2, b"\xb5\x62"),
        bytes(newer),
        encode_event("controlsState", 4, {"lateralControlState": {"torqueState": {"output": float("-inf")}}}),
        encode_event("lateralTorqueParameters", 5, {"points": [[1, 2], [float("inf"), 4]]}),
        encode_event("initData", 6, {"params": {"entries": [{"key": "K", "value": b"v"}]}, "kernelArgs": ["a", "b"]}),
        encode_event("userBookmark", 7, {}),
    ]
    path = tmp_path / "rlog"
    write_log(path, events)
    said = {name: lines(path, name)[0][name] for name in ("logMessage", "ubloxRaw", "userBookmark")}
    assert said == {"logMessage": 'a "quoted" line\n', "ubloxRaw": "b562", "userBookmark": {}}
    assert lines(path, "onroadEvents")[0]["onroadEvents"][0]["name"] == 250
    controls = lines(path, "controlsState")[0]["controlsState"]
    assert list(controls["lateralControlState"]) == ["torqueState"]
    assert controls["lateralControlState"]["torqueState"]["output"] == "-Infinity"
    assert lines(path, "lateralTorqueParameters")[0]["lateralTorqueParameters"]["points"] == [[1, 2], ["Infinity", 4]]
    init = lines(path, "initData")[0]["initData"]
    assert (init["params"], init["kernelArgs"], init["version"]) == (
        {"entries": [{"key": "K", "value": "76"}]},
        ["a", "b"],
        "",
    )


def test_a_kind_of_unknown_layout_is_its_bytes(tmp_path: Path) -> None:
    event = bytearray(encode_event("can", 9, []))
    event[24:26] = (198).to_bytes(2, "little")
    write_log(tmp_path / "rlog", [encode_event("clocks", 1, {}), bytes(event)])
    assert lines(tmp_path / "rlog", "unknown@200") == [{"t_ns": 9, "valid": True, "unknown@200": event.hex()}]


def test_names_that_are_none_and_services_that_are_absent(tmp_path: Path) -> None:
    write_drive(tmp_path / "rlog")
    assert lines(tmp_path / "rlog", "modelV2") == []
    with pytest.raises(ConfigError, match="did you mean carState"):
        lines(tmp_path / "rlog", "carStat")


def test_the_real_stream(shared_data: Path) -> None:
    path = shared_data / "ublox" / "ubloxRaw.stream"
    described = describe_log(path)
    assert (described["messages"], described["services"]) == (9635, {"ubloxRaw": 9635})
    assert described["seconds"] == pytest.approx(539.9, abs=0.05)
    first = json.loads(next(iter(message_lines(path, "ubloxRaw"))))
    assert first["t_ns"] == described["first_t_ns"]
    assert first["ubloxRaw"].startswith("b562")
