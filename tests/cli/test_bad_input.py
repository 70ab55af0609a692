"""What a person does wrong, and what the data does: a clear error, whose fault, and what to do."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.errors import ExitCode
from harness.pipeline.runs import load_run
from tests.cli.conftest import Desk


def run_both(desk: Desk, *more: object) -> tuple[int, str, str]:
    return desk.closet(
        "run", desk.suite, "--baseline", desk.model("release"), "--candidate", desk.model("reexport"), *more
    )


def copy_routes(desk: Desk) -> Path:
    """The demo's one segment, to be damaged; the suite is turned to it."""
    routes = desk.folder / "routes"
    shutil.copytree(desk.demo.routes_folder, routes)
    desk.suite.write_text(desk.suite.read_text().replace(str(desk.demo.routes_folder), str(routes)))
    (segment,) = routes.iterdir()
    return segment


def error_of_the_only_job(desk: Desk) -> str:
    (folder,) = (desk.folder / ".closet" / "runs").iterdir()
    (result,) = load_run(folder).results
    assert result.error is not None
    return f"{result.error.kind}: {result.error.where}: {result.error.problem} ({result.error.remedy})"


@pytest.mark.parametrize("name", ["rlog.zst", "fcamera.hevc"])
@pytest.mark.parametrize("damage", ["empty", "random", "truncated"])
def test_a_damaged_recording_is_an_error_of_the_data(desk: Desk, name: str, damage: str) -> None:
    path = copy_routes(desk) / name
    whole = path.read_bytes()
    content = {"empty": b"", "random": bytes(range(256)) * 64, "truncated": whole[: len(whole) // 2]}[damage]
    path.write_bytes(content)
    code, out, err = run_both(desk)
    assert code == ExitCode.NO_VERDICT, out + err
    told = error_of_the_only_job(desk)
    assert told.startswith("DataError"), told
    assert name.split(".", maxsplit=1)[0] in told or "log" in told, told


def test_a_missing_camera_names_the_camera(desk: Desk) -> None:
    (copy_routes(desk) / "fcamera.hevc").unlink()
    assert run_both(desk)[0] == ExitCode.NO_VERDICT
    assert "fcamera" in error_of_the_only_job(desk)


def test_a_folder_without_recordings_and_one_that_is_not_there(desk: Desk) -> None:
    (desk.folder / "empty").mkdir()
    for folder, problem in (("empty", "no recording"), ("nowhere", "no folder")):
        desk.suite.write_text(desk.suite.read_text().replace(str(desk.demo.routes_folder), folder))
        code, _, err = run_both(desk)
        assert code == ExitCode.USAGE
        assert problem in err
        assert f"{desk.suite}:2" in err
        desk.suite.write_text(desk.suite.read_text().replace(folder, str(desk.demo.routes_folder)))


def test_a_route_that_does_not_exist(desk: Desk) -> None:
    text = desk.suite.read_text()
    line = f"routes: [{{folder: {desk.demo.routes_folder}, select: [0123456789abcdef/2026-01-02--03-04-05/0]}}]"
    desk.suite.write_text("\n".join(line if row.startswith("routes") else row for row in text.splitlines()) + "\n")
    code, _, err = run_both(desk)
    assert code == ExitCode.USAGE
    assert "selects nothing" in err


def test_every_mistake_of_a_run_is_told_before_anything_starts(desk: Desk) -> None:
    text = desk.suite.read_text()
    text = text.replace("frames: 80", "frmes: 80").replace(str(desk.demo.routes_folder), "nowhere")
    desk.suite.write_text(text + "devices: {kinds: [mici]}\n")
    code, _, err = run_both(desk)
    assert code == ExitCode.USAGE
    for word in ("no folder", "frmes", "no device of kind mici", "3 mistakes"):
        assert word in err, err
    assert not (desk.folder / ".closet" / "runs").exists(), "nothing was begun"
    code, _, err = desk.closet("check", desk.suite)
    assert code == ExitCode.USAGE
    assert "frmes" in err


def test_models_that_are_none(desk: Desk) -> None:
    (desk.folder / "nothing").mkdir()
    code, _, err = desk.closet("run", desk.suite, "--candidate", "nothing")
    assert (code, "driving_vision.onnx" in err) == (ExitCode.USAGE, True), err
    code, _, err = desk.closet("run", desk.suite, "--candidate", "no-such-folder")
    assert (code, "no model at" in err) == (ExitCode.USAGE, True), err
    code, _, err = desk.closet("run", desk.suite, "--candidate", f"other={desk.model('release')}")
    assert (code, "has no replayer other" in err) == (ExitCode.USAGE, True), err
    code, _, err = desk.closet("run", desk.suite)
    assert (code, "no candidate" in err) == (ExitCode.USAGE, True), err


def test_a_folder_with_two_models_is_not_guessed_at(desk: Desk) -> None:
    both = desk.folder / "both"
    shutil.copytree(desk.model("release"), both)
    for path in desk.model("supercombo").iterdir():
        shutil.copy(path, both)
    code, _, err = desk.closet("plan", desk.suite, "--candidate", both)
    assert code == ExitCode.USAGE
    assert "more than one model: supercombo.onnx; driving_vision.onnx with driving_policy.onnx" in err


def test_a_pattern_that_matches_nothing_beside_one_that_does_is_not_green(desk: Desk) -> None:
    desk.suite.write_text(desk.suite.read_text().replace("velocity.*", "velocty.*").replace("frames: 80", "frames: 4"))
    code, out, err = run_both(desk)
    assert code == ExitCode.NO_VERDICT
    assert "no channel matches velocty.*: nothing was compared" in out
    assert "driving_model  nothing compared" in err, "the table does not call it exact"


def test_the_same_files_on_both_sides_are_told(desk: Desk) -> None:
    desk.suite.write_text(desk.suite.read_text().replace("frames: 80", "frames: 4"))
    code, out, _ = desk.closet(
        "run", desk.suite, "--baseline", desk.model("release"), "--candidate", desk.model("release")
    )
    assert code == ExitCode.GATE_OPEN
    assert "the same files on both sides 1" in out


def test_a_shelf_where_none_can_be(desk: Desk) -> None:
    (desk.folder / "file").touch()
    code, _, err = desk.closet("emulate", 1, "--folder", "file")
    assert (code, "no shelf can be kept there" in err) == (ExitCode.USAGE, True), err


def test_a_name_that_is_no_text_is_refused_as_that(desk: Desk) -> None:
    models = desk.folder / "models"
    shutil.copytree(desk.model("release"), os.fsdecode(os.fsencode(models) + b"\xff"))
    code, _, err = desk.closet("plan", desk.suite, "--candidate", os.fsdecode(b"models\xff"))
    assert (code, "not UTF-8 text: '" in err, r"models\udcff" in err) == (ExitCode.USAGE, True, True), err


def test_names_longer_than_any_path_are_usage_errors(desk: Desk) -> None:
    for words in (("report", "x" * 300), ("run", desk.suite, "--candidate", "x" * 300)):
        code, _, err = desk.closet(*words)
        assert (code, "too long" in err, "Traceback" in err) == (ExitCode.USAGE, True, False), err


def test_two_recordings_of_one_segment_are_not_chosen_between(desk: Desk) -> None:
    routes = desk.demo.routes_folder
    (desk.folder / "link").symlink_to(routes)
    shutil.copytree(routes, desk.folder / "copy")
    line = f"routes: [{routes}, link, copy]"
    rows = desk.suite.read_text().splitlines()
    desk.suite.write_text("\n".join(line if row.startswith("routes") else row for row in rows) + "\n")
    plan = ("plan", desk.suite, "--candidate", desk.model("release"), "--json")
    code, out, err = desk.closet(*plan)
    assert (code, json.loads(out)["jobs"]) == (0, 1), err
    (log,) = (desk.folder / "copy").rglob("rlog.zst")
    log.write_bytes(log.read_bytes()[:-10])
    code, _, err = desk.closet(*plan)
    assert (code, f"{desk.suite}:2: another recording of" in err, "rlog differ" in err) == (
        ExitCode.USAGE,
        True,
        True,
    ), err


def test_a_model_of_another_interface_is_refused_by_name(desk: Desk) -> None:
    broken = desk.folder / "broken"
    broken.mkdir()
    for part in ("vision", "policy"):  # each file where the other belongs
        other = "policy" if part == "vision" else "vision"
        shutil.copyfile(desk.model("release") / f"driving_{other}.onnx", broken / f"driving_{part}.onnx")
    code, _, _ = desk.closet("run", desk.suite, "--baseline", desk.model("release"), "--candidate", broken)
    assert code == ExitCode.NO_VERDICT
    assert "driving_vision.onnx" in error_of_the_only_job(desk)


def test_a_shelf_that_cannot_be_reached_ends_quickly_and_says_why(desk: Desk) -> None:
    (desk.folder / "key").write_text("not a key")
    (desk.folder / "devices.yaml").write_text(
        'devices:\n  one: {kind: emulated, address: 127.0.0.1, port: 1, key: key, host_key: "ssh-ed25519 AAAA"}\n'
    )
    code, out, _ = run_both(desk)
    assert code == ExitCode.NO_VERDICT
    assert "one" in out
    code, out, _ = desk.closet("devices", "--json")
    assert code == ExitCode.NO_VERDICT
    assert "state" in json.loads(out)[0]
    assert desk.closet("devices", "--no-contact")[0] == 0


def test_unknown_commands_and_options_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dance"]) == ExitCode.USAGE
    assert main(["run"]) == ExitCode.USAGE
    assert main(["run", "--no-such-option"]) == ExitCode.USAGE
    assert "Usage" in capsys.readouterr().err


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    commands = ["check", "plan", "run", "resume", "diff", "report", "bless", "baselines", "devices", "emulate", "bench"]
    for words in (*([name] for name in commands), ["routes", "ls"], ["routes", "import"], ["routes", "info"]):
        assert main([*words, "--help"]) == 0
        assert "xample" in capsys.readouterr().out, words
    for words in (["log", "info"], ["log", "cat"]):
        assert main([*words, "--help"]) == 0
        assert "xample" in capsys.readouterr().out, words
    assert main(["--version"]) == 0
