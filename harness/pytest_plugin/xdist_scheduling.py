"""pytest-xdist: all checks of a trial go to one process. Loaded only where it is used."""

from __future__ import annotations

from typing import Any

import pytest

from harness.pytest_plugin.selection import scope_of


def trial_scheduling(config: pytest.Config, log: Any) -> Any:
    """Its scheduler by scope, with a trial for a scope."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 there only where pytest-xdist is

    class TrialScheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    return TrialScheduling(config, log)
