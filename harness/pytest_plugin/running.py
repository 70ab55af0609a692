"""The runs of a session, in a thread beside the tests: each test waits for its own trial's result."""

from __future__ import annotations

import datetime
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from harness.errors import ClosetError, ErrorDescription
from harness.pipeline import execute_run
from harness.pipeline.events import Judged, RunEvent
from harness.pipeline.judgement import not_run
from harness.pipeline.prepare import Prepared
from harness.pipeline.request import Request
from harness.pipeline.runs import alone_in, new_run_folder
from harness.redaction import known_secrets, redact_error
from harness.store import Store
from harness.verdict import OUR_BUG, JobResult, RunRecord


class Results(Protocol):
    """What tests wait for, wherever the run is carried out."""

    def result(self, suite: Path, trial: str) -> JobResult:
        """The result of a trial, as soon as it is judged, or the run over."""

    def record(self, suite: Path) -> RunRecord | None:
        """The record of a suite's run once it is over; None where there is none."""


class Listener(Protocol):
    """Who is told what comes of the runs, for other processes to read."""

    def judged(self, suite: Path, result: JobResult) -> None:
        """A trial has its result."""

    def ended(self, suite: Path, record: RunRecord | None) -> None:
        """A run is over, and every trial has been told."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A suite's part in a session: what was asked for, narrowed to what is selected, and where the run is kept."""

    request: Request
    prepared: Prepared
    folder: Path

    @property
    def suite(self) -> Path:
        """The suite's file, by which the run is known."""
        return self.request.suite


def plan_run(request: Request, prepared: Prepared, home: Path) -> Planned:
    """Give a run its folder under `home`."""
    return Planned(request, prepared, new_run_folder(home, datetime.datetime.now(datetime.UTC).date()))


class Runs:
    """The runs of a session, one after the other in a thread. Implements `Results`."""

    def __init__(self, planned: Sequence[Planned], home: Path, *, listener: Listener | None = None) -> None:
        self._planned, self._home, self._listener = tuple(planned), home, listener
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._results: dict[tuple[Path, str], JobResult] = {}
        self._records: dict[Path, RunRecord | None] = {}
        # A daemon: a second Ctrl-C ends the program at once, as it does `closet run`.
        self._thread = threading.Thread(target=self._carry_out, name="closet", daemon=True)

    @property
    def planned(self) -> tuple[Planned, ...]:
        """The runs, in order."""
        return self._planned

    def start(self) -> None:
        """Begin with the first run."""
        self._thread.start()

    def stop(self) -> None:
        """End the remote jobs; what is not judged stays "not run"."""
        self._stop.set()

    def wait(self) -> None:
        """Until all runs are over and written down."""
        if self._thread.ident is not None:
            self._thread.join()

    def result(self, suite: Path, trial: str) -> JobResult:
        """The result of a trial, as soon as it is judged, or its run over."""
        with self._changed:
            self._changed.wait_for(lambda: (suite, trial) in self._results)
            return self._results[suite, trial]

    def record(self, suite: Path) -> RunRecord | None:
        """The record of a suite's run once it is over; None where it came to none."""
        with self._changed:
            self._changed.wait_for(lambda: suite in self._records)
            return self._records[suite]

    def _carry_out(self) -> None:
        for planned in self._planned:
            error: ErrorDescription | None = None
            record: RunRecord | None = None
            try:
                if not self._stop.is_set():
                    record = self._run(planned)
            except ClosetError as caught:
                error = redact_error(caught.describe(), known_secrets())
            except Exception:  # noqa: BLE001 whatever it was, every test that waits must be told
                error = redact_error(ErrorDescription(OUR_BUG, traceback.format_exc()), known_secrets())
            self._end(planned, record, error)

    def _run(self, planned: Planned) -> RunRecord:
        def observe(event: RunEvent) -> None:
            if isinstance(event, Judged):
                self._tell(planned.suite, event.result)

        with Store(self._home) as store, alone_in(planned.folder):
            return execute_run(
                planned.request,
                planned.prepared,
                store,
                folder=planned.folder,
                observer=observe,
                stop=self._stop,
            )

    def _end(self, planned: Planned, record: RunRecord | None, error: ErrorDescription | None) -> None:
        """Tell what was not told yet: that a trial was not run, or why none was."""
        last = {result.name: result for result in record.results} if record else {}
        for trial in planned.prepared.plan.trials:
            if (planned.suite, trial.name) not in self._results:
                result = last.get(trial.name) or not_run(trial)
                self._tell(planned.suite, result if error is None else replace(result, error=error))
        with self._changed:
            self._records[planned.suite] = record
            self._changed.notify_all()
        if self._listener is not None:
            self._listener.ended(planned.suite, record)

    def _tell(self, suite: Path, result: JobResult) -> None:
        with self._changed:
            self._results[suite, result.name] = result
            self._changed.notify_all()
        if self._listener is not None:
            self._listener.judged(suite, result)
