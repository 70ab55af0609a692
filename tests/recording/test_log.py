"""Reading and writing logs: what is written comes back, through us and through plain pycapnp; damage is told."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import capnp
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError, DataError
from harness.recording.log import load_log, parse_log
from harness.recording.log_schema import event_type
from harness.recording.log_writer import encode_event, write_log

DRIVE: list[tuple[str, int, Any]] = [
    ("initData", 5, {"dongleId": "5beb9b58bd12b691", "version": "0.11.2"}),
    ("sentinel", 6, {"type": "startOfRoute"}),
    ("carState", 30, {"vEgo": 3.0}),
    ("can", 20, [{"address": 0x224, "dat": b"\x01\x02", "src": 0}, {"address": 5, "dat": b"", "src": 128}]),
    ("carState", 10, {"vEgo": 1.0}),
    ("logMessage", 11, "hello"),
    ("ubloxRaw", 12, b"\xb5\x62"),
    (
        "modelV2",
        13,
        {"position": {"x": np.arange(33)}, "laneLines": [{"y": np.ones(33)}] * 4, "rawPredictions": bytes(9000)},
    ),
    ("carState", 10, {"vEgo": 2.0}),
    ("userBookmark", 40, {}),
]


def drive() -> list[bytes]:
    return [encode_event(service, t_ns, payload) for service, t_ns, payload in DRIVE]


def segments_of(event: bytes) -> int:
    return int.from_bytes(event[:4], "little") + 1


@pytest.mark.parametrize(("name", "container"), [("rlog.zst", "zst"), ("rlog.bz2", "bz2"), ("rlog", "bare")])
def test_what_is_written_is_read(tmp_path: Path, name: str, container: str) -> None:
    path = tmp_path / name
    write_log(path, iter(drive()))
    log = load_log(path)
    assert (log.container, log.damage) == (container, None)
    assert log.counts() == {
        **dict.fromkeys(["can", "initData", "logMessage", "modelV2", "sentinel", "ubloxRaw", "userBookmark"], 1),
        "carState": 3,
    }
    assert [log.event_bytes(row) for row in range(len(log.index))] == drive()


def test_plain_pycapnp_reads_what_is_written() -> None:
    for event, (service, t_ns, _) in zip(event_type().read_multiple_bytes(b"".join(drive())), DRIVE, strict=True):
        assert (event.which(), event.logMonoTime, event.valid) == (service, t_ns, True)


def test_messages_come_in_time_order_and_equal_times_in_file_order() -> None:
    log = parse_log(b"".join(drive()), where="x")
    assert [message.payload.vEgo for message in log.messages("carState")] == [1.0, 2.0, 3.0]
    times = [message.t_ns for message in log.messages()]
    assert times == sorted(times)
    assert len(times) == len(DRIVE)


def test_payloads() -> None:
    log = parse_log(b"".join(drive()), where="x")
    payloads = {message.service: message.payload for message in log.messages()}
    assert [(frame.address, frame.dat, frame.src) for frame in payloads["can"]] == [
        (0x224, b"\x01\x02", 0),
        (5, b"", 128),
    ]
    assert (payloads["logMessage"], payloads["ubloxRaw"]) == ("hello", b"\xb5\x62")
    assert list(payloads["modelV2"].position.x) == list(range(33))


def test_old_names_find_the_same_messages() -> None:
    log = parse_log(encode_event("livePose", 1, {"posenetOK": True}), where="x")
    assert log.counts() == {"deviceMotion": 1}
    assert [message.service for message in log.messages("livePose")] == ["deviceMotion"]
    assert log.columns("livePose", ["posenetOK"]).service == "deviceMotion"


def test_large_messages_are_one_segment_whatever_pycapnp_made_of_them() -> None:
    payload = {"position": {"x": np.zeros(33)}, "rawPredictions": bytes(50_000), "laneLines": [{"y": np.ones(33)}] * 4}
    event = encode_event("modelV2", 1, payload)
    assert segments_of(event) == 1
    assert event == encode_event("modelV2", 1, payload)
    (read,) = event_type().read_multiple_bytes(event)
    assert len(read.modelV2.rawPredictions) == 50_000


def built_in_pieces(t_ns: int, words: int) -> bytes:
    """A modelV2 as another program may write it, its first segment of `words` words, so that it needs several."""
    event = event_type().new_message(logMonoTime=t_ns, num_first_segment_words=words)
    model = event.init("modelV2")
    model.frameId = t_ns
    model.position.x = [float(t_ns + i) for i in range(33)]
    model.init("laneLines", 4)
    for lane in range(4):
        model.laneLines[lane].y = [float(lane)] * 33
    model.rawPredictions = bytes(3000)
    model.action.desiredCurvature = 0.5 * t_ns
    return bytes(event.to_bytes())


@pytest.mark.parametrize("words", [1, 2, 4, 5, 9, 40])
def test_messages_of_several_segments(words: int) -> None:
    data = b"".join([*drive(), built_in_pieces(100, words), *drive(), built_in_pieces(101, words)])
    log = parse_log(data, where="x")
    assert log.damage is None
    rows = log.rows("modelV2")[-2:]
    assert [segments_of(log.event_bytes(int(row))) > 1 for row in rows] == [True, True]
    assert log.index.t_ns[rows].tolist() == [100, 101]
    assert [log.message(int(row)).payload.frameId for row in rows] == [100, 101]
    columns = log.columns("modelV2", ["frameId", "position.x", "laneLines.y", "action.desiredCurvature"])
    assert columns["frameId"][-2:].tolist() == [100, 101]
    assert columns["position.x"][-1].tolist() == [float(101 + i) for i in range(33)]
    assert columns["laneLines.y"].shape == (4, 4, 33)
    assert columns["laneLines.y"][-1, 3].tolist() == [3.0] * 33
    assert columns["action.desiredCurvature"][-2:].tolist() == [50.0, 50.5]


def test_far_pointers_of_two_hops() -> None:
    """The root points to a pad in segment 1: a far pointer to the object in segment 2, and its description."""
    double_far = 2 | 1 << 2 | 0 << 3 | 1 << 32
    pad = (2 | 0 << 3 | 2 << 32, 0 | 2 << 32 | 1 << 48)
    selfdrive = (0 | 2 << 32 | 3 << 48, 3 | 1 << 16, 0, 0, 0, 0)  # state softDisabling, enabled
    body = (77, 128, *selfdrive)
    head = struct.pack("<IIII", 2, 1, 2, len(body))
    data = head + struct.pack(f"<{3 + len(body)}Q", double_far, *pad, *body)
    (plain,) = event_type().read_multiple_bytes(data)
    assert (plain.logMonoTime, plain.which(), str(plain.selfdriveState.state)) == (
        77,
        "selfdriveState",
        "softDisabling",
    )
    log = parse_log(data, where="x")
    assert (log.index.t_ns.tolist(), log.counts()) == ([77], {"selfdriveState": 1})
    columns = log.columns("selfdriveState", ["state", "enabled", "active"])
    assert [columns[name].tolist() for name in ("state", "enabled", "active")] == [[3], [True], [False]]


def with_tag(event: bytes, tag: int) -> bytes:
    return event[:24] + struct.pack("<H", tag) + event[26:]


def test_kinds_that_are_newer_than_the_schema_are_kept_as_bytes() -> None:
    newer = with_tag(encode_event("carState", 50, {"vEgo": 1}), 198)
    log = parse_log(b"".join([*drive(), newer]), where="x")
    assert log.counts()["unknown@200"] == 1
    (message,) = log.messages("unknown@200")
    assert (message.t_ns, message.service, message.payload) == (50, "unknown@200", newer)
    assert len(log.columns("unknown@200", [])) == 1
    with pytest.raises(ConfigError, match="no numeric fields"):
        log.columns("unknown@200", ["vEgo"])


def test_kinds_whose_layout_is_not_known_are_kept_as_bytes() -> None:
    touch = with_tag(encode_event("can", 50, []), 133)
    (message,) = parse_log(touch, where="x").messages("touch")
    assert message.payload == touch
    with pytest.raises(DataError, match="layout of touch is not known"):
        encode_event("touch", 1, [])


def test_text_that_is_not_utf8_is_still_text() -> None:
    event = encode_event("logMessage", 1, "hello").replace(b"hello", b"h\xfflo!")
    (message,) = parse_log(event, where="x").messages()
    assert message.payload == "h\ufffdlo!"


FIRMWARE = {"carFw": [{"brand": "other"}, {"brand": "hello"}]}
TEXTS = [
    ("logMessage", "hello"),
    ("initData", {"version": "hello", "gitCommit": "abc"}),
    ("initData", {"kernelArgs": ["quiet", "hello"]}),
    ("initData", {"params": {"entries": [{"key": "other"}, {"key": "hello"}]}}),
    ("carParams", FIRMWARE),
    ("managerState", {"processes": [{"name": "hello"}]}),
]


@pytest.mark.parametrize(("service", "payload"), TEXTS)
def test_text_without_an_end_is_an_error_and_not_a_crash(service: str, payload: Any) -> None:
    """pycapnp 2.1.0 takes the process down over such a text; it must not get that far."""
    event = bytearray(encode_event(service, 2, payload))
    event[event.index(b"hello") + 5] = 0x89
    log = parse_log(encode_event(service, 1, payload) + bytes(event) + encode_event("clocks", 3, {}), where="the log")
    messages = log.messages()
    assert next(messages).t_ns == 1
    with pytest.raises(DataError, match=rf"the log: message 1 \({service}\) cannot be decoded: a text has no end"):
        next(messages)
    with pytest.raises(DataError, match="a text has no end"):
        log.message(1)
    assert log.message(2).t_ns == 3


@given(st.integers(1, sum(map(len, drive())) - 1))
@settings(max_examples=200)
def test_a_cut_log_keeps_every_whole_message_and_says_where_it_breaks(length: int) -> None:
    ends = list(itertools.accumulate(map(len, drive())))
    whole = sum(end <= length for end in ends)
    data = b"".join(drive())[:length]
    if not whole:
        with pytest.raises(DataError, match="not an openpilot log"):
            parse_log(data, where="x")
        return
    log = parse_log(data, where="x")
    assert len(log.index) == whole
    if length in ends:
        assert log.damage is None
    else:
        assert log.damage is not None
        assert (log.damage.messages_kept, log.damage.offset_bytes) == (whole, ends[whole - 1])


def test_a_cut_zstd_log_keeps_what_is_there() -> None:
    events = [encode_event("ubloxRaw", t, np.random.default_rng(t).bytes(3000)) for t in range(400)]
    packed = zstandard.ZstdCompressor(level=10).compress(b"".join(events))
    log = parse_log(packed[: len(packed) * 2 // 3], where="x")
    assert 0 < len(log.index) < 400
    assert log.damage is not None
    assert "zstd" in log.damage.reason
    assert [message.t_ns for message in log.messages("ubloxRaw")] == list(range(len(log.index)))


def test_garbage_behind_the_messages_is_damage() -> None:
    log = parse_log(b"".join(drive()) + b"\xff" * 64, where="x")
    assert len(log.index) == len(DRIVE)
    assert log.damage is not None
    assert log.damage.offset_bytes == sum(map(len, drive()))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (zstandard.ZstdCompressor().compress(b""), "no message"),
        (bytes(8 * 1000), "segment table"),
        (b"hello, this is a text file and not a log at all\n" * 40, "not an openpilot log"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), "not an openpilot log"),
        (b"BZh9" + bytes(100), "not an openpilot log"),
    ],
)
def test_what_is_no_log_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as refused:
        parse_log(data, where="some/rlog")
    assert refused.value.where == "some/rlog"


@given(st.binary(min_size=1, max_size=4000))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        parse_log(data, where="x")


@given(st.data())
@settings(max_examples=150)
def test_flipped_bits_never_break_the_reader(data: st.DataObject) -> None:
    content = bytearray(b"".join(drive()))
    for place in data.draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=8)):
        content[place // 8] ^= 1 << place % 8
    try:
        log = parse_log(bytes(content), where="x")
        log.columns("modelV2", ["position.x", "laneLines.y", "action.desiredCurvature"])
        log.columns("carState", ["vEgo", "wheelSpeeds.fl"])
        log.elements("can", ["address"])
        for message in log.messages():
            str(message.service)
    except DataError:
        pass


def test_another_schema_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "other.capnp"
    source.write_text("@0xdbb9ad1f14bf0b36;\nstruct Other { a @0 :UInt64; b @1 :UInt64; c @2 :Text; d @3 :Text; }\n")
    other = capnp.load(str(source)).Other
    data = b"".join(other.new_message(a=i, b=i + 1, c="text", d="more").to_bytes() for i in range(20))
    with pytest.raises(DataError, match="not an openpilot"):
        parse_log(data, where="x")


def test_a_log_of_nothing_known_is_refused() -> None:
    with pytest.raises(DataError, match="known kind"):
        parse_log(with_tag(encode_event("carState", 1, {}), 400), where="x")


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rlog\.zst: cannot be read"):
        load_log(tmp_path / "rlog.zst")


@pytest.mark.parametrize(
    ("service", "payload", "problem"),
    [
        ("carState", {"vEgoo": 1}, "carState cannot be written"),
        ("carState", {"vEgo": "fast"}, "carState cannot be written"),
        ("selfdriveState", {"state": "asleep"}, "selfdriveState cannot be written"),
        ("logMessage", 5, "logMessage cannot be written"),
    ],
)
def test_what_does_not_fit_is_not_written(service: str, payload: Any, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        encode_event(service, 1, payload)


def test_the_real_stream(shared_data: Path) -> None:
    log = load_log(shared_data / "ublox" / "ubloxRaw.stream")
    assert (log.container, log.damage, log.counts()) == ("bare", None, {"ubloxRaw": 9635})
    assert round((log.index.t_ns.max() - log.index.t_ns.min()) / 1e9, 1) == 539.9
    with (shared_data / "ublox" / "ubloxRaw.stream").open("rb") as stream:
        plain = [(e.logMonoTime, e.valid, e.ubloxRaw) for e in event_type().read_multiple(stream)]
    assert sorted(plain) == sorted((m.t_ns, m.valid, m.payload) for m in log.messages("ubloxRaw"))
    assert all(message.payload.startswith(b"\xb5\x62") for message in log.messages())
