"""closet why on the command line, after a run."""

from __future__ import annotations

import json

from harness.errors import ExitCode
from tests.cli.conftest import Desk


def test_why_a_run_failed(desk: Desk) -> None:
    desk.suite.write_text(desk.suite.read_text().replace("frames: 80", "frames: 60"))
    sides = ("--baseline", desk.model("release"), "--candidate", desk.model("longitudinal_lag"))
    code, out, err = desk.closet("run", desk.suite, *sides, "--no-confirm")
    assert code == ExitCode.REGRESSION, out + err
    assert "WHY" not in out, "a suite has to ask for it"
    code, out, _ = desk.closet("why", "last", "--most", 0)
    assert code == ExitCode.GATE_OPEN
    assert out.startswith("why 1 trial of driving_model moved, in 1 story\n  1  1 segment: ")
    assert "WHY" not in out
    segment = str(desk.demo.segments[0])
    code, out, err = desk.closet("why", "last", segment)
    assert code == ExitCode.GATE_OPEN, err
    assert "policy: with the baseline's features it still differs by 100 %" in out
    assert "the same again, bit by bit" in out
    code, reported, _ = desk.closet("report", "last")
    assert code == ExitCode.REGRESSION
    assert out.strip() in reported
    code, text, _ = desk.closet("why", "last", "--json")
    (told,) = json.loads(text)["explanations"]
    assert (told["segment"], told["cause"], [swap["left"] for swap in told["swaps"]]) == (segment, "policy", [0, 1, 0])
    code, _, err = desk.closet("why", "last", "no/such/segment")
    assert code == ExitCode.USAGE
    assert "no segment no/such/segment of driving_model" in err
    # Held against an approved trace: its features are here, its policy is not.
    assert desk.closet("bless", "last", "--reason", "the lag is wanted")[0] == ExitCode.GATE_OPEN
    code, out, err = desk.closet("run", desk.suite, "--candidate", desk.model("release"), "--no-confirm")
    assert code == ExitCode.REGRESSION, out + err
    code, text, _ = desk.closet("why", "last", "--json")
    (told,) = json.loads(text)["explanations"]
    assert (told["cause"], [swap["left"] for swap in told["swaps"]]) == ("policy", [0, 1])
    assert "the baseline is an approved trace" in told["note"]
