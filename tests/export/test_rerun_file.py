"""The Rerun recording, read by its own reader: every value of both traces, exactly, on both timelines."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
from rerun.chunk import RrdReader

from harness.export import ExportFormat, Segment, export_segment


def read(path: Path) -> dict[str, list[pa.RecordBatch]]:
    """What is said of each entity over time; what does not change under its name with a star."""
    found: dict[str, list[pa.RecordBatch]] = defaultdict(list)
    for chunk in RrdReader(path).stream():
        found[chunk.entity_path + ("*" if chunk.is_static else "")].append(chunk.to_record_batch())
    return found


def column(batches: list[pa.RecordBatch], name: str) -> list[object]:
    return [value for batch in batches if name in batch.schema.names for value in batch[name].to_pylist()]


def test_every_value_comes_back_exactly(segment: Segment, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    export_segment(segment, ExportFormat.RERUN, tmp_path / "a.rrd", lambda *step: steps.append(step))
    found = read(tmp_path / "a.rrd")
    own = {"U": "text", "u": "unsigned", "i": "integer"}
    for side, trace in segment.sides.items():
        for name, channel in trace.channels.items():
            batches = found[f"/series/{side}/{name}"]
            assert column(batches, "frame") == trace.frame_ids.tolist()
            times = [int(value.value) for batch in batches for value in batch["time"]]
            assert times == trace.t_ns.tolist()
            kind = own.get(channel.values.dtype.kind, "Scalars:scalars")
            values = np.array(column(batches, kind), channel.values.dtype).reshape(channel.values.shape)
            np.testing.assert_array_equal(values, channel.values)
            assert column(found[f"/series/{side}/{name}*"], "unit") == [[channel.unit or "none"]]
    assert steps[-1][0] == steps[-1][1]


def test_lines_are_drawn_where_they_are_numbers(filmed: Segment, tmp_path: Path) -> None:
    export_segment(filmed, ExportFormat.RERUN, tmp_path / "a.rrd", lambda *_: None)
    found = read(tmp_path / "a.rrd")
    strips = column(found["/car/candidate/path"], "LineStrips3D:strips")
    expected = filmed.sides["candidate"].channels["position.x"].values
    np.testing.assert_array_equal(np.array(strips)[:, 0, :, 0], expected)
    lane = column(found["/car/baseline/lane_line_0"], "LineStrips3D:strips")
    assert [len(strip) for strip in lane] == [0, *[1] * 11], "a frame without it clears it"
    assert column(found["/findings"], "TextLog:text") == [
        ["runtime another runtime"],
        ["position.y leaves at frame 103"],
    ]
    assert column(found["/findings"], "frame") == [100, 103]
    samples = column(found["/car/road_camera/video"], "VideoStream:sample")
    assert len(samples) == 13
    assert bytes(samples[0][0])[:4] in {b"\x00\x00\x00\x01", b"\x00\x00\x01\x40"}
    assert len(found["/car/road_camera*"]) >= 1
    (recording,) = RrdReader(tmp_path / "a.rrd").recordings()
    assert recording.application_id == "testing-closet"
