"""Run folders and requests: found again, whole, and clear when they are not."""

from __future__ import annotations

import datetime
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.errors import ConfigError, DataError
from harness.pipeline.request import ModelChoice, Request, load_request, parse_model_choice, render_request
from harness.pipeline.runs import REQUEST, closet_home, find_run, load_run, new_run_folder, write_run
from harness.verdict import RunRecord

DAY = datetime.date(2026, 11, 21)


def record(run: str) -> RunRecord:
    return RunRecord(run, "pr", "2026-11-21T00:00:00+00:00", ("closet",), {}, {}, (), {}, ())


def test_home_is_the_environments_or_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert closet_home({}) == tmp_path / ".closet"
    assert closet_home({"CLOSET_HOME": ""}) == tmp_path / ".closet"
    assert closet_home({"CLOSET_HOME": "/elsewhere"}) == Path("/elsewhere")


def test_runs_that_start_together_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_run_folder(tmp_path, DAY), range(16)))
    assert sorted(folder.name for folder in folders) == [f"2026-11-21-{number:03d}" for number in range(1, 17)]


def test_a_run_comes_after_all_that_are_there(tmp_path: Path) -> None:
    """Also where older ones were let go, and after the thousandth of a day."""
    for number in (7, 999):
        write_run(tmp_path / "runs" / f"2026-11-21-{number:03d}", record("older"))
    newest = new_run_folder(tmp_path, DAY)
    assert newest.name == "2026-11-21-1000"
    write_run(newest, record("newest"))
    assert find_run(tmp_path, "last") == newest
    assert new_run_folder(tmp_path, DAY + datetime.timedelta(days=1)).name == "2026-11-22-001"


def test_a_run_is_found_by_path_name_and_as_the_last(tmp_path: Path) -> None:
    first, second = new_run_folder(tmp_path, DAY), new_run_folder(tmp_path, DAY)
    with pytest.raises(ConfigError, match="no run yet"):
        find_run(tmp_path, "last")
    write_run(first, record("one"))
    assert find_run(tmp_path, "last") == first, "a folder without a record is not a run"
    write_run(second, record("two"))
    assert find_run(tmp_path, "last") == second
    assert find_run(tmp_path, first.name) == first
    assert find_run(tmp_path, str(first)) == first
    assert load_run(first) == record("one")
    with pytest.raises(ConfigError, match="no run nothing"):
        find_run(tmp_path, "nothing")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    folder = new_run_folder(tmp_path, DAY)
    write_run(folder, record("one"))
    path = folder / "record.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"record\.json"):
        load_run(folder)


def test_a_request_comes_back_as_it_was(tmp_path: Path) -> None:
    request = Request(
        tmp_path / "suite.yaml",
        None,
        (ModelChoice("", tmp_path / "next"),),
        (ModelChoice("driving_model", tmp_path / "release"),),
        ("abc*",),
        intents=(tmp_path / "better.yaml",),
        command=("closet", "run"),
    )
    path = tmp_path / REQUEST
    path.write_text(render_request(request))
    assert load_request(path) == request
    path.write_text("{}")
    with pytest.raises(DataError, match=r"request\.json"):
        load_request(path)


def test_models_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "next").mkdir()
    (tmp_path / "a=b").mkdir()
    assert parse_model_choice("next") == ModelChoice("", tmp_path / "next")
    assert parse_model_choice("driving_model=next") == ModelChoice("driving_model", tmp_path / "next")
    assert parse_model_choice("a=b") == ModelChoice("", tmp_path / "a=b"), "a path that exists is a path"
    with pytest.raises(ConfigError, match="no model at"):
        parse_model_choice("driving_model=none")
