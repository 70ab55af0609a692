"""The table of ci/stats in short, and that a broken promise would show in it."""

from __future__ import annotations

import numpy as np
import pytest

from harness.intent import Answer
from tests.statistics import simulation
from tests.statistics.simulation import Design, Line, answers, coverage, false_alarms, false_equivalence, main


@pytest.mark.parametrize("design", simulation.DESIGNS[:3], ids=str)
def test_alarms_and_intervals_are_as_often_right_as_promised(design: Design):
    rng = np.random.default_rng(11)
    for line in (false_alarms(design, 1000, rng), coverage(design, 600, rng), false_equivalence(design, 600, rng)):
        assert line.kept, line


def test_ignoring_routes_breaks_the_promise():
    """Minutes of one drive taken for independent: the test that the table would turn red for."""
    clustered = simulation.differences(Design(60, 12, 0.8), 400, np.random.default_rng(1))
    p = simulation.sign_flip_p(simulation.sum_routes(simulation.pairs_of(Design(60, 60), clustered)).difference, 1)
    assert not Line("apart", int((p <= 0.05).sum()), 400, 0.05, 0.05).kept


def test_looking_every_night_invents_nothing():
    paid, plain = simulation.false_looks(Design(12, 6), 300, np.random.default_rng(2), looks=20)
    assert paid.kept
    assert plain.rate > 0.15


def test_power_is_what_was_said():
    assert simulation.power_at_smallest(Design(60, 12), 400, np.random.default_rng(3)).kept


def test_the_answers_follow_the_truth():
    rates = [answers(Design(24, 9), 60, np.random.default_rng(5), effect, 0.6) for effect in (-1.6, 0.0, 1.6)]
    assert rates[0][Answer.BETTER] > 0.8
    assert rates[2][Answer.WORSE] > 0.8
    assert rates[1].get(Answer.WORSE, 0) + rates[1].get(Answer.BETTER, 0) < 0.15


def test_a_line_is_kept_by_chance_alone():
    assert Line("x", 50, 1000, 0.05, 0.05).kept
    assert not Line("x", 90, 1000, 0.05, 0.05).kept
    assert not Line("x", 20, 1000, 0.05, 0.05).kept
    assert Line("x", 0, 1000, 0.0, 0.05).kept


def test_the_program_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulation, "promises", lambda *_: iter([Line("all is well", 5, 100, 0.05, 0.05)]))
    assert main(["--corpora", "20"]) == 0
    monkeypatch.setattr(simulation, "promises", lambda *_: iter([Line("not well", 60, 100, 0.05, 0.05)]))
    assert main(["--corpora", "20"]) == 1
    assert "not well" in capsys.readouterr().out
