"""Series over time as SVG, drawn here: no script is needed to see them, and colours are the page's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from harness.serve.changepoints import Change, change_points
from harness.serve.words import day, number
from harness.shelf import Point

_WIDTH, _HEIGHT = 420, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 10, 8, 24


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn series and what there is to say of it. `changes` are (run, when, before, after)."""

    title: str
    unit: str
    svg: Markup
    last: str
    changes: tuple[tuple[str, str, str, str], ...]
    points: tuple[Point, ...]


def draw(title: str, unit: str, points: Sequence[Point], *, linked: bool = False) -> Chart:
    """A series, oldest first: its values, the baseline's where there is one, and the levels it had.

    `linked`: each value leads to its run.
    """
    points = tuple(point for point in points if math.isfinite(point.value))
    if not points:
        return Chart(title, unit, Markup(), "", (), ())
    changes = change_points([point.value for point in points])
    told = tuple(
        (points[change.index].slug, day(points[change.index].at_s), number(change.before), number(change.after))
        for change in changes
    )
    scale = _Scale(points)
    parts = [_axes(scale, points), *_levels(scale, points, changes), _line(scale, points, linked=linked)]
    words = f"{title}: {len(points)} runs, last {number(points[-1].value)} {unit}".strip()
    words += "".join(f"; changed on {when} from {before} to {after}" for _, when, before, after in told)
    svg = Markup('<svg class="chart" viewBox="0 0 {} {}" role="{}" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, "group" if linked else "img", words, Markup("").join(parts)
    )
    return Chart(title, unit, svg, number(points[-1].value), told, points)


class _Scale:
    """From a place in the series and a value to a place in the picture."""

    def __init__(self, points: Sequence[Point]) -> None:
        values = [point.value for point in points]
        values += [point.baseline for point in points if point.baseline is not None and math.isfinite(point.baseline)]
        low, high = min(values), max(values)
        room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
        self.low, self.high = low - room, high + room
        self._count = len(points)

    def x(self, index: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (index / (self._count - 1) if self._count > 1 else 0.5)

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.high - value) / (self.high - self.low)


def _axes(scale: _Scale, points: Sequence[Point]) -> Markup:
    lines = []
    for share in (0.1, 0.5, 0.9):
        value = scale.low + share * (scale.high - scale.low)
        y = f"{scale.y(value):.1f}"
        lines.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(_LEFT, _WIDTH - _RIGHT, y, y)
            + Markup('<text class="tick" x="{}" y="{}" text-anchor="end" dy="4">{}</text>').format(
                _LEFT - 6, y, number(value)
            )
        )
    ends = ((0, "start"), (len(points) - 1, "end")) if len(points) > 1 else ((0, "middle"),)
    for index, anchor in ends:
        lines.append(
            Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
                scale.x(index), _HEIGHT - 6, anchor, day(points[index].at_s)
            )
        )
    return Markup("").join(lines)


def _levels(scale: _Scale, points: Sequence[Point], changes: Sequence[Change]) -> list[Markup]:
    """A step at each change, and the baseline behind it all."""
    parts = []
    known = [(i, point.baseline) for i, point in enumerate(points) if point.baseline is not None]
    held = [(i, value) for i, value in known if math.isfinite(value)]
    if held:
        parts.append(Markup('<polyline class="baseline" points="{}"/>').format(_path(scale, held)))
    for number_, change in enumerate(changes):
        last = changes[number_ + 1].index if number_ + 1 < len(changes) else len(points)
        first = changes[number_ - 1].index if number_ else 0
        x = scale.x(change.index - 0.5)
        parts.append(
            Markup('<line class="change" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>').format(
                x, x, _TOP, _HEIGHT - _BOTTOM
            )
        )
        for begin, end, mean in ((first, change.index, change.before), (change.index, last, change.after)):
            y = f"{scale.y(mean):.1f}"
            parts.append(
                Markup('<line class="level" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>').format(
                    scale.x(begin), scale.x(end - 1), y, y
                )
            )
    return parts


def _line(scale: _Scale, points: Sequence[Point], *, linked: bool) -> Markup:
    line = Markup('<polyline class="series" points="{}"/>').format(
        _path(scale, [(i, point.value) for i, point in enumerate(points)])
    )
    dots = []
    for index, point in enumerate(points):
        if not linked and index < len(points) - 1:
            continue
        dot = Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>').format(
            scale.x(index), scale.y(point.value), 3, f"{point.slug}: {number(point.value)}"
        )
        # For the mouse; with the keyboard the table of values leads to the same runs.
        link = Markup('<a href="/runs/{}" tabindex="-1" aria-label="{}">{}</a>')
        dots.append(link.format(quote(point.slug, safe="~"), point.slug, dot) if linked else dot)
    return line + Markup("").join(dots)


def _path(scale: _Scale, values: Sequence[tuple[int, float]]) -> str:
    return " ".join(f"{scale.x(index):.1f},{scale.y(value):.1f}" for index, value in values)
