"""Events from the device, its pandas, its sensors and its calibration (selfdrived's steps 1, 4, 6, 7, 10 to 15)."""

from __future__ import annotations

import numpy as np

from harness.recording.migration import fan_speed_rpm, panda_states, relay_faults, safety_configs
from harness.replay.selfdrive.car_events import rows_since
from harness.replay.selfdrive.inputs import Bools, Inputs, Int64s
from harness.replay.selfdrive.rules import Rules
from harness.replay.selfdrive.thresholds import STEP_S

UNCALIBRATED, CALIBRATED, _INVALID, RECALIBRATING = range(4)
SILENT, NO_OUTPUT = 0, 19  # of CarParams.SafetyModel: modes in which a panda is asked for nothing
_VISION = 1


def driver_events(inputs: Inputs) -> dict[str, Bools]:
    """Events tooDistracted and the levels of attention."""
    driver = inputs.driver
    if driver is None:
        return {}
    events: dict[str, Bools] = {"tooDistracted": driver["lockout"] | driver["alwaysOnLockout"]}
    for level in (1, 2, 3):
        told, vision = driver["alertLevel"] == level, driver["activePolicy"] == _VISION
        events[f"driverDistracted{level}"] = told & vision
        events[f"driverUnresponsive{level}"] = told & ~vision
    return events


def device_events(inputs: Inputs, rules: Rules) -> dict[str, Bools]:
    """overheat, outOfSpace, lowMemory, fanMalfunction."""
    fields = ("thermalStatus", "freeSpacePercent", "memoryUsagePercent", "fanSpeedPercentDesired")
    device = inputs.sample("deviceState", fields)
    if device is None:
        return {}
    events: dict[str, Bools] = {
        "overheat": device["thermalStatus"] >= rules["thermal_status_min"],
        "outOfSpace": device["freeSpacePercent"] < rules["free_space_min_percent"],
        "lowMemory": device["memoryUsagePercent"] > rules["memory_usage_max_percent"],
    }
    fan = fan_speed_rpm(inputs.log)
    if fan is not None:
        slow = inputs.place(fan)["fanSpeedRpm"] < rules["fan_speed_min_rpm"]
        stuck = slow & (device["fanSpeedPercentDesired"] > rules["fan_desired_min_percent"])
        works = ~stuck
        works[0] = True  # how long it stood still before the log began is not known
        events["fanMalfunction"] = stuck & (rows_since(works) * STEP_S > rules["fan_patience_s"])
    return events


def calibration_events(inputs: Inputs) -> dict[str, Bools]:
    """The three ways not to be calibrated."""
    calibration = inputs.calibration
    if calibration is None:
        return {}
    status = calibration["calStatus"]
    return {
        "calibrationIncomplete": status == UNCALIBRATED,
        "calibrationRecalibrating": status == RECALIBRATING,
        "calibrationInvalid": (status != UNCALIBRATED) & (status != CALIBRATED) & (status != RECALIBRATING),
    }


def panda_events(inputs: Inputs, rules: Rules) -> tuple[dict[str, Bools], Bools, Bools]:
    """Events controlsMismatch for its modes and checks, relayMalfunction; then two (n,) flags about the pandas.

    First, whether some panda that is not silent does not allow controls; second, whether any panda allows them.
    """
    pandas = panda_states(inputs.log)
    n = len(inputs)
    if pandas is None or not len(pandas):
        nothing = np.zeros(n, np.bool_)
        return {}, nothing, nothing
    m = len(pandas.counts)
    configs, alternative = safety_configs(inputs.log)
    first = np.cumsum(pandas.counts) - pandas.counts
    place = np.arange(len(pandas)) - first[pandas.messages]  # which panda of its message
    model = pandas["safetyModel"].astype(np.int64)
    other_mode = (model != SILENT) & (model != NO_OUTPUT)
    for i, (wanted_model, wanted_param) in enumerate(configs):
        differs = (
            (model != wanted_model)
            | (pandas["safetyParam"].astype(np.int64) != wanted_param)
            | (pandas["alternativeExperience"].astype(np.int64) != alternative)
        )
        other_mode = np.where(place == i, differs, other_mode)
    refuses = ~pandas["controlsAllowed"] & (model != SILENT) & (model != NO_OUTPUT)
    per_message = [
        _any(flags, pandas.messages, m)
        for flags in (other_mode, pandas["safetyRxChecksInvalid"], refuses, pandas["controlsAllowed"])
    ]
    at, _ = inputs.place_times(inputs.log.columns(_panda_service(inputs), ()).t_ns)
    mode, checks, refused, allowed = (flags[at] for flags in per_message)
    settled = (inputs.t_ns - inputs.t_ns[0]) / 1e9 > rules["safety_mode_patience_s"]
    if not inputs.starts_route:
        settled = np.ones(n, np.bool_)
    fault_t_ns, faulty = relay_faults(inputs.log)
    relay = faulty[inputs.place_times(fault_t_ns)[0]]
    known = len(configs) > 0
    return {"controlsMismatch": (mode & settled & known) | checks, "relayMalfunction": relay}, refused, allowed


def process_events(inputs: Inputs) -> dict[str, Bools]:
    """processNotRunning: one that should run does not."""
    if not len(inputs.log.rows("managerState")):
        return {}
    processes = inputs.log.elements("managerState", ("running", "shouldBeRunning"), of="processes")
    missing = _any(processes["shouldBeRunning"] & ~processes["running"], processes.messages, len(processes.counts))
    at, _ = inputs.place_times(inputs.log.columns("managerState", ()).t_ns)
    return {"processNotRunning": missing[at]}


def radar_events(inputs: Inputs) -> dict[str, Bools]:
    """Radar errors, where openpilot drives the speed: canError, else radarTempUnavailable, else radarFault."""
    radar = inputs.radar
    if radar is None or not inputs.facts.openpilot_longitudinal:
        return {}
    can, temporary = radar["canError"], radar["radarUnavailableTemporary"]
    other = radar["radarFault"] | radar["wrongConfig"]
    return {
        "canError": can,
        "radarTempUnavailable": temporary & ~can,
        "radarFault": other & ~can & ~temporary,
    }


def location_events(inputs: Inputs) -> dict[str, Bools]:
    """posenetInvalid, locationdTemporaryError, paramsdTemporaryError."""
    events: dict[str, Bools] = {}
    if inputs.motion is not None:
        events["posenetInvalid"] = ~inputs.motion["posenetOK"]
        events["locationdTemporaryError"] = ~inputs.motion["inputsOK"]
    vehicle = inputs.sample("vehicleParameters", ("valid", "roll"))
    if vehicle is not None and inputs.calibration is not None:
        events["paramsdTemporaryError"] = ~vehicle["valid"] & (inputs.calibration["calStatus"] == CALIBRATED)
    return events


def sensor_events(inputs: Inputs, rules: Rules) -> dict[str, Bools]:
    """sensorDataInvalid: accelerometer or gyroscope silent for too long. A sensor the log never has is not judged."""
    silent = np.zeros(len(inputs), np.bool_)
    for name in ("accelerometer", "gyroscope"):
        if len(inputs.log.rows(name)):
            _, heard = inputs.place_times(inputs.log.columns(name, ()).t_ns)
            heard[0] = True
            silent |= rows_since(heard) * STEP_S > rules["sensor_patience_s"]
    return {"sensorDataInvalid": silent}


def _panda_service(inputs: Inputs) -> str:
    return "pandaStates" if len(inputs.log.rows("pandaStates")) else "pandaStateDEPRECATED"


def _any(flags: Bools, messages: Int64s, count: int) -> Bools:
    """(m,) whether any element of each message has its flag set."""
    counted = np.bincount(messages, weights=flags, minlength=count)
    return counted > 0
