"""The page about metrics shows the metrics there are."""

from __future__ import annotations

from pathlib import Path

from harness.compare.metrics import CONDITIONS, METRICS
from harness.compare.metrics.table import render_conditions, render_metrics

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def between(text: str, mark: str) -> str:
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    return text[text.index(begin) + len(begin) : text.index(end)]


def test_the_page_shows_what_there_is():
    page = PAGE.read_text()
    remedy = "ci/docs --write puts what there is between the marks of docs/metrics.md"
    assert between(page, "metrics") == render_metrics(), remedy
    assert between(page, "conditions") == render_conditions(), remedy


def test_every_metric_and_condition_has_a_line():
    table, conditions = render_metrics(), render_conditions()
    for name, metric in METRICS.items():
        (line,) = [line for line in table.splitlines() if f"`{name}`" in line]
        assert metric.words in line
        assert line.startswith("| **") == metric.headline
    assert all(f"`{name}`" in conditions for name in CONDITIONS)
