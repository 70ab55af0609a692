"""Changes of level over nights."""

from __future__ import annotations

import math
import random

import pytest

from harness.serve.changepoints import change_points
from harness.serve.charts import draw
from harness.shelf import Point


def noise(count: int, seed: int, level: float = 0.0) -> list[float]:
    dice = random.Random(seed)
    return [level + dice.gauss(0, 1) for _ in range(count)]


def test_a_step_is_found_where_it_is() -> None:
    for seed in range(10):
        (change,) = change_points([*noise(40, seed), *noise(25, seed + 100, 4.0)])
        assert abs(change.index - 40) <= 1
        assert change.before == pytest.approx(0, abs=0.6)
        assert change.after == pytest.approx(4, abs=0.8)


def test_what_only_jitters_has_none() -> None:
    found = sum(bool(change_points(noise(60, seed))) for seed in range(100))
    assert found <= 3


def test_units_do_not_matter() -> None:
    series = [*noise(30, 1), *noise(30, 2, 5.0)]
    small = change_points([1e-6 * value for value in series])
    assert [change.index for change in small] == [change.index for change in change_points(series)]


def test_edges() -> None:
    assert change_points([]) == ()
    assert change_points([1.0] * 7) == ()
    assert change_points([5.0] * 20) == ()
    assert [change.index for change in change_points([1.0] * 10 + [2.0] * 10)] == [10]
    with pytest.raises(ValueError, match="not finite"):
        change_points([1.0, math.nan])


def test_a_chart_says_what_it_shows() -> None:
    points = [Point(f"run-{n}", 86_400.0 * n, value, baseline=1.0) for n, value in enumerate([1.0] * 8 + [2.0] * 8)]
    chart = draw('error <"&', "m", [*points, Point("bad", 0.0, math.inf)], linked=True)
    assert chart.changes == (("run-8", "1970-01-09", "1", "2"),)
    assert 'aria-label="error &lt;&#34;&amp;: 16 runs, last 2 m; changed on 1970-01-09 from 1 to 2"' in chart.svg
    assert chart.svg.count("<circle") == 16
    assert '<a href="/runs/run-3" tabindex="-1" aria-label="run-3">' in chart.svg
    assert draw("none", "", []).svg == ""
    assert "<polyline" in draw("one", "", points[:1]).svg
