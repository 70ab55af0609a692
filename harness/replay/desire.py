"""The lane-change desire: what the driver's blinker and hand ask of the model (openpilot's desire helper)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

DESIRE_COUNT = 8
LANE_CHANGE_LEFT, LANE_CHANGE_RIGHT = 3, 4  # openpilot's Desire enumeration

_LEAST_SPEED_MPS = 20 * 0.44704
# In frames of 50 ms, so that nothing depends on how sums of 0.05 are rounded.
_LONGEST_FRAMES = 200
_FADE_OUT_FRAMES = 10
_FADE_IN_FRAMES = 20
_DONE_BELOW = 0.02


@dataclass(frozen=True, slots=True)
class DriverInput:
    """What one frame's log says about the driver's wish. Positive steering torque is to the left."""

    v_ego_mps: float
    lateral_active: bool = True
    left_blinker: bool = False
    right_blinker: bool = False
    steering_pressed: bool = False
    steering_torque: float = 0.0
    left_blindspot: bool = False
    right_blindspot: bool = False


class _State(Enum):
    OFF = 0
    WAITING = 1
    STARTING = 2
    FINISHING = 3


class LaneChange:
    """One drive's state machine: `update` once a frame gives the desire the model is told (0, 3 left, 4 right).

    A change waits for torque into its direction after a blinker's edge above 20 mph, with the blindspot free; it ends
    when the model's lane-change probability is under 2 % after half a second or more, fades in over a second, and is
    given up after ten seconds.
    """

    def __init__(self) -> None:
        self._state = _State.OFF
        self._left = False
        self._blinking = False
        self._frames = 0  # how long the change has been asked for
        self._fading_in = 0

    def update(self, driver: DriverInput, lane_change_probability: float) -> int:
        """The desire to tell with the next frame; the probability is this frame's (desire state 3 plus 4)."""
        blinking = driver.left_blinker != driver.right_blinker
        slow = driver.v_ego_mps < _LEAST_SPEED_MPS
        if not driver.lateral_active or self._frames > _LONGEST_FRAMES:
            self._state = _State.OFF
        elif self._state is _State.OFF:
            if blinking and not self._blinking and not slow:
                self._state = _State.WAITING
        elif self._state is _State.WAITING:
            self._wait(driver, blinking=blinking, slow=slow)
        elif self._state is _State.STARTING:
            if lane_change_probability < _DONE_BELOW and self._frames >= _FADE_OUT_FRAMES:
                self._state = _State.FINISHING
                self._fading_in = 0
        else:
            self._fading_in += 1
            if self._fading_in >= _FADE_IN_FRAMES:
                self._state = _State.WAITING if blinking else _State.OFF
        changing = self._state in {_State.STARTING, _State.FINISHING}
        self._frames = self._frames + 1 if changing else 0
        self._blinking = blinking
        if not changing:
            return 0
        return LANE_CHANGE_LEFT if self._left else LANE_CHANGE_RIGHT

    def _wait(self, driver: DriverInput, *, blinking: bool, slow: bool) -> None:
        self._left = driver.left_blinker
        torque_into = driver.steering_torque > 0 if self._left else driver.steering_torque < 0
        occupied = driver.left_blindspot if self._left else driver.right_blindspot
        if not blinking or slow:
            self._state = _State.OFF
        elif driver.steering_pressed and torque_into and not occupied:
            self._state = _State.STARTING
