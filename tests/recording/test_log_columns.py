"""Columns are what plain pycapnp says, field by field."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import capnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError, DataError
from harness.recording.log import parse_log
from harness.recording.log_frames import scan_frames
from harness.recording.log_pointers import follow_structs
from harness.recording.log_schema import event_type, payload_schema
from harness.recording.log_walk import Walk
from harness.recording.log_writer import encode_event
from harness.recording.services import ordinal_of

SERVICES = (
    *("carState", "carControl", "carParams", "controlsState", "selfdriveState", "modelV2", "drivingModelData"),
    *("longitudinalPlan", "lateralTorqueParameters", "deviceMotion", "deviceState", "radarState", "gyroscope"),
    *("liveLocationKalmanDEPRECATED", "driverStateV2", "gpsLocation", "testJoystick", "narrowRoadEncodeData"),
    *("pandaStates", "onroadEvents", "radarTracks"),
)

LENGTHS = {1: 3, 2: 2, 3: 2}  # how long lists are, by how deep they lie: regular, so that they make arrays
WIDTHS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64, "uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64}


class Dice:
    """Random payloads by the schema. Seeded; drawing thousands of fields from hypothesis itself is far too slow."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def number(self, kind: str) -> Any:
        if kind == "bool":
            return self.random.random() < 0.5
        if kind in WIDTHS:
            bits = WIDTHS[kind]
            value = self.random.choice([0, 2**bits - 1, self.random.getrandbits(bits), self.random.getrandbits(bits)])
            return value if kind.startswith("u") else value - 2 ** (bits - 1)
        special = self.random.choice([math.nan, math.inf, -0.0, 1e-42, None, None, None, None])
        value = self.random.gauss(0, 100) if special is None else special
        return float(np.float32(value)) if kind == "float32" else value

    def value(self, kind: Any, schema: Any, depth: int) -> Any:
        """A value of a type; None for those that are no numbers."""
        which = str(kind.which())
        if which == "struct":
            return self.struct(schema(), depth)
        if which == "enum":
            return self.random.choice(sorted(schema().enumerants))
        if which == "list":
            values = [
                self.value(kind.list.elementType, lambda: schema().elementType, depth + 1)
                for _ in range(LENGTHS[depth])
            ]
            return None if None in values else values
        return None if which in ("text", "data", "void", "anyPointer") else self.number(which)

    def struct(self, schema: Any, depth: int = 1) -> dict[str, Any]:
        """A struct: fields may be left out (lists rarely), of a union one member is set."""
        names = list(schema.non_union_fields)
        if schema.union_fields:
            names.append(self.random.choice(schema.union_fields))
        payload: dict[str, Any] = {}
        for name in names:
            field = schema.fields[name]
            if field.proto.which() == "group":
                payload[name] = self.struct(field.schema, depth)
                continue
            kind = field.proto.slot.type
            if self.random.random() < (0.03 if kind.which() == "list" else 0.3):
                continue
            value = self.value(kind, lambda field=field: field.schema, depth)
            if value is not None:
                payload[name] = value
        return payload

    def payload(self, service: str) -> Any:
        schema = payload_schema(ordinal_of(service))
        if hasattr(schema, "elementType"):
            return [self.struct(schema.elementType, 2) for _ in range(2)]
        return self.struct(schema)


@cache
def fields_of(service: str) -> tuple[str, ...]:
    schema = payload_schema(ordinal_of(service))
    return tuple(leaves(getattr(schema, "elementType", schema)))


def leaves(schema: Any, prefix: str = "") -> Iterator[str]:
    """The dotted names of all numbers below a struct."""
    for field in schema.fields_list:
        name = prefix + field.proto.name
        if field.proto.which() == "group":
            yield from leaves(field.schema, f"{name}.")
            continue
        kind, below = field.proto.slot.type, lambda field=field: field.schema
        while kind.which() == "list":
            kind, below = kind.list.elementType, lambda below=below: below().elementType
        if kind.which() == "struct":
            yield from leaves(below(), f"{name}.")
        elif kind.which() not in ("text", "data", "void", "anyPointer"):
            yield name


BLANK = "blank"


class UnsetError(Exception):
    """A member of a union that is not the one set."""


def plain_at(value: Any, parts: list[str]) -> Any:
    """What pycapnp has at a dotted name; lists on the way become lists."""
    if not parts:
        if isinstance(value, bool | int | float):
            return value
        return value.raw if hasattr(value, "raw") else [plain_at(entry, []) for entry in value]
    if not hasattr(value, "schema"):
        return [plain_at(entry, parts) for entry in value]
    if parts[0] in value.schema.union_fields and value.which() != parts[0]:
        raise UnsetError
    return plain_at(getattr(value, parts[0]), parts[1:])


def laid_out(values: list[Any]) -> list[Any]:
    """What a column must be, as nested lists, by the rules of `log_columns`; ValueError where it must be refused.

    BLANK stands for a value that is not there. It spreads over the shape of its neighbours, and ends as NaN.
    """
    if any(isinstance(value, list) for value in values):
        lengths = {len(value) for value in values if value not in (BLANK, [])}
        if len(lengths) > 1:
            raise ValueError(lengths)
        (length,) = lengths or {0}
        rows = [[BLANK] * length if value in (BLANK, []) else value for value in values]
        flat = laid_out([entry for row in rows for entry in row])
        return [flat[i * length : (i + 1) * length] for i in range(len(rows))]
    if BLANK in values and any(isinstance(value, int) for value in values if value is not BLANK):
        raise ValueError(values)
    return [math.nan if value is BLANK else value for value in values]


@pytest.mark.parametrize("service", SERVICES)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 4))
@settings(max_examples=12, deadline=None)
def test_columns_equal_plain_pycapnp(service: str, seed: int, count: int) -> None:
    dice = Dice(seed)
    many = [dice.payload(service) for _ in range(count)]
    content = b"".join(encode_event(service, t_ns, payload) for t_ns, payload in enumerate(many))
    log = parse_log(content, where="x")
    events = list(event_type().read_multiple_bytes(content))
    for name in fields_of(service):
        values: list[Any] = []
        for event in events:
            try:
                values.append(plain_at(getattr(event, service), name.split(".")))
            except UnsetError:
                values.append(BLANK)
        if all(value is BLANK for value in values):
            continue
        try:
            expected = laid_out(values)
        except ValueError:
            with pytest.raises(DataError):
                log.columns(service, [name])
            continue
        # As text, which tells NaN from a number, -0.0 from 0.0, 1 from 1.0 and True, and 2**64 - 1 from a float.
        assert repr(log.columns(service, [name])[name].tolist()) == repr(expected), name


@given(st.lists(st.lists(st.tuples(st.integers(0, 2**29 - 1), st.binary(max_size=8), st.integers(0, 255)), max_size=6)))
@settings(max_examples=60, deadline=None)
def test_elements_are_all_frames_of_all_messages(batches: list[list[tuple[int, bytes, int]]]) -> None:
    events = [
        encode_event("can", t_ns, [{"address": a, "dat": dat, "src": src} for a, dat, src in batch])
        for t_ns, batch in enumerate(batches)
    ]
    log = parse_log(b"".join([encode_event("clocks", 0, {}), *events]), where="x")
    elements = log.elements("can", ["address", "src"])
    flat = [(t_ns, a, src) for t_ns, batch in enumerate(batches) for a, _, src in batch]
    found = zip(elements.t_ns.tolist(), elements["address"].tolist(), elements["src"].tolist(), strict=True)
    assert list(found) == flat
    assert elements.messages.tolist() == [t_ns for t_ns, _, _ in flat]
    assert elements.counts.tolist() == [len(batch) for batch in batches]


def test_elements_of_a_list_field() -> None:
    leads = [[1.0, 2.0], [], [3.0]]
    events = [encode_event("modelV2", t, {"leadsV3": [{"prob": p} for p in probs]}) for t, probs in enumerate(leads)]
    elements = parse_log(b"".join(events), where="x").elements("modelV2", ["prob"], of="leadsV3")
    assert (elements["prob"].tolist(), elements.messages.tolist()) == ([1.0, 2.0, 3.0], [0, 0, 2])


def log_of(service: str, *payloads: Any) -> Any:
    return parse_log(b"".join(encode_event(service, t, payload) for t, payload in enumerate(payloads)), where="the log")


def test_columns_are_in_time_order() -> None:
    events = [encode_event("carState", t_ns, {"vEgo": t_ns}, valid=t_ns != 20) for t_ns in (30, 10, 20)]
    columns = parse_log(b"".join(events), where="x").columns("carState", ["vEgo"])
    assert (columns["vEgo"].tolist(), columns.t_ns.tolist()) == ([10, 20, 30], [10, 20, 30])
    assert columns.valid.tolist() == [True, False, True]
    assert columns["vEgo"].dtype == np.float32


def test_an_absent_struct_has_defaults_and_an_empty_list_is_nan() -> None:
    log = log_of("modelV2", {"position": {"x": [1, 2]}, "frameId": 4}, {}, {"action": {"desiredCurvature": 1.5}})
    columns = log.columns("modelV2", ["position.x", "action.desiredCurvature", "frameId", "velocity.x", "laneLines.y"])
    assert columns["position.x"][0].tolist() == [1, 2]
    assert np.isnan(columns["position.x"][1:]).all()
    assert columns["action.desiredCurvature"].tolist() == [0, 0, 1.5]
    assert columns["frameId"].tolist() == [4, 0, 0]
    assert columns["velocity.x"].shape == (3, 0)
    assert columns["laneLines.y"].shape == (3, 0, 0)


def test_empty_lists_of_integers_among_full_ones_are_refused() -> None:
    with pytest.raises(DataError, match=r"message 1 \(deviceState\): cpuUsagePercent is empty"):
        log_of("deviceState", {"cpuUsagePercent": [1, 2]}, {}).columns("deviceState", ["cpuUsagePercent"])


def test_lists_of_unequal_length_are_refused_with_another_way() -> None:
    log = log_of("can", [{"address": 1}], [{"address": 1}, {"address": 2}])
    with pytest.raises(DataError, match=r"can.address has lists of 1 to 2 elements.*Log.elements"):
        log.columns("can", ["address"])


def test_members_of_a_union_that_are_not_set_are_nan_or_refused() -> None:
    states = [{"torqueState": {"output": 0.25, "active": True}}, {"pidState": {"output": 0.5}}]
    log = log_of("controlsState", *({"lateralControlState": state} for state in states))
    name = "lateralControlState.torqueState"
    np.testing.assert_array_equal(log.columns("controlsState", [f"{name}.output"])[f"{name}.output"], [0.25, math.nan])
    with pytest.raises(DataError, match="not the member of its union"):
        log.columns("controlsState", [f"{name}.active"])


def test_an_unknown_enumerant_is_its_number() -> None:
    event = bytearray(encode_event("onroadEvents", 1, [{"name": "carNotReady"}]))
    event[event.index(103)] = 250
    log = parse_log(bytes(event), where="x")
    assert log.elements("onroadEvents", ["name"])["name"].tolist() == [250]


@pytest.mark.parametrize(
    ("service", "field", "problem"),
    [
        ("carState", "vEgoo", "did you mean vEgo"),
        ("carState", "wheelSpeeds", "is not a number"),
        ("carState", "vEgo.x", "below a number"),
        ("modelV2", "rawPredictions", "is data, not a number"),
        ("selfdriveState", "alertText1", "is text, not a number"),
        ("modelV2", "laneLines", "is not a number"),
        ("logMessage", "text", "no numeric fields"),
    ],
)
def test_fields_that_are_no_numbers_are_refused(service: str, field: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        log_of(service, "text" if service == "logMessage" else {}).columns(service, [field])


def test_a_service_that_is_not_there_gives_empty_columns() -> None:
    columns = log_of("clocks", {}).columns("modelV2", ["frameId", "position.x"])
    assert (len(columns), columns["frameId"].shape, columns["position.x"].shape) == (0, (0,), (0, 0))


def test_defaults_are_xored_into_what_is_stored(tmp_path: Path) -> None:
    source = tmp_path / "defaults.capnp"
    source.write_text(
        "@0xdbb9ad1f14bf0b37;\nenum E { a @0; b @1; c @2; }\n"
        "struct D { yes @0 :Bool = true; no @1 :Bool; seven @2 :Int16 = -7; e @3 :E = c; f @4 :Float32 = 1.5; "
        "g @5 :Float64 = -2.25; big @6 :UInt64 = 18446744073709551615; last @7 :UInt8 = 9; }\n"
    )
    module = capnp.load(str(source))
    messages = [
        module.D.new_message(),
        module.D.new_message(yes=False, no=True, seven=7, e="b", f=3, g=4, big=5, last=1),
    ]
    content = b"".join(message.to_bytes() for message in messages)
    frames = scan_frames(content)
    rows = np.arange(2)
    structs, sound = follow_structs(frames, frames.segment_starts, rows, np.zeros(2, np.int64))
    assert sound.all()
    walk = Walk(frames, "D", "x")
    for name in module.D.schema.fieldnames:
        expected = [plain_at(getattr(message, name), []) for message in messages]
        assert walk.field(structs, module.D.schema, [name], name).tolist() == expected, name


def test_lists_that_share_their_bytes_cannot_blow_up() -> None:
    """A list of pointers that all lead to one list: small on disk, quadratic in memory."""
    event = encode_event("lateralTorqueParameters", 1, {"points": [[0.0] * 20_000] + [[]] * 3_000})
    content = bytearray(event)
    words = np.frombuffer(content, "<u8")
    # The pointers of the outer list stand in a row; make each lead where the first one does.
    start = int(np.flatnonzero(words >> 32 == (20_000 << 3 | 4))[0])
    offset = int(words[start] & np.uint64(0xFFFFFFFF)) >> 2
    for step in range(3001):
        words[start + step] = (20_000 << 35) | (4 << 32) | (offset - step) << 2 | 1
    log = parse_log(bytes(content), where="x")
    with pytest.raises(DataError, match="claims 60020000 elements"):
        log.columns("lateralTorqueParameters", ["points"])
