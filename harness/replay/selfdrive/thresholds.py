"""Every limit at which a message raises an event: its unit, its value, and the releases that had another.

Sources: openpilot selfdrived and its helpers, August 2026 (0.11.2); older values where openpilot's history names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.replay.selfdrive.events import RELEASES, known_release


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit by name. `older` are (last release that had it, value); `whole` ones are counts."""

    name: str
    unit: str
    value: float
    meaning: str
    older: tuple[tuple[str, float], ...] = ()
    whole: bool = False

    def at(self, release: str) -> float:
        """The value a release had."""
        place = RELEASES.index(known_release(release))
        return next((value for until, value in self.older if place <= RELEASES.index(until)), self.value)


_ALL = (
    # Excessive actuation (selfdrived helpers): twice what the car is ever asked for.
    Threshold("longitudinal_accel_max", "m/s²", 4.0, "calibrated forward acceleration above it is excessive"),
    Threshold("longitudinal_accel_min", "m/s²", -7.0, "calibrated forward acceleration below it is excessive"),
    Threshold("lateral_accel_max", "m/s²", 6.0, "roll-compensated lateral acceleration above it is excessive"),
    Threshold("accel_plausible_difference", "m/s²", 2.0, "aEgo and the device must agree nearer than this"),
    Threshold("actuation_hold_frames", "frames", 25, "excess must hold for more frames than this", whole=True),
    Threshold("lateral_settled_frames", "frames", 100, "steering unpressed for more frames than this", whole=True),
    # Model
    Threshold(
        "frame_drop_max_percent", "%", 1.0, "modelV2.frameDropPerc above it is lagging", older=(("0.11.1", 20.0),)
    ),
    # Device
    Threshold("thermal_status_min", "status", 2, "thermal status from here on is overheated", whole=True),
    Threshold("free_space_min_percent", "%", 7.0, "less free space is out of space"),
    Threshold("memory_usage_max_percent", "%", 90.0, "more memory used is low memory"),
    Threshold("fan_speed_min_rpm", "rpm", 500.0, "a fan slower than this does not turn"),
    Threshold("fan_desired_min_percent", "%", 50.0, "a fan asked for more than this must turn"),
    Threshold("fan_patience_s", "s", 15.0, "a fan may stand still no longer than this"),
    Threshold("sensor_patience_s", "s", 10.0, "accelerometer and gyroscope may be silent no longer than this"),
    # Pandas
    Threshold("mismatch_frames", "frames", 200, "frames enabled without the panda's leave", whole=True),
    Threshold("safety_mode_patience_s", "s", 10.0, "a panda may have another safety mode no longer than this"),
    # Car
    Threshold("speed_max_kph", "km/h", 149.0, "faster is too fast"),
    Threshold("cruise_speed_set_max_kph", "km/h", 250.0, "a set speed above it was never set"),
    Threshold("steer_fault_silence_s", "s", 1.5, "a steering fault this soon after steering by hand is told quietly"),
    # Steering
    Threshold("steering_touch_memory_s", "s", 2.0, "no saturation is told this soon after steering by hand"),
    Threshold("saturated_lateral_accel_min", "m/s²", 1.0, "saturation is told above this wanted acceleration"),
    Threshold("saturated_undershoot_ratio", "", 1.2, "saturation is told when wanted over actual is above this"),
    # Collision warning
    Threshold("stock_braking_accel", "m/s²", -1.25, "a stock system slows more than this: the model need not warn"),
    # Messages
    Threshold("initialize_patience_s", "s", 6.0, "initialisation waits no longer than this for all messages"),
    Threshold("alive_periods", "periods", 10.0, "a service silent for this many of its periods is dead"),
    Threshold("frequency_low", "", 0.8, "share of its rate below which a service is too slow"),
    Threshold("frequency_high", "", 1.2, "share of its rate above which a service is too fast"),
)
THRESHOLDS: Mapping[str, Threshold] = MappingProxyType({threshold.name: threshold for threshold in _ALL})

# Not limits but facts: what the formulas take.
GRAVITY_MPS2 = 9.81
STEP_S = 0.01
STEERING_SPEED_MIN_MPS = 0.3  # lateral accelerations of standing cars are computed at this speed
ACTUAL_ACCEL_OFFSET_MPS2 = 1e-3  # keeps the undershoot ratio finite
