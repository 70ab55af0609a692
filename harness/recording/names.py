"""Names of routes and segments as openpilot users type them, and selectors of segments of a route.

A route is `dongle|log_id`, with `/` or `_` for `|` as well. A log id is a date (`2023-07-27--13-01-19`) or, since 2024,
a counter and a random part (`0000010a--a51155e496`). A segment adds `--n` or `/n`; a selector adds a number or a slice
like Python's, and which log to read: `route/2:4/q`, `route/-1`, `route/5::2`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

from harness.domain import Route, SegmentId
from harness.errors import ConfigError

# Sixteen hexadecimal digits; the regenerated routes of openpilot's CI carry other letters there.
DONGLE = r"[0-9A-Za-z]{16}"
LOG_ID = r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}--[0-9]{2}-[0-9]{2}-[0-9]{2}|[0-9a-f]{8}--[0-9a-z]{10})"

_ROUTE = rf"(?P<dongle>{DONGLE})[|/_](?P<log_id>{LOG_ID})"
_ROUTE_ONLY = re.compile(_ROUTE)
_SEGMENT = re.compile(rf"{_ROUTE}(?:--|/)(?P<number>[0-9]+)")
_INTEGER = "-?[0-9]+"
_SLICE = rf"{_INTEGER}|(?:{_INTEGER})?:(?:{_INTEGER})?(?::(?:{_INTEGER})?)?"
_SELECTOR = re.compile(rf"{_ROUTE}(?:(?:--|/)(?P<slice>{_SLICE}))?(?:/(?P<mode>[rqa]))?")
_CONNECT = re.compile(rf"/(?P<route>{DONGLE}/{LOG_ID})(?:/(?P<start_s>[0-9]+)/(?P<end_s>[0-9]+))?/?")
_SEGMENT_S = 60

_EXAMPLES = "write dongle/log_id, as 5beb9b58bd12b691/0000010a--a51155e496 or a2a0ccea32023010|2023-07-27--13-01-19"


@dataclass(frozen=True, slots=True)
class Selector:
    """Segments of a route: one (`single`, its number in `start`) or a slice.

    `mode` says which log to read: r the rlog, q the qlog, a the rlog or else the qlog.
    """

    route: Route
    start: int | None = None
    stop: int | None = None
    step: int | None = None
    single: bool = False
    mode: str = "r"

    def __str__(self) -> str:
        if self.single:
            part = f"/{self.start}"
        elif (self.start, self.stop, self.step) == (None, None, None):
            part = ""
        else:
            ends = ["" if end is None else str(end) for end in (self.start, self.stop)]
            part = "/" + ":".join(ends) + ("" if self.step is None else f":{self.step}")
        return f"{self.route}{part}/{self.mode}"

    def numbers(self, available: Sequence[int]) -> list[int]:
        """The segment numbers it stands for, of those that are there.

        Negative numbers count from the last segment there is. A slice leaves out what is missing; a single segment
        that is missing is an error.
        """
        if not available:
            raise ConfigError(f"no segment of {self.route} is there", remedy="`closet routes ls` lists what is")
        there = set(available)
        last = max(there)
        if not self.single:
            return [number for number in range(last + 1)[self.start : self.stop : self.step] if number in there]
        wanted = self.start if self.start is not None else 0
        number = wanted + last + 1 if wanted < 0 else wanted
        if number not in there:
            raise ConfigError(
                f"segment {wanted} of {self.route} is not there", remedy=f"there is {_ranges(sorted(there))}"
            )
        return [number]


def parse_route(text: str) -> Route:
    """A route by its name; ConfigError with an example when it is not one."""
    match = _ROUTE_ONLY.fullmatch(text.strip())
    if not match:
        _refuse(text, "a route", _EXAMPLES)
    return Route(match["dongle"], match["log_id"])


def parse_segment(text: str) -> SegmentId:
    """A segment by its name: a route, then `--n` or `/n`."""
    match = _SEGMENT.fullmatch(text.strip())
    if not match:
        _refuse(text, "a segment", f"{_EXAMPLES}, then /n or --n")
    return SegmentId(Route(match["dongle"], match["log_id"]), int(match["number"]))


def parse_selector(text: str) -> Selector:
    """Segments by route, optional number or slice, optional r, q or a; or the address of a page of connect."""
    text = text.strip()
    if text.startswith(("http://", "https://")):
        return _parse_address(text)
    match = _SELECTOR.fullmatch(text)
    if not match:
        _refuse(text, "a route or some of its segments", f"{_EXAMPLES}, then for instance /4, /2:4/q, /-1 or /5::2")
    route = Route(match["dongle"], match["log_id"])
    mode = match["mode"] or "r"
    part = match["slice"]
    if part is None:
        return Selector(route, mode=mode)
    if ":" not in part:
        return Selector(route, start=int(part), single=True, mode=mode)
    start, stop, step = ([int(end) if end else None for end in part.split(":")] + [None])[:3]
    if step == 0:
        _refuse(text, "a selection of segments", "the step of a slice cannot be 0")
    return Selector(route, start, stop, step, mode=mode)


def _parse_address(text: str) -> Selector:
    """The address connect has for a route, perhaps with first and last second; useradmin has the route in `onebox`."""
    address = urlsplit(text)
    boxes = parse_qs(address.query).get("onebox")
    if boxes:
        return Selector(parse_route(boxes[0]))
    match = _CONNECT.fullmatch(address.path)
    if not match:
        _refuse(text, "the address of a route", f"copy it from connect, or {_EXAMPLES}")
    route = parse_route(match["route"])
    if match["start_s"] is None:
        return Selector(route)
    return Selector(route, int(match["start_s"]) // _SEGMENT_S, int(match["end_s"]) // _SEGMENT_S + 1)


def _refuse(text: str, wanted: str, remedy: str) -> NoReturn:
    raise ConfigError(f"{text!r} is not {wanted}", remedy=remedy)


def _ranges(numbers: Sequence[int]) -> str:
    """`0–4, 7` for 0, 1, 2, 3, 4, 7."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in runs)
