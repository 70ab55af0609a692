"""Where a night is: one small file for each suite, which only one program at a time may hold."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.errors import ClosetError, ConfigError
from harness.files import write_text
from harness.pipeline.request import load_request
from harness.pipeline.runs import REQUEST


@dataclass(frozen=True, slots=True)
class NightState:
    """The last round's number, and the run of it that has not ended, if any.

    `again` are segments that devices failed in the last round; each is due once more in the next. `repeated` are those
    for which the round that has not ended is that. `traces` are the digests that jobs of that round had in the store
    when it began: what it is held against, also after a cut.
    """

    number: int = 0
    run: str = ""
    again: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    traces: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """For the next start."""
        write_text(path, json.dumps(asdict(self)) + "\n")


def load_state(path: Path) -> NightState:
    """Where the night was; a file that is damaged means that it begins anew."""
    try:
        value = json.loads(path.read_text())
        return NightState(
            int(value["number"]),
            str(value["run"]),
            tuple(str(segment) for segment in value.get("again", ())),
            tuple(str(segment) for segment in value.get("repeated", ())),
            {str(job): str(digest) for job, digest in dict(value.get("traces", {})).items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return NightState()


@contextmanager
def alone(home: Path, suite: Path) -> Iterator[Path]:
    """The only night of this suite in this closet; yields the file of its state. ConfigError when there is another.

    `suite` is an absolute path, which tells it from suites of the same name in other folders.
    """
    folder = home / "nightly"
    folder.mkdir(parents=True, exist_ok=True)
    key = f"{suite.stem}-{hashlib.sha256(os.fsencode(os.path.normpath(suite))).hexdigest()[:12]}"
    with (folder / f"{key}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                "another program replays this suite already", where=str(suite), remedy="wait for it, or end it"
            ) from error
        path = folder / f"{key}.json"
        if not path.exists():
            _take_over(folder / f"{suite.stem}.json", path, home, suite)
        yield path


def _take_over(old: Path, path: Path, home: Path, suite: Path) -> None:
    """Go on with the state that was kept under the suite's bare name, if the run that it names is one of this suite.

    Where none is cut off nothing says whose it was: the rounds are counted anew then, and what devices failed in the
    last one waits for its turn.
    """
    state = load_state(old)
    if not state.run:
        return
    try:
        asked = load_request(home / "runs" / state.run / REQUEST)
    except ClosetError:
        return
    if asked.suite == suite:
        with suppress(FileNotFoundError):
            old.replace(path)
