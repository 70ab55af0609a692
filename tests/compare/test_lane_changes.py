"""Lane changes of a trace: held against the state machine that asks for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from harness.compare.budgets import judge_budget, spend
from harness.compare.lane_changes import LaneChanges, count_lane_changes
from harness.intent import Answer, Budget, Pooled, Size
from harness.replay.desire import DriverInput, LaneChange
from harness.trace import Channel, Exactness, Trace

ROWS = 400
ABORTS = Budget("aborts", pooled=Pooled.LANE_CHANGE_ABORTS, more=Size(0))


def trace(desire: np.ndarray, thought: np.ndarray) -> Trace:
    state = np.zeros((len(desire), 8), np.float32)
    state[:, 3] = thought
    ids = np.arange(len(desire), dtype=np.int64)
    channels = {
        "desire": Channel("desire", "", desire.astype(np.int8), Exactness.EXACT),
        "meta.desireState": Channel("meta.desireState", "", state),
    }
    return Trace("driving_model", "d/l/0", ids, ids * 50_000_000, channels, {})


def driven(over_at: int, *, active_until: int = ROWS, begun_at: Sequence[int] = (20,), rows: int = ROWS) -> Trace:
    """What the state machine asks where the model thinks that a change is under way until `over_at` rows after it."""
    machine, asked, thought = LaneChange(), np.zeros(rows), np.zeros(rows)
    desire = 0
    for row in range(rows):
        asked[row] = desire
        since = min((row - begin for begin in begun_at if row >= begin), default=rows)
        thought[row] = 0.9 if since < over_at else 0.0
        blinks = any(begin - 5 <= row <= begin + 8 for begin in begun_at)
        driver = DriverInput(25.0, row < active_until, blinks, False, row in begun_at, 1.0)
        desire = machine.update(driver, float(thought[row]))
    return trace(asked, thought)


@pytest.mark.parametrize(
    ("made", "begun", "aborted"),
    [
        (driven(60), 1, 0),
        (driven(3), 1, 0),  # over before it may be: it goes on for half a second
        (driven(60, active_until=75), 1, 1),  # the driver takes over
        (driven(60, active_until=90), 1, 1),  # and while it fades
        (driven(60, active_until=102), 1, 0),
        (driven(500), 1, 1),  # given up after ten seconds
        (driven(60, rows=90), 0, 0),  # cut off by the end: nobody knows
        (driven(50, begun_at=(20, 200), active_until=230), 2, 1),
        (driven(60, begun_at=()), 0, 0),
    ],
)
def test_finished_and_given_up(made: Trace, begun: int, aborted: int):
    assert count_lane_changes(made) == LaneChanges(begun, aborted)


def test_a_trace_that_does_not_say():
    whole = driven(60)
    for name in whole.channels:
        rest = {other: channel for other, channel in whole.channels.items() if other != name}
        part = Trace(whole.replayer, whole.segment, whole.frame_ids, whole.t_ns, rest, {})
        assert count_lane_changes(part) is None
        assert spend(ABORTS, whole, part, "d/l/0", "d/l") is None


def test_aborts_have_a_budget():
    done, given_up = driven(60), driven(500)
    cost = spend(ABORTS, done, given_up, "d/l/0", "d/l")
    assert cost is not None
    over = judge_budget(ABORTS, "made", [cost])
    assert over.answer is Answer.OVER_BUDGET
    assert over.figures.startswith("candidate 1 aborted lane change, baseline 0 aborted lane changes")
    assert over.words.startswith("at most 0 more allowed; of 1 lane change that it began, the baseline of 1; in 1 segm")
    kept = spend(ABORTS, given_up, given_up, "d/l/0", "d/l")
    assert kept is not None
    assert judge_budget(ABORTS, "made", [kept]).answer is Answer.WITHIN_BUDGET
    share = Budget("aborts", pooled=Pooled.LANE_CHANGE_ABORTS, more=Size(0.1, relative=True))
    assert judge_budget(share, "made", [cost]).answer is Answer.INCONCLUSIVE
    none = spend(ABORTS, driven(60, begun_at=()), driven(60, begun_at=()), "d/l/0", "d/l")
    assert none is not None
    unknown = judge_budget(ABORTS, "made", [none])
    assert (unknown.answer, "no lane change is begun" in unknown.words) == (Answer.NO_DATA, True)
