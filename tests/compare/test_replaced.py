"""A check whose tolerance a declared claim stands for: values may move, nothing else may happen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.compare import compare_traces
from harness.domain import Check
from harness.trace import Channel, Trace
from harness.verdict import Closeness, Severity, Verdict, judge
from tests.compare.made_events import made

EXACT = Check("plan", ("value",))
REPLACED = dataclasses.replace(EXACT, replaced=True)
FRAMES = 1200


def values(*moved: tuple[int, float], keep: slice = slice(None), name: str = "value") -> Trace:
    column = np.zeros((FRAMES, 3))
    for frame, value in moved:
        column[frame, 1] = value
    trace = made(rows=FRAMES, speed_mps=None)
    trace = dataclasses.replace(trace, channels={name: Channel(name, "m", column)})
    channels = {name: dataclasses.replace(found, values=found.values[keep]) for name, found in trace.channels.items()}
    return dataclasses.replace(trace, frame_ids=trace.frame_ids[keep], t_ns=trace.t_ns[keep], channels=channels)


def verdict(observed: Trace, check: Check) -> Verdict:
    return judge(compare_traces(values(), observed, (check,)), None)


@pytest.mark.parametrize(
    ("observed", "exact", "replaced"),
    [
        (values(), Verdict.PASS, Verdict.PASS),
        (values((3, 0.5)), Verdict.FAIL, Verdict.PASS),
        (values((3, 1e30)), Verdict.FAIL, Verdict.PASS),
        (values((3, np.nan)), Verdict.FAIL, Verdict.FAIL),
        (values((3, np.inf)), Verdict.FAIL, Verdict.FAIL),
        (values((3, 0.5), (4, -np.inf), (5, 0.5)), Verdict.FAIL, Verdict.FAIL),
        (values(keep=slice(0, 1150)), Verdict.FAIL, Verdict.FAIL),
        (values(name="other"), Verdict.FAIL, Verdict.FAIL),
    ],
)
def test_what_still_closes_the_gate(observed: Trace, exact: Verdict, replaced: Verdict):
    assert verdict(observed, EXACT) is exact
    found = verdict(observed, REPLACED)
    assert found is (Verdict.ERROR if "other" in observed.channels and replaced is Verdict.PASS else replaced)


def test_what_moved_is_told_as_a_note():
    (result,) = compare_traces(values(), values((3, 0.5)), (REPLACED,))
    assert result.closeness is Closeness.BEYOND
    assert [found.severity for found in result.findings if found.channel == "value"] == [Severity.NOTE]


def test_what_is_no_number_among_much_that_moved_is_not_hidden():
    """More findings than are shown, the one that counts among the rest."""
    moved = [(frame, 0.5) for frame in range(0, 1100, 40)]
    (result,) = compare_traces(values(), values(*moved, (1150, np.nan)), (REPLACED,))
    assert result.blocks
    (result,) = compare_traces(values(), values(*moved, (1150, np.inf)), (REPLACED,))
    assert result.blocks
    (calm,) = compare_traces(values(), values(*moved), (REPLACED,))
    assert not calm.blocks


def test_a_check_that_does_not_block_notes_it_all():
    noted = dataclasses.replace(REPLACED, blocks=False)
    assert verdict(values((3, np.nan)), noted) is Verdict.PASS
