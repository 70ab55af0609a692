"""What a corpus covers: cars × devices × kinds of events, and the cars it has nothing of."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from harness.recording.corpus import Corpus
from harness.recording.corpus_columns import EVENT_TYPES

_CELL, _LEFT, _TOP, _GAP = 22, 330, 190, 8
_HUES = {"softDisable": 38, "immediateDisable": 4, "userDisable": 214}


@dataclass(frozen=True, slots=True)
class CarCoverage:
    """One car on one kind of device. `events` counts those that came while engaged, by (type, name)."""

    brand: str
    car: str
    device: str
    segments: int
    hours: float
    engaged_hours: float
    events: dict[tuple[str, str], int]

    def count(self, event_type: str) -> int:
        """How many events of a type."""
        return sum(count for (kind, _), count in self.events.items() if kind == event_type)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Cars there are, every kind of event (type, name) any of them has, and known cars without a segment."""

    rows: tuple[CarCoverage, ...]
    kinds: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


def measure_coverage(corpus: Corpus, known_cars: Sequence[str]) -> Coverage:
    """What is in the index, beside the cars there could be."""
    events: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
    for car, device, kind, name, count in corpus.event_counts():
        events.setdefault((car, device), {})[kind, name] = count
    rows = tuple(
        CarCoverage(brand, car, device, segments, seconds / 3600, engaged_s / 3600, events.get((car, device), {}))
        for brand, car, device, segments, seconds, engaged_s in corpus.totals()
    )
    kinds = {(kind, name) for row in rows for kind, name in row.events}
    there = {row.car for row in rows}
    return Coverage(
        rows,
        tuple(sorted(kinds, key=lambda kind: (EVENT_TYPES.index(kind[0]), kind[1]))),
        tuple(sorted(car for car in set(known_cars) if car not in there)),
    )


def render_coverage_table(coverage: Coverage) -> str:
    """A line a car and device, then how many known cars have nothing."""
    head = ("car", "device", "segments", "hours", "engaged h", "soft", "immediate", "user")
    lines = [head] + [
        (
            row.car or "unknown car",
            row.device or "unknown",
            str(row.segments),
            f"{row.hours:.2f}",
            f"{row.engaged_hours:.2f}",
            *(str(row.count(kind)) for kind in EVENT_TYPES),
        )
        for row in coverage.rows
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    text = []
    for line in lines:
        cells = zip(line, widths, strict=True)
        aligned = [cell.ljust(wide) if place < 2 else cell.rjust(wide) for place, (cell, wide) in enumerate(cells)]
        text.append("  ".join(aligned).rstrip())
    cars = len({row.car for row in coverage.rows})
    text.append(f"{cars} cars with routes; {len(coverage.missing)} known cars have none")
    return "\n".join(text) + "\n"


def render_coverage_svg(coverage: Coverage) -> str:
    """A picture: a row a car and device, a column a kind of event, darker where there are more of it."""
    width = _LEFT + max(len(coverage.kinds), 1) * _CELL + 120
    height = _TOP + max(len(coverage.rows), 1) * _CELL + 60
    most = max((count for row in coverage.rows for count in row.events.values()), default=1)
    font = 'font-family="sans-serif" font-size="12" fill="#222"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {font}>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        '<text x="12" y="26" font-size="17">What the corpus covers: events while engaged, by car and device</text>',
        *_legend(),
    ]
    for column, (kind, name) in enumerate(coverage.kinds):
        x, y = _LEFT + column * _CELL + _CELL * 0.65, _TOP - _GAP
        parts.append(
            f'<text transform="translate({x:.1f} {y}) rotate(-50)" fill="{_colour(kind, 0.9)}">{escape(name)}</text>'
        )
    for line, row in enumerate(coverage.rows):
        y = _TOP + line * _CELL
        label = f"{row.car or 'unknown car'} · {row.device or 'unknown'} · {row.segments}"
        parts.append(f'<text x="{_LEFT - _GAP}" y="{y + 15}" text-anchor="end">{escape(label)}</text>')
        for column, event in enumerate(coverage.kinds):
            parts += _cell(_LEFT + column * _CELL, y, event, row.events.get(event, 0), most)
    y = height - 22
    parts.append(
        f'<text x="12" y="{y}">{len(coverage.missing)} known cars have no route. '
        "Behind each car: its device and segments.</text></svg>"
    )
    return "\n".join(parts) + "\n"


def _legend() -> list[str]:
    return [
        f'<rect x="{12 + place * 150}" y="40" width="14" height="14" fill="{_colour(kind, 0.7)}"/>'
        f'<text x="{31 + place * 150}" y="52">{kind}</text>'
        for place, kind in enumerate(EVENT_TYPES)
    ]


def _cell(x: float, y: float, event: tuple[str, str], count: int, most: int) -> list[str]:
    kind, name = event
    place = f'x="{x}" y="{y}" width="{_CELL - 2}" height="{_CELL - 2}"'
    if not count:
        return [f'<rect {place} fill="#f2f2f2"/>']
    strength = 0.25 + 0.75 * count / most
    number = str(count) if count < 1000 else "1k+"
    middle = f'x="{x + (_CELL - 2) / 2}" y="{y + 14}" text-anchor="middle" font-size="10"'
    title = f"<title>{escape(kind)} {escape(name)}: {count}</title>"
    return [
        f'<rect {place} fill="{_colour(kind, strength)}">{title}</rect>',
        f'<text {middle} fill="{"#fff" if strength > 0.6 else "#222"}">{number}</text>',
    ]


def _colour(kind: str, strength: float) -> str:
    # As #rrggbb: viewers outside of browsers draw hsl() black.
    channels = colorsys.hls_to_rgb(_HUES[kind] / 360, (92 - 52 * strength) / 100, 0.7)
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)
