"""The process that a person's own metrics run in: numpy and the standard library, nothing of the harness.

Arguments: the file, the folder of arrays, how many traces there are. The answer goes to `answer.json` in that folder.
Exit codes: REFUSED when the file itself is wrong, FAILED_ON_TRACE when a function fails on a trace; the last line of
standard error says why.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REFUSED, FAILED_ON_TRACE = 1, 3
MEMORY_BYTES = 2 << 30
_FILE_BYTES = 16 << 20
_AGGREGATIONS: dict[str, Callable[[Any], Any]] = {
    "mean": np.mean,
    "rms": lambda values: np.sqrt(np.mean(values**2)),
    "max": np.max,
    "min": np.min,
    "sum": np.sum,
    "median": np.median,
}


class _Declared:
    """The functions that the file decorates, in its order."""

    def __init__(self) -> None:
        self.entries: list[tuple[dict[str, Any], Callable[..., Any], Callable[[Any], Any]]] = []

    def metric(
        self,
        *,
        unit: str,
        direction: str,
        aggregation: str,
        practical_size: float,
        words: str = "",
        name: str = "",
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare a function as a metric."""
        if aggregation not in _AGGREGATIONS:
            raise ValueError(f"there is no aggregation {aggregation!r}: use one of {', '.join(_AGGREGATIONS)}")

        def declare(function: Callable[..., Any]) -> Callable[..., Any]:
            entry = {
                "name": name or function.__name__,
                "unit": unit,
                "direction": direction,
                "practical_size": practical_size,
                "words": words or (function.__doc__ or "").strip().split("\n")[0],
            }
            self.entries.append((entry, function, _AGGREGATIONS[aggregation]))
            return function

        return declare


def main() -> None:
    """Run the file over all traces."""
    path, folder, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    _limit()
    code = REFUSED
    try:
        declared = _load(path)
        code = FAILED_ON_TRACE
        tables = [_table(declared, folder / str(number), path) for number in range(count)]
        answer = json.dumps({"metrics": [entry for entry, _, _ in declared.entries], "tables": tables})
        (folder / "answer.json").write_text(answer)
    except BaseException:  # noqa: BLE001 - whatever a stranger's code raises, it is told and ends here
        traceback.print_exc()
        sys.stderr.write(f"\n{_in_a_line(path)}\n")
        sys.stderr.flush()
        os._exit(code)
    os._exit(0)  # nothing a stranger left behind runs any more


def _load(path: Path) -> _Declared:
    declared = _Declared()
    offered: Any = types.ModuleType("closet")
    offered.metric = declared.metric
    sys.modules["closet"] = offered
    scope: dict[str, Any] = {"__name__": "user_metrics", "__file__": str(path), "np": np}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)  # noqa: S102 - what this process is for
    return declared


def _table(declared: _Declared, folder: Path, path: Path) -> list[list[list[float | None]]]:
    """Value and frames by metric and condition."""
    masks = np.load(folder / "masks.npy")
    sides = [_channels(folder / side) for side in ("trace", "truth")]
    table: list[list[list[float | None]]] = []
    for entry, function, aggregate in declared.entries:
        values = np.asarray(function(*(dict(side) for side in sides)), np.float64)
        if values.shape != (masks.shape[1],):
            raise ValueError(
                f"{entry['name']} in {path.name} returned an array of shape {values.shape} for {masks.shape[1]} frames"
            )
        row: list[list[float | None]] = []
        for mask in masks:
            counted = values[mask & np.isfinite(values)]
            number = float(aggregate(counted)) if len(counted) else float("nan")
            row.append([number if np.isfinite(number) else None, float(len(counted))])
        table.append(row)
    return table


def _channels(folder: Path) -> dict[str, Any]:
    index = json.loads((folder / "index.json").read_text())
    return {name: np.load(folder / file) for name, file in index.items()}


def _in_a_line(path: Path) -> str:
    """What went wrong and where in the file."""
    error = sys.exc_info()[1]
    trail = traceback.extract_tb(None if error is None else error.__traceback__)
    mine = [entry for entry in trail if entry.filename == str(path)]
    place = f" ({path.name} line {mine[-1].lineno}, in {mine[-1].name})" if mine else ""
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    place = f" ({path.name} line {line})" if line else place
    return f"raised {type(error).__name__}: {error}{place}".replace("\n", " ")


def _limit() -> None:
    """So much memory, no file larger than an answer may be, no core file."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
