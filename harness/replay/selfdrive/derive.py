"""Events re-derived from messages, in the order in which selfdrived evaluates them (0.11.2).

Two things depend on what the machine did in the rows before: a panda that does not allow controls while openpilot is
on, and collision warnings. `Derivation.finish` adds those for a given course of the machine; `derive.settle` finds
the course that agrees with itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.replay.selfdrive.actuation import EVENT as EXCESSIVE
from harness.replay.selfdrive.actuation import Actuation, measure_actuation
from harness.replay.selfdrive.car_events import car_events, resume_blocked
from harness.replay.selfdrive.device_events import (
    calibration_events,
    device_events,
    driver_events,
    location_events,
    panda_events,
    process_events,
    radar_events,
    sensor_events,
)
from harness.replay.selfdrive.driving_events import (
    bookmark_events,
    collision_events,
    lane_change_events,
    lane_departure_events,
    model_events,
    personality_events,
    saturation_events,
    special_mode_events,
)
from harness.replay.selfdrive.health import CAMERAS, SUBSCRIBED, Messages, judge_messages
from harness.replay.selfdrive.inputs import Bools, Inputs, Int64s
from harness.replay.selfdrive.machine import DISABLED, ENABLED, IMMEDIATE_DISABLE, NO_ENTRY, SOFT_DISABLE
from harness.replay.selfdrive.recorded import INITIALIZING
from harness.replay.selfdrive.rules import Rules
from harness.replay.selfdrive.run import Course, Machine, MachineRun, drive

Masks = npt.NDArray[np.uint16]

# Raised by selfdrived and out of reach of a log; why is told in docs/safety.md.
NOT_DERIVABLE = frozenset({
    "startup", "startupMaster", "startupNoControl", "startupNoCar", "startupNoSecOcKey", "dashcamMode",
    "carUnrecognized", "bigModelLoading", "bigModelFailed", "selfdrivedLagging", "carNotReady", "aeb", "cruiseMismatch",
    "noGps", "actuatorsApiUnavailable", "cruiseDisabled", "speedTooLow", "belowEngageSpeed", "resumeRequired",
    "manualRestart", "steerTimeLimit", "locationdPermanentError", "paramsdPermanentError",
    "deviceFalling", "lowBattery", "usbError", "plannerError", "soundsUnavailable", "highCpuUsage", "lkasDisabled",
    "lowSpeedLockout",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Derivation:
    """What the messages raise. `before` and `system` are the events of steps 3 to 10 and of steps 11 and 12.

    `initialized` (n,) from when on events are raised; `start` the machine's state then; `refused` (n,) where a panda
    does not allow controls.
    """

    inputs: Inputs
    rules: Rules
    first: Mapping[str, Bools]
    before: Mapping[str, Bools]
    system: Mapping[str, Bools]
    after: Mapping[str, Bools]
    messages: Messages
    initialized: Bools
    start: int
    refused: Bools
    actuation: Actuation

    def finish(self, states: npt.NDArray[np.uint8]) -> dict[str, Bools]:
        """All events by name, given the states (n,) of a run of the machine."""
        enabled_before = np.concatenate([[False], states[:-1] != DISABLED])
        if self.initialized.any():
            enabled_before[int(np.argmax(self.initialized))] = self.start != DISABLED
        before = dict(self.before)
        mismatch = self._mismatch(enabled_before)
        before["controlsMismatch"] = before.get("controlsMismatch", np.zeros_like(mismatch)) | mismatch
        after = {**self.after, **collision_events(self.inputs, self.rules, enabled_before)}
        events: dict[str, Bools] = {}
        # The same event may be raised by more than one step (canError by radar and by CAN).
        for step in (before, self.system, self._communication(before), after):
            for name, rows in step.items():
                events[name] = events[name] | rows if name in events else rows
        events = {name: rows & self.initialized for name, rows in events.items()}
        for name, rows in self.first.items():
            events[name] = rows
        events[INITIALIZING] = ~self.initialized
        return {name: rows for name, rows in sorted(events.items()) if name in self.rules.types and rows.any()}

    def _mismatch(self, enabled_before: Bools) -> Bools:
        """(n,) openpilot was on without a panda's leave for too many frames; the count ends when it goes off."""
        places = np.arange(len(enabled_before))
        counted = np.cumsum(enabled_before & self.refused)
        off = np.maximum.accumulate(np.where(enabled_before, -1, places))
        total: Int64s = counted - np.where(off >= 0, counted[off], 0)
        mismatch: Bools = (total >= self.rules["mismatch_frames"]) & enabled_before
        return mismatch

    def _communication(self, before: Mapping[str, Bools]) -> dict[str, Bools]:
        """Both of commIssue and commIssueAvgFreq: told when messages fail, unless what fails has been told already."""
        n = len(self.inputs)
        health = self.messages.all_of(SUBSCRIBED, n)
        types = union_mask({**before}, self.rules, n) | union_mask(dict(self.system), self.rules, n)
        blocks = (types & NO_ENTRY > 0) & (types & (SOFT_DISABLE | IMMEDIATE_DISABLE) > 0)
        told = np.zeros(n, np.bool_)
        for name, rows in self.system.items():
            if name in self.rules.types:
                told |= rows
        fails = ~health.good & ~(blocks & told)
        average = fails & health.alive & ~health.frequent
        return {"commIssue": fails & ~average, "commIssueAvgFreq": average}


def derive(inputs: Inputs, rules: Rules) -> Derivation:
    """Everything the messages say; DataError when the log lacks what every derivation needs."""
    n = len(inputs)
    if n == 0:
        raise DataError("the log has no carState", where=inputs.log.where, remedy="replay an rlog of a whole drive")
    messages = judge_messages(inputs, rules)
    panda, refused, allowed = panda_events(inputs, rules)
    actuation = measure_actuation(inputs, rules)
    car = inputs.car
    before: dict[str, Bools] = {
        **bookmark_events(inputs),
        "resumeBlocked": resume_blocked(inputs, rules),
        **driver_events(inputs),
        **car_events(inputs, rules),
        **device_events(inputs, rules),
        **calibration_events(inputs),
        **lane_departure_events(inputs),
        EXCESSIVE: actuation.excessive,
        **lane_change_events(inputs),
        **panda,
    }
    system = _system_events(inputs, messages)
    after: dict[str, Bools] = {
        **location_events(inputs),
        **sensor_events(inputs, rules),
        **saturation_events(inputs, rules),
        **model_events(inputs, rules),
        **personality_events(inputs),
    }
    ready = car["canValid"] & messages.all_of(SUBSCRIBED, n).good
    waited = (inputs.t_ns - inputs.t_ns[0]) / 1e9 > rules["initialize_patience_s"]
    initialized = np.logical_or.accumulate(ready | waited)
    first = int(np.argmax(initialized))
    start = ENABLED if initialized.any() and bool(allowed[first]) else DISABLED
    special = special_mode_events(inputs)
    return Derivation(inputs, rules, special, before, system, after, messages, initialized, start, refused, actuation)


def settle(
    derivation: Derivation, course: Callable[[Mapping[str, Bools]], Course], machine: Machine
) -> tuple[dict[str, Bools], MachineRun]:
    """Events and the machine's run that agree with each other.

    A run without what depends on it is right up to the first row that does; each go is right to one such row more.
    """
    before = np.full(len(derivation.inputs), DISABLED, np.uint8)
    events = derivation.finish(np.full_like(before, derivation.start))
    run = drive(machine, course(events), before)
    for _ in range(len(derivation.inputs) + 1):
        again = derivation.finish(run.states)
        if again.keys() == events.keys() and all(np.array_equal(again[name], events[name]) for name in again):
            return events, run
        events = again
        run = drive(machine, course(events), before)
    raise DataError(
        "events and states do not come to agree", where=derivation.inputs.log.where, remedy="report the log"
    )


def union_mask(events: Mapping[str, Bools], rules: Rules, rows: int) -> Masks:
    """(n,) the types of all events present in each row."""
    total = np.zeros(rows, np.uint16)
    for name, present in events.items():
        types = rules.types.get(name, 0)
        if types:
            total |= present.astype(np.uint16) * np.uint16(types)
    return total


def _system_events(inputs: Inputs, messages: Messages) -> dict[str, Bools]:
    """Steps 11 and 12: processes, else cameras; radar; CAN."""
    n, car = len(inputs), inputs.car
    events = process_events(inputs)
    running = ~events.get("processNotRunning", np.zeros(n, np.bool_))
    cameras = messages.all_of(CAMERAS, n)
    events["cameraMalfunction"] = running & ~cameras.alive
    events["cameraFrameRate"] = running & cameras.alive & ~cameras.frequent
    radar = radar_events(inputs)
    silent = car["canTimeout"]
    invalid = ~silent & ~car["canValid"]
    events |= radar
    events["canError"] = radar.get("canError", np.zeros(n, np.bool_)) | invalid
    events["canBusMissing"] = silent
    return events
