"""closet export on a real run: each format is there with video and driven path, and says what it could not bring."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mcap.reader import make_reader
from rerun.chunk import RrdReader

from harness.errors import ExitCode
from harness.pipeline.runs import closet_home, find_run, load_run
from tests.cli.conftest import Desk


@pytest.fixture
def segment(desk: Desk) -> str:
    """The one segment of a run that was judged."""
    sides = ("--baseline", desk.model("release"), "--candidate", desk.model("curve_bias"))
    assert desk.closet("run", desk.suite, *sides, "--no-confirm")[0] == ExitCode.REGRESSION
    return str(desk.demo.segments[0])


def test_a_segment_of_a_run_goes_to_every_tool(desk: Desk, segment: str) -> None:
    for kind in ("mcap", "rrd", "parquet"):
        code, out, err = desk.closet("export", "last", segment, "--format", kind, "-o", f"a.{kind}")
        assert (code, err) == (ExitCode.GATE_OPEN, "")
        assert out.startswith(f"a.{kind}  ")
    with (desk.folder / "a.mcap").open("rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    assert summary.statistics is not None
    counts = {summary.channels[each].topic: n for each, n in summary.statistics.channel_message_counts.items()}
    assert counts["/road_camera/video"] == counts["/tf"] == counts["/driven/path/x"] == counts["/candidate/scene"] == 80
    assert counts["/findings"] > 2
    assert len(RrdReader(desk.folder / "a.rrd").recordings()) == 1
    table = pq.read_table(desk.folder / "a.parquet")
    assert table.num_rows == 80
    assert {"baseline.position.y", "candidate.position.y", "driven.path.y"} <= set(table.column_names)
    assert table.schema.metadata[b"verdict"] == b"FAIL"
    assert table.schema.metadata[b"candidate"] == str(desk.model("curve_bias")).encode()
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    example = text.partition("```python\n")[2].partition("```")[0]
    exec(re.sub(r'read_table\(".*"\)', 'read_table("a.parquet")', example), {})  # noqa: S102 our own documentation
    (truth,) = desk.demo.truth("curve_bias").values()
    printed = desk.capture.readouterr().out.splitlines()
    assert int(printed[0]) >= truth.frame_id
    assert printed[1] == "{b'unit': b'm', b'exactness': b'numeric', b'shape': b'[33]'}"
    # Two trace files, and what is not there any more.
    (result,) = load_run(find_run(closet_home(), "last")).results
    traces = [next((desk.folder / ".closet").rglob(each)) for each in (result.baseline_trace, result.candidate_trace)]
    code, out, _ = desk.closet("export", *traces, "--format", "parquet", "-o", "b.parquet", "--json")
    assert code == ExitCode.GATE_OPEN
    assert json.loads(out)["notes"] == []
    alone = pq.read_table(desk.folder / "b.parquet")
    assert alone.column("candidate.position.y").equals(table.column("candidate.position.y"))
    desk.suite.write_text(desk.suite.read_text().replace(str(desk.demo.routes_folder), "gone"))
    code, _, err = desk.closet("export", "last", segment, "--format", "parquet")
    assert code == ExitCode.GATE_OPEN
    assert "note: no recording: " in err
    assert (desk.folder / f"{segment.replace('/', '_')}-driving_model.parquet").exists()


def test_what_is_no_trial_is_a_mistake(desk: Desk, segment: str) -> None:
    code, _, err = desk.closet("export", "last", segment, "--format", "parquet", "--replayer", "panda_safety")
    assert code == ExitCode.USAGE
    assert "no such trial in run" in err
    code, _, err = desk.closet("export", "last", segment, "--format", "parquet", "-o", desk.folder)
    assert code == ExitCode.USAGE
    assert "cannot be written" in err
