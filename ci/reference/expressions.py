"""What an expression over the index of recordings can name, from the index's own columns."""

from __future__ import annotations

from ci.reference.text import GENERATED, table
from harness.recording.corpus_columns import COLUMNS, ColumnType

_TYPES = {
    ColumnType.TEXT: "text",
    ColumnType.NUMBER: "number",
    ColumnType.COUNT: "whole number",
    ColumnType.FLAG: "true or false",
}


def render() -> str:
    """The page."""
    rows = [(f"`{column.name}`", _TYPES[column.type], column.words) for column in COLUMNS]
    rows.append(("`event`", "text", "name of any disabling event; with `=`, `!=`, `in` and `like` alone"))
    return (
        f"{GENERATED}# Expressions over the index\n\n"
        "`closet routes index` reads recordings once; `closet routes find EXPRESSION`, and `where:` in\n"
        "[a suite](suite.md#an-entry-of-routes), pick segments by what is in them.\n\n"
        "Comparisons are `=`, `!=`, `<`, `<=`, `>`, `>=`, `in (…)`, `like` (with `%` and `_`) and `is [not] unknown`,\n"
        "joined by `and`, `or`, `not` and brackets. Text stands in quotes:\n"
        '`soft_disables > 0 and brand = "toyota"`.\n\n'
        f"{table(['name', 'type', 'meaning'], rows)}"
    )
