"""A real minute of a Toyota driven with openpilot in 2018, through today's kernel."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.recording.comma2k19 import comma2k19_log, find_comma2k19, load_comma2k19
from harness.recording.log_writer import write_log
from harness.trace import load_trace

STEERING = "0:0x2E4"


@pytest.fixture(scope="module")
def real_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shared = Path(os.environ.get("CLOSET_SHARED_DATA") or Path(__file__).parents[4] / "shared" / "data")
    if not shared.is_dir():
        pytest.skip(f"no shared data at {shared}: set CLOSET_SHARED_DATA")
    path = tmp_path_factory.mktemp("real") / "rlog.zst"
    write_log(path, comma2k19_log(load_comma2k19(find_comma2k19(shared / "comma2k19")[0])).events)
    return path


@pytest.mark.parametrize("sent", ["sendcan", "echoes"])
def test_figures(real_log: Path, installed_kernel: Path, replay: Callable[..., Any], sent: str) -> None:
    options = {"safety_model": 2, "safety_param": 73 + 256, "sent": sent}
    code, result, out = replay(real_log, {"a": {"kernel.yaml": installed_kernel}}, options)
    assert code == 0
    measured = result["a"]["measurements"]
    assert measured["frames_can"] == 135_468
    assert round(measured["controls_allowed_share"], 3) in {0.849, 0.85}
    assert measured["rx_invalid"] == 0
    notes = json.loads((out / "a.notes.json").read_bytes())
    steering = notes["sent"][STEERING]
    assert (steering["sent"], steering["refused"], steering["refused_while_allowed"]) == (6000, 291, 291)
    assert measured["blocked_limit"] == len(notes["refused_by_limits"]) == 291
    assert notes["refused_by_limits"][0]["message"] == STEERING
    assert notes["refused_by_limits"][0]["bytes"] == "d1ffe2009d"
    # What openpilot of 2018 said in the place of a radar and a driving support unit.
    unlisted = {sender for sender, entry in notes["sent"].items() if set(entry["reasons"]) == {"notListed"}}
    assert {"1:0x343", "1:0x240", "1:0x383", "0:0x367", "0:0x489"} <= unlisted
    assert measured["blocked_not_listed"] == sum(notes["sent"][sender]["refused"] for sender in unlisted) == 17_970
    trace = load_trace(out / "a.trace")
    assert not trace.channels["tickInvalid"].values.any()
    assert not trace.channels["relayMalfunction"].values.any()
    assert trace.channels[f"blocked.{STEERING}"].values.sum() == 291
    assert [check["seen"] for check in notes["rx_checks"]] == [True] * 4


def test_the_291_are_two_episodes_that_begin_with_two_commands_swapped(
    real_log: Path, installed_kernel: Path, replay: Callable[..., Any]
) -> None:
    """The rate limit alone begins both; what follows is refused because the kernel then counts from zero."""
    _, _, out = replay(real_log, {"a": {"kernel.yaml": installed_kernel}})
    notes = json.loads((out / "a.notes.json").read_bytes())
    assert notes["limits"] == {"torqueRateUp": 291, "realtimeRate": 28}
    assert notes["unexplained_commands"] == 0
    told = [
        (episode["refused"], episode["cause"], episode["command"]["desired"], episode["command"]["last"])
        for episode in notes["episodes"]
    ]
    assert told == [(125, ["torqueRateUp"], -30, -10), (166, ["torqueRateUp"], -84, -64)]
    assert all(episode["swapped_in_log"] for episode in notes["episodes"])
    assert [(round(e["first_s"], 1), round(e["last_s"], 1)) for e in notes["episodes"]] == [(9.0, 10.3), (19.3, 21.0)]


def test_in_the_order_of_their_counters_none_is_refused(
    real_log: Path, tmp_path: Path, installed_kernel: Path, replay: Callable[..., Any]
) -> None:
    """The command's own counter says which of the two came first: the proof that the log has them the wrong way."""
    from harness.recording.can_frames import read_can  # noqa: PLC0415
    from harness.recording.log import load_log  # noqa: PLC0415

    log = load_log(real_log)
    content = np.frombuffer(bytearray(log.content), np.uint8).copy()
    table = read_can(log, "sendcan")
    mine = np.flatnonzero((table.address == 0x2E4) & (table.source == 0))
    places = table.start[mine][:, None] + np.arange(5)
    commands = content[places]
    counters = commands[:, 0] >> 1 & 63
    swapped = np.flatnonzero((np.diff(counters.astype(int)) % 64) == 63)
    assert len(swapped) == 4
    content[places[swapped]], content[places[swapped + 1]] = commands[swapped + 1], commands[swapped]
    (tmp_path / "rlog").write_bytes(content.tobytes())
    code, result, _ = replay(tmp_path / "rlog", {"a": {"kernel.yaml": installed_kernel}})
    assert code == 0
    assert result["a"]["measurements"]["blocked_limit"] == 0


def test_without_the_brake_flag_controls_stay_off(
    real_log: Path, installed_kernel: Path, replay: Callable[..., Any]
) -> None:
    _, result, out = replay(real_log, {"a": {"kernel.yaml": installed_kernel}}, {"safety_param": 73})
    assert result["a"]["measurements"]["controls_allowed_share"] == 0
    notes = json.loads((out / "a.notes.json").read_bytes())
    assert [check["address"] for check in notes["rx_checks"] if not check["seen"]] == ["0x226"]
