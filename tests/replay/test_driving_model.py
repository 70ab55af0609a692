"""The driving replayer from end to end, over real HEVC, real logs and real ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.replay.__main__ import main
from harness.trace import Trace, load_trace
from tests.replay.makers import START_NS, result_of


def run(job: Path) -> int:
    return main([str(job)])


def trace_of(job: Path, name: str = "a") -> Trace:
    return load_trace(job.parent / "out" / f"{name}.trace")


def test_a_split_model_gives_a_trace_with_every_head(recording: Any, split_model: Any, write_job: Any) -> None:
    job = write_job(recording, {"a": split_model})
    assert run(job) == 0
    trace = trace_of(job)
    assert trace.frame_ids.tolist() == list(range(1000, 1060))
    assert trace.t_ns[0] == START_NS
    shapes = {name: channel.values.shape[1:] for name, channel in trace.channels.items()}
    assert shapes["position.x"] == (33,)
    assert shapes["laneLines.y"] == (4, 33)
    assert shapes["leadsV3.x"] == (3, 6)
    assert shapes["features"] == (512,)
    assert shapes["meta.desirePrediction"] == (4, 8)
    assert result_of(job)["a"]["error"] is None
