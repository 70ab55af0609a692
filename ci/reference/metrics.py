"""The tables between the marks of docs/metrics.md: metrics and conditions as the code has them."""

from __future__ import annotations

from harness.compare.metrics.table import render_conditions, render_metrics

TABLES = {"metrics": render_metrics, "conditions": render_conditions}


def with_tables(page: str) -> str:
    """The page with its tables as they are now; what stands around them is written by people."""
    for mark, render in TABLES.items():
        begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
        before, after = page[: page.index(begin)], page[page.index(end) :]
        page = f"{before}{begin}{render()}{after}"
    return page
