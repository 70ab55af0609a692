"""Results between the processes of pytest-xdist: the one that runs the pool posts them, the ones that test wait.

One process has the pool, so that nothing is replayed twice and there is one record, however many run the tests.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from pydantic import TypeAdapter

from harness.errors import ClosetError
from harness.files import write_bytes, write_text
from harness.verdict import JobResult, RunRecord, parse_record, render_record

_POLL_S = 0.05
_RESULT = TypeAdapter(JobResult)


class Board:
    """A folder that results are put into. Implements `Listener` for the one, `Results` for the others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, suite: Path, folder: Path) -> None:
        """Post where the run of a suite is kept."""
        write_text(self._folder_path(suite), str(folder))

    def folder(self, suite: Path) -> Path | None:
        """Where the run of a suite is kept; None where none was begun."""
        path = self._folder_path(suite)
        return Path(path.read_text()) if path.exists() else None

    def judged(self, suite: Path, result: JobResult) -> None:
        """Post the result of a trial."""
        write_bytes(self._result_path(suite, result.name), _RESULT.dump_json(result))

    def ended(self, suite: Path, record: RunRecord | None) -> None:
        """Post the record of a run; an empty one where there is none."""
        write_text(self._record_path(suite), render_record(record) if record else "")

    def result(self, suite: Path, trial: str) -> JobResult:
        """Wait for the result of a trial."""
        path = self._result_path(suite, trial)
        self._wait_for(path, self._record_path(suite))
        if not path.exists():
            raise ClosetError("the run ended without this trial", where=trial, remedy="start the session again")
        return _RESULT.validate_json(path.read_bytes())

    def record(self, suite: Path) -> RunRecord | None:
        """Wait for the record of a run."""
        path = self._record_path(suite)
        self._wait_for(path)
        text = path.read_text()
        return parse_record(text, where=str(path)) if text else None

    def _wait_for(self, *paths: Path) -> None:
        """Until one of them is there. pytest-xdist ends this process when the one that posts is gone."""
        while not any(path.exists() for path in paths):
            time.sleep(_POLL_S)

    def _result_path(self, suite: Path, trial: str) -> Path:
        return self._folder / f"{_digest(suite, trial)}.json"

    def _folder_path(self, suite: Path) -> Path:
        return self._folder / f"{_digest(suite)}.folder"

    def _record_path(self, suite: Path) -> Path:
        return self._folder / f"{_digest(suite)}.record.json"


def _digest(suite: Path, *parts: str) -> str:
    return hashlib.sha256("\n".join((str(suite), *parts)).encode()).hexdigest()
