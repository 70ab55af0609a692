"""The table, read by pyarrow: every value of both traces, exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness.export import ExportFormat, Segment, export_segment


def test_every_value_comes_back_exactly(segment: Segment, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    export_segment(segment, ExportFormat.PARQUET, tmp_path / "a.parquet", lambda *step: steps.append(step))
    table = pq.read_table(tmp_path / "a.parquet")
    frames = table["frame_id"].to_numpy()
    assert frames.tolist() == [*range(100, 113)]
    assert table["t_ns"].to_numpy().tolist() == [60_000_000_000 + 50_000_000 * row for row in range(13)]
    assert steps[-1] == (13, 13)
    for side, trace in segment.sides.items():
        there = np.isin(frames, trace.frame_ids)
        for name, channel in trace.channels.items():
            column = table[f"{side}.{name}"]
            assert [value.is_valid for value in column] == there.tolist(), "a frame that is missing is null"
            values = np.array([value.as_py() for value in column if value.is_valid], channel.values.dtype)
            np.testing.assert_array_equal(values.reshape(channel.values.shape), channel.values)
            facts = table.schema.field(f"{side}.{name}").metadata
            assert facts[b"unit"].decode() == channel.unit
            assert facts[b"exactness"].decode() == channel.exactness.value
            assert json.loads(facts[b"shape"]) == [*channel.values.shape[1:]]
    told = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
    assert told["run"] == "2026-11-21-001"
    assert json.loads(told["provenance.candidate"]) == segment.sides["candidate"].provenance


def test_nan_is_no_null_and_equal_segments_are_equal_bytes(segment: Segment, tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_segment(segment, ExportFormat.PARQUET, tmp_path / name, lambda *_: None)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    column = pq.read_table(tmp_path / "a")["baseline.action.desiredCurvature"]
    assert column[1].is_valid
    assert np.isnan(column[1].as_py())


def test_what_is_cut_off_leaves_no_file(segment: Segment, tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_segment(segment, ExportFormat.PARQUET, tmp_path / "a.parquet", stop)
    assert list(tmp_path.iterdir()) == []
