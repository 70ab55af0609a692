"""Every figure can be measured; what the values are is for `closet bench` on a quiet machine."""

from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner

from harness.bench import FIGURES, Better, Figure, Result, Workbench, choose, measure, render_table
from harness.cli.bench import bench
from harness.errors import ConfigError, DataError


def test_every_figure_is_measured(tiny_bench: Workbench, said: list[str]) -> None:
    results = list(measure(FIGURES, tiny_bench))
    assert [result.error for result in results] == [None] * len(FIGURES)
    for result in results:
        assert result.value is not None
        assert math.isfinite(result.value)
    # The one figure that is a difference may come out below zero on a busy machine.
    assert all(result.value > 0 for result in results if "above" not in result.figure.name)
    assert any("9.98 M parameters, 1.70 GFLOP" in line for line in said)


def _figure(name: str, better: Better = Better.LOWER, value: float = 1.0) -> Figure:
    return Figure(name, "s", 2.0, better, lambda _: value)


@pytest.mark.parametrize(
    ("better", "value", "ok"),
    [
        (Better.LOWER, 2.0, True),
        (Better.LOWER, 2.001, False),
        (Better.HIGHER, 2.0, True),
        (Better.HIGHER, 1.999, False),
        (Better.LOWER, math.nan, False),
        (Better.HIGHER, math.nan, False),
    ],
)
def test_a_goal_is_the_worst_that_is_good_enough(better: Better, value: float, ok: bool) -> None:
    assert Result(_figure("a", better), value).ok is ok


def test_names_of_figures_are_unique_and_one_line() -> None:
    names = [figure.name for figure in FIGURES]
    assert len(set(names)) == len(names)
    assert all(name == name.strip() and "\n" not in name for name in names)


def test_choosing_by_beginning_and_pattern() -> None:
    figures = [_figure("replay latency"), _figure("replay memory"), _figure("log index")]
    assert choose(figures, ()) == tuple(figures)
    assert [f.name for f in choose(figures, ["replay"])] == ["replay latency", "replay memory"]
    assert [f.name for f in choose(figures, ["*index", "replay m"])] == ["replay memory", "log index"]
    with pytest.raises(ConfigError, match="latenzy"):
        choose(figures, ["latenzy", "log"])


def test_one_figure_that_fails_leaves_the_others(tiny_bench: Workbench) -> None:
    def fails(_: Workbench) -> float:
        raise DataError("no such drive", where="there")

    figures = [Figure("first", "s", 1.0, Better.LOWER, fails), _figure("second")]
    first, second = measure(figures, tiny_bench)
    assert first.value is None
    assert not first.ok
    assert first.error is not None
    assert first.error.problem == "no such drive"
    assert first.as_json() == {"name": "first", "value": None, "unit": "s", "goal": 1.0, "ok": False}
    assert second.ok
    assert render_table([first, second]).splitlines() == [
        "figure  value  unit  goal  ok",
        "first       -  s      ≤ 1  NO",
        "second      1  s      ≤ 2  yes",
    ]


def test_the_command_prints_json_for_programs() -> None:
    result = CliRunner().invoke(bench, ["log", "--quick", "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert [set(row) for row in rows] == [{"name", "value", "unit", "goal", "ok"}] * 2
    assert all(row["ok"] is True or row["ok"] is False for row in rows)
    assert "bench: making a log" in result.stderr
