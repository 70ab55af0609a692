"""Driving a state machine over rows of event types: ours in this process, somebody's own in another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from harness.replay.selfdrive.inputs import Bools
from harness.replay.selfdrive.machine import ACTIVE_STATES, DISABLED, step


@dataclass(frozen=True, slots=True)
class Course:
    """What a machine is driven with: `types` (n,) of every row, `held` (n,) rows in which it is not updated."""

    types: npt.NDArray[np.uint16]
    held: Bools
    start: int
    soft_disable_frames: int


@dataclass(frozen=True, slots=True)
class MachineRun:
    """What came of it, each (n,): the state and timer after every row, and the types of alerts that may be shown."""

    states: npt.NDArray[np.uint8]
    timers: npt.NDArray[np.uint16]
    alerts: npt.NDArray[np.uint16]

    @property
    def enabled(self) -> Bools:
        """(n,) openpilot is on."""
        enabled: Bools = self.states != DISABLED
        return enabled

    @property
    def active(self) -> Bools:
        """(n,) openpilot acts on the car."""
        active: Bools = np.isin(self.states, ACTIVE_STATES)
        return active


Machine: TypeAlias = Callable[[Course], MachineRun]


def drive(machine: Machine, course: Course, before: npt.NDArray[np.uint8]) -> MachineRun:
    """Run a machine from the first row in which it is updated; until then the states are those of `before` (n,)."""
    moving = np.flatnonzero(~course.held)
    first = int(moving[0]) if moving.size else len(course.held)
    nothing = np.zeros(first, np.uint16)
    if first == len(course.held):
        return MachineRun(before.copy(), nothing, nothing)
    run = machine(Course(course.types[first:], course.held[first:], course.start, course.soft_disable_frames))
    return MachineRun(
        np.concatenate([before[:first], run.states]),
        np.concatenate([nothing, run.timers]),
        np.concatenate([nothing, run.alerts]),
    )


def run_machine(course: Course) -> MachineRun:
    """Our own machine over all rows."""
    state, timer, frames = course.start, 0, course.soft_disable_frames
    states, timers, alerts = [], [], []
    for types, held in zip(course.types.tolist(), course.held.tolist(), strict=True):
        shown = 0
        if not held:
            state, timer, shown = step(state, timer, types, frames)
        states.append(state)
        timers.append(timer)
        alerts.append(shown)
    return MachineRun(np.array(states, np.uint8), np.array(timers, np.uint16), np.array(alerts, np.uint16))
