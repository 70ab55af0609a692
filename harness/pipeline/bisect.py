"""From a list of versions to the first bad one: each asked by an ordinary run of a suite, held against the good one."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ClosetError, ConfigError, ExitCode
from harness.pipeline import execute_run, prepare
from harness.pipeline.confirmation import NOT_REPRODUCIBLE
from harness.pipeline.events import Observer
from harness.pipeline.request import ModelChoice, Request
from harness.pipeline.runs import alone_in, new_run_folder
from harness.pipeline.search import Search
from harness.pipeline.versions import Version
from harness.store import Store
from harness.verdict import RunRecord, gate

# Answers are taken as right until one is seen to be chance; then bad ones are thought to pass this often.
_TRUSTED = 1e-3
_CHANCE = 0.3
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One version that was tried. `is_bad` None: it could not be told, `problem` says why."""

    number: int
    version: str
    is_bad: bool | None
    folder: Path | None
    record: RunRecord | None
    problem: str
    left: int


@dataclass(frozen=True, slots=True)
class Bisection:
    """What came of it. `suspects` are several where what lies between could not be tried."""

    first_bad: int
    suspects: tuple[int, ...]
    belief: float
    steps: tuple[Step, ...]

    @property
    def evidence(self) -> Step | None:
        """The run that shows the first bad one to be bad."""
        return next((step for step in reversed(self.steps) if step.number == self.first_bad and step.is_bad), None)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each version: a suite, for one replayer or all, against the first one or what is approved."""

    request: Request
    replayer: str = ""
    approved: bool = False
    miss: float = _TRUSTED
    sure: float = 0.95


class Bisector:
    """Tries versions until one is sure which was the first bad one. `steps` yields each as it ends."""

    def __init__(
        self,
        question: Question,
        versions: Sequence[Version],
        store: Store,
        *,
        observed: Callable[[], AbstractContextManager[Observer]],
        stop: threading.Event,
    ) -> None:
        self._question, self._versions, self._store = question, versions, store
        self._observed, self._stop = observed, stop
        self._search = Search(
            len(versions), miss=max(question.miss, _TRUSTED), false_alarm=_TRUSTED, sure=question.sure
        )
        self._steps: list[Step] = []

    def steps(self) -> Iterator[Step]:
        """Try what tells most, again and again; at last the first bad one itself, if it was not tried yet.

        ConfigError when the last version is not bad after all.
        """
        while not self._stop.is_set() and (number := self._search.ask()) is not None:
            yield self._try(number)
        if self._stop.is_set():
            return
        last = len(self._versions) - 1
        if self._search.first_bad == last and not any(step.number == last for step in self._steps):
            step = self._try(last)
            yield step
            if step.is_bad is False:
                raise ConfigError(
                    f"{self._versions[last].name} passes: nothing turned bad",
                    where=str(step.folder),
                    remedy="see whether the suite shows what you look for, and --only the segments that do",
                )

    def result(self) -> Bisection:
        """What is known now."""
        return Bisection(self._search.first_bad, self._search.suspects, self._search.belief, tuple(self._steps))

    def _try(self, number: int) -> Step:
        version = self._versions[number]
        before = sum(step.number == number for step in self._steps)
        folder: Path | None = None
        record: RunRecord | None = None
        is_bad: bool | None = None
        problem = ""
        try:
            folder, record = self._run(version, fresh=before > 0)
        except ConfigError as error:
            problem = str(error)
        except ClosetError as error:
            if error.exit_code is ExitCode.HARNESS_BUG:
                raise
            problem = str(error)
        if record is not None and not self._stop.is_set():
            decided = gate(record)
            if decided.exit_code is ExitCode.HARNESS_BUG:
                raise ClosetError(decided.reason, where=str(folder), remedy="closet report RUN shows it")
            is_bad = {ExitCode.GATE_OPEN: False, ExitCode.REGRESSION: True}.get(decided.exit_code)
            problem = "" if is_bad is not None else decided.reason
            if any(result.error is not None and result.error.kind == NOT_REPRODUCIBLE for result in record.results):
                # It differs now and then: bad, but others like it may pass by chance.
                self._search.expect_misses(_CHANCE)
                is_bad, problem = True, "not each time"
        if is_bad is not None:
            self._search.answer(number, is_bad=is_bad)
        elif not self._stop.is_set() and before + 1 >= (_TRIES if record is not None else 1):
            self._search.skip(number)
        step = Step(number, version.name, is_bad, folder, record, problem, len(self._search.suspects))
        self._steps.append(step)
        return step

    def _run(self, version: Version, *, fresh: bool) -> tuple[Path, RunRecord]:
        question = self._question
        good = () if question.approved else (ModelChoice(question.replayer, self._versions[0].path().absolute()),)
        request = replace(
            question.request,
            candidate=(ModelChoice(question.replayer, version.path().absolute()),),
            baseline=good,
            fresh=fresh,
        )
        prepared = prepare(request, self._store)
        folder = new_run_folder(self._store.home, datetime.datetime.now(datetime.UTC).date())
        with alone_in(folder), self._observed() as observer:
            record = execute_run(request, prepared, self._store, folder=folder, observer=observer, stop=self._stop)
        return folder, record
