"""Where runs live: one folder a run under the closet's home, with its request, record, traces and reports."""

from __future__ import annotations

import datetime
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.errors import ConfigError
from harness.files import write_text
from harness.verdict import RunRecord, parse_record, render_record

RECORD = "record.json"
REQUEST = "request.json"
JUNIT = "junit.xml"
SUMMARY = "summary.txt"
LOCK = "lock"


def closet_home(environment: Mapping[str, str] = os.environ) -> Path:
    """`$CLOSET_HOME`, by default `.closet` in the current folder."""
    return Path(environment.get("CLOSET_HOME") or ".closet").absolute()


def new_run_folder(home: Path, today: datetime.date) -> Path:
    """Make the next folder of the day, `runs/2026-11-21-001`; safe beside other runs starting now.

    Later than all that are there: where older ones were let go, a low number would pass for an older run.
    """
    runs = home / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    day = today.isoformat()
    taken = [tail for folder in runs.glob(f"{day}-*") if (tail := folder.name.removeprefix(f"{day}-")).isdecimal()]
    for number in range(max(map(int, taken), default=0) + 1, 1_000_000):
        folder = runs / f"{day}-{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise ConfigError("a million runs in one day", where=str(runs), remedy="remove old runs")


def run_order(folder: Path) -> str:
    """Sorts folders of runs, oldest first, also past the thousandth of a day."""
    return re.sub(r"[0-9]+", lambda number: number[0].zfill(9), folder.name)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """The only program at work on the run in `folder`, which is made; ConfigError when there is another."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise ConfigError(
            f"no run can be kept there: {error.strerror}", where=str(folder), remedy="name a folder that can be written"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                "another program is at work on this run", where=str(folder), remedy="wait for it, or end it"
            ) from error
        yield


def find_run(home: Path, text: str) -> Path:
    """The folder of a run named by path, by name (`2026-11-21-001`), or as `last`."""
    runs = home / "runs"
    if text == "last":
        folders = sorted((folder for folder in runs.glob("*") if (folder / RECORD).is_file()), key=run_order)
        if not folders:
            raise ConfigError("there is no run yet", where=str(runs), remedy="closet run SUITE makes one")
        return folders[-1]
    for folder in (Path(text).absolute(), runs / text):
        if (folder / RECORD).is_file():
            return folder
    raise ConfigError(f"no run {text}", where=str(runs), remedy="name a folder under runs/, or `last`")


def load_run(folder: Path) -> RunRecord:
    """The record of the run in `folder`; DataError when it is not one."""
    path = folder / RECORD
    return parse_record(path.read_bytes(), where=str(path))


def write_run(folder: Path, record: RunRecord) -> None:
    """Put the record into the run's folder, atomically."""
    write_text(folder / RECORD, render_record(record))
