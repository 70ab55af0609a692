"""What selfdrived would have seen: the messages of a log, upgraded to today's, at the times of its carState messages.

One row is one carState message (100 Hz). Of every other service a row sees the last message at or before it; before
the first one it sees the first, because a segment begins in the middle of a drive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.recording.log import Columns, Log
from harness.recording.log_schema import payload_schema
from harness.recording.migration import calibration_status, car_state, device_motion, driver_monitoring, radar_errors
from harness.recording.services import ordinal_of
from harness.replay.selfdrive.events import NEWEST, parse_release
from harness.trace import Trace

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

CAR_FIELDS = (
    *("vEgo", "aEgo", "standstill", "canValid", "canTimeout", "gasPressed", "brakePressed", "regenBraking"),
    *("steeringPressed", "gearShifter", "doorOpen", "seatbeltUnlatched", "espDisabled", "espActive", "stockFcw"),
    *("stockAeb", "stockLkas", "brakeHoldActive", "parkingBrake", "accFaulted", "steerFaultTemporary"),
    *("steerFaultPermanent", "vehicleSensorsInvalid", "invalidLkasSetting", "lowSpeedAlert", "buttonEnable"),
    *("steeringDisengage", "blockPcmEnable", "leftBlindspot", "rightBlindspot", "vCruise"),
    *("cruiseState.enabled", "cruiseState.available", "cruiseState.nonAdaptive"),
)
_MOTION_FIELDS = (
    *("accelerationDevice.x", "accelerationDevice.y", "accelerationDevice.z"),
    *("angularVelocityDevice.x", "angularVelocityDevice.y", "angularVelocityDevice.z", "inputsOK", "posenetOK"),
)
_MODEL_FIELDS = {
    "frameDropPerc": "frameDropPerc",
    "hardBrakePredicted": "meta.hardBrakePredicted",
    "laneChangeState": "meta.laneChangeState",
    "laneChangeDirection": "meta.laneChangeDirection",
    "desiredCurvature": "action.desiredCurvature",
}
_LATERAL_STATES = ("torqueState", "pidState", "angleState", "curvatureState", "debugState")


@dataclass(frozen=True, slots=True)
class Sampled:
    """A service at the rows. `at` (n,) is each row's message, `updated` (n,) whether it came since the row before."""

    columns: Columns
    at: Int64s
    updated: Bools

    def __getitem__(self, field: str) -> Array:
        return self.columns[field][self.at]


@dataclass(frozen=True, slots=True)
class CarFacts:
    """What carParams say of the car, and who may stand in for what they leave out."""

    pcm_cruise: bool
    openpilot_longitudinal: bool
    passive: bool
    is_not_a_car: bool


class Inputs:
    """The columns of one log at its carState times, read as they are asked for and kept."""

    def __init__(self, log: Log, model: Trace | None = None) -> None:
        self.log = log
        self.car: Columns = car_state(log, CAR_FIELDS)
        self.t_ns: Int64s = self.car.t_ns
        self._model_trace = model
        self._sampled: dict[str, Sampled | None] = {}

    def __len__(self) -> int:
        return len(self.t_ns)

    def sample(self, service: str, fields: Sequence[str]) -> Sampled | None:
        """A service at the rows; None when the log has no message of it. Asked once per service."""
        if service not in self._sampled:
            there = len(self.log.rows(service)) > 0
            self._sampled[service] = self.place(self.log.columns(service, fields)) if there else None
        return self._sampled[service]

    def place(self, columns: Columns) -> Sampled:
        """Columns (m,) brought to the rows (n,)."""
        return Sampled(columns, *self.place_times(columns.t_ns))

    def place_times(self, t_ns: Int64s) -> tuple[Int64s, Bools]:
        """For messages at `t_ns` (m,): which one each row sees (n,), and whether it is new there (n,)."""
        latest = np.searchsorted(t_ns, self.t_ns, side="right") - 1
        before = np.concatenate([[-1], latest[:-1]])
        return np.maximum(latest, 0), latest > before

    def row_of(self, t_ns: Int64s) -> Int64s:
        """For what selfdrived said at `t_ns` (m,): the row it was about, −1 before the first."""
        return np.searchsorted(self.t_ns, t_ns, side="right") - 1

    @cached_property
    def starts_route(self) -> bool:
        """True for the first segment of a route: what came before is nothing, not something unseen."""
        return any(str(message.payload.type) == "startOfRoute" for message in self.log.messages("sentinel"))

    @cached_property
    def _init_data(self) -> Any:
        return next((message.payload for message in self.log.messages("initData")), None)

    @cached_property
    def release(self) -> str:
        """The version that recorded the log; the newest where it does not say one."""
        version = "" if self._init_data is None else str(self._init_data.version)
        parsed = parse_release(version)
        return NEWEST if parsed is None else ".".join(map(str, parsed))

    @cached_property
    def params(self) -> Mapping[str, bytes]:
        """The settings of the device when it logged."""
        if self._init_data is None:
            return {}
        return {str(entry.key): bytes(entry.value) for entry in self._init_data.params.entries}

    @cached_property
    def facts(self) -> CarFacts:
        """Of carParams; DataError when the log has none."""
        params = next((message.payload for message in self.log.messages("carParams")), None)
        if params is None:
            raise DataError(
                "the log has no carParams",
                where=self.log.where,
                remedy="replay an rlog, or take mode: recorded, which needs none",
            )
        return CarFacts(
            bool(params.pcmCruise), bool(params.openpilotLongitudinalControl), bool(params.passive), bool(params.notCar)
        )

    @cached_property
    def motion(self) -> Sampled | None:
        """Motion of the device at the rows."""
        columns = device_motion(self.log, _MOTION_FIELDS)
        return None if columns is None else self.place(columns)

    @cached_property
    def calibration(self) -> Sampled | None:
        """Fields calStatus and rpyCalib at the rows."""
        columns = calibration_status(self.log)
        return None if columns is None else self.place(columns)

    @cached_property
    def driver(self) -> Sampled | None:
        """The state of driver monitoring at the rows."""
        columns = driver_monitoring(self.log)
        return None if columns is None else self.place(columns)

    @cached_property
    def radar(self) -> Sampled | None:
        """The radar's errors at the rows."""
        columns = radar_errors(self.log)
        return None if columns is None else self.place(columns)

    @cached_property
    def control(self) -> Sampled | None:
        """Whether carControl drove, at the rows."""
        return self.sample("carControl", ("latActive", "longActive"))

    @cached_property
    def model(self) -> dict[str, Array]:
        """Fields of the model's output at the rows: of the candidate's replayed trace where it has them."""
        fields: dict[str, Array] = {}
        logged = self.sample("modelV2", ("frameId", *_MODEL_FIELDS.values()))
        if logged is not None:
            fields = {name: logged[field] for name, field in _MODEL_FIELDS.items()}
        if self._model_trace is not None:
            at = self._rows_of_model(self._model_trace, logged)
            for name, channel in _MODEL_FIELDS.items():
                if channel in self._model_trace.channels:
                    fields[name] = self._model_trace.channels[channel].values[at]
        return fields

    @cached_property
    def lateral(self) -> dict[str, Array]:
        """`active`, `saturated`, `isDebug` (n,) of whichever lateral controller was at work, and `curvature`."""
        if not len(self.log.rows("controlsState")):
            return {}
        n = len(self.log.rows("controlsState"))
        fields = [f"lateralControlState.{name}.output" for name in _LATERAL_STATES]
        base = self.log.columns("controlsState", ("curvature", *fields))
        values: dict[str, Array] = {"curvature": base["curvature"], "isDebug": np.zeros(n, np.bool_)}
        values |= {"active": np.zeros(n, np.bool_), "saturated": np.zeros(n, np.bool_)}
        for name, field in zip(_LATERAL_STATES, fields, strict=True):
            rows = ~np.isnan(base[field])
            if rows.all():
                flags = [f"lateralControlState.{name}.{flag}" for flag in ("active", "saturated")]
                chosen = self.log.columns("controlsState", flags)
                values |= {"active": chosen[flags[0]], "saturated": chosen[flags[1]]}
                values["isDebug"] = np.full(n, name == "debugState")
            elif rows.any():
                self._mixed_lateral(name, rows, values)
        at, _ = self.place_times(base.t_ns)
        return {name: array[at] for name, array in values.items()}

    def _mixed_lateral(self, name: str, rows: Bools, values: dict[str, Array]) -> None:
        """Of a log in which the controller changed: message by message."""
        for i, message in enumerate(self.log.messages("controlsState")):
            if rows[i]:
                state = getattr(message.payload.lateralControlState, name)
                values["active"][i], values["saturated"][i] = state.active, state.saturated
                values["isDebug"][i] = name == "debugState"

    @cached_property
    def buttons(self) -> dict[str, tuple[Bools, Bools]]:
        """By button: rows (n,) where it was pressed, and where it was let go."""
        events = self.log.elements("carState", ("type", "pressed"), of="buttonEvents")
        enumerants = payload_schema(ordinal_of("carState")).fields["buttonEvents"].schema.elementType
        names: Mapping[str, int] = enumerants.fields["type"].schema.enumerants
        found: dict[str, tuple[Bools, Bools]] = {}
        for name, number in names.items():
            chosen = events["type"] == number
            pressed, released = np.zeros(len(self), np.bool_), np.zeros(len(self), np.bool_)
            pressed[events.messages[chosen & events["pressed"]]] = True
            released[events.messages[chosen & ~events["pressed"]]] = True
            found[name] = (pressed, released)
        return found

    def _rows_of_model(self, trace: Trace, logged: Sampled | None) -> Int64s:
        """Which frame of a replayed trace each row sees: a frame is published when the log's of the same id was."""
        if not len(trace.frame_ids):
            raise DataError("the replayed model has no frame", where="model.trace", remedy="replay it again")
        published = trace.t_ns.copy()
        if logged is not None:
            ids = logged.columns["frameId"].astype(np.int64)
            order = np.argsort(ids, kind="stable")
            place = np.minimum(np.searchsorted(ids[order], trace.frame_ids), len(ids) - 1)
            same = ids[order][place] == trace.frame_ids
            times = logged.columns.t_ns[order][place]
            if same.any():
                published += int(np.median((times - trace.t_ns)[same]))
                published[same] = times[same]
        return np.maximum(np.searchsorted(np.maximum.accumulate(published), self.t_ns, side="right") - 1, 0)
