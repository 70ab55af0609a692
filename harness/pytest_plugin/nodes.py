"""What pytest collects of a suite: segments, replayers, kinds of device, and as its items checks and claims."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.domain import Trial
from harness.errors import ClosetError, NothingToRunError
from harness.intent import ClaimResult
from harness.pipeline.judgement import REPLAY_CHECK
from harness.pytest_plugin.items import CheckItem, ClaimItem, Place, SessionFacts
from harness.pytest_plugin.selection import CLAIMS
from harness.pytest_plugin.suites import LoadedSuite

# Marks that mean something to pytest itself: a check of that name is selected by -k, not by -m.
_PYTEST_MARKS = frozenset({"filterwarnings", "parametrize", "skip", "skipif", "usefixtures", "xfail", "timeout"})
_UNFIT_FOR_A_MARK = re.compile(r"[^A-Za-z0-9_.\-]+")


class SuiteFile(pytest.File):
    """A suite as a collector."""

    facts: SessionFacts

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Segments, then claims. Mistakes in the suite or the devices are a collection error."""
        try:
            suite = self.facts.suites.load(self.path)
        except NothingToRunError as error:
            self.facts.say(f"nothing to run: {error}")
            return
        except ClosetError as error:
            raise self.CollectError(str(error)) from error
        segments: dict[str, list[Trial]] = {}
        for trial in suite.prepared.plan.trials:
            segments.setdefault(str(trial.segment), []).append(trial)
        for segment, trials in segments.items():
            node = Group.from_parent(self, name=segment)
            node.fill(_by_replayer(node, trials, suite, self.facts))
            yield node
        if planned := suite.prepared.declared.planned:
            claims = Group.from_parent(self, name=CLAIMS)
            claims.fill(_claim_nodes(claims, planned, suite, self.facts))
            yield claims


class Group(pytest.Collector):
    """A level of a node id."""

    _children: Sequence[pytest.Item | pytest.Collector] = ()

    def fill(self, children: Iterable[pytest.Item | pytest.Collector]) -> None:
        """What it consists of."""
        self._children = tuple(children)

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """What it was filled with."""
        return self._children


def suite_file(parent: pytest.Collector, path: Path, facts: SessionFacts) -> SuiteFile:
    """The collector of a suite's file."""
    node = SuiteFile.from_parent(parent, path=path)
    node.facts = facts
    return node


def _by_replayer(
    parent: pytest.Collector, trials: Sequence[Trial], suite: LoadedSuite, facts: SessionFacts
) -> Iterator[Group]:
    for replayer in dict.fromkeys(trial.replayer for trial in trials):
        node = Group.from_parent(parent, name=replayer)
        node.fill(_by_kind(node, [trial for trial in trials if trial.replayer == replayer], suite, facts))
        yield node


def _by_kind(
    parent: pytest.Collector, trials: Sequence[Trial], suite: LoadedSuite, facts: SessionFacts
) -> Iterator[Group]:
    for trial in trials:
        node = Group.from_parent(parent, name=trial.device_kind.value)
        node.fill(_checks(node, trial, suite, facts))
        yield node


def _checks(parent: pytest.Collector, trial: Trial, suite: LoadedSuite, facts: SessionFacts) -> Iterator[CheckItem]:
    for check in (REPLAY_CHECK, *(check.name for check in suite.prepared.checks[trial.replayer])):
        item = CheckItem.from_parent(parent, name=check)
        item.facts, item.suite, item.place = facts, suite, Place(trial, check)
        kind = trial.device_kind.value
        mark(item, "closet", segment=str(trial.segment), replayer=trial.replayer, check=check, kind=kind)
        for name in (trial.replayer, kind, check, *suite.prepared.suite.tags):
            mark(item, name)
        yield item


def _claim_nodes(
    parent: pytest.Collector, planned: Sequence[ClaimResult], suite: LoadedSuite, facts: SessionFacts
) -> Iterator[Group]:
    for intent in dict.fromkeys(claim.intent for claim in planned):
        node = Group.from_parent(parent, name=intent)
        items = []
        for claim in planned:
            if claim.intent == intent:
                item = ClaimItem.from_parent(node, name=claim.name)
                item.facts, item.suite, item.claim = facts, suite, claim
                mark(item, CLAIMS)
                items.append(item)
        node.fill(items)
        yield node


def mark(item: pytest.Item, name: str, **facts: str) -> None:
    """Mark an item, and make the mark known, so that --strict-markers has nothing against it."""
    name = _UNFIT_FOR_A_MARK.sub("_", name).lstrip("_")
    if not name or name in _PYTEST_MARKS:
        return
    known = {line.partition(":")[0].partition("(")[0].strip() for line in item.config.getini("markers")}
    if name not in known:
        item.config.addinivalue_line("markers", f"{name}: of the closet's suites")
    item.add_marker(pytest.MarkDecorator(pytest.Mark(name, (), facts, _ispytest=True), _ispytest=True))
