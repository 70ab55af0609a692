"""The metrics and conditions there are, as text for people: what `docs/metrics.md` shows."""

from __future__ import annotations

from harness.compare.metrics.conditions import CONDITIONS
from harness.compare.metrics.segment import METRICS
from harness.compare.metrics.values import Direction, Metric

_WAYS = {Direction.LOWER: "lower", Direction.HIGHER: "higher", Direction.NONE: "–"}


def render_metrics() -> str:
    """A Markdown table a family of metrics, in the order of reports."""
    parts = []
    for family in dict.fromkeys(metric.family for metric in METRICS.values()):
        members = [metric for metric in METRICS.values() if metric.family == family]
        lines = [f"### {family}", "", "| metric | unit | better | matters from | what it is |", "|---|---|---|---|---|"]
        lines += [_line(metric) for metric in members]
        sources = dict.fromkeys(metric.source for metric in members if metric.source)
        parts.append("\n".join(lines) + (f"\n\nSource: {'; '.join(sources)}." if sources else ""))
    return "\n\n".join(parts) + "\n"


def render_conditions() -> str:
    """A Markdown table of the conditions."""
    lines = ["| condition | frames |", "|---|---|", *(f"| `{name}` | {words} |" for name, words in CONDITIONS.items())]
    return "\n".join(lines) + "\n"


def _line(metric: Metric) -> str:
    name = f"**`{metric.name}`**" if metric.headline else f"`{metric.name}`"
    return f"| {name} | {metric.unit} | {_WAYS[metric.direction]} | {metric.practical_size:g} | {metric.words} |"
