from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.domain import (
    Blob,
    DeviceKind,
    NamedBlob,
    ReplayJob,
    Route,
    SegmentId,
    Task,
    Tolerance,
    Trial,
    canonical_json,
    json_digest,
)

SEGMENT = SegmentId(Route("5beb9b58bd12b691", "0000010a--a51155e496"), 3)
RLOG = NamedBlob("rlog.zst", Blob("a" * 64, 10))
VISION = NamedBlob("driving_vision.onnx", Blob("b" * 64, 20))
POLICY = NamedBlob("driving_policy.onnx", Blob("c" * 64, 30))
JOB = ReplayJob("driving_model", "1", SEGMENT, (RLOG,), (VISION, POLICY), "{}", DeviceKind.MICI, "ort")


def test_names():
    assert str(SEGMENT) == "5beb9b58bd12b691/0000010a--a51155e496/3"
    assert SEGMENT.folder_name == "5beb9b58bd12b691_0000010a--a51155e496--3"
    trial = Trial(SEGMENT, "driving_model", DeviceKind.MICI, JOB)
    assert trial.name == "5beb9b58bd12b691/0000010a--a51155e496/3 · driving_model · mici"


def test_segments_sort_by_number_not_text():
    numbers = [dataclasses.replace(SEGMENT, number=number) for number in (10, 9, 2)]
    assert [segment.number for segment in sorted(numbers)] == [2, 9, 10]


@pytest.mark.parametrize(
    "change",
    [
        {"replayer": "driver_monitoring"},
        {"replayer_version": "2"},
        {"segment": dataclasses.replace(SEGMENT, number=4)},
        {"recording": (NamedBlob("rlog.zst", Blob("d" * 64, 10)),)},
        {"recording": (NamedBlob("qlog.zst", Blob("a" * 64, 10)),)},
        {"model": (VISION,)},
        {"options": '{"wide":false}'},
        {"device_kind": DeviceKind.TIZI},
        {"runtime": "ort 2"},
    ],
)
def test_every_input_is_part_of_a_jobs_id(change):
    assert dataclasses.replace(JOB, **change).id != JOB.id


def test_the_order_of_files_is_not():
    assert dataclasses.replace(JOB, model=(POLICY, VISION)).id == JOB.id
    assert dataclasses.replace(JOB, model=(POLICY, VISION)).model_digest == JOB.model_digest
    assert dataclasses.replace(JOB, model=(VISION,)).model_digest != JOB.model_digest


def test_a_task_needs_each_file_once():
    other = dataclasses.replace(JOB, model=(NamedBlob("driving_vision.onnx", Blob("e" * 64, 5)),))
    task = Task((JOB, other), (), 1.0, 2.0)
    assert sorted(task.blobs) == [letter * 64 for letter in "abce"]
    assert task.device_kind is DeviceKind.MICI
    assert task.id != Task((JOB,), (), 1.0, 2.0).id


def test_exact_means_no_tolerance_at_all():
    assert Tolerance().is_exact
    assert not Tolerance(absolute=1e-9).is_exact
    assert not Tolerance(relative=1e-9).is_exact


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON))
def test_canonical_json_does_not_depend_on_order(value):
    turned = dict(reversed(value.items()))
    assert canonical_json(turned) == canonical_json(value)
    assert json_digest(turned) == json_digest(value)
    assert canonical_json(value).isascii()


def test_canonical_json_has_no_nan():
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": math.nan})
