"""Events from what the car says: pedals, buttons, gear, doors, cruise, faults (selfdrived's steps 4 and 5).

What openpilot does the same for every brand. Where a brand has rules of its own (low speeds of Honda, Toyota, GM,
Volkswagen and Chrysler, extra gears) those are not followed; docs/safety.md names what that leaves out.
"""

from __future__ import annotations

import numpy as np

from harness.replay.selfdrive.inputs import Bools, Inputs, Int64s
from harness.replay.selfdrive.rules import Rules
from harness.replay.selfdrive.thresholds import STEP_S

KPH = 3.6
# Numbers of CarState.GearShifter.
_FORWARD_GEARS = (2, 5, 6, 7, 8, 9)  # drive, sport, low, brake, eco, manumatic
_REVERSE = 4
_ENABLING_BUTTONS = ("accelCruise", "decelCruise", "setCruise", "resumeCruise")
_RESUMING_BUTTONS = ("accelCruise", "resumeCruise")

_FLAGS = {
    "doorOpen": "doorOpen",
    "seatbeltNotLatched": "seatbeltUnlatched",
    "espDisabled": "espDisabled",
    "espActive": "espActive",
    "stockFcw": "stockFcw",
    "stockAeb": "stockAeb",
    "stockLkas": "stockLkas",
    "parkBrake": "parkingBrake",
    "accFaulted": "accFaulted",
    "steerOverride": "steeringPressed",
    "gasPressedOverride": "gasPressed",
    "vehicleSensorsInvalid": "vehicleSensorsInvalid",
    "invalidLkasSetting": "invalidLkasSetting",
    "belowSteerSpeed": "lowSpeedAlert",
    "steerUnavailable": "steerFaultPermanent",
    "wrongCruiseMode": "cruiseState.nonAdaptive",
}


def car_events(inputs: Inputs, rules: Rules) -> dict[str, Bools]:
    """Event name → rows (n,) where it is raised. Nothing is raised while CAN is not valid."""
    car, facts = inputs.car, inputs.facts
    events: dict[str, Bools] = {event: car[field].astype(np.bool_) for event, field in _FLAGS.items()}
    events["wrongGear"] = ~np.isin(car["gearShifter"], _FORWARD_GEARS)
    events["reverseGear"] = car["gearShifter"] == _REVERSE
    events["wrongCarMode"] = ~car["cruiseState.available"]
    events["speedTooHigh"] = car["vEgo"] * KPH > rules["speed_max_kph"]
    events["brakeHold"] = car["brakeHoldActive"] & facts.openpilot_longitudinal
    events["steerDisengage"] = rising(car["steeringDisengage"])
    events["preEnableStandstill"] = car["brakePressed"] & car["standstill"]
    events |= _cruise_events(inputs)
    loud, quiet = _steer_faults(inputs, rules)
    events["steerTempUnavailable"], events["steerTempUnavailableSilent"] = loud, quiet
    events["pedalPressed"] = _pedal_pressed(inputs)
    valid = car["canValid"]
    return {name: rows & valid for name, rows in events.items()}


def resume_blocked(inputs: Inputs, rules: Rules) -> Bools:
    """(n,) resume pressed before a speed was ever set."""
    if inputs.facts.pcm_cruise:
        return np.zeros(len(inputs), np.bool_)
    pressed = np.zeros(len(inputs), np.bool_)
    for button in _RESUMING_BUTTONS:
        pressed |= inputs.buttons[button][0]
    unset = inputs.car["vCruise"] > rules["cruise_speed_set_max_kph"]
    blocked: Bools = np.logical_and(pressed, unset)
    return blocked


def rising(flags: Bools) -> Bools:
    """(n,) rows where a flag is set that was not in the row before; never the first."""
    edges: Bools = flags & ~np.concatenate([flags[:1], flags[:-1]])
    return edges


def rows_since(flags: Bools) -> Int64s:
    """(n,) how many rows ago a flag was last set; more than any threshold where it never was."""
    places = np.arange(len(flags))
    last: Int64s = np.maximum.accumulate(np.where(flags, places, -(1 << 40)))
    return places - last


def _cruise_events(inputs: Inputs) -> dict[str, Bools]:
    car, facts, buttons = inputs.car, inputs.facts, inputs.buttons
    nothing = np.zeros(len(inputs), np.bool_)
    pressed, released = buttons["cancel"]
    events = {"buttonCancel": pressed | released, "buttonEnable": car["buttonEnable"].astype(np.bool_)}
    if facts.pcm_cruise:
        on = car["cruiseState.enabled"]
        events["pcmEnable"] = rising(on) & ~car["blockPcmEnable"]
        events["pcmDisable"] = ~on
    elif not car["buttonEnable"].any():
        # Before carState said it, each brand enabled when one of these was let go.
        events["buttonEnable"] = np.logical_or.reduce([nothing, *(buttons[name][1] for name in _ENABLING_BUTTONS)])
    return events


def _pedal_pressed(inputs: Inputs) -> Bools:
    car = inputs.car
    pressed = np.zeros(len(inputs), np.bool_)
    for pedal in ("brakePressed", "regenBraking"):
        pressed |= car[pedal] & (rising(car[pedal]) | ~car["standstill"])
    if inputs.params.get("DisengageOnAccelerator") == b"1":
        pressed |= rising(car["gasPressed"])
    return pressed


def _steer_faults(inputs: Inputs, rules: Rules) -> tuple[Bools, Bools]:
    """(n,) steering gone for a while, told aloud and told quietly.

    Quietly while the driver steered lately or the car stands, and once quiet, for as long as the fault lasts. A fault
    that begins while the driver steers is not told at all until he lets go.
    """
    car = inputs.car
    faulty, pressed = car["steerFaultTemporary"], car["steeringPressed"]
    loud, quiet = np.zeros(len(inputs), np.bool_), np.zeros(len(inputs), np.bool_)
    lately = rows_since(pressed) < int(rules["steer_fault_silence_s"] / STEP_S)
    hushed = silent = was_faulty = False
    for row in np.flatnonzero(faulty | np.concatenate([[False], faulty[:-1]])).tolist():
        if not faulty[row]:
            hushed = silent = was_faulty = False
            continue
        if pressed[row] and (not was_faulty or hushed):
            hushed = True
        else:
            hushed = False
            silent = silent or bool(car["standstill"][row]) or bool(lately[row])
            (quiet if silent else loud)[row] = True
        was_faulty = True
    return loud, quiet
