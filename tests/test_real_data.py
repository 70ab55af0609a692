"""Real recordings and real models, all the way: import, draw, replay on emulated workers, diff, JUnit."""

from __future__ import annotations

from pathlib import Path

import pytest
from junitparser import JUnitXml

from fixtures.imported import draw_camera
from fixtures.make import Demo
from harness.cli import main
from harness.errors import ExitCode
from harness.pipeline.runs import find_run, load_run
from harness.recording.video import open_video

DRIVING = """\
suite: real
routes: [routes]
replayers:
  driving_model:
    options: {frames: 60}
    checks:
      pictures: {channels: [pictures.*, vEgo, frameDropPerc]}
      action: {channels: [action.*]}
      plan: {channels: [position.*, velocity.*]}
"""
MONITORING = """\
suite: monitoring
routes: [routes]
replayers:
  driver_monitoring:
    options: {camera: dcamera, frames: 30}
    checks:
      face: {channels: [face*]}
      eyes: {channels: ["*Eye*", "*Blink*"]}
"""


def closet(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def traces(home: Path) -> dict[str, str]:
    """The candidate's trace of each trial of the last run."""
    return {result.name: result.candidate_trace for result in load_run(find_run(home, "last")).results}


def test_a_comma2k19_minute_from_import_to_junit(
    shared_data: Path, tiny_demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (segment,) = (shared_data / "comma2k19").glob("*/*/*/")
    assert closet("routes", "import", shared_data / "comma2k19", "--to", "routes") == 0
    (recording,) = (tmp_path / "routes").iterdir()
    video = open_video(draw_camera(recording, segment, moving=60))  # as many as the suite replays
    assert video.frame_count == 1200, "the coded group that comes again is as good as pictures"
    still = video.picture(95).y.copy()
    assert (video.picture(1175).y == still).all()
    (tmp_path / "suite.yaml").write_text(DRIVING)
    release = ("--baseline", tiny_demo.models["release"])
    same = closet("run", "suite.yaml", *release, "--candidate", tiny_demo.models["reexport"], "--junit", "same.xml")
    assert same == ExitCode.GATE_OPEN
    code = closet("run", "suite.yaml", *release, "--candidate", tiny_demo.models["noisy"], "--junit", "other.xml")
    assert code == ExitCode.REGRESSION
    passed, failed = JUnitXml.fromfile("same.xml"), JUnitXml.fromfile("other.xml")
    assert (passed.tests, passed.failures, passed.errors) == (4, 0, 0), "replay and three checks"
    assert (failed.tests, failed.failures, failed.errors) == (4, 2, 0), "the pictures are the same, the rest is not"


def test_the_published_driver_monitoring_models_over_a_real_clip(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = shared_data / "commavq" / "decode_0.mp4"
    assert closet("routes", "import", clip, "--to", "routes", "--as", "dcamera") == 0
    (tmp_path / "suite.yaml").write_text(MONITORING)
    old, new = (shared_data / "driver_monitoring" / f"dmonitoring_model_{name}.onnx" for name in ("0.8.9", "0.8.13"))
    assert closet("run", "suite.yaml", "--baseline", old, "--candidate", new) == ExitCode.REGRESSION
    (result,) = load_run(find_run(tmp_path / ".closet", "last")).results
    first = {check.check: check.findings[0].first_frame for check in result.checks if check.findings}
    assert first == {"face": 0, "eyes": 0}, "another network differs from its first frame on"
    # The same model in two closets that know nothing of each other: twice the same bytes.
    found = []
    for home in ("one", "other"):
        monkeypatch.setenv("CLOSET_HOME", str(tmp_path / home))
        assert closet("run", "suite.yaml", "--baseline", new, "--candidate", new) == ExitCode.GATE_OPEN
        found.append(traces(tmp_path / home))
    assert found[0] == found[1]
