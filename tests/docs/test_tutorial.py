"""The tutorial, given as it stands on the page: real workers, a real regression, the output that is shown."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ci.reference.run_folder import HOME, RUN
from fixtures.make import Demo
from harness.cli import main
from tests.docs.labs import prepare_tutorial
from tests.docs.running import Printed, give_to_shell, play
from tests.docs.shown import pages, shown_commands

TUTORIAL = "docs/tutorial.md"


def test_the_tutorial_goes_as_it_says(
    tmp_path: Path, tiny_demo: Demo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CLOSET_HOME", "CLOSET_SHELF", "CLOSET_BASELINES", "CLOSET_BRANCH"):
        monkeypatch.delenv(name, raising=False)
    prepare_tutorial(tmp_path, tiny_demo)

    def give(text: str, folder: Path) -> Printed:
        """Our own commands in this process, which has its libraries loaded; others in a shell."""
        words = shlex.split(text, comments=True)
        if words[0] != "closet":
            return give_to_shell(text, folder)
        capsys.readouterr()
        code = main(words[1:])
        return Printed(code, *capsys.readouterr())

    played = list(play(TUTORIAL, pages()[TUTORIAL], tmp_path, give))
    assert [f"{entry.command.where}: {entry.wrong}\n{entry.printed.out}" for entry in played if entry.wrong] == []
    assert len(played) > 9
    codes = [entry.printed.code for entry in played if entry.command.words[:2] == ["closet", "run"]]
    assert codes == [0, 1, 0], "it opens for one, closes for another, and opens for what was approved"
    runs = sorted((tmp_path / ".closet" / "runs").iterdir())
    assert {path.name for run in runs for path in run.iterdir()} <= RUN.keys(), "docs/reference/run-folder.md"
    made = {path.name for path in (tmp_path / ".closet").iterdir()}
    assert {name for name in made if not name.endswith(("-wal", "-shm", ".lock"))} <= HOME.keys()


def test_the_first_page_shows_what_the_tutorial_shows() -> None:
    """The landing page and the README show one command and its result: the tutorial's, which is run."""
    texts = pages()
    (first,) = shown_commands("docs/index.md", texts["docs/index.md"])
    same = [each for each in shown_commands(TUTORIAL, texts[TUTORIAL]) if each.text.startswith(first.text)]
    assert [each.output for each in same] == [first.output]
