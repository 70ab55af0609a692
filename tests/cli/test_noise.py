"""closet noise, and a suite whose tolerances follow it: real replays on emulated workers."""

from __future__ import annotations

import json

import pytest

from harness.errors import ExitCode
from tests.cli.conftest import Desk

SUITE = """\
suite: tiny
routes: [{routes}]
replayers:
  driving_model:
    options: {{frames: 20}}
    baseline: {release}
    checks:
      pictures: {{channels: [pictures.*]}}
      outputs: {{channels: [action.*, position.*], tolerance: {{noise: 3, floor: 1.0e-6, ceiling: 0.01}}}}
devices: {{kinds: [emulated]}}
"""


@pytest.fixture
def noisy(desk: Desk) -> Desk:
    desk.suite.write_text(SUITE.format(routes=desk.demo.routes_folder, release=desk.model("release")))
    return desk


def test_a_floor_is_measured_and_tolerances_follow_it(noisy: Desk) -> None:
    run = ("run", noisy.suite, "--no-confirm", "--candidate")
    code, out, _ = noisy.closet(*run, noisy.model("release"))
    assert code == ExitCode.NO_VERDICT
    assert "no noise floor was measured for this kind of device and runtime" in out
    code, out, err = noisy.closet("noise", noisy.suite, "--repeats", 2, "--threads", 1, "--threads", 2)
    assert code == 0, err
    assert "2 replays with each of 1, 2 threads of 1 segments on emulated-01" in out
    assert "exact: not one of " in out
    code, out, _ = noisy.closet(*run, noisy.model("release"))
    assert code == ExitCode.GATE_OPEN
    code, out, _ = noisy.closet(*run, noisy.model("fp16"))
    assert code == ExitCode.REGRESSION, "half precision is no noise of the device"
    assert noisy.closet("noise", "--list")[1].count("driving_model · emulated") == 1
    assert list((noisy.folder / ".closet").glob("noise-*")) == []


def test_how_far_a_twin_is_away_is_told_and_tolerated_by_nobody(noisy: Desk) -> None:
    code, out, err = noisy.closet(
        "noise", noisy.suite, "--model", noisy.model("release"), "--twin", noisy.model("fp16"), "--repeats", 2, "--json"
    )
    assert code == 0, err
    (floor,) = json.loads(out)
    assert floor["twin"] == str(noisy.model("fp16"))
    assert max(floor["channels"]["position.y"]["worst"]) > 0
    code, out, _ = noisy.closet("run", noisy.suite, "--candidate", noisy.model("release"), "--no-confirm")
    assert (code, "no noise floor was measured" in out) == (ExitCode.NO_VERDICT, True)


def test_mistakes(noisy: Desk) -> None:
    assert noisy.closet("noise")[0] == ExitCode.USAGE
    assert noisy.closet("noise", "--list")[1] == "no noise was measured yet\n"
    text = noisy.suite.read_text()
    for wrong, said in (
        ("{noise: 3}", "noise needs a ceiling"),
        ("{noise: 3, floor: 1, ceiling: 0.1}", "the ceiling is below the floor"),
        ("{noise: 3, ceiling: 1, absolute: 1}", "either noise or absolute"),
        ("{floor: 1}", "belong to noise"),
    ):
        noisy.suite.write_text(text.replace("{noise: 3, floor: 1.0e-6, ceiling: 0.01}", wrong))
        code, _, err = noisy.closet("check", noisy.suite)
        assert (code, said in err) == (ExitCode.USAGE, True), err
