"""Whether messages came, came often enough and were valid: openpilot's SubMaster, as selfdrived sees it.

A service that the log has no message of is not judged: whether it was silent or just not logged cannot be told. Its
name is in `unjudged`. Every service is taken as heard when the log begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.recording.services import SERVICES
from harness.replay.selfdrive.inputs import Bools, Floats, Inputs, Int64s
from harness.replay.selfdrive.rules import Rules

CAMERAS = ("narrowRoadCameraState", "cabinCameraState", "wideRoadCameraState")
# What selfdrived subscribes to and does not ignore (0.11.2).
SUBSCRIBED = (
    *("deviceState", "pandaStates", "peripheralState", "modelV2", "extrinsicsCalibration", "carOutput"),
    *("driverMonitoringState", "longitudinalPlan", "deviceMotion", "lateralDelay", "managerState"),
    *("vehicleParameters", "radarState", "lateralTorqueParameters", "controlsState", "carControl", "driverAssistance"),
    *CAMERAS,
)
# What went by another slot in older logs: heard there is heard.
_FORMERLY = {
    "driverMonitoringState": "driverMonitoringStateDEPRECATED",
    "deviceMotion": "liveLocationKalmanDEPRECATED",
    "pandaStates": "pandaStateDEPRECATED",
}
_POLLED_HZ = 100.0  # selfdrived goes by carState
_MIN_JUDGED_HZ = 0.99
_LONG_WINDOW_S = 10


@dataclass(frozen=True, slots=True)
class Health:
    """Of one service or of several, each (n,)."""

    alive: Bools
    frequent: Bools
    valid: Bools

    @property
    def good(self) -> Bools:
        """(n,) all three."""
        return self.alive & self.frequent & self.valid

    def __and__(self, other: Health) -> Health:
        return Health(self.alive & other.alive, self.frequent & other.frequent, self.valid & other.valid)


@dataclass(frozen=True, slots=True)
class Messages:
    """The health of all services a log has."""

    services: dict[str, Health]
    unjudged: tuple[str, ...]

    def all_of(self, names: tuple[str, ...], rows: int) -> Health:
        """The health of several together; what is not judged is taken as well."""
        well = np.ones(rows, np.bool_)
        total = Health(well, well, well)
        for name in names:
            if name in self.services:
                total = total & self.services[name]
        return total


def judge_messages(inputs: Inputs, rules: Rules) -> Messages:
    """The health of everything selfdrived subscribes to."""
    services: dict[str, Health] = {}
    unjudged: list[str] = []
    for name in SUBSCRIBED:
        source = next((each for each in (name, _FORMERLY.get(name)) if each and len(inputs.log.rows(each))), None)
        if source is None:
            unjudged.append(name)
            continue
        columns = inputs.log.columns(source, ())
        services[name] = _judge(inputs, columns.t_ns, columns.valid, SERVICES[name].frequency_hz, rules)
    return Messages(services, tuple(unjudged))


def allowed_rates(frequency_hz: float, rules: Rules) -> tuple[float, float]:
    """The slowest and the fastest rate, in Hz, at which a service is frequent when it is read at 100 Hz."""
    most = min(frequency_hz, _POLLED_HZ)
    if frequency_hz >= 2 * _POLLED_HZ:
        least = _POLLED_HZ
    elif 2 * frequency_hz <= _POLLED_HZ:
        least = frequency_hz
    else:
        least = frequency_hz / 2
    return least * rules["frequency_low"], most * rules["frequency_high"]


def _judge(inputs: Inputs, t_ns: Int64s, valid: Bools, frequency_hz: float, rules: Rules) -> Health:
    at, updated = inputs.place_times(t_ns)
    begin_ns = inputs.t_ns[0]
    arrivals = np.flatnonzero(updated)
    heard_ns = np.maximum.accumulate(np.where(updated, inputs.t_ns, begin_ns))
    period_s = 1 / frequency_hz
    alive = (inputs.t_ns - heard_ns) / 1e9 < rules["alive_periods"] * period_s
    frequent = np.ones(len(inputs), np.bool_)
    if frequency_hz > _MIN_JUDGED_HZ and len(arrivals) > 1:
        steady = _steady(inputs.t_ns[arrivals], frequency_hz, rules)
        frequent = np.concatenate([[True], steady])[np.searchsorted(arrivals, np.arange(len(inputs)), side="right")]
    return Health(alive, frequent, valid[at])


def _steady(arrivals_ns: Int64s, frequency_hz: float, rules: Rules) -> Bools:
    """For each arrival (m,): the mean rate of the last second or of the last ten is within bounds.

    Before a second is full there is nothing to go by, and the service is taken as steady.
    """
    least, most = allowed_rates(frequency_hz, rules)
    places = np.arange(len(arrivals_ns))
    steady = places < int(frequency_hz)
    for window in (int(frequency_hz), int(_LONG_WINDOW_S * frequency_hz)):
        first = np.maximum(places - window, 0)
        seconds: Floats = (arrivals_ns - arrivals_ns[first]) / 1e9
        rate = np.divide(places - first, seconds, out=np.full(len(places), np.inf), where=seconds > 0)
        steady |= (rate >= least) & (rate <= most)
    return steady
