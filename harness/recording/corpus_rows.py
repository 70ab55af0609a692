"""One log told as a row of the corpus index: what car, where and when, how it was driven, and what disengaged it.

Only columns are read, never whole messages, except the one carParams and initData.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.recording.corpus_columns import EVENT_TYPES, Value
from harness.recording.log import Columns, Log, load_log
from harness.recording.log_plain import plain_payload
from harness.recording.migration import EVENT_FLAGS, EventLists, engagement, event_lists
from harness.recording.services import ordinal_of
from harness.recording.sun import sun_elevation_deg

ROW_VERSION = 1  # raise it when a row would come out different: every log is then read again

_Floats = npt.NDArray[np.float64]
_Int64s = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]

_LONGEST_GAP_S = 1.0  # a value is not taken to hold any longer than this without a message
_BEFORE_NS = 100_000_000  # an event ends an engagement that was there this long before: a qlog's state is that old
_CLOCK_SET_NS = 1_420_070_400_000_000_000  # 2015: a clock that says less was never set
_NIGHT_SUN_DEG = -6.0  # end of civil twilight
_EVENING_H, _MORNING_H = 20, 6
_COLUMN_OF_TYPE = {
    "softDisable": ("soft_disables", "soft_disable_events"),
    "immediateDisable": ("immediate_disables", "immediate_disable_events"),
    "userDisable": ("user_disables", "user_disable_events"),
}


@dataclass(frozen=True, slots=True)
class Disabling:
    """An interval of a disabling event, in seconds from the beginning of the segment.

    `engaged`: openpilot was engaged when it came. `outcome`: engaged again after it ("recovered") or not
    ("disengaged"); empty where it was not engaged, or nothing was logged after it.
    """

    type: str
    name: str
    start_s: float
    end_s: float
    engaged: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class LogRow:
    """What a log says: values by column, and its disabling events."""

    values: Mapping[str, Value]
    disablings: tuple[Disabling, ...]


def load_row(path: Path) -> LogRow:
    """Read the log at `path`; DataError when it is none."""
    log = load_log(path)
    first_ns, last_ns = _extent(log)
    states = engagement(log)
    disablings = tuple(_disablings(log, states, first_ns, last_ns))
    values: dict[str, Value] = {
        "length_s": round((last_ns - first_ns) / 1e9, 3),
        "damage": log.damage.reason if log.damage else "",
        "can_messages": len(log.rows("can")),
        **_identity(log),
        **_driving(log, states),
        **_time_of_day(log, first_ns),
        **_counts(disablings),
    }
    if states is not None:
        values["engaged_s"] = _seconds(states.t_ns, states["enabled"])
    return LogRow(values, disablings)


def is_night(log: Log) -> bool | None:
    """Whether it was dark when the segment began, by the sun or else by the clock; None where no clock was set."""
    night = _time_of_day(log, _extent(log)[0]).get("night")
    return None if night is None else bool(night)


def _extent(log: Log) -> tuple[int, int]:
    """First and last time of the log (ns); initData carries the time of the beginning of the whole drive."""
    t_ns = log.index.t_ns[log.index.ordinals != ordinal_of("initData")]
    span = t_ns if t_ns.size else log.index.t_ns
    return int(span.min()), int(span.max())


def _identity(log: Log) -> dict[str, Value]:
    values: dict[str, Value] = dict.fromkeys(("brand", "car", "device", "version", "commit_id", "branch"), "")
    for message in log.messages("initData"):
        plain = plain_payload(ordinal_of("initData"), message.payload)
        if isinstance(plain, dict):
            names = {"device": "deviceType", "version": "version", "commit_id": "gitCommit", "branch": "gitBranch"}
            values |= {column: str(plain.get(field) or "") for column, field in names.items()}
        break
    for message in log.messages("carParams"):
        values |= {"brand": str(message.payload.brand), "car": str(message.payload.carFingerprint)}
        break
    return values


def _driving(log: Log, states: Columns | None) -> dict[str, Value]:
    if not len(log.rows("carState")):
        return {}
    car = log.columns("carState", ("vEgo", "standstill", "leftBlinker", "rightBlinker"))
    speed_mps = car["vEgo"].astype(np.float64)
    lasts_s = _lasting_s(car.t_ns)
    moved_m = np.nan_to_num(speed_mps, posinf=0.0, neginf=0.0) * lasts_s
    values: dict[str, Value] = {
        "distance_m": _plain(moved_m.sum()),
        "max_speed_mps": _extreme(speed_mps, greatest=True),
        "mean_speed_mps": _mean(speed_mps),
        "standstill_s": _seconds(car.t_ns, car["standstill"]),
        "left_blinker_s": _seconds(car.t_ns, car["leftBlinker"]),
        "right_blinker_s": _seconds(car.t_ns, car["rightBlinker"]),
    }
    if states is not None and len(states):
        values["engaged_m"] = _plain(moved_m[_held(states.t_ns, states["enabled"], car.t_ns)].sum())
    if len(log.rows("controlsState")):
        controls = log.columns("controlsState", ("curvature",))
        curvature = controls["curvature"].astype(np.float64)
        at = np.clip(np.searchsorted(car.t_ns, controls.t_ns, side="right") - 1, 0, None)
        values |= {
            "min_curvature": _extreme(curvature, greatest=False),
            "max_curvature": _extreme(curvature, greatest=True),
            "max_lateral_mps2": _extreme(np.abs(curvature) * speed_mps[at] ** 2, greatest=True),
        }
    return values


def _time_of_day(log: Log, first_ns: int) -> dict[str, Value]:
    wall_ns = _wall_ns(log, first_ns)
    if wall_ns is None:
        return {"wall_time": "", "night_by": ""}
    unix_s = wall_ns / 1e9
    moment = datetime.datetime.fromtimestamp(unix_s, datetime.UTC)
    values: dict[str, Value] = {"wall_time": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}
    place = _place(log)
    if place is None:
        dark = moment.hour >= _EVENING_H or moment.hour < _MORNING_H
        return {**values, "night": int(dark), "night_by": "clock"}
    sun_deg = sun_elevation_deg(unix_s, *place)
    return {**values, "night": int(sun_deg < _NIGHT_SUN_DEG), "night_by": "sun", "sun_deg": round(sun_deg, 2)}


def _wall_ns(log: Log, first_ns: int) -> int | None:
    """The wall clock at the beginning of the segment; None where no clock was set."""
    for service in ("clocks", "initData"):
        if not len(log.rows(service)):
            continue
        clock = log.columns(service, ("wallTimeNanos",))
        wall_ns = clock["wallTimeNanos"].astype(np.int64)
        good = np.flatnonzero((wall_ns > _CLOCK_SET_NS) & (wall_ns < 4 * _CLOCK_SET_NS))
        if good.size:
            return int(wall_ns[good[0]]) + first_ns - int(clock.t_ns[good[0]])
    return None


def _place(log: Log) -> tuple[float, float] | None:
    """Latitude and longitude of the first fix."""
    for service in ("gpsLocation", "gpsLocationExternal"):
        if not len(log.rows(service)):
            continue
        fixes = log.columns(service, ("latitude", "longitude", "hasFix", "flags"))
        latitude, longitude = fixes["latitude"], fixes["longitude"]
        sane = (np.abs(latitude) <= 90) & (np.abs(longitude) <= 180) & ((latitude != 0) | (longitude != 0))
        # Receivers before hasFix said it with bit 0 of flags.
        good = np.flatnonzero(sane & (fixes["hasFix"] | (fixes["flags"] & 1 != 0)))
        if good.size:
            return float(latitude[good[0]]), float(longitude[good[0]])
    return None


def _disablings(log: Log, states: Columns | None, first_ns: int, last_ns: int) -> Iterator[Disabling]:
    lists = event_lists(log)
    if lists is None or not len(lists.t_ns):
        return
    for kind in EVENT_TYPES:
        flagged = lists.types & (1 << EVENT_FLAGS.index(kind)) != 0
        for number in np.unique(lists.names[flagged]).tolist():
            for start_ns, end_ns in _intervals(lists, flagged & (lists.names == number), last_ns):
                engaged, outcome = _effect(states, start_ns, end_ns)
                yield Disabling(
                    kind,
                    lists.vocabulary[number],
                    round((start_ns - first_ns) / 1e9, 3),
                    round((end_ns - first_ns) / 1e9, 3),
                    engaged,
                    outcome,
                )


def _intervals(lists: EventLists, chosen: _Bools, last_ns: int) -> Iterator[tuple[int, int]]:
    """Times (ns) from each first list that has the chosen events to the first list after it that has not."""
    holds = np.zeros(len(lists.t_ns) + 2, bool)
    holds[1 + lists.lists[chosen]] = True
    edges = np.flatnonzero(np.diff(holds.astype(np.int8))).reshape(-1, 2)
    for first, after in edges.tolist():
        yield int(lists.t_ns[first]), int(lists.t_ns[after]) if after < len(lists.t_ns) else last_ns


def _effect(states: Columns | None, start_ns: int, end_ns: int) -> tuple[bool, str]:
    """Whether openpilot was engaged when an event came (also where no state was logged), and what came after."""
    if states is None or not len(states):
        return True, ""
    enabled = states["enabled"]
    first = max(int(np.searchsorted(states.t_ns, start_ns - _BEFORE_NS, side="right")) - 1, 0)
    after = int(np.searchsorted(states.t_ns, end_ns, side="left"))
    engaged = bool(enabled[first : max(after, first + 1)].any())
    # A frame's state may be logged before its events are: the second message after the end is surely later.
    if not engaged or after + 1 >= len(states):
        return engaged, ""
    return engaged, "recovered" if enabled[after + 1] else "disengaged"


def _counts(disablings: tuple[Disabling, ...]) -> dict[str, Value]:
    """How often each type came while engaged, several events at once counted once; and the names."""
    values: dict[str, Value] = {}
    for kind, (count, names) in _COLUMN_OF_TYPE.items():
        found = [entry for entry in disablings if entry.type == kind and entry.engaged]
        values[count] = _merged_count(found)
        values[names] = "".join(f" {name}" for name in sorted({entry.name for entry in found})) + " " * bool(found)
    values["soft_disables_any"] = _merged_count([entry for entry in disablings if entry.type == "softDisable"])
    return values


def _merged_count(found: list[Disabling]) -> int:
    count, until_s = 0, -math.inf
    for entry in sorted(found, key=lambda entry: entry.start_s):
        count += entry.start_s > until_s
        until_s = max(until_s, entry.end_s)
    return count


def _lasting_s(t_ns: _Int64s) -> _Floats:
    """How long each message's value holds: until the next."""
    lasts_s: _Floats = np.minimum(np.diff(t_ns, append=t_ns[-1:]) / 1e9, _LONGEST_GAP_S)
    return lasts_s


def _seconds(t_ns: _Int64s, holds: _Bools) -> float:
    return round(float(_lasting_s(t_ns)[holds].sum()), 3)


def _held(t_ns: _Int64s, flags: _Bools, at_ns: _Int64s) -> _Bools:
    """A flag at other times: that of the last message before, false before the first."""
    rows = np.searchsorted(t_ns, at_ns, side="right") - 1
    held: _Bools = flags[np.clip(rows, 0, None)] & (rows >= 0)
    return held


def _extreme(values: _Floats, *, greatest: bool) -> float | None:
    finite = values[np.isfinite(values)]
    return _plain(finite.max() if greatest else finite.min()) if finite.size else None


def _mean(values: _Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return _plain(finite.mean()) if finite.size else None


def _plain(value: np.floating | float) -> float:
    return float(f"{float(value):.6g}")
