"""What went on around a driven path, at each camera frame: who drove, what was ahead, what the driver did next.

An event is told as the seconds until it begins: zero where it is on, infinite where the log ends before it. So any
horizon can be asked of one number a frame; `next.known` says how many seconds of log are left to answer from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.recording.log import Columns, Log
from harness.recording.migration import engagement
from harness.trace import Channel, Exactness

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_OVERRIDING = 4  # openpilot's selfdriveState.state
_TAKE_OVER_NS = 100_000_000  # a pedal that ends an engagement comes at most so long before the state says so
_BLINKER_LEAST_MPS = 20 * 0.44704  # below it openpilot takes a blinker for no lane change
_LEAD_HOLDS_NS = 500_000_000
_STARTING, _FINISHING = 2, 3  # openpilot's LaneChangeState
_LEFT, _RIGHT = 1, 2  # openpilot's LaneChangeDirection

_CAR_FIELDS = (
    *("vEgo", "aEgo", "gasPressed", "brakePressed", "steeringPressed", "leftBlinker", "rightBlinker", "standstill"),
    "cruiseState.enabled",
)
_LEAD_FIELDS = ("dRel", "yRel", "vRel", "vLead")
_HARD_BRAKES = (("brake3", -3.0), ("brake4", -4.0), ("brake5", -5.0))


def surroundings(log: Log, frame_ids: Int64s, t_ns: Int64s) -> tuple[list[Channel], dict[str, str]]:
    """Channels over the frames, and where engagement and leads are known from."""
    car = log.columns("carState", _CAR_FIELDS) if len(log.rows("carState")) else None
    enabled, overriding, told_by = _driving(log, car)
    channels = [*_state(car, enabled, overriding, t_ns), *_next(car, enabled, t_ns)]
    lead, lead_by = _lead(log, t_ns)
    channels += lead
    channels += _recorded_model(log, car, frame_ids, t_ns)
    return channels, {"engagement": told_by, "lead": lead_by}


def _driving(log: Log, car: Columns | None) -> tuple[Bools, Bools, str]:
    """At carState's times: engaged, the driver overriding it, and who says so."""
    if car is None:
        return np.zeros(0, bool), np.zeros(0, bool), "nobody"
    states = engagement(log)
    if states is None:
        enabled, overriding, told_by = car["cruiseState.enabled"].astype(bool), np.zeros(len(car), bool), "cruiseState"
    else:
        at = latest(states.t_ns, car.t_ns)
        enabled = states["enabled"][at].astype(bool)
        overriding, told_by = states["state"][at] == _OVERRIDING, states.service
    touched = car["gasPressed"].astype(bool) | car["steeringPressed"].astype(bool)
    return enabled, enabled & (overriding | touched), told_by


def _state(car: Columns | None, enabled: Bools, overriding: Bools, t_ns: Int64s) -> Iterator[Channel]:
    n = len(t_ns)
    if car is None:
        yield Channel("vEgo", "m/s", np.full(n, np.nan, np.float32))
        for name in ("engaged", "overriding", "standstill"):
            yield Channel(name, "", np.zeros(n, bool), Exactness.EXACT)
        yield Channel("blinker", "", np.zeros(n, np.int8), Exactness.EXACT)
        return
    at = latest(car.t_ns, t_ns)
    yield Channel("vEgo", "m/s", car["vEgo"][at].astype(np.float32))
    yield Channel("engaged", "", enabled[at], Exactness.EXACT)
    yield Channel("overriding", "", overriding[at], Exactness.EXACT)
    yield Channel("standstill", "", car["standstill"][at].astype(bool), Exactness.EXACT)
    left, right = (car[name][at].astype(np.int8) for name in ("leftBlinker", "rightBlinker"))
    yield Channel("blinker", "", (right - left).astype(np.int8), Exactness.EXACT)


def _next(car: Columns | None, enabled: Bools, t_ns: Int64s) -> Iterator[Channel]:
    """Seconds until what the model foretells. A take-over counts when openpilot drove just before it."""
    names = (
        *("gasDisengage", "brakeDisengage", "steerOverride", *(name for name, _ in _HARD_BRAKES)),
        *("gasPress", "brakePress", "leftBlinker", "rightBlinker"),
    )
    if car is None:
        for name in names:
            yield _seconds(name, np.full(len(t_ns), np.inf))
        yield _seconds("known", np.zeros(len(t_ns)))
        return
    driven = enabled | enabled[latest(car.t_ns, car.t_ns - _TAKE_OVER_NS)]
    gas, brake, hand = (car[f"{name}Pressed"].astype(bool) for name in ("gas", "brake", "steering"))
    acceleration = np.nan_to_num(car["aEgo"].astype(np.float64))
    flags: Mapping[str, Bools] = {
        "gasDisengage": driven & gas,
        "brakeDisengage": driven & brake,
        "steerOverride": driven & hand,
        **{name: acceleration < limit for name, limit in _HARD_BRAKES},
        "gasPress": gas,
        "brakePress": brake,
        "leftBlinker": car["leftBlinker"].astype(bool),
        "rightBlinker": car["rightBlinker"].astype(bool),
    }
    for name in names:
        yield _seconds(name, seconds_until(flags[name], car.t_ns, t_ns))
    yield _seconds("known", np.maximum((car.t_ns[-1] - t_ns) / 1e9, 0.0))


def seconds_until(flags: Bools, flags_t_ns: Int64s, t_ns: Int64s) -> Floats:
    """(n,): from each time to the next at which a flag is on; zero where it is, infinite where it will not be."""
    on_ns = flags_t_ns[flags]
    if not len(on_ns):
        return np.full(len(t_ns), np.inf)
    after = np.searchsorted(on_ns, t_ns, side="left")
    wait = np.where(after < len(on_ns), (on_ns[np.minimum(after, len(on_ns) - 1)] - t_ns) / 1e9, np.inf)
    now = flags[latest(flags_t_ns, t_ns)] & (t_ns >= flags_t_ns[0])
    return np.where(now, 0.0, wait)


def _lead(log: Log, t_ns: Int64s) -> tuple[list[Channel], str]:
    """The car ahead as a radar measured it; what only a camera said is no truth for a camera's model."""
    n = len(t_ns)
    known, present = np.zeros(n, bool), np.zeros(n, bool)
    values: dict[str, npt.NDArray[Any]] = {name: np.full(n, np.nan) for name in _LEAD_FIELDS}
    told_by = "nobody"
    if len(log.rows("radarState")) and _has_radar(log):
        told_by = "radar"
        fields = ("present", "radar", *_LEAD_FIELDS)
        radar = log.columns("radarState", [f"leadOne.{name}" for name in fields])
        at = latest(radar.t_ns, t_ns)
        known = (np.abs(radar.t_ns[at] - t_ns) <= _LEAD_HOLDS_NS) & radar.valid[at]
        seen = radar["leadOne.present"][at].astype(bool)
        measured = radar["leadOne.radar"][at].astype(bool)
        known &= measured | ~seen
        present = known & seen
        values = {name: np.where(present, radar[f"leadOne.{name}"][at], np.nan) for name in _LEAD_FIELDS}
    units = {"dRel": "m", "yRel": "m", "vRel": "m/s", "vLead": "m/s"}
    return [
        Channel("leadOne.known", "", known, Exactness.EXACT),
        Channel("leadOne.present", "", present, Exactness.EXACT),
        *(Channel(f"leadOne.{name}", units[name], values[name].astype(np.float32)) for name in _LEAD_FIELDS),
    ], told_by


def _has_radar(log: Log) -> bool:
    return not any(message.payload.radarUnavailable for message in log.messages("carParams"))


def _recorded_model(log: Log, car: Columns | None, frame_ids: Int64s, t_ns: Int64s) -> list[Channel]:
    """What the model of that day said of lanes and lane changes, by frame; a blinker at speed where it said nothing."""
    n = len(t_ns)
    lines, change = np.full((n, 4), np.nan, np.float32), np.zeros(n, np.int8)
    said = _model_columns(log)
    if said is not None:
        row = np.clip(np.searchsorted(said["frameId"], frame_ids), 0, len(said) - 1)
        there = said["frameId"][row] == frame_ids
        lines[there] = said["laneLineProbs"][row[there]]
        changing = np.isin(said["meta.laneChangeState"], (_STARTING, _FINISHING))
        side = said["meta.laneChangeDirection"]
        told = np.where(changing, (side == _RIGHT).astype(np.int8) - (side == _LEFT).astype(np.int8), 0)
        change[there] = told[row[there]]
    elif car is not None:
        at = latest(car.t_ns, t_ns)
        sides = car["rightBlinker"][at].astype(np.int8) - car["leftBlinker"][at].astype(np.int8)
        change = np.where(car["vEgo"][at] > _BLINKER_LEAST_MPS, sides, 0).astype(np.int8)
    return [
        Channel("laneLineProbs", "", lines),
        Channel("laneChange", "", change, Exactness.EXACT),
    ]


def _model_columns(log: Log) -> Columns | None:
    if not len(log.rows("modelV2")):
        return None
    fields = ("frameId", "laneLineProbs", "meta.laneChangeState", "meta.laneChangeDirection")
    try:
        said = log.columns("modelV2", fields)
    except DataError:
        return None  # lists of several lengths: no model that we know
    rising = bool((np.diff(said["frameId"].astype(np.int64)) > 0).all())
    return said if rising and said["laneLineProbs"].shape[1:] == (4,) else None


def _seconds(name: str, values: Floats) -> Channel:
    return Channel(f"next.{name}", "s", values.astype(np.float32))


def latest(t_ns: Int64s, at_ns: Int64s) -> npt.NDArray[np.intp]:
    """For each of `at_ns` the last of `t_ns` at or before it, the first where there is none."""
    return np.maximum(np.searchsorted(t_ns, at_ns, side="right") - 1, 0)
