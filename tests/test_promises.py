"""docs/security.md names a test for each promise: those tests are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "security.md").read_text()


def test_every_promise_names_tests_that_exist() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("|---", "| promise"))]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`([\w/]*\.py)?(?:::(\w+))?`", row.split("|")[2])
        assert named, f"no test behind: {row}"
        path = ""
        for file, function in named:
            path = file or path
            tree = ast.parse((TESTS / path).read_text())
            names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert not function or function in names, f"{path} has no {function}"
