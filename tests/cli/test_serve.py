"""closet serve, runs and quarantine as commands: what they refuse, and what they leave behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from harness.config.quarantine import load_quarantine
from harness.pipeline.shelf import open_shelf


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CLOSET_HOME", "CLOSET_SERVE_TOKEN", "CLOSET_SHELF"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "0.0.0.0"), "others could look in"),  # noqa: S104
        (("--name", "closet.lab"), "others could look in"),
        (("--token-file", "none"), "the token cannot be read"),
        (("--identity-header", "X-User"), "go together"),
        (("--identity-header", "X-User", "--identity-from", "0.0.0.0/0"), "everybody"),
        (("--devices", "none.yaml"), "none.yaml"),
        (("--host", "192.0.2.1", "--token-file", "token"), "cannot listen there"),
    ],
)
def test_what_it_refuses_it_says(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str) -> None:
    Path("token").write_text("long-enough-to-be-one")
    Path("token").chmod(0o600)
    assert main(["serve", "--port", "0", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_there_is_no_argument_for_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    options = [word for word in capsys.readouterr().out.split() if word.startswith("--")]
    assert "--token-file" in options
    assert "--token" not in options


def test_a_test_is_quarantined_and_released_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "suites").mkdir()
    told = ["--owner", "lab@example.org", "--issue", "https://example.org/issues/7", "--reason", "flickers"]
    assert main(["quarantine", "add", "a-b", "--checks", "lanes", "--days", "14", *told]) == 2, "that is no route"
    assert main(["quarantine", "add", "5beb9b58bd12b691/*", "--checks", "lanes", "--days", "14", *told]) == 0
    (entry,) = load_quarantine(tmp_path / "suites" / "quarantine.yaml")
    assert (entry.route, entry.checks, entry.reason) == ("5beb9b58bd12b691/*", ("lanes",), "flickers")
    assert main(["quarantine", "list"]) == 0
    assert "13 days left" in capsys.readouterr().out
    assert main(["quarantine", "release", "other/*", "--reason", "x"]) == 2
    assert main(["quarantine", "release", "5beb9b58bd12b691/*", "--reason", "the camera is back"]) == 0
    assert load_quarantine(tmp_path / "suites" / "quarantine.yaml") == ()
    with open_shelf(tmp_path / ".closet") as shelf:
        new, old = shelf.archive.changes()
    assert (new.action, new.reason, new.via, new.outcome) == (
        *("release test", "the camera is back"),
        *("command line", "done"),
    )
    assert (old.action, old.subject) == ("quarantine test", "5beb9b58bd12b691/*")


def test_runs_are_indexed_by_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "index", "--json"]) == 0
    assert '"indexed": 0' in capsys.readouterr().out
    Path(".closet/runs/2026-11-21-001").mkdir(parents=True)
    Path(".closet/runs/2026-11-21-001/record.json").write_text("{}")
    assert main(["runs", "index"]) == 3
    assert "1 cannot be read" in capsys.readouterr().out
