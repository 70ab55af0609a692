"""Mutants take a while: only those not marked run with the other tests, all of them with `-m mutants` (ci/mutants)."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "mutants: one of the many mutants; run by ci/mutants")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "mutants" in config.getoption("markexpr"):
        return
    marked = [item for item in items if item.get_closest_marker("mutants")]
    if marked:
        config.hook.pytest_deselected(items=marked)
        items[:] = [item for item in items if not item.get_closest_marker("mutants")]
