"""A verdict is never exchanged for that of another question, nor a planned trial forgotten."""

from __future__ import annotations

import shutil

from harness.errors import ExitCode
from tests.cli.conftest import Desk


def test_a_run_with_verdicts_is_gone_on_with_only_as_it_was(desk: Desk) -> None:
    text = desk.suite.read_text()
    arguments = (
        "run",
        desk.suite,
        "--baseline",
        desk.model("release"),
        "--candidate",
        desk.model("noisy"),
        "--no-confirm",
    )
    assert desk.closet(*arguments, "--run-dir", "mine")[0] == ExitCode.REGRESSION
    record = (desk.folder / "mine" / "record.json").read_bytes()
    for changed, said in (
        (
            text.replace("action: {channels: [action.*]}", "action: {channels: [action.*], tolerance: {absolute: 9}}"),
            "checks",
        ),
        (text.replace("frames: 80", "frames: 20"), "options"),
    ):
        desk.suite.write_text(changed)
        code, _, err = desk.closet("resume", "mine")
        assert (code, said in err) == (ExitCode.USAGE, True), err
        assert (desk.folder / "mine" / "record.json").read_bytes() == record, "nothing was overwritten"
    desk.suite.write_text(text)
    assert desk.closet("resume", "mine")[0] == ExitCode.REGRESSION
    # What was blessed afterwards is not what this run was held against.
    assert desk.closet("run", desk.suite, "--candidate", desk.model("release"), "--run-dir", "first")[0] == 3
    assert desk.closet("bless", "first", "--reason", "first")[0] == 0
    assert (
        desk.closet("run", desk.suite, "--candidate", desk.model("noisy"), "--run-dir", "second", "--no-confirm")[0]
        == 1
    )
    assert desk.closet("bless", "second", "--reason", "wanted")[0] == 0
    code, _, err = desk.closet("resume", "second")
    assert (code, "approved baseline" in err) == (ExitCode.USAGE, True), err
    assert desk.closet("report", "second")[0] == ExitCode.REGRESSION


def test_an_approved_trace_of_other_options_or_another_recording_is_not_compared_with(desk: Desk) -> None:
    candidate = ("--candidate", desk.model("release"))
    desk.closet("run", desk.suite, *candidate)
    assert desk.closet("bless", "last", "--reason", "80 frames")[0] == 0
    whole = desk.suite.read_text()
    desk.suite.write_text(whole.replace("frames: 80", "frames: 20"))
    code, out, _ = desk.closet("run", desk.suite, *candidate)
    assert code == ExitCode.NO_VERDICT
    assert 'no baseline is approved for these options: {"frames":20}' in out
    assert "created 1 " in desk.closet("bless", "last", "--reason", "20 frames")[1]
    assert desk.closet("run", desk.suite, *candidate)[0] == ExitCode.GATE_OPEN
    desk.suite.write_text(whole)
    assert desk.closet("run", desk.suite, *candidate)[0] == ExitCode.GATE_OPEN, "both stand side by side"
    assert '{"frames":20}' in desk.closet("baselines")[1]


def test_a_planned_segment_does_not_vanish(desk: Desk) -> None:
    routes = desk.folder / "routes"
    shutil.copytree(desk.demo.routes_folder, routes)
    (segment,) = routes.iterdir()
    shutil.copytree(segment, routes / f"{segment.name[:-1]}1")
    desk.suite.write_text(desk.suite.read_text().replace(str(desk.demo.routes_folder), str(routes)))
    models = ("--baseline", desk.model("release"), "--candidate", desk.model("reexport"))
    assert desk.closet("run", desk.suite, *models, "--run-dir", "mine")[0] == ExitCode.GATE_OPEN
    shutil.rmtree(segment)
    code, _, err = desk.closet("resume", "mine")
    assert (code, "no longer planned" in err) == (ExitCode.USAGE, True), err
