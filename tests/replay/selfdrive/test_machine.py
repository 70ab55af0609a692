"""The state machine: its whole table, its laws over random streams, its timeline, and a second machine as oracle."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.safety_oracle import oracle_states
from harness.replay.selfdrive.events import TYPE_NAMES
from harness.replay.selfdrive.machine import (
    ACTIVE_STATES,
    DISABLED,
    ENABLE,
    ENABLED,
    IMMEDIATE_DISABLE,
    NO_ENTRY,
    OVERRIDE,
    OVERRIDE_LATERAL,
    OVERRIDE_LONGITUDINAL,
    OVERRIDING,
    PERMANENT,
    PRE_ENABLE,
    PRE_ENABLED,
    SOFT_DISABLE,
    SOFT_DISABLE_FRAMES,
    SOFT_DISABLING,
    USER_DISABLE,
    WARNING,
    step,
)
from harness.replay.selfdrive.run import Course, drive, run_machine

STATES = (DISABLED, PRE_ENABLED, ENABLED, SOFT_DISABLING, OVERRIDING)
NAMES = ("disabled", "preEnabled", "enabled", "softDisabling", "overriding")
LONG = 100  # frames left of a soft disable

# (state, types, timer before) → state. Written out from the table of openpilot's rules, every cell of it.
TABLE = [
    # Whatever is on goes off at once; a fault before the driver's wish before everything else.
    *((state, types, LONG, DISABLED)
      for state in STATES[1:]
      for types in (IMMEDIATE_DISABLE, USER_DISABLE, IMMEDIATE_DISABLE | USER_DISABLE,
                    IMMEDIATE_DISABLE | ENABLE | OVERRIDE | PRE_ENABLE | SOFT_DISABLE,
                    USER_DISABLE | ENABLE | OVERRIDE | PRE_ENABLE | SOFT_DISABLE)),
    # enabled
    (ENABLED, 0, 0, ENABLED),
    (ENABLED, SOFT_DISABLE, 0, SOFT_DISABLING),
    (ENABLED, SOFT_DISABLE | OVERRIDE, 0, SOFT_DISABLING),
    (ENABLED, OVERRIDE_LATERAL, 0, OVERRIDING),
    (ENABLED, OVERRIDE_LONGITUDINAL, 0, OVERRIDING),
    (ENABLED, OVERRIDE, 0, OVERRIDING),
    (ENABLED, NO_ENTRY | PRE_ENABLE | ENABLE | WARNING | PERMANENT, 0, ENABLED),
    # softDisabling
    (SOFT_DISABLING, 0, LONG, ENABLED),
    (SOFT_DISABLING, OVERRIDE, LONG, ENABLED),
    (SOFT_DISABLING, SOFT_DISABLE, LONG, SOFT_DISABLING),
    (SOFT_DISABLING, SOFT_DISABLE | OVERRIDE, LONG, SOFT_DISABLING),
    (SOFT_DISABLING, SOFT_DISABLE, 2, SOFT_DISABLING),
    (SOFT_DISABLING, SOFT_DISABLE, 1, DISABLED),
    (SOFT_DISABLING, SOFT_DISABLE, 0, DISABLED),
    (SOFT_DISABLING, 0, 1, ENABLED),
    # preEnabled
    (PRE_ENABLED, PRE_ENABLE, 0, PRE_ENABLED),
    (PRE_ENABLED, 0, 0, ENABLED),
    (PRE_ENABLED, SOFT_DISABLE, 0, ENABLED),
    (PRE_ENABLED, SOFT_DISABLE | PRE_ENABLE, 0, PRE_ENABLED),
    (PRE_ENABLED, NO_ENTRY | PRE_ENABLE, 0, PRE_ENABLED),
    (PRE_ENABLED, OVERRIDE, 0, ENABLED),
    # overriding
    (OVERRIDING, 0, 0, ENABLED),
    (OVERRIDING, OVERRIDE_LATERAL, 0, OVERRIDING),
    (OVERRIDING, OVERRIDE_LONGITUDINAL, 0, OVERRIDING),
    (OVERRIDING, SOFT_DISABLE | OVERRIDE, 0, SOFT_DISABLING),
    (OVERRIDING, SOFT_DISABLE, 0, SOFT_DISABLING),
    (OVERRIDING, NO_ENTRY, 0, ENABLED),
    # disabled
    (DISABLED, 0, 0, DISABLED),
    (DISABLED, PRE_ENABLE | OVERRIDE | SOFT_DISABLE | WARNING, 0, DISABLED),
    (DISABLED, ENABLE, 0, ENABLED),
    (DISABLED, ENABLE | PRE_ENABLE, 0, PRE_ENABLED),
    (DISABLED, ENABLE | PRE_ENABLE | OVERRIDE, 0, PRE_ENABLED),
    (DISABLED, ENABLE | OVERRIDE_LATERAL, 0, OVERRIDING),
    (DISABLED, ENABLE | OVERRIDE_LONGITUDINAL, 0, OVERRIDING),
    *((DISABLED, ENABLE | NO_ENTRY | more, 0, DISABLED) for more in (0, PRE_ENABLE, OVERRIDE, PRE_ENABLE | OVERRIDE)),
    # Off is not switched off: openpilot looks at these only of what is on, and relies on NO_ENTRY besides.
    (DISABLED, ENABLE | SOFT_DISABLE, 0, ENABLED),
]  # fmt: skip


@pytest.mark.parametrize(("state", "types", "timer", "after"), TABLE)
def test_the_table(state: int, types: int, timer: int, after: int) -> None:
    assert step(state, timer, types)[0] == after


def test_the_table_has_every_cell_that_openpilot_names() -> None:
    reached = {(state, after) for state, _, _, after in TABLE}
    assert reached == {
        *((state, DISABLED) for state in STATES),
        *((state, ENABLED) for state in STATES),
        (DISABLED, PRE_ENABLED), (DISABLED, OVERRIDING), (PRE_ENABLED, PRE_ENABLED),
        (ENABLED, SOFT_DISABLING), (ENABLED, OVERRIDING), (SOFT_DISABLING, SOFT_DISABLING),
        (OVERRIDING, OVERRIDING), (OVERRIDING, SOFT_DISABLING),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("state", "types", "timer", "alerts"),
    [
        (ENABLED, IMMEDIATE_DISABLE | USER_DISABLE, 0, PERMANENT | IMMEDIATE_DISABLE),
        (ENABLED, USER_DISABLE, 0, PERMANENT | USER_DISABLE),
        (ENABLED, 0, 0, PERMANENT | WARNING),
        (ENABLED, SOFT_DISABLE, 0, PERMANENT | SOFT_DISABLE | WARNING),
        (ENABLED, OVERRIDE_LATERAL, 0, PERMANENT | OVERRIDE | WARNING),
        (SOFT_DISABLING, SOFT_DISABLE, LONG, PERMANENT | SOFT_DISABLE | WARNING),
        (SOFT_DISABLING, SOFT_DISABLE, 1, PERMANENT),
        (SOFT_DISABLING, 0, LONG, PERMANENT | WARNING),
        (OVERRIDING, SOFT_DISABLE, 0, PERMANENT | SOFT_DISABLE | WARNING),
        (OVERRIDING, OVERRIDE_LATERAL, 0, PERMANENT | OVERRIDE | WARNING),
        (OVERRIDING, 0, 0, PERMANENT | WARNING),
        (PRE_ENABLED, PRE_ENABLE, 0, PERMANENT | PRE_ENABLE),
        (PRE_ENABLED, 0, 0, PERMANENT | WARNING),
        (DISABLED, ENABLE | NO_ENTRY, 0, PERMANENT | NO_ENTRY),
        (DISABLED, ENABLE, 0, PERMANENT | ENABLE | WARNING),
        (DISABLED, ENABLE | PRE_ENABLE, 0, PERMANENT | ENABLE),
        (DISABLED, ENABLE | OVERRIDE_LATERAL, 0, PERMANENT | ENABLE | WARNING),
        (DISABLED, 0, 0, PERMANENT),
    ],
)
def test_what_may_be_shown(state: int, types: int, timer: int, alerts: int) -> None:
    assert step(state, timer, types)[2] == alerts


def test_a_soft_disable_is_seen_for_300_frames_and_is_off_in_the_301st() -> None:
    state, timer, seen = ENABLED, 0, []
    for _ in range(302):
        state, timer, _ = step(state, timer, SOFT_DISABLE)
        seen.append(state)
    assert seen == [SOFT_DISABLING] * 300 + [DISABLED] * 2


def test_the_timer_starts_anew_and_runs_only_down() -> None:
    state, timer, _ = step(ENABLED, 17, SOFT_DISABLE)
    assert (state, timer) == (SOFT_DISABLING, SOFT_DISABLE_FRAMES)
    assert step(state, timer, SOFT_DISABLE)[1] == SOFT_DISABLE_FRAMES - 1
    assert step(ENABLED, 5, 0)[1] == 4
    assert step(ENABLED, 0, 0)[1] == 0


def test_back_to_enabled_takes_a_frame_before_an_override() -> None:
    state, timer, _ = step(SOFT_DISABLING, LONG, OVERRIDE_LATERAL)
    assert state == ENABLED
    assert step(state, timer, OVERRIDE_LATERAL)[0] == OVERRIDING


MASKS = st.integers(0, (1 << len(TYPE_NAMES)) - 1)


@given(st.sampled_from(STATES), st.integers(0, 300), MASKS)
def test_laws_of_one_step(state: int, timer: int, types: int) -> None:
    after, left, alerts = step(state, timer, types)
    assert after in STATES
    assert 0 <= left <= SOFT_DISABLE_FRAMES
    assert alerts & PERMANENT
    assert bool(alerts & WARNING) == (after in ACTIVE_STATES)
    if types & (IMMEDIATE_DISABLE | USER_DISABLE) and state != DISABLED:
        assert after == DISABLED
    elif types & SOFT_DISABLE and state in (ENABLED, OVERRIDING):
        assert (after, left) == (SOFT_DISABLING, SOFT_DISABLE_FRAMES)
    if state == DISABLED and (types & NO_ENTRY or not types & ENABLE):
        assert after == DISABLED
    if state == PRE_ENABLED and not types & (IMMEDIATE_DISABLE | USER_DISABLE):
        assert (after == PRE_ENABLED) == bool(types & PRE_ENABLE)


def test_every_state_is_kept_by_its_own_type() -> None:
    kept = {
        ENABLED: 0,
        SOFT_DISABLING: SOFT_DISABLE,
        PRE_ENABLED: PRE_ENABLE,
        OVERRIDING: OVERRIDE_LATERAL,
        DISABLED: 0,
    }
    for state, types in kept.items():
        assert step(state, LONG, types)[0] == state


STREAMS = st.lists(st.tuples(MASKS, st.integers(1, 330)), min_size=1, max_size=12)


@given(STREAMS, st.booleans())
def test_the_oracle_agrees_over_any_stream(stream: list[tuple[int, int]], starts_enabled: bool) -> None:
    types = np.repeat([mask for mask, _ in stream], [length for _, length in stream]).astype(np.uint16)
    course = Course(types, np.zeros(len(types), np.bool_), ENABLED if starts_enabled else DISABLED, SOFT_DISABLE_FRAMES)
    run = run_machine(course)
    present = [frozenset({f"e{mask}"}) for mask in types.tolist()]
    named = {f"e{mask}": mask for mask in set(types.tolist())}
    assert [NAMES[state] for state in run.states] == oracle_states(present, named, starts_enabled, 0)
    assert (run.enabled == (run.states != DISABLED)).all()
    longest = max((len(list(run_)) for run_ in _runs(run.states, SOFT_DISABLING)), default=0)
    assert longest <= SOFT_DISABLE_FRAMES


def _runs(states: np.ndarray, state: int) -> list[np.ndarray]:
    return [part for part in np.split(states, np.flatnonzero(np.diff(states)) + 1) if part[0] == state]


def test_held_rows_move_nothing() -> None:
    types = np.array([ENABLE, 0, SOFT_DISABLE, ENABLE, 0], np.uint16)
    held = np.array([True, True, False, True, False])
    before = np.array([3, 4, 0, 0, 0], np.uint8)
    run = drive(run_machine, Course(types, held, ENABLED, 300), before)
    assert run.states.tolist() == [3, 4, SOFT_DISABLING, SOFT_DISABLING, ENABLED]
    assert run.alerts[:2].tolist() == [0, 0]
    nothing = drive(run_machine, Course(types, np.ones(5, np.bool_), ENABLED, 300), before)
    assert nothing.states.tolist() == before.tolist()


def test_every_pair_of_types_has_an_answer() -> None:
    for state, a, b in product(STATES, range(10), range(10)):
        assert step(state, LONG, 1 << a | 1 << b)[0] in STATES
