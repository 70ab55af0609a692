"""The items of a suite: a check of a trial, a claim of an intent. They wait in their setup, and end as is judged."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from _pytest._code.code import (
    ExceptionInfo,
    ReprEntryNative,
    ReprExceptionInfo,
    ReprFileLocation,
    ReprTraceback,
    TerminalRepr,
)

from harness.domain import Trial
from harness.errors import ClosetError
from harness.intent import ClaimResult
from harness.pipeline.intents import EVERY_METRIC
from harness.pytest_plugin.outcomes import Ending, Outcome, check_outcome, claim_outcome, is_not_run
from harness.pytest_plugin.running import Results
from harness.pytest_plugin.suites import LoadedSuite, Suites
from harness.report.trials import devices_of, every_attempt
from harness.verdict import JobResult


class SessionFacts(Protocol):
    """What nodes need of their session."""

    suites: Suites
    results: Results | None

    def say(self, words: str) -> None:
        """Tell a person at the end of the session."""

    def folder_of(self, suite: Path) -> str:
        """Where the run of a suite is kept, as a person would type it; empty where that is not known."""

    def unselected_trials(self, suite: Path) -> tuple[int, int]:
        """How many trials of a suite are not selected, and how many it has."""


class RegressionError(Exception):
    """A check closes the gate."""

    def __init__(self, outcome: Outcome, ways: str = "") -> None:
        super().__init__(outcome.line)
        self.text = "\n".join(part for part in (outcome.text, ways) if part)


class NoVerdictError(RegressionError):
    """Nothing could be judged."""


class ClosetItem(pytest.Item):
    """What checks and claims have in common: they wait in their setup, and end as an outcome says."""

    facts: SessionFacts
    suite: LoadedSuite
    outcome: Outcome | None = None
    replay_s: float = 0.0

    def setup(self) -> None:
        """Wait for what is judged. Where nothing could be, that is an error, not a failure."""
        self.outcome = self._wait()
        if self.outcome.ending is Ending.ERROR:
            raise NoVerdictError(self.outcome, self._ways())

    def runtest(self) -> None:
        """End as the outcome says."""
        outcome = self.outcome or self._wait()
        if outcome.ending is Ending.FAILED:
            raise RegressionError(outcome, self._ways())
        if outcome.ending is Ending.SKIPPED:
            raise pytest.skip.Exception(outcome.line, _use_item_location=True)

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """What was found, in the reader's terms; a traceback only for what is a bug."""
        error = excinfo.value
        if not isinstance(error, RegressionError | ClosetError):
            return super().repr_failure(excinfo, style)
        text = error.text if isinstance(error, RegressionError) else str(error)
        place = ReprFileLocation(self.nodeid.partition("::")[0], 1, str(error).split("\n", 1)[0])
        entry = ReprEntryNative([f"{line}\n" for line in text.split("\n")])
        return ReprExceptionInfo(ReprTraceback([entry], None, "native"), place)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The suite's file, and the item's own part of its node id."""
        return self.path, 0, self.nodeid.partition("::")[2]

    def _wait(self) -> Outcome:
        raise NotImplementedError

    def _ways(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Place:
    """What a check item stands for."""

    trial: Trial
    check: str


class CheckItem(ClosetItem):
    """One check of one trial. `leads`: it is the first of its trial that is selected, and has the replay's time."""

    place: Place
    leads: bool = False

    @property
    def trial(self) -> Trial:
        """The trial whose traces are compared."""
        return self.place.trial

    def _wait(self) -> Outcome:
        if self.facts.results is None:
            raise ClosetError("no run was started for it", where=self.nodeid)
        result = self.facts.results.result(self.suite.path, self.trial.name)
        self._note(result)
        if is_not_run(result):
            self.session.shouldstop = "the closet's run was stopped"
        return check_outcome(result, self.place.check)

    def _note(self, result: JobResult) -> None:
        """What JUnit and a failure's sections say beside the outcome."""
        self.replay_s = sum(max(entry.ended_s - entry.started_s, 0.0) for entry in every_attempt(result))
        self.user_properties += [
            ("segment", result.segment),
            ("replayer", result.replayer),
            ("device_kind", result.device_kind),
            ("verdict", result.verdict.value),
            ("devices", devices_of(result)),
            ("candidate_trace", result.candidate_trace),
            ("baseline_trace", result.baseline_trace),
        ]
        for attempt in every_attempt(result) if self.leads else ():
            if attempt.error is not None and attempt.log_tail:
                self.add_report_section("setup", f"log of {attempt.device}, epoch {attempt.epoch}", attempt.log_tail)

    def _ways(self) -> str:
        """How to look at it, and how to replay just this minute."""
        segment = shlex.quote(str(self.trial.segment))
        folder = shlex.quote(self.facts.folder_of(self.suite.path) or "last")
        again = shlex.join([*self.suite.request.command, "--only", str(self.trial.segment)])
        return f"  look   closet diff {folder} {segment}\n  again  {again}"


class ClaimItem(ClosetItem):
    """What an intent declares of one metric or budget; judged when all trials of the suite are."""

    claim: ClaimResult

    def _wait(self) -> Outcome:
        away, total = self.facts.unselected_trials(self.suite.path)
        if away:
            words = f"cannot be judged: {away} of {total} trials of the suite are not selected"
            return Outcome(Ending.ERROR, f"no verdict: {words}", f"{self.claim.name}: {words}")
        record = self.facts.results.record(self.suite.path) if self.facts.results else None
        found = record.claims if record else ()
        own = [claim for claim in found if claim.intent == self.claim.intent]
        if self.claim.name == EVERY_METRIC:
            planned = {claim.name for claim in self.suite.prepared.declared.planned} - {EVERY_METRIC}
            return claim_outcome(record, [claim for claim in own if claim.name not in planned])
        return claim_outcome(record, [claim for claim in own if claim.name == self.claim.name])

    def _ways(self) -> str:
        return f"  again  closet claims {shlex.quote(self.facts.folder_of(self.suite.path) or 'last')}"
