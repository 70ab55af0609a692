"""closet report RUN --html: where the page lies, the gate's code, and which segments have pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fixtures.make import Demo
from harness.cli import main
from tests.report.page.made_run import OTHER, PASSED, MadeRun, make_run


@pytest.fixture
def made(tmp_path: Path, tiny_demo: Demo, monkeypatch: pytest.MonkeyPatch) -> MadeRun:
    made = make_run(tmp_path, tiny_demo)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOSET_HOME", str(made.home))
    return made


def _segments(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "segments").glob("*.html"))


def test_the_page_lies_in_the_run_and_the_code_is_the_gates(made: MadeRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "run", "--html"]) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "run/page/index.html"
    assert re.fullmatch(r"2 segments, 1 with a film · \d\.\d MB", out.splitlines()[1])
    assert len(list((made.folder / "page" / "video").iterdir())) == 1
    assert len(_segments(made.folder / "page")) == 2


def test_another_folder_without_films_and_other_segments(made: MadeRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "run", "--html", "public", "--no-video", "--segments", PASSED, "--segments", OTHER]) == 1
    assert "2 segments ·" in capsys.readouterr().out
    assert _segments(Path("public")) == [f"aaaaaaaaaaaaaaaa_00000001--0123456789--{number}" for number in (0, 1)]
    assert not Path("public/video").exists()
    assert main(["report", "run", "--html", "public", "--segments", "nowhere"]) == 2
    assert "no segment" in capsys.readouterr().err
    assert _segments(Path("public")), "a mistake leaves the page that was there"


def test_a_folder_of_somebody_elses_is_refused(made: MadeRun, capsys: pytest.CaptureFixture[str]) -> None:
    Path("thesis").mkdir()
    Path("thesis/years-of-work.txt").write_text("mine")
    assert main(["report", "run", "--html", "thesis"]) == 2
    assert "something else" in capsys.readouterr().err
    assert [path.name for path in Path("thesis").iterdir()] == ["years-of-work.txt"]
