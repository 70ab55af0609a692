"""Pieces of Markdown, and the docstrings that stand beneath the members of a class in its source."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from enum import Enum

GENERATED = "<!-- Written by ci/docs --write from the code: what is changed here is lost. -->\n\n"


def member_docs(owner: type) -> dict[str, str]:
    """What is said beneath each member of a class, in one line each, those that it inherits included."""
    found: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        if base.__module__.startswith("harness."):
            found |= _own_docs(base)
    return found


def _own_docs(owner: type) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    found: dict[str, str] = {}
    if not isinstance(body, ast.ClassDef):
        return found
    for before, after in zip(body.body, body.body[1:], strict=False):
        if not isinstance(after, ast.Expr) or not isinstance(after.value, ast.Constant):
            continue
        targets = before.targets if isinstance(before, ast.Assign) else [getattr(before, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = " ".join(str(after.value.value).split())
    return found


def enum_rows(members: type[Enum]) -> list[tuple[str, str]]:
    """Each value of an enumeration and what it means."""
    docs = member_docs(members)
    return [(f"`{member.value}`", docs.get(member.name, "")) for member in members]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell(text) for text in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Text that stays in one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def first_line(owner: object) -> str:
    """The summary of a docstring."""
    return (inspect.getdoc(owner) or "").split("\n\n")[0].replace("\n", " ")
