from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import DataError
from harness.trace import Channel, Exactness, Trace, load_trace, write_trace


def example(**changes) -> Trace:
    channels = {
        "plan": Channel("plan", "m", np.arange(24, dtype=np.float32).reshape(4, 6)),
        "half": Channel("half", "", np.array([0.1, np.nan, np.inf, -0.0], np.float16)),
        "digest": Channel("digest", "", np.array([0, 1, 2**64 - 1, 7], np.uint64), Exactness.EXACT),
        "state": Channel("state", "", np.array(["off", "on", "on", "größer"]), Exactness.EXACT),
        "stop": Channel("stop", "", np.array([True, False, True, False]), Exactness.INFORMATIVE),
    }
    facts = {
        "replayer": "driving_model",
        "segment": "d/l/0",
        "frame_ids": np.array([5, 6, 8, 9]),
        "t_ns": np.array([1, 2, 3, 2**62]),
        "channels": channels,
        "provenance": {"runtime": "ort", "list": [1, None, {"a": 1.5}]},
    }
    return Trace(**(facts | changes))


def test_what_is_written_is_read(tmp_path):
    trace = example()
    write_trace(tmp_path / "t", trace)
    read = load_trace(tmp_path / "t")
    assert (read.replayer, read.segment, read.provenance) == (trace.replayer, trace.segment, trace.provenance)
    np.testing.assert_array_equal(read.frame_ids, trace.frame_ids)
    np.testing.assert_array_equal(read.t_ns, trace.t_ns)
    assert read.channels.keys() == trace.channels.keys()
    for name, channel in trace.channels.items():
        found = read.channels[name]
        assert (found.name, found.unit, found.exactness) == (name, channel.unit, channel.exactness)
        assert found.values.dtype == channel.values.dtype
        np.testing.assert_array_equal(found.values, channel.values)


def test_equal_traces_are_equal_bytes(tmp_path):
    trace = example()
    turned = example(
        channels=dict(reversed(trace.channels.items())), provenance=dict(reversed(trace.provenance.items()))
    )
    fortran = example(
        channels=dict(trace.channels) | {"plan": Channel("plan", "m", np.asfortranarray(trace.channels["plan"].values))}
    )
    contents = set()
    for n, each in enumerate((trace, turned, fortran)):
        write_trace(tmp_path / str(n), each)
        contents.add((tmp_path / str(n)).read_bytes())
    assert len(contents) == 1


def test_another_value_is_other_bytes(tmp_path):
    write_trace(tmp_path / "a", example())
    write_trace(tmp_path / "b", example(t_ns=np.array([1, 2, 3, 4])))
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_no_frames_are_a_trace_too(tmp_path):
    nothing = np.empty(0, np.int64)
    empty = example(frame_ids=nothing, t_ns=nothing, channels={"a": Channel("a", "", np.empty((0, 3)))})
    write_trace(tmp_path / "t", empty)
    assert load_trace(tmp_path / "t").channels["a"].values.shape == (0, 3)


def rewritten(path, member: str, content: bytes | None, compression: int = zipfile.ZIP_STORED) -> None:
    """The trace file with one member replaced, or left out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members.pop(member)
    if content is not None:
        members[member] = content
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def npy(array, **rest) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **rest)
    return stream.getvalue()


def manifest(path, **changes) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return json.dumps(json.loads(archive.read("manifest.json")) | changes).encode()


def huge_header() -> bytes:
    """An array header that claims 8 TB of values and has none."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f8", "fortran_order": False, "shape": (4, 250_000_000_000)}
    )
    return stream.getvalue()


@pytest.mark.parametrize(
    ("member", "content", "words"),
    [
        ("frame_ids.npy", npy(np.arange(3)), "3 frames"),
        ("frame_ids.npy", npy(np.array([1.5, 2, 3, 4])), "float64"),
        ("frame_ids.npy", npy(np.arange(8).reshape(4, 2)), "shape"),
        ("t_ns.npy", npy(np.arange(3)), "t_ns has shape"),
        ("channel/plan.npy", npy(np.zeros((3, 6))), "plan has shape"),
        ("channel/plan.npy", npy(np.array(1.0)), "plan has shape"),
        ("channel/plan.npy", None, "plan"),
        ("channel/plan.npy", b"not an array", "not a readable trace"),
        ("channel/plan.npy", huge_header(), "header claims"),
        ("channel/plan.npy", npy(np.zeros((4, 6)))[:-8], "header claims"),
        ("channel/plan.npy", npy(np.array([{}, 1, 2, 3], object), allow_pickle=True), "plain array"),
        ("manifest.json", None, "manifest"),
        ("manifest.json", b"{", "not a readable trace"),
        ("manifest.json", b"[]", "not a readable trace"),
        ("manifest.json", b"[" * 100_000, "not a readable trace"),
    ],
)
def test_what_is_not_a_whole_trace_is_refused_by_name(tmp_path, member, content, words):
    path = tmp_path / "t"
    write_trace(path, example())
    rewritten(path, member, content)
    with pytest.raises(DataError, match=words) as caught:
        load_trace(path)
    assert caught.value.where == str(path)
    assert "replay" in caught.value.remedy


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"channels": []},
        {"channels": {"plan": {"unit": "m", "exactness": "roughly"}}},
        {"channels": {"plan": {}}},
        {"channels": {"../plan": {"unit": "m", "exactness": "numeric"}}},
        {"provenance": None},
    ],
)
def test_a_foreign_manifest_is_refused(tmp_path, changes):
    path = tmp_path / "t"
    write_trace(path, example())
    rewritten(path, "manifest.json", manifest(path, **changes))
    with pytest.raises(DataError):
        load_trace(path)


def test_a_zip_bomb_is_refused_unread(tmp_path):
    path = tmp_path / "t"
    write_trace(path, example())
    rewritten(path, "channel/plan.npy", npy(np.zeros((4, 5_000_000))), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(DataError, match="compressed"):
        load_trace(path)


def test_absent_empty_and_random_files(tmp_path):
    for name, content in (("empty", b""), ("random", bytes(range(256)) * 40)):
        (tmp_path / name).write_bytes(content)
    for name in ("absent", "empty", "random"):
        with pytest.raises(DataError):
            load_trace(tmp_path / name)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 255), st.booleans())
def test_damage_anywhere_gives_the_same_trace_or_an_error(tmp_path_factory, place, value, cut):
    folder = tmp_path_factory.mktemp("damage")
    write_trace(folder / "t", example())
    content = bytearray((folder / "t").read_bytes())
    place %= len(content)
    if cut:
        del content[place:]
    else:
        content[place] = value
    (folder / "d").write_bytes(content)
    try:
        read = load_trace(folder / "d")
    except DataError:
        return
    assert (read.replayer, read.segment, read.provenance) == ("driving_model", "d/l/0", example().provenance)
    np.testing.assert_array_equal(read.frame_ids, example().frame_ids)
    for name, channel in example().channels.items():
        np.testing.assert_array_equal(read.channels[name].values, channel.values)
