"""Trials over made traces, whose verdicts tell a comparison from one that was tampered with.

Run as a program it prints the verdict of each as JSON, by whichever `harness` is found first.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator

import numpy as np

from harness.compare import compare_traces
from harness.domain import Check, EventRules, Tolerance
from harness.trace import Channel, Exactness, Trace
from harness.verdict import judge
from tests.compare.made_events import made, soft_disable

Trial = tuple[str, str, Trace, Trace, Check]  # name, verdict, expected, observed, check

SOFT = ("softDisable", "steerTempUnavailable")
TOLERANT = Check("values", ("value",), Tolerance(absolute=0.5, relative=0.1))
EVENTS = Check("events", (), events=EventRules())
STATES = Check("states", (), events=EventRules(types=(), states=("*",)))
FLAGS = Check("flags", (), events=EventRules(types=(), channels=("controlsAllowed",)))


def strict(change: str, **rules: object) -> Check:
    """Events of which only one class of change blocks."""
    said = (
        ("", change, "BLOCK"),
        *((("", other, "NOTE")) for other in ("NEW", "LONGER", "OUTCOME") if other != change),
    )
    return Check("events", (), events=EventRules(severities=said, **rules))  # type: ignore[arg-type]


def values(
    *numbers: float, dtype: type = np.float64, exactness: Exactness = Exactness.NUMERIC, unit: str = "m"
) -> Trace:
    """A trace of one channel of one row a number, the last of them over and over; wide when they are lists."""
    column = np.array(numbers, dtype)
    return _with_channel(made(rows=len(column), speed_mps=None), "value", column, exactness, unit)


def _with_channel(trace: Trace, name: str, column: np.ndarray, exactness: Exactness, unit: str = "m") -> Trace:  # type: ignore[type-arg]
    return dataclasses.replace(trace, channels={**trace.channels, name: Channel(name, unit, column, exactness)})


def trials() -> Iterator[Trial]:
    """All of them; each verdict is what an untampered comparison says."""
    yield from _value_trials()
    yield from _frame_trials()
    yield from _event_trials()
    yield from _outcome_trials()
    yield from _flag_trials()


def _value_trials() -> Iterator[Trial]:
    nan, inf = math.nan, math.inf
    yield "equal values", "PASS", values(1, 2, 3), values(1, 2, 3), TOLERANT
    yield "NaN on both sides", "PASS", values(1, nan, 3), values(1, nan, 3), TOLERANT
    yield "NaN on both sides, exact", "PASS", values(1, nan, 3), values(1, nan, 3), Check("exact", ("value",))
    yield "a new NaN", "FAIL", values(1, 2, 3), values(1, nan, 3), TOLERANT
    yield "a NaN that went", "FAIL", values(1, nan, 3), values(1, 2, 3), TOLERANT
    yield "an infinity", "FAIL", values(1, 2, 3), values(1, inf, 3), TOLERANT
    yield "half past the tolerance", "FAIL", values(1, 2, 3), values(1, 2, 3.75), TOLERANT
    yield "at the tolerance", "PASS", values(1, 2, 3), values(1, 2, 3.5), TOLERANT
    yield "within the greater's share", "PASS", values(0, 90.0), values(0, 100.0), TOLERANT
    yield "beyond the larger of both", "FAIL", values(0, 100.0), values(0, 111.6), TOLERANT
    wide = np.zeros((3, 4))
    moved = wide.copy()
    moved[1, 3] = 2.0
    base = made(rows=3)
    sides = [_with_channel(base, "value", each, Exactness.NUMERIC) for each in (wide, moved)]
    yield "the last element", "FAIL", *sides, TOLERANT
    digests = [values(0, 2**60 + step, dtype=np.uint64) for step in (0, 1)]
    yield "huge integers one apart", "FAIL", *digests, Check("near", ("value",), Tolerance(0.5))
    exact = [values(1, number, exactness=Exactness.EXACT) for number in (2, 2.1)]
    yield "an exact channel", "FAIL", *exact, TOLERANT
    lax = values(1, 9, exactness=Exactness.INFORMATIVE)
    yield "declared informative by one side", "FAIL", values(1, 2), lax, TOLERANT
    yield "another unit", "FAIL", values(1, 2), values(1, 2, unit="ft"), TOLERANT
    yield "nothing matches", "ERROR", values(1, 2), values(1, 2), Check("values", ("vlaue",))
    yield "one of two patterns", "ERROR", values(1, 2), values(1, 2), Check("values", ("value", "vlaue"))
    yield "nothing but NaN", "ERROR", values(nan, nan), values(nan, nan), TOLERANT


def _frame_trials() -> Iterator[Trial]:
    ramp = _with_channel(made(rows=100), "value", np.arange(100.0), Exactness.NUMERIC)
    shorter = made(rows=100, extra={"value": np.arange(100.0)}, keep=np.r_[0:50, 51:100])
    tolerance = Check("values", ("value",), Tolerance(absolute=0.5))
    numbered = dataclasses.replace(
        shorter, channels={**shorter.channels, "value": Channel("value", "m", shorter.channels["value"].values)}
    )
    yield "a missing frame", "FAIL", ramp, numbered, tolerance
    yield "an extra frame", "FAIL", numbered, ramp, tolerance
    constant = [made(rows=100, extra={"value": np.zeros(100)}, keep=slice(first, first + 90)) for first in (0, 5)]
    yield "as many frames, but others", "FAIL", *constant, tolerance
    noted = dataclasses.replace(tolerance, blocks=False)
    yield "frames that only a note tells", "PASS", ramp, numbered, noted
    late = dataclasses.replace(ramp, channels={**ramp.channels, "value": Channel("value", "m", np.arange(100.0) + 1)})
    yield "a shift by one", "FAIL", ramp, late, tolerance
    without = dataclasses.replace(ramp, channels={n: c for n, c in ramp.channels.items() if n != "value"})
    yield "a missing channel", "FAIL", ramp, without, Check("all", ("value", "enabled"))
    yield "frames missing from events", "FAIL", made(), made(keep=np.r_[0:100, 200:6000]), EVENTS


def _event_trials() -> Iterator[Trial]:
    one = soft_disable(12.0, 1.2)
    yield "the same events", "PASS", one, one, EVENTS
    yield "a new soft disable", "FAIL", made(), one, EVENTS
    yield "a soft disable gone", "PASS", one, made(), EVENTS
    yield "a soft disable gone, which blocks", "FAIL", one, made(), strict("GONE")
    yield "half a second later", "FAIL", one, soft_disable(12.5, 1.2), EVENTS
    yield "at the collar", "PASS", one, soft_disable(12.2, 1.2), EVENTS
    yield "moved later, which blocks", "FAIL", one, soft_disable(12.05, 1.2), strict("MOVED")
    yield "moved earlier, which blocks", "FAIL", one, soft_disable(11.95, 1.2), strict("MOVED")
    yield "longer", "FAIL", one, soft_disable(12.0, 1.3), EVENTS
    yield "shorter", "PASS", one, soft_disable(12.0, 1.1), EVENTS
    yield "shorter, which blocks", "FAIL", one, soft_disable(12.0, 1.1), strict("SHORTER")
    immediate = made({("immediateDisable", "accFaulted"): [(5.0, 5.5)]}, states=[(0.0, "enabled"), (5.0, "disabled")])
    yield "a new immediate disable", "FAIL", made(), immediate, EVENTS
    yield "a warning is not asked for", "PASS", made(), made({("warning", "steerSaturated"): [(5.0, 6.0)]}), EVENTS
    no_entry = Check("events", (), events=EventRules(types=("noEntry",), severities=(("", "NEW", "BLOCK"),)))
    yield "a new noEntry, which blocks", "FAIL", made(), made({("noEntry", "x"): [(5.0, 6.0)]}), no_entry
    named = Check("events", (), events=EventRules(names=("comm*",)))
    yield "another name is asked for", "PASS", made(), one, named
    ignored = Check("events", (), events=EventRules(severities=(("softDisable", "NEW", "IGNORE"),)))
    yield "new, which is ignored", "PASS", made(), one, ignored
    rules = EventRules(severities=(("", "NEW", "BLOCK"), (SOFT[1], "NEW", "NOTE")))
    yield "the name before the class", "PASS", made(), one, Check("events", (), events=rules)
    # 12.0 and 12.1 against 12.1 and 12.2: one to one both are matched, nearest first the last is left over.
    expected = made({SOFT: [(12.0, 12.05), (12.1, 12.15)]})
    observed = made({SOFT: [(12.1, 12.15), (12.2, 12.25)]})
    pairs = Check("events", (), events=EventRules(collar_s=0.1))
    yield "a chain of neighbours", "PASS", expected, observed, pairs
    nearest = [made({SOFT: [(12.0, 12.01), (12.1, 12.11)]}), made({SOFT: [(12.0, 12.01)]})]
    yield "the nearer of two", "PASS", *nearest, strict("MOVED")
    twice = made({SOFT: [(12.0, 12.5), (12.6, 13.2)]})
    yield "a gap that is new", "FAIL", made({SOFT: [(12.0, 13.2)]}), twice, strict("NEW")
    yield "the last row", "FAIL", made(), made({SOFT: [(59.99, 60.0)]}), EVENTS
    bare = made(without=("state", "enabled"))
    yield "no events and no state", "ERROR", bare, bare, EVENTS
    yield "a state that is lost", "FAIL", one, soft_disable(12.0, 1.2, without=("state",)), EVENTS
    overridden = made(states=[(0.0, "enabled"), (20.0, "overriding"), (21.0, "enabled")])
    yield "a new state", "FAIL", made(), overridden, STATES


def _outcome_trials() -> Iterator[Trial]:
    only = strict("OUTCOME")
    yield "ran out, was recovered", "FAIL", soft_disable(12.0, 1.2), soft_disable(12.0, 3.5), only
    yield "recovered both times", "PASS", soft_disable(12.0, 1.2), soft_disable(12.0, 1.3), only
    begun = [(0.0, "enabled"), (12.0, "softDisabling")]
    held = {SOFT: [(12.0, 20.0)]}
    out = made(held, states=[*begun, (15.0, "disabled")])
    yield "one frame less to take over", "FAIL", out, made(held, states=[*begun, (14.99, "disabled")]), only
    pedal = {**held, ("userDisable", "pedalPressed"): [(15.0, 15.5)]}
    cut = made(pedal, states=[*begun, (15.0, "disabled")])
    yield "cut short, ran out before", "FAIL", out, cut, only


def _flag_trials() -> Iterator[Trial]:
    allowed = made(flags={"controlsAllowed": [(1.0, 50.0)]})
    yield "controls allowed the same", "PASS", allowed, allowed, FLAGS
    yield "controls allowed for less", "FAIL", allowed, made(flags={"controlsAllowed": [(1.0, 49.0)]}), FLAGS
    yield "controls never allowed", "FAIL", allowed, made(flags={"controlsAllowed": []}), FLAGS


def verdicts() -> dict[str, str]:
    """The verdict of every trial, or the error it ended in."""
    found = {}
    for name, _, expected, observed, check in trials():
        try:
            found[name] = judge(compare_traces(expected, observed, (check,)), None).value
        except Exception as error:  # noqa: BLE001 a mutant may do anything
            found[name] = type(error).__name__
    return found


if __name__ == "__main__":
    print(json.dumps(verdicts()))  # noqa: T201
