"""Traces and channels that are not equal, told without a session."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.pytest_plugin.explaining import explain
from harness.trace import Channel, Exactness, Trace

FRAMES = np.arange(500, 560, dtype=np.int64)


def make_trace(**channels: Channel) -> Trace:
    """A trace of sixty frames, 20 a second."""
    return Trace("driving_model", "a/b/0", FRAMES, (FRAMES - 500) * 50_000_000, channels, {})


def made(name: str, value: float, rows: slice = slice(0, 0), unit: str = "m") -> Channel:
    values = np.zeros(len(FRAMES), np.float32)
    values[rows] = value
    return Channel(name, unit, values)


def test_an_interval_is_told_with_frames_seconds_and_units() -> None:
    expected, observed = (make_trace(a=made("a", 1.5, rows)) for rows in (slice(0, 0), slice(20, 30)))
    assert explain(observed, expected, ()) == [
        "driving_model on a/b/0 == driving_model on a/b/0",
        "  a                         leaves at frame 520 (1.00 s), peak 520, back after 500 ms",
        "                            expected 0 m, observed 1.5 m, 1.5 m apart",
        "  first to move             the outputs at frame 520 (1.00 s) (pictures not recorded)",
    ]


def test_a_channel_is_told_by_the_frames_of_its_trace_and_by_rows_where_there_is_none() -> None:
    traces = [make_trace(a=made("a", 1.5, rows), b=made("b", 9.0, rows)) for rows in (slice(0, 0), slice(20, 30))]
    expected, observed = (trace.channels["a"] for trace in traces)
    told = explain(observed, expected, traces)
    assert told is not None
    assert told[1] == "  a                         leaves at frame 520 (1.00 s), peak 520, back after 500 ms"
    assert not any(line.startswith("  b ") for line in told)
    alone = explain(observed, expected, traces[:1])
    assert alone == [
        "a == a",
        "  a                         leaves at frame 20 (1.00 s), peak 20, back after 500 ms",
        "                            expected 0 m, observed 1.5 m, 1.5 m apart",
    ]
    assert explain(observed, traces[0].channels["b"], traces) == ["a == b", "  channels of different names"]


def test_what_cannot_be_compared_says_why_and_what_is_none_of_ours_is_left_alone() -> None:
    trace = make_trace(a=made("a", 1.0))
    told = explain(replace(trace, segment="a/b/1"), trace, ())
    assert told is not None
    assert told[1] == "  traces of different segments: expected a/b/0, observed a/b/1"
    informative = Channel("a", "m", made("a", 1.0, slice(5)).values, Exactness.INFORMATIVE)
    other = replace(informative, values=np.zeros(len(FRAMES)))
    judged = made("c", 0.0)
    told = explain(make_trace(a=informative, c=judged), make_trace(a=other, c=judged), ())
    assert told is not None
    assert told[1:] == ["  they differ only in what is never judged: times, or channels that are informative"]
    assert explain(1, 2, ()) is None
    assert explain(trace, 2, ()) is None


@pytest.mark.parametrize(
    "other",
    [
        make_trace(a=made("a", np.nan, slice(1, 2), unit="s")),
        make_trace(a=made("a", np.nan, slice(2, 3))),
        make_trace(a=made("a", np.nan, slice(1, 2)), b=made("b", 0.0)),
        replace(make_trace(a=made("a", np.nan, slice(1, 2))), frame_ids=FRAMES + 1),
        replace(make_trace(a=made("a", np.nan, slice(1, 2))), t_ns=FRAMES),
        make_trace(a=replace(made("a", 0.0), values=made("a", np.nan, slice(1, 2)).values.astype(np.float64))),
        "something else",
    ],
)
def test_traces_are_equal_when_they_say_the_same_whatever_made_them(other: object) -> None:
    trace = make_trace(a=made("a", np.nan, slice(1, 2)))
    assert trace == replace(make_trace(a=made("a", np.nan, slice(1, 2))), provenance={"model": "another"})
    assert trace != other
