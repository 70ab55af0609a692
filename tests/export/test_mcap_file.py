"""The MCAP, read by its own reader with protobuf decoded: series, scenes, video, calibration, logs."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from harness.export import ExportFormat, Segment, export_segment
from harness.export.mcap_file import series_topic
from harness.recording.video import open_video
from tests.export.conftest import CALIBRATION


class Read:
    """A file as its reader tells it: messages by topic, with times; facts of topics; metadata."""

    def __init__(self, path: Path) -> None:
        self.messages: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        self.topics: dict[str, dict[str, str]] = {}
        self.schemas: dict[str, str] = {}
        with path.open("rb") as stream:
            reader = make_reader(stream, decoder_factories=[DecoderFactory()])
            for schema, channel, message, decoded in reader.iter_decoded_messages(log_time_order=False):
                self.messages[channel.topic].append((message.log_time, decoded))
                self.topics[channel.topic], self.schemas[channel.topic] = channel.metadata, schema.name
            self.metadata = {entry.name: entry.metadata for entry in reader.iter_metadata()}


def export(segment: Segment, path: Path) -> Read:
    export_segment(segment, ExportFormat.MCAP, path, lambda *_: None)
    return Read(path)


def test_every_value_comes_back_exactly_at_the_logs_time(segment: Segment, tmp_path: Path) -> None:
    read = export(segment, tmp_path / "a.mcap")
    for side, trace in segment.sides.items():
        for name, channel in trace.channels.items():
            messages = read.messages[series_topic(side, name)]
            assert [t_ns for t_ns, _ in messages] == trace.t_ns.tolist()
            assert [message.frame_id for _, message in messages] == trace.frame_ids.tolist()
            values = [message.value if channel.values.ndim == 1 else [*message.values] for _, message in messages]
            values = np.array(values, channel.values.dtype).reshape(channel.values.shape)
            np.testing.assert_array_equal(values, channel.values)
            assert read.topics[series_topic(side, name)] == {
                "unit": channel.unit,
                "exactness": channel.exactness.value,
            }
    stamp = read.messages["/candidate/state"][3][1].timestamp
    assert (stamp.seconds, stamp.nanos) == (60, 150_000_000)
    assert read.metadata["testing-closet"]["run"] == "2026-11-21-001"


def test_scenes_have_paths_lanes_and_leads_that_are_numbers(segment: Segment, tmp_path: Path) -> None:
    read = export(segment, tmp_path / "a.mcap")
    assert read.schemas["/candidate/scene"] == "foxglove.SceneUpdate"
    first = {entity.id: entity for entity in read.messages["/candidate/scene"][0][1].entities}
    assert set(first) == {"path", "lane line 1", "lane line 2", "lane line 3", "lead 0"}, "line 0 is no number there"
    points = np.array([[point.x, point.y, point.z] for point in first["path"].lines[0].points])
    np.testing.assert_array_equal(points[:, 0], segment.sides["candidate"].channels["position.x"].values[0])
    np.testing.assert_array_equal(points[:, 1], -0.5)  # the trace's right is Foxglove's negative left
    np.testing.assert_allclose(points[:, 2], -1.22)
    assert first["lane line 1"].lines[0].color.a > first["lane line 3"].lines[0].color.a, "less sure is fainter"
    place = first["lead 0"].spheres[0].pose.position
    assert (place.x, place.y) == (25.0, -0.5)
    assert len(read.messages["/candidate/scene"][1][1].entities) == 6


def test_findings_are_told_where_they_begin(segment: Segment, tmp_path: Path) -> None:
    told = export(segment, tmp_path / "a.mcap").messages["/findings"]
    assert [(t_ns, message.level, message.message) for t_ns, message in told] == [
        (60_000_000_000, 2, "runtime another runtime"),
        (60_150_000_000, 4, "position.y leaves at frame 103"),
    ]


def test_the_video_is_the_recordings_own_pictures(filmed: Segment, tmp_path: Path) -> None:
    read = export(filmed, tmp_path / "a.mcap")
    messages = read.messages["/road_camera/video"]
    assert [t_ns for t_ns, _ in messages] == [60_000_000_000 + 50_000_000 * row for row in range(13)], (
        "to the last frame"
    )
    assert {message.format for _, message in messages} == {"h265"}
    decoder = av.CodecContext.create("hevc", "r")
    pictures = [
        frame.to_ndarray(format="yuv420p")[: frame.height]
        for data in [*(message.data for _, message in messages), None]
        for frame in decoder.decode(av.Packet(data) if data is not None else None)
    ]
    assert len(pictures) == 13
    assert filmed.pictures is not None
    np.testing.assert_array_equal(pictures[7], open_video(filmed.pictures.path).picture(7).y)


def test_the_camera_stands_where_the_calibration_says(filmed: Segment, tmp_path: Path) -> None:
    read = export(filmed, tmp_path / "a.mcap")
    (t_ns, lens), *_ = read.messages["/road_camera/calibration"]
    assert t_ns == 60_000_000_000
    assert filmed.camera is not None
    np.testing.assert_array_equal(np.reshape(lens.K, (3, 3)), filmed.camera.matrix)
    q = read.messages["/tf"][0][1].rotation
    x, y, z, w = q.x, q.y, q.z, q.w
    forward = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    # The device is turned by a quarter: what lies before the camera lies beside the car.
    before_camera = CALIBRATION.T @ np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(forward, before_camera * [1, -1, -1], atol=1e-12)


def test_equal_segments_are_equal_bytes(filmed: Segment, tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_segment(filmed, ExportFormat.MCAP, tmp_path / name, lambda *_: None)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_without_its_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, segment: Segment, tmp_path: Path):
    import sys  # noqa: PLC0415 its table of modules is what is changed

    from harness.errors import ConfigError  # noqa: PLC0415 beside it

    monkeypatch.setitem(sys.modules, "mcap_protobuf", None)
    with pytest.raises(ConfigError, match=r"pip install 'testing-closet\[mcap\]'"):
        export_segment(segment, ExportFormat.MCAP, tmp_path / "a.mcap", lambda *_: None)
