"""What earlier runs saw of one question, kept so that looking again each morning is paid for.

A question is an intent's claim about one candidate and one baseline: other software is another question, and begins
anew. Each run adds the routes that no run had before it; a run that is gone on with replaces its own look.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from harness.compare.statistics import Look
from harness.domain import json_digest
from harness.errors import DataError
from harness.files import write_text

_FORMAT = 1
_FOLDER = "looks"


@dataclass(frozen=True, slots=True)
class RunLook:
    """What one run added to one claim: by route its sums of difference and baseline, and how many segments."""

    run: str
    routes: dict[str, tuple[float, float, int]]


@dataclass(frozen=True, slots=True)
class _File:
    format: int
    facts: dict[str, str]
    claims: dict[str, tuple[RunLook, ...]]


_FILE = TypeAdapter(_File)


@contextmanager
def open_looks(home: Path, facts: Mapping[str, str]) -> Iterator[Looks]:
    """The looks at what `facts` name, alone in them; written back when the block ends well."""
    folder = home / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{json_digest(dict(facts))[:32]}.json"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        looks = Looks(_load(path))
        yield looks
        content = _File(_FORMAT, dict(facts), looks.claims)
        write_text(path, json.dumps(_FILE.dump_python(content, mode="json"), sort_keys=True, allow_nan=False) + "\n")


class Looks:
    """By claim, one look a run, in the order they were made."""

    def __init__(self, claims: dict[str, tuple[RunLook, ...]]) -> None:
        self.claims = claims

    def add(self, claim: str, run: str, routes: Mapping[str, tuple[float, float, int]]) -> tuple[Look, ...]:
        """This run's look at a claim: the routes that are new. All looks so far, this one last."""
        before = tuple(look for look in self.claims.get(claim, ()) if look.run != run)
        seen = {route for look in before for route in look.routes}
        new = RunLook(run, {route: sums for route, sums in sorted(routes.items()) if route not in seen})
        self.claims[claim] = (*before, new)
        return tuple(_look(each) for each in self.claims[claim])


def _look(look: RunLook) -> Look:
    sums = np.array(list(look.routes.values()), np.float64).reshape(-1, 3)
    return Look(sums[:, 0], sums[:, 1], sums[:, 2])


def _load(path: Path) -> dict[str, tuple[RunLook, ...]]:
    if not path.exists():
        return {}
    remedy = "delete it: the looks of earlier runs are forgotten then"
    try:
        file = _FILE.validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(
            f"not the looks of earlier runs: {error.errors()[0]['msg']}", where=str(path), remedy=remedy
        ) from error
    if file.format != _FORMAT:
        raise DataError(f"looks of format {file.format}, this program reads {_FORMAT}", where=str(path), remedy=remedy)
    return dict(file.claims)
