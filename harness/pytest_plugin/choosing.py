"""What the items of a session ask of each suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.domain import Trial
from harness.pytest_plugin.items import CheckItem, ClaimItem
from harness.pytest_plugin.selection import Selection
from harness.pytest_plugin.suites import LoadedSuite

TRIAL = "closet_trial"
"""The fixture that a person's own tests are parametrised with."""


@dataclass(frozen=True, slots=True)
class TrialOfSuite:
    """What a person's own test is given by parametrisation."""

    suite: LoadedSuite
    trial: Trial


def suite_of(item: pytest.Item) -> LoadedSuite | None:
    if isinstance(item, CheckItem | ClaimItem):
        return item.suite
    given = _given(item)
    return given.suite if given else None


def _given(item: pytest.Item) -> TrialOfSuite | None:
    """The trial that a person's own test is parametrised with."""
    called = getattr(item, "callspec", None)
    given = called.params.get(TRIAL) if called is not None else None
    return given if isinstance(given, TrialOfSuite) else None


def select(items: Sequence[pytest.Item], suite: LoadedSuite) -> Selection:
    mine = [item for item in items if (found := suite_of(item)) is not None and found.path == suite.path]
    checks = [item for item in mine if isinstance(item, CheckItem)]
    own = {given.trial.name for item in mine if (given := _given(item)) is not None}
    return Selection(
        frozenset({item.trial.name for item in checks} | own),
        frozenset((item.trial.replayer, item.place.check) for item in checks),
        any(isinstance(item, ClaimItem) for item in mine),
    )


def suite_id(ids: Sequence[str], path: Path, config: pytest.Config) -> str:
    """The node id of a suite's file among those of its items."""
    return next((each.partition("::")[0] for each in ids if config.rootpath / each.partition("::")[0] == path), "")
