"""Traces of engagement at 100 Hz, made from what happened when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.domain import ENGAGEMENT_STATES, EVENT_TYPES
from harness.trace import Channel, Exactness, Trace

ROWS = 6000
STEP_NS = 10_000_000
FIRST_NS = 10**12
SOFT_ROWS = 300

Spans = Sequence[tuple[float, float]]


def mask(*types: str) -> int:
    return sum(1 << EVENT_TYPES.index(kind) for kind in types)


def row(seconds: float) -> int:
    return round(seconds * 100)


def made(
    events: Mapping[tuple[str, str], Spans] | None = None,
    *,
    states: Sequence[tuple[float, str]] = ((0.0, "enabled"),),
    flags: Mapping[str, Spans] | None = None,
    rows: int = ROWS,
    speed_mps: float | None = 20.0,
    extra: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
    keep: Any = slice(None),
) -> Trace:
    """`events` by (type, name) and `flags` by channel, as spans in seconds; `states` by the second they begin."""
    channels: dict[str, np.ndarray[Any, Any]] = {}
    for (kind, name), spans in (events or {}).items():
        values = channels.setdefault(f"events.{name}", np.zeros(rows, np.uint16))
        for begin, end in spans:
            values[row(begin) : row(end)] |= mask(kind)
    state = np.zeros(rows, np.uint8)
    for begin, name in states:
        state[row(begin) :] = ENGAGEMENT_STATES.index(name)
    channels |= {"state": state, "enabled": state != 0}
    for name, spans in (flags or {}).items():
        channels[name] = np.zeros(rows, bool)
        for begin, end in spans:
            channels[name][row(begin) : row(end)] = True
    if speed_mps is not None:
        channels["vEgo"] = np.full(rows, speed_mps)
    channels |= {name: np.asarray(values) for name, values in (extra or {}).items()}
    ids = np.arange(rows, dtype=np.int64)
    return Trace(
        "selfdrive_state",
        "dongle/log/0",
        ids[keep],
        (FIRST_NS + ids * STEP_NS)[keep],
        {
            name: Channel(name, "", values[keep], Exactness.NUMERIC if values.dtype.kind == "f" else Exactness.EXACT)
            for name, values in channels.items()
            if name not in without
        },
        {},
    )


def soft_disable(at_s: float, length_s: float, name: str = "steerTempUnavailable", **said: Any) -> Trace:
    """A soft disable while engaged, which recovers, or runs out after 300 rows and disengages."""
    states = [(0.0, "enabled"), (at_s, "softDisabling")]
    if row(at_s + length_s) - row(at_s) <= SOFT_ROWS:
        states.append((at_s + length_s, "enabled"))
    else:
        states.append((at_s + SOFT_ROWS / 100, "disabled"))
    return made({("softDisable", name): [(at_s, at_s + length_s)]}, states=states, **said)
