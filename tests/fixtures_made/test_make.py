from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.make import TINY, Demo, DemoSpec, build_demo
from fixtures.variants import EXAMPLES
from harness.errors import ConfigError
from harness.files import file_sha256

ROOT = Path(__file__).parents[2]
SMALL = replace(TINY, seconds=0.3, cameras=("fcamera",), variants=("release",))


def _digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): file_sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_callers_at_once_get_one_build_and_another_folder_gets_the_same_bytes(tmp_path: Path) -> None:
    told: list[str] = []

    def build(name: str) -> Demo:
        return build_demo(tmp_path / name, SMALL, jobs=2, progress=lambda _done, _total, what: told.append(what))

    with ThreadPoolExecutor(3) as pool:
        demos = list(pool.map(build, ["a", "a", "a"]))
    assert len(told) == 2  # one fit, one camera, by the first caller alone
    assert demos[0] == demos[1] == demos[2]
    build("b")
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")
    assert sorted(_digests(tmp_path / "a")) == sorted(
        ["demo.json", "models/release/driving_policy.onnx", "models/release/driving_vision.onnx"]
        + [f"routes/{demos[0].segments[0].folder_name}/{name}" for name in ("fcamera.hevc", "qlog.zst", "rlog.zst")]
    )


def test_other_arguments_are_another_demo() -> None:
    assert replace(TINY, seconds=5.0).digest != TINY.digest
    assert DemoSpec().digest != TINY.digest


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds no demo"):
        build_demo(tmp_path / "mine", SMALL, jobs=1)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_an_unknown_variant_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no variant is called 'perfect'.*use one of release"):
        build_demo(tmp_path / "x", replace(SMALL, variants=("perfect",)), jobs=1)


def test_the_command_line_shows_progress_and_help(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fixtures", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    helped = run("--help").stdout
    assert "example: python -m fixtures" in helped
    assert "late_lane_change" in helped
    built = run(
        str(tmp_path / "out"),
        "--seconds",
        "0.1",
        "--segments",
        "1",
        "--routes",
        "1",
        "--models",
        "release",
        "--jobs",
        "1",
    )
    assert "1 segments in" in built.stdout
    assert "3/3 " in built.stderr
    assert f"{EXAMPLES}" not in built.stdout
