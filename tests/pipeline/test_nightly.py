"""The loop of the night: what ends it, what it waits for, and when it makes room. Rounds are stood in for."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.pipeline import nightly
from harness.pipeline.garbage import Garbage, Keep
from harness.pipeline.nightly import keep_replaying
from harness.pipeline.nightly_round import Round
from harness.pipeline.nightly_state import NightState, alone, load_state
from harness.pipeline.request import Request, render_request
from harness.store import Store
from harness.verdict import RunRecord

ROOT = Path(__file__).parents[2]
RECORD = RunRecord("run", "night", "", (), {}, {}, (), {}, ())


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[Round], list[str]]]:
    """Rounds that go as told: an error is raised, None is a round that ends. Returns those, and all that happened."""

    def play(*goes: Exception | None) -> tuple[list[Round], list[str]]:
        happened: list[str] = []
        left = list(goes)

        def one_round(*_: object) -> Round:
            happened.append("round")
            error = left.pop(0)
            if error is not None:
                raise error
            return Round(1, tmp_path, RECORD, (), False, (), None)

        def collect(*_: object) -> Garbage:
            happened.append("room")
            return Garbage(0, 0, 0, 0, 0)

        monkeypatch.setattr(nightly, "_FIRST_PAUSE_S", 0.0)
        monkeypatch.setattr(nightly, "one_round", one_round)
        monkeypatch.setattr(nightly, "collect_garbage", collect)
        ended = keep_replaying(
            Request(tmp_path / "nightly.yaml"),
            Store(tmp_path, depot=""),
            batch=1,
            rounds=sum(go is None for go in goes),
            keep=Keep(1),
            observed=lambda: nullcontext(lambda _: None),
            say=happened.append,
            stop=threading.Event(),
        )
        return list(ended), happened

    return play


def test_a_full_disk_is_told_and_room_is_made_before_every_try(night):
    full = OSError(errno.ENOSPC, "No space left on device", "runs/1")
    ended, happened = night(full, None, full, None)
    assert len(ended) == 2
    told = (
        "runs/1: this machine refused: No space left on device (make room there, or mend the permissions)\n"
        "tried again in 0 s"
    )
    assert happened == ["room", "round", told, "room", "round", "room", "round", told, "room", "round"]


def test_mistakes_end_it_on_the_first_round_only(night):
    mistake = ConfigError("no such model")
    with pytest.raises(ConfigError):
        night(mistake, None)
    ended, happened = night(None, mistake, None)
    assert len(ended) == 2
    assert "no such model\ntried again in 0 s" in happened


def test_a_bug_ends_it_whenever_it_comes(night):
    with pytest.raises(OSError, match="Bad file descriptor"):
        night(None, OSError(errno.EBADF, "Bad file descriptor"), None)


def test_suites_of_one_name_in_two_folders_have_nights_of_their_own(tmp_path):
    with (
        alone(tmp_path, tmp_path / "a" / "nightly.yaml") as one,
        alone(tmp_path, tmp_path / "b" / "nightly.yaml") as other,
    ):
        NightState(3, "2026-11-21-001").write(one)
        assert load_state(other) == NightState()
    with (
        alone(tmp_path, tmp_path / "a" / "nightly.yaml") as again,
        pytest.raises(ConfigError, match="another program replays this suite"),
        alone(tmp_path, tmp_path / "c" / ".." / "a" / "nightly.yaml"),
    ):
        pass
    assert load_state(again) == NightState(3, "2026-11-21-001")


def test_a_state_under_the_bare_name_goes_to_the_suite_of_its_run_and_once(tmp_path):
    suite, other = tmp_path / "a" / "nightly.yaml", tmp_path / "b" / "nightly.yaml"
    old = tmp_path / "nightly" / "nightly.json"
    state = NightState(7, "2026-11-21-001", repeated=("d/l/0",), traces={"job": "0" * 64})
    run = tmp_path / "runs" / state.run
    run.mkdir(parents=True)
    (run / "request.json").write_text(render_request(Request(suite)))
    state.write(old)
    with alone(tmp_path, other) as path:
        assert load_state(path) == NightState()
    with alone(tmp_path, suite) as path:
        assert load_state(path) == state
        assert not old.exists()
    NightState(8).write(old)
    with alone(tmp_path, other) as path:
        assert load_state(path) == NightState(), "nothing says whose it is"


def test_the_service_is_started_again_whatever_it_ended_with():
    unit = (ROOT / "ci" / "closet-nightly.service").read_text().splitlines()
    assert {"Restart=always", "StartLimitIntervalSec=0", "RestartSec=60"} <= set(unit)
    assert not any(line.startswith("RestartPreventExitStatus") for line in unit)
    assert unit.index("[Unit]") < unit.index("StartLimitIntervalSec=0") < unit.index("[Service]")
