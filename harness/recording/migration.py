"""Old logs, told as new ones: pure functions of a log that give today's columns from whatever it has.

Each skips itself when the log has today's message. What is upgraded is what a safety replay reads; sources are the
changes of openpilot's log format (names of August 2026):

- state and alerts moved from controlsState to selfdriveState (August 2024);
- the event list moved from one enum to another (October 2024): events go by name, never by number;
- the set speed moved from controlsState to carState (September 2024);
- liveLocationKalman became livePose, now deviceMotion (August 2024);
- driver monitoring got a state of its own instead of a list of events (April 2026);
- one panda became a list (October 2021), the calibration's status an enum (May 2023), radar errors a struct (2025).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.recording.log import Columns, Elements, Log
from harness.recording.log_schema import payload_schema
from harness.recording.services import ordinal_of

Int64s = npt.NDArray[np.int64]

STATE_FIELDS = ("state", "enabled", "active")
# In the order of the wire: bit 0 of a mask of event types is the first.
EVENT_FLAGS = (
    *("enable", "noEntry", "warning", "userDisable", "softDisable"),
    *("immediateDisable", "preEnable", "permanent", "overrideLongitudinal", "overrideLateral"),
)
MOTION_OF_OLD = ("orientationNED", "velocityDevice", "accelerationDevice", "angularVelocityDevice")
DRIVER_FIELDS = ("lockout", "alwaysOnLockout", "alertLevel", "activePolicy", "isRHD")
PANDA_FIELDS = ("controlsAllowed", "safetyModel", "safetyParam", "alternativeExperience", "safetyRxChecksInvalid")
RADAR_ERRORS = ("canError", "radarFault", "wrongConfig", "radarUnavailableTemporary")

WHEELTOUCH, VISION = 0, 1
_ALERT_LEVELS = 3
_VCRUISE_DIFFERENCE_KPH = 0.1
_AXES = ("x", "y", "z")

_EVENT_ALIASES: Mapping[str, str] = MappingProxyType({
    "preDriverDistracted": "driverDistracted1",
    "promptDriverDistracted": "driverDistracted2",
    "driverDistracted": "driverDistracted3",
    "preDriverUnresponsive": "driverUnresponsive1",
    "promptDriverUnresponsive": "driverUnresponsive2",
    "driverUnresponsive": "driverUnresponsive3",
    "userFlag": "userBookmark",
    "controlsInitializing": "selfdriveInitializing",
    "controlsdLagging": "selfdrivedLagging",
    "vehicleModelInvalid": "paramsdTemporaryError",
    "localizerMalfunction": "locationdTemporaryError",
    "accFaultedTemp": "steerTimeLimit",
    "gasPressed": "preEnableStandstill",
    "pedalPressedPreEnable": "preEnableStandstill",
})  # fmt: skip


def canonical_event(name: str) -> str:
    """The newest name of an event, whatever its age: retired ones lose their mark, renamed ones have their new name."""
    bare = name.removesuffix("DEPRECATED")
    return _EVENT_ALIASES.get(bare, bare)


@dataclass(frozen=True, slots=True)
class EventLists:
    """The event lists of a log: `t_ns` (m,) of every list, and of the events in them which list it is in.

    Per event (k,): its place in `lists`, its name as a place in `vocabulary`, its types as a mask by EVENT_FLAGS.
    """

    t_ns: Int64s
    lists: Int64s
    names: Int64s
    types: npt.NDArray[np.uint16]
    vocabulary: tuple[str, ...]


def engagement(log: Log) -> Columns | None:
    """STATE_FIELDS of selfdriveState; of controlsState where the log is older. None when no state was logged."""
    if len(log.rows("selfdriveState")):
        return log.columns("selfdriveState", STATE_FIELDS)
    if not len(log.rows("controlsState")):
        return None
    old = log.columns("controlsState", [f"deprecated.{name}" for name in STATE_FIELDS])
    values = {name: old[f"deprecated.{name}"] for name in STATE_FIELDS}
    return replace(old, service="selfdriveState", values=values)


def event_lists(log: Log) -> EventLists | None:
    """The events of onroadEvents by newest names, from either list. None when the log has neither."""
    service = next((name for name in ("onroadEvents", "onroadEventsDEPRECATED") if len(log.rows(name))), None)
    if service is None:
        return None
    events = log.elements(service, ("name", *EVENT_FLAGS))
    return _event_lists(events, log.columns(service, ()).t_ns, _enum_names(service))


def car_state(log: Log, fields: Sequence[str]) -> Columns:
    """carState, with the set speed where it stood before it moved there. DataError when the log has none."""
    if not len(log.rows("carState")):
        raise DataError("the log has no carState", where=log.where, remedy="replay an rlog of a whole drive")
    car = log.columns("carState", fields)
    speeds = [name for name in ("vCruise", "vCruiseCluster") if name in fields]
    if not speeds or not len(log.rows("controlsState")):
        return car
    old = log.columns("controlsState", [f"deprecated.{name}" for name in ("vCruise", *speeds)])
    at = np.maximum(np.searchsorted(old.t_ns, car.t_ns, side="right") - 1, 0)
    here = car["vCruise"] if "vCruise" in fields else log.columns("carState", ("vCruise",))["vCruise"]
    moved = old["deprecated.vCruise"][at] - here > _VCRUISE_DIFFERENCE_KPH
    if not moved.any():
        return car
    changed = {name: np.where(moved, old[f"deprecated.{name}"][at], car[name]) for name in speeds}
    return replace(car, values={**car.values, **changed})


def device_motion(log: Log, fields: Sequence[str]) -> Columns | None:
    """deviceMotion; of liveLocationKalman where the log is older, NaN where that had no value."""
    if len(log.rows("deviceMotion")):
        return log.columns("deviceMotion", fields)
    if not len(log.rows("liveLocationKalmanDEPRECATED")):
        return None
    vectors = {field.split(".")[0] for field in fields} & set(MOTION_OF_OLD)
    wanted = sorted(f"{name}.{part}" for name in vectors for part in ("value", "std", "valid"))
    flags = [field for field in fields if "." not in field]
    old = log.columns("liveLocationKalmanDEPRECATED", [*wanted, *flags])
    values = {field: old[field] if field in flags else _axis_of_old(old, field) for field in fields}
    return replace(old, service="deviceMotion", values=values)


def driver_monitoring(log: Log) -> Columns | None:
    """DRIVER_FIELDS of driverMonitoringState; where the log is older, of the events of its predecessor."""
    if len(log.rows("driverMonitoringState")):
        return log.columns("driverMonitoringState", DRIVER_FIELDS)
    service = "driverMonitoringStateDEPRECATED"
    if not len(log.rows(service)):
        return None
    old = log.columns(service, ("isRHD", "isActiveMode"))
    lists = _driver_events(log, service, old.t_ns)
    n = len(old)
    level, policy = np.zeros(n, np.uint16), np.where(old["isActiveMode"], VISION, WHEELTOUCH).astype(np.uint16)
    lockout = np.zeros(n, np.bool_)
    names = np.array(lists.vocabulary, object)[lists.names] if len(lists.names) else np.empty(0, object)
    lockout[lists.lists[names == "tooDistracted"]] = True
    for number in range(1, _ALERT_LEVELS + 1):
        for word, kind in (("driverDistracted", VISION), ("driverUnresponsive", WHEELTOUCH)):
            rows = lists.lists[names == f"{word}{number}"]
            level[rows], policy[rows] = number, kind
    values = {
        "lockout": lockout,
        "alwaysOnLockout": np.zeros(n, np.bool_),
        "alertLevel": level,
        "activePolicy": policy,
        "isRHD": old["isRHD"],
    }
    return replace(old, service="driverMonitoringState", values=values)


def panda_states(log: Log) -> Elements | None:
    """PANDA_FIELDS of pandaStates, one row a panda; of the single one where the log is older.

    An old panda's parameter is its carParams' (its own was of another width), and bit 0 of its alternative experience
    is cleared, as openpilot does: disengaging on gas is no matter of the panda any more.
    """
    if len(log.rows("pandaStates")):
        return log.elements("pandaStates", PANDA_FIELDS)
    if not len(log.rows("pandaStateDEPRECATED")):
        return None
    old = log.columns("pandaStateDEPRECATED", PANDA_FIELDS)
    n = len(old)
    param = next((c[1] for c in safety_configs(log)[0]), 0)
    values = {
        **old.values,
        "safetyParam": np.full(n, param, np.uint16),
        "alternativeExperience": (old["alternativeExperience"] & ~np.int16(1)).astype(np.int16),
    }
    one = np.ones(n, np.int64)
    return Elements("pandaStates", old.t_ns, old.valid, np.arange(n), one, values)


def relay_faults(log: Log) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    """(m,) times and whether any panda has the fault relayMalfunction, from either generation."""
    service = "pandaStates" if len(log.rows("pandaStates")) else "pandaStateDEPRECATED"
    t_ns = log.columns(service, ()).t_ns
    faulty = np.zeros(len(t_ns), np.bool_)
    try:
        faults = log.elements(service, ("faults",)) if service == "pandaStates" else log.columns(service, ("faults",))
        if not faults["faults"].size:
            return t_ns, faulty
    except DataError:
        faults = None  # lists of several lengths: some pandas have faults, so each message is looked at
    for i, message in enumerate(log.messages(service)):
        pandas = message.payload if service == "pandaStates" else [message.payload]
        faulty[i] = any(fault.raw == 0 for panda in pandas for fault in panda.faults)
    return t_ns, faulty


def safety_configs(log: Log) -> tuple[tuple[tuple[int, int], ...], int]:
    """(safety model, parameter) of every panda that carParams ask for, and the alternative experience."""
    params = next((message.payload for message in log.messages("carParams")), None)
    if params is None:
        return (), 0
    configs = tuple((int(config.safetyModel.raw), int(config.safetyParam)) for config in params.safetyConfigs)
    if not configs:
        configs = ((int(params.safetyModelDEPRECATED.raw), int(params.safetyParamDEPRECATED) & 0xFFFF),)
    return configs, int(params.alternativeExperience)


def calibration_status(log: Log) -> Columns | None:
    """The calStatus and rpyCalib of extrinsicsCalibration; the status of an old log from where it stood."""
    if not len(log.rows("extrinsicsCalibration")):
        return None
    columns = log.columns("extrinsicsCalibration", ("calStatus", "rpyCalib", "deprecated.calStatus"))
    status = columns["calStatus"]
    old = columns["deprecated.calStatus"].astype(status.dtype)
    values = {"calStatus": np.where(status.any(), status, old), "rpyCalib": columns["rpyCalib"]}
    return replace(columns, values=values)


def radar_errors(log: Log) -> Columns | None:
    """RADAR_ERRORS of radarState; from the list of errors where the log is older."""
    if not len(log.rows("radarState")):
        return None
    new = log.columns("radarState", [f"radarErrors.{name}" for name in RADAR_ERRORS])
    values = {name: new[f"radarErrors.{name}"] for name in RADAR_ERRORS}
    try:
        listed = log.columns("radarState", ("deprecated.radarErrors",))["deprecated.radarErrors"].size
    except DataError:
        listed = 1  # lists of several lengths: there are errors
    if listed:
        values = {name: flags.copy() for name, flags in values.items()}
        for i, message in enumerate(log.messages("radarState")):
            for error in message.payload.deprecated.radarErrors:
                # Numbers of the old list: canError, fault, wrongConfig.
                if error.raw < len(RADAR_ERRORS) - 1:
                    values[RADAR_ERRORS[error.raw]][i] = True
    return replace(new, values=values)


def fan_speed_rpm(log: Log) -> Columns | None:
    """The fanSpeedRpm of peripheralState; the panda's where the log is older."""
    if len(log.rows("peripheralState")):
        return log.columns("peripheralState", ("fanSpeedRpm",))
    if not len(log.rows("pandaStateDEPRECATED")):
        return None
    old = log.columns("pandaStateDEPRECATED", ("deprecated.fanSpeedRpm",))
    return replace(old, service="peripheralState", values={"fanSpeedRpm": old["deprecated.fanSpeedRpm"]})


@cache
def _enum_names(service: str, of: str = "") -> tuple[str, ...]:
    """The names of a service's event enum by number."""
    schema = payload_schema(ordinal_of(service))
    if of:
        for part in of.split("."):
            schema = schema.fields[part].schema
    enumerants: Mapping[str, int] = schema.elementType.fields["name"].schema.enumerants
    names = [f"unknown{number}" for number in range(max(enumerants.values()) + 1)]
    for name, number in enumerants.items():
        names[number] = canonical_event(name)
    return tuple(names)


def _event_lists(events: Elements, t_ns: Int64s, names: tuple[str, ...]) -> EventLists:
    types = np.zeros(len(events), np.uint16)
    for bit, flag in enumerate(EVENT_FLAGS):
        types |= events[flag].astype(np.uint16) << np.uint16(bit)
    numbers = events["name"].astype(np.int64)
    # A number newer than the schema is kept as a name of its own.
    newer = tuple(f"unknown{number}" for number in range(len(names), int(numbers.max(initial=-1)) + 1))
    return EventLists(t_ns, events.messages, numbers, types, (*names, *newer))


def _driver_events(log: Log, service: str, t_ns: Int64s) -> EventLists:
    for of in ("events", "deprecated.events"):
        events = log.elements(service, ("name", *EVENT_FLAGS), of=of)
        if len(events):
            return _event_lists(events, t_ns, _enum_names(service, of))
    empty = np.zeros(0, np.int64)
    return EventLists(t_ns, empty, empty, empty.astype(np.uint16), ())


def _axis_of_old(old: Columns, field: str) -> npt.NDArray[np.float64]:
    """One axis (n,) of a vector of liveLocationKalman: `accelerationDevice.x`, `.xStd`; `.valid` as it stands."""
    vector, part = field.split(".")
    if part == "valid":
        return old[f"{vector}.valid"]
    values = old[f"{vector}.{'std' if part.endswith('Std') else 'value'}"]
    if values.shape[1] != len(_AXES):
        return np.full(len(old), np.nan)
    axis: npt.NDArray[np.float64] = values[:, _AXES.index(part[0])]
    return axis
