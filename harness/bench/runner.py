"""Measures figures one after the other; one that cannot be measured does not keep the others from it."""

from __future__ import annotations

import fnmatch
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.bench.figure import Figure, Result
from harness.bench.workbench import Scale, Tell, Workbench
from harness.errors import ClosetError, ConfigError


def choose(figures: Sequence[Figure], names: Sequence[str]) -> tuple[Figure, ...]:
    """The figures that fit one of `names` (beginning of a name, or a pattern with * and ?); all without names."""
    chosen = tuple(f for f in figures if not names or any(fnmatch.fnmatchcase(f.name, f"{name}*") for name in names))
    lost = [name for name in names if not any(fnmatch.fnmatchcase(f.name, f"{name}*") for f in figures)]
    if lost:
        raise ConfigError(
            f"no figure is called {', '.join(lost)}",
            where="closet bench",
            remedy=f"one of: {'; '.join(figure.name for figure in figures)}",
        )
    return chosen


def measure(figures: Sequence[Figure], bench: Workbench) -> Iterator[Result]:
    """Each figure's result as soon as it is there."""
    for figure in figures:
        try:
            value = figure.measure(bench)
        except ClosetError as error:
            yield Result(figure, None, error.describe())
        else:
            yield Result(figure, value)


@contextmanager
def open_workbench(scale: Scale, keep: Path | None, tell: Tell) -> Iterator[Workbench]:
    """A bench in a temporary folder that goes when the block ends; segments and models stay in `keep`, if named."""
    with tempfile.TemporaryDirectory(prefix="closet-bench-") as name:
        folder = Path(name)
        yield Workbench(folder / "work", keep.absolute() if keep else folder / "made", scale, tell)


def render_table(results: Sequence[Result]) -> str:
    """One figure a line: name, value, unit, goal, ok."""
    rows = [("figure", "value", "unit", "goal", "ok")]
    for result in results:
        figure = result.figure
        sign = "≤" if figure.better == "lower" else "≥"
        value = "-" if result.value is None else f"{result.value:.3g}"
        rows.append((figure.name, value, figure.unit, f"{sign} {figure.goal:g}", "yes" if result.ok else "NO"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for name, value, unit, goal, ok in rows:
        lines.append(f"{name:<{widths[0]}}  {value:>{widths[1]}}  {unit:<{widths[2]}}  {goal:>{widths[3]}}  {ok}")
    return "\n".join(line.rstrip() for line in lines)
