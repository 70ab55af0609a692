"""A segment's metrics as tables: those that are told by horizon in one, the rest by family."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.page.values import Measurement

_BY_HORIZON = re.compile(r"(?P<name>.+)_(?P<ahead_s>\d+)s")


@dataclass(frozen=True, slots=True)
class MeasureCell:
    """One metric as text; `way` is better, worse, moved or same, `claim` what the run's claim about it says."""

    name: str
    words: str
    unit: str
    baseline: str
    candidate: str
    human: str
    way: str
    claim: str


@dataclass(frozen=True, slots=True)
class HorizonLine:
    """One quantity at every horizon; None where it is not measured there. `claims` say at which they are."""

    name: str
    words: str
    unit: str
    cells: tuple[MeasureCell | None, ...]
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HorizonTable:
    """Quantities by how many seconds ahead they are read."""

    ahead: tuple[int, ...]
    lines: tuple[HorizonLine, ...]


@dataclass(frozen=True, slots=True)
class MeasureFamily:
    """Metrics that belong together: those that have a horizon in their names as a table, the rest a row each."""

    name: str
    horizons: HorizonTable | None
    rows: tuple[MeasureCell, ...]
    count: int


def measure_families(rows: Sequence[Measurement]) -> tuple[MeasureFamily, ...]:
    """The metrics of a segment by family, in their order."""
    families = []
    for name in dict.fromkeys(row.family for row in rows):
        mine = [row for row in rows if row.family == name]
        plain = tuple(measure_cell(row) for row in mine if not _BY_HORIZON.fullmatch(row.name))
        families.append(MeasureFamily(name, _horizons(mine), plain, len(mine)))
    return tuple(families)


def _horizons(rows: Sequence[Measurement]) -> HorizonTable | None:
    """The metrics that have a horizon in their names; None where there is none."""
    found: dict[str, dict[int, Measurement]] = {}
    for row in rows:
        if match := _BY_HORIZON.fullmatch(row.name):
            found.setdefault(match["name"], {})[int(match["ahead_s"])] = row
    ahead = tuple(sorted({ahead_s for told in found.values() for ahead_s in told}))
    if not ahead:
        return None
    lines = []
    for name, told in found.items():
        first = next(iter(told.values()))
        words = re.sub(r"\b\d+ s\b", "… s", first.words)
        cells = tuple(measure_cell(told[ahead_s]) if ahead_s in told else None for ahead_s in ahead)
        claims = tuple(
            f"at {ahead_s} s {cell.claim}" for ahead_s, cell in zip(ahead, cells, strict=True) if cell and cell.claim
        )
        lines.append(HorizonLine(name, words, first.unit, cells, claims))
    return HorizonTable(ahead, tuple(lines))


def measure_cell(row: Measurement) -> MeasureCell:
    """One metric as text."""
    claim = f"{row.answer}: {row.interval}" if row.answer and row.interval else row.answer
    baseline, candidate, human = (number(value) for value in (row.baseline, row.candidate, row.human))
    return MeasureCell(row.name, row.words, row.unit, baseline, candidate, human, _way(row), claim)


def number(value: float) -> str:
    """Three digits that count; a dash for what is not known."""
    return "–" if math.isnan(value) else f"{value:.3g}"


def _way(row: Measurement) -> str:
    """Which way the candidate went, by more than matters in practice."""
    change = row.candidate - row.baseline
    if math.isnan(change) or abs(change) < row.size:
        return "same"
    if row.better == "none":
        return "moved"
    return "better" if (change < 0) is (row.better == "lower") else "worse"
