"""How much every metric's difference varied from segment to segment in earlier runs: what makes a power known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from harness.compare.statistics.bootstrap import LEAST_ROUTES
from harness.compare.statistics.pairs import Pairs, sum_routes
from harness.compare.statistics.student import standard_error
from harness.errors import DataError
from harness.files import write_text

SPREADS_FILE = "spreads.json"


@dataclass(frozen=True, slots=True)
class Spread:
    """Of one metric under one condition: a standard deviation a segment, and the baseline's mean.

    The deviation is the one that independent segments would have for the mean to be as well known as it was; None where
    too few routes had a value to tell. `answered` is the share of a run's segments that had one.
    """

    deviation: float | None
    baseline: float
    answered: float
    segments: int
    routes: int
    run: str


_FILE = TypeAdapter(dict[str, Spread])


def spread_key(metric: str, condition: str) -> str:
    """What a spread is known by."""
    return f"{metric} · {condition}"


def load_spreads(home: Path) -> dict[str, Spread]:
    """What is known; nothing before the first run."""
    path = home / SPREADS_FILE
    if not path.exists():
        return {}
    try:
        return _FILE.validate_json(path.read_bytes())
    except ValidationError as error:
        problem = f"not the spreads of earlier runs: {error.errors()[0]['msg']}"
        raise DataError(problem, where=str(path), remedy="delete it: the next run makes it anew") from error


def find_spreads(pairs: Pairs, keys: list[str], run: str) -> dict[str, Spread]:
    """Spreads of every column that any segment answers."""
    sums = sum_routes(pairs)
    error, segments, routes = standard_error(sums.difference, sums.count), sums.segments, sums.route_count
    baseline = sums.mean(sums.baseline)
    known = (routes >= LEAST_ROUTES) & np.isfinite(error)
    return {
        keys[column]: Spread(
            float(error[column] * np.sqrt(segments[column])) if known[column] else None,
            float(baseline[column]),
            float(segments[column] / len(pairs.segments)),
            int(segments[column]),
            int(routes[column]),
            run,
        )
        for column in np.flatnonzero(segments > 0)
    }


def keep_spreads(home: Path, found: Mapping[str, Spread]) -> None:
    """Remember what this run showed, in place of what earlier ones did, but not less for more."""
    if found:
        before = load_spreads(home)
        kept = {key for key, spread in found.items() if spread.deviation is None and key in before}
        spreads = before | {key: spread for key, spread in found.items() if key not in kept}
        write_text(home / SPREADS_FILE, json.dumps(_FILE.dump_python(spreads, mode="json"), sort_keys=True) + "\n")
