"""The closet that never sleeps, as given at the command line: real rounds on emulated workers."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from harness.errors import DataError, ExitCode, UnreachableError
from harness.files import write_text
from harness.pipeline.nightly_round import failed_by_devices
from harness.pipeline.nightly_state import alone
from harness.verdict import JobResult, RunRecord, Verdict
from tests.cli.conftest import Desk

SUITE = """\
suite: night
routes: [{routes}]
replayers:
  selfdrive_state:
    candidate: {rules}
    checks:
      states: {{events: {{types: [], states: ["*"], severities: {{NEW: BLOCK}}}}}}
devices: {{kinds: [emulated]}}
"""


@pytest.fixture
def night(desk: Desk) -> Desk:
    # Three minutes: the demo's one, under three numbers.
    source = next(desk.demo.routes_folder.rglob("rlog.*")).parent
    for number in range(3):
        shutil.copytree(source, desk.folder / "routes" / f"{source.name.rpartition('--')[0]}--{number}")
    rules = Path(__file__).parents[2] / "suites" / "safety" / "rules.yaml"
    desk.suite.write_text(SUITE.format(routes=desk.folder / "routes", rules=rules))
    (desk.folder / "devices.yaml").write_text("devices: {emulated: 2}\n")
    return desk


def rounds(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def test_rounds_go_through_all_segments_and_begin_anew(night: Desk) -> None:
    code, out, err = night.closet("nightly", night.suite, "--batch", 2, "--rounds", 2, "--json")
    told = rounds(out)
    assert code == ExitCode.NO_VERDICT, f"nothing is approved: {err}"
    assert [entry["round"] for entry in told] == [1, 2]
    seen = [picked["segment"] for entry in told for picked in entry["picked"]]
    assert len(set(seen[:3])) == 3, "each once before any comes again"
    assert [picked["age_s"] is None for picked in told[1]["picked"]] == [True, False]
    assert all(entry["not_reproduced"] == [] for entry in told)
    night.closet("bless", Path(told[0]["run"]).name, "--reason", "first")
    code, out, _ = night.closet("nightly", night.suite, "--batch", 3, "--rounds", 1, "--json")
    (entry,) = rounds(out)
    assert entry["counts"]["PASS"] == 2, "those that are approved pass, and were replayed anew"
    record = json.loads((Path(entry["run"]) / "record.json").read_text())
    assert not any(result["reused"] for result in record["results"])


def test_what_was_cut_off_is_gone_on_with(night: Desk) -> None:
    command = [sys.executable, "-m", "harness", "nightly", str(night.suite), "--batch", "2", "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOSET_")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=120)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == ExitCode.NO_VERDICT
    before = [first, *map(json.loads, rest.splitlines())]
    state = json.loads(next((night.folder / ".closet" / "nightly").glob("*.json")).read_text())
    code, out, err = night.closet("nightly", night.suite, "--batch", 2, "--rounds", 1, "--json")
    (after,) = rounds(out)
    assert code == ExitCode.NO_VERDICT, err
    if state["run"]:
        assert (after["resumed"], Path(after["run"]).name) == (True, state["run"])
    else:
        assert after["round"] == before[-1]["round"] + 1
    assert not (night.folder / ".closet" / "shelf.db-journal").exists()


def test_a_round_that_is_gone_on_with_is_held_against_what_was_there_when_it_began(night: Desk) -> None:
    code, out, err = night.closet("nightly", night.suite, "--batch", 2, "--rounds", 1, "--json")
    assert code == ExitCode.NO_VERDICT, err
    (first,) = rounds(out)
    run = Path(first["run"])
    record = json.loads((run / "record.json").read_text())
    jobs = {result["name"]: result["provenance"]["candidate_job"] for result in record["results"]}
    state_path = next((night.folder / ".closet" / "nightly").glob("*.json"))
    # As a kill just before the end of that round would have left it, with another trace in the store at its beginning.
    changed = dict.fromkeys([*jobs.values()][:1], "0" * 64)
    state_path.write_text(json.dumps({"number": 1, "run": run.name, "traces": changed}))
    (after,) = rounds(night.closet("nightly", night.suite, "--batch", 2, "--rounds", 1, "--json")[1])
    assert (after["resumed"], after["round"]) == (True, 1)
    assert after["not_reproduced"] == [*jobs][:1]
    assert after["duration_s"] > first["duration_s"], "all its parts count"


@pytest.fixture
def buggy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is replayed provokes a bug of the harness, at once."""

    def broken(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("a bug")

    monkeypatch.setattr("harness.pipeline.Replays", broken)


@pytest.mark.usefixtures("buggy")
def test_a_round_that_cannot_be_asked_again_is_given_up(night: Desk) -> None:
    (entry,) = rounds(night.closet("nightly", night.suite, "--batch", 1, "--rounds", 1, "--json")[1])
    state_path = next((night.folder / ".closet" / "nightly").glob("*.json"))
    for spoil in (
        lambda run: change(run / "request.json", candidate=[{"replayer": "", "path": "/gone"}]),
        lambda run: change(run / "request.json", segments=["no/such/0"]),
        lambda run: (run / "request.json").write_text("{"),
        lambda run: (run / "record.json").write_text("{"),
    ):
        number, run = entry["round"], Path(entry["run"])
        state_path.write_text(json.dumps({"number": number, "run": run.name}))
        spoil(run)
        code, out, err = night.closet("nightly", night.suite, "--batch", 1, "--rounds", 1, "--json")
        assert f"round {number} ({run.name}) is given up: " in err
        (entry,) = rounds(out)
        assert (code, entry["round"], entry["resumed"]) == (ExitCode.HARNESS_BUG, number + 1, False)


@pytest.mark.usefixtures("buggy")
def test_a_round_that_finds_no_room_leaves_nothing_and_is_tried_again(
    night: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = iter([OSError(errno.ENOSPC, "No space left on device")])

    def write(path: Path, content: str) -> None:
        for error in full:
            raise error
        write_text(path, content)

    monkeypatch.setattr("harness.pipeline.write_text", write)
    monkeypatch.setattr("harness.pipeline.nightly._FIRST_PAUSE_S", 0.0)
    _, out, err = night.closet("nightly", night.suite, "--batch", 1, "--rounds", 1, "--json")
    assert "closet: this machine refused: No space left on device" in err
    (entry,) = rounds(out)
    assert list((night.folder / ".closet" / "runs").iterdir()) == [Path(entry["run"])]


@pytest.mark.usefixtures("buggy")
def test_what_provokes_a_bug_of_ours_comes_again_in_its_turn(night: Desk) -> None:
    told = []
    for _ in range(4):  # one at a time: between two rounds that broke off there is a pause
        code, out, _ = night.closet("nightly", night.suite, "--batch", 1, "--rounds", 1, "--json")
        assert code == ExitCode.HARNESS_BUG
        told += rounds(out)
    assert [entry["broke_off"] for entry in told] == [True] * 4
    seen = [picked["segment"] for entry in told for picked in entry["picked"]]
    assert (len(set(seen[:3])), seen[3]) == (3, seen[0])
    _, out, _ = night.closet("nightly", night.suite, "--batch", 1, "--rounds", 1)
    assert "all of it waits for its next turn" in out


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_what_devices_failed_is_due_once_more_and_only_once() -> None:
    gone, damaged = UnreachableError("no answer").describe(), DataError("truncated").describe()
    results = [
        JobResult(name, name, "driving_model", "mici", Verdict.ERROR if error else Verdict.PASS, error)
        for name, error in (("a", gone), ("b", damaged), ("c", None), ("d", gone))
    ]
    record = RunRecord("run", "night", "", (), {}, {}, (), {}, tuple(results))
    assert failed_by_devices(record, ()) == ("a", "d")
    assert failed_by_devices(record, ("a",)) == ("d",)


def test_room_is_made_and_mistakes_are_told_at_once(night: Desk) -> None:
    code, out, err = night.closet(
        "nightly", night.suite, "--rounds", 2, "--batch", 1, "--budget", "1kB", "--keep-runs", 1
    )
    assert code == ExitCode.NO_VERDICT, err
    assert "what is needed is more than the budget" in out.splitlines()[-1]
    assert len(list((night.folder / ".closet" / "runs").iterdir())) == 1, "the older run was let go"
    caches = list((night.folder / ".closet" / "emulated").glob("*/*/closet/blobs"))
    assert caches
    assert not any(list(cache.iterdir()) for cache in caches), "copies of what the store and the recordings have"
    assert night.closet("nightly", night.suite, "--budget", "much", "--rounds", 1)[0] == ExitCode.USAGE
    night.suite.write_text(night.suite.read_text() + "unknown: 1\n")
    code, _, err = night.closet("nightly", night.suite, "--rounds", 1)
    assert (code, "unknown" in err) == (ExitCode.USAGE, True)


def test_one_night_a_suite(night: Desk) -> None:
    with alone(night.folder / ".closet", night.suite):
        code, _, err = night.closet("nightly", night.suite, "--rounds", 1)
    assert (code, "another program replays this suite already" in err) == (ExitCode.USAGE, True)
