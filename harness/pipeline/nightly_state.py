"""Where a night is: one small file for each suite, which only one program at a time may hold."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.errors import ConfigError
from harness.files import write_text


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
    """The only night of this suite in this closet; yields the file of its state."""
    folder = home / "nightly"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{suite.stem}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                "another program replays this suite already", where=str(suite), remedy="wait for it, or end it"
            ) from error
        yield folder / f"{suite.stem}.json"
