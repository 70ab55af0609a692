"""A seeded Toyota that never was: its CAN, and commands that go up to every limit of the kernel and just past it.

The car speaks as a Toyota with brake message 0x224 does. Commands come in acts, each made for one limit; between them
the command rests at zero long enough for the kernel to start afresh.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.recording.log_writer import encode_event, write_log

PERIOD_NS = 10_000_000
START_NS = 70_000_000_000
EPS_FACTOR, ALTERNATIVE_BRAKE = 73, 256
SEGMENT = "0123456789abcdef/0000002a--a1b2c3d4e5/3"

Frame = tuple[int, bytes, int]


def checked(address: int, body: bytes) -> bytes:
    """`body` with Toyota's check sum behind it."""
    length = len(body) + 1
    return body + bytes([(address + (address >> 8) + length + sum(body)) & 0xFF])


def signed(value: int) -> bytes:
    return (value & 0xFFFF).to_bytes(2, "big")


def steer(torque: int, request: int = 1, counter: int = 0) -> Frame:
    return (0x2E4, checked(0x2E4, bytes([0x80 | (counter & 63) << 1 | request]) + signed(torque) + b"\0"), 0)


def accelerate(accel: int) -> Frame:
    return (0x343, checked(0x343, signed(accel) + b"\x63\xc0\0\0\0"), 0)


def angle_request(request: int) -> Frame:
    return (0x191, checked(0x191, bytes([request]) + bytes(6)), 0)


@dataclass
class Toyota:
    """The car's state, and what was said until now."""

    seed: int
    speed_kph: float = 80.0
    eps_torque: int = 0
    brake: bool = False
    gas: bool = False
    cruise: bool = True
    silent: frozenset[int] = frozenset()
    spoiled: frozenset[int] = frozenset()
    extra: tuple[Frame, ...] = ()
    now_ns: int = START_NS
    ticks: int = 0
    events: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def tick(self, *commands: Frame) -> None:
        """10 ms: the car's messages, then the commands."""
        self.events.append(encode_event("can", self.now_ns, [_entry(frame) for frame in (*self._said(), *self.extra)]))
        self.extra = ()
        sent = [*commands, *([accelerate(0)] if self.ticks % 3 == 0 else []), *self._unlisted()]
        self.events.append(encode_event("sendcan", self.now_ns + PERIOD_NS // 2, [_entry(frame) for frame in sent]))
        self.ticks += 1
        self.now_ns += PERIOD_NS

    def _unlisted(self) -> list[Frame]:
        return [(0x489, bytes(8), 0)] if self.ticks % 100 == 0 else []

    def _said(self) -> Iterator[Frame]:
        wheel = round((self.speed_kph + self._random.uniform(-0.05, 0.05)) / 0.01) + 6767 if self.speed_kph else 6767
        yield from self._frame(0xAA, wheel.to_bytes(2, "big") * 4)
        if self.ticks % 2 == 0:
            raw = -(-abs(self.eps_torque) * 100 // EPS_FACTOR) * (1 if self.eps_torque >= 0 else -1)
            body = b"\0" + signed(self._random.randint(-40, 40)) + bytes(2) + signed(raw)
            yield from self._frame(0x260, checked(0x260, body))
            yield from self._frame(0x224, bytes([0x20 if self.brake else 0]) + bytes(7))
        if self.ticks % 3 == 0:
            state = (0x20 if self.cruise else 0) | (0 if self.gas else 0x10)
            yield from self._frame(0x1D2, checked(0x1D2, bytes([state]) + bytes(6)))
        yield (0x2E4, steer(0)[1], 2)  # the camera's own command, on its side of the harness
        yield (0x3B7, bytes([self.ticks & 0xFF]) * 8, 0)

    def _frame(self, address: int, data: bytes) -> Iterator[Frame]:
        if address in self.silent:
            return
        if address in self.spoiled:
            data = data[:-1] + bytes([data[-1] ^ 0xFF])
        yield (address, data, 0)

    # Parts of acts.

    def rest(self, ticks: int = 40) -> None:
        """No torque, request on: enough for every counter and window to be as at the start."""
        self.eps_torque = 0
        for _ in range(ticks):
            self.tick(steer(0, 1, self.ticks))

    def ramp(self, to: int, step: int, *, since: int = 0, follows: bool = True) -> int:
        """Command from `since` to `to`, the motor following at once; the last command."""
        torque = since
        while torque != to:
            torque = min(to, torque + step) if to > torque else max(to, torque - step)
            self.eps_torque = torque if follows else self.eps_torque
            self.tick(steer(torque, 1, self.ticks))
        return torque

    def hold(self, torque: int, ticks: int, *, request: int = 1) -> None:
        for _ in range(ticks):
            self.tick(steer(torque, request, self.ticks))

    def engage(self) -> None:
        """Cruise off and on again: controls are allowed on the rising edge alone."""
        self.brake = self.gas = False
        self.cruise = False
        self.rest(10)
        self.cruise = True
        self.rest(30)


def _entry(frame: Frame) -> dict[str, object]:
    return {"address": frame[0], "dat": frame[1], "src": frame[2]}


def _disengaged(car: Toyota) -> None:
    car.cruise = False
    car.rest(20)
    car.hold(30, 5)
    car.tick(steer(0), accelerate(500))
    car.rest(20)


def _torque_rate(car: Toyota) -> None:
    for step in (15, 16, 20):
        car.ramp(4 * step, step)
        car.rest()
        car.ramp(-4 * step, step)
        car.rest()


def _most_torque(car: Toyota) -> None:
    car.hold(car.ramp(1500, 15), 5)
    car.hold(1501, 3)
    car.rest(60)
    car.ramp(-1500, 15)
    car.hold(-1501, 2)
    car.rest(60)


def _motor_error(car: Toyota) -> None:
    car.rest()
    car.ramp(345, 15, follows=False)
    car.hold(351, 3)  # the motor's highest, one to be safe, and the allowed error
    car.hold(352, 3)
    car.rest()
    car.ramp(-345, 15, follows=False)
    car.hold(-351, 3)
    car.hold(-352, 3)
    car.rest()


def _motor_lets_go(car: Toyota) -> None:
    for step in (25, 24):
        torque = car.ramp(900, 15)
        car.eps_torque = 100
        car.hold(torque, 8)
        while torque > 500:
            torque -= step
            car.tick(steer(torque, 1, car.ticks))
        car.rest(60)


def _motor_samples(car: Toyota) -> None:
    """The motor wavers: the highest of the last samples counts, and none before them."""
    torque = car.ramp(600, 15)
    for i in range(24):
        car.eps_torque = 600 if i % 8 < 2 else 230
        car.tick(steer(torque, 1, car.ticks))
    car.eps_torque = 230
    car.hold(torque, 20)
    car.rest(60)


def _realtime(car: Toyota) -> None:
    """Two commands every 10 ms, each within the rate: together past the window's limit."""
    torque = 0
    for _ in range(22):
        car.eps_torque = torque
        car.tick(steer(torque + 15, 1), steer(torque + 30, 1))
        torque += 30
    car.rest(60)
    torque = 0
    for _ in range(40):  # 12 each: stays below it, window by window
        car.eps_torque = torque
        torque += 11
        car.tick(steer(torque, 1))
    car.rest(60)


def _request_cut(car: Toyota) -> None:
    torque = car.ramp(105, 15)
    car.hold(torque, 30)
    car.hold(torque, 1, request=0)  # one frame: allowed
    car.hold(torque, 18)
    car.hold(torque, 1, request=0)  # again after 18: allowed
    car.hold(torque, 10)
    car.hold(torque, 1, request=0)  # too soon
    car.rest(30)
    torque = car.ramp(105, 15)
    car.hold(torque, 30)
    car.hold(torque, 2, request=0)  # two in a row
    car.rest(30)
    torque = car.ramp(105, 15)
    car.hold(torque, 30)
    car.hold(torque, 1, request=0)
    for _ in range(10):  # enough frames in too short a time
        car.tick(steer(torque), steer(torque))
    car.hold(torque, 1, request=0)
    car.rest(30)
    torque = car.ramp(105, 15)
    car.hold(torque, 30)
    car.hold(torque, 1, request=0)
    for _ in range(10):  # enough time with too few frames
        car.tick(steer(torque))
        car.tick()
    car.hold(torque, 1, request=0)
    car.rest(30)


def _acceleration(car: Toyota) -> None:
    for accel in (2000, 2001, 2100, -3500, -3501, -4000):
        car.tick(steer(0), accelerate(accel))
    car.gas = True
    car.rest(6)
    car.tick(steer(0), accelerate(800))
    car.tick(steer(15), accelerate(0))
    car.gas = False
    car.rest(10)
    car.tick(steer(0), accelerate(800))


def _other_commands(car: Toyota) -> None:
    car.tick(angle_request(0), (0x412, bytes(8), 0))
    car.tick(angle_request(1))
    car.tick((0x283, checked(0x283, bytes(6)), 0))
    car.tick((0x283, checked(0x283, b"\0\0\1\0\0\0"), 0))
    car.tick((0x2E4, steer(0)[1] + bytes(3), 0), (0x2E4, steer(0)[1], 1))


def _brake(car: Toyota) -> None:
    car.ramp(60, 15)
    car.brake = True
    car.hold(60, 10)
    car.brake = False
    car.rest(20)
    car.engage()


def _brake_at_standstill(car: Toyota) -> None:
    car.brake = True
    car.speed_kph = 0.0
    car.rest(10)
    car.cruise = False
    car.rest(6)
    car.cruise = True  # engaging on the brake, standing
    car.rest(20)
    car.speed_kph = 30.0
    car.rest(10)
    car.speed_kph = 80.0
    car.engage()


def _lost_messages(car: Toyota) -> None:
    for address in (0x224, 0x260, 0x1D2, 0xAA):
        car.silent = frozenset({address})
        car.rest(90)
        car.silent = frozenset()
        car.rest(10)
        car.silent = frozenset({address})
        car.rest(115)
        car.silent = frozenset()
        car.rest(10)
        car.engage()


def _bad_sums(car: Toyota) -> None:
    for address in (0x260, 0x1D2):
        car.spoiled = frozenset({address})
        car.rest(6)
        car.spoiled = frozenset()
        car.rest(10)
        car.engage()


def _stock_command(car: Toyota) -> None:
    """The relay broke: the camera's command is on the car's side."""
    car.ramp(60, 15)
    car.extra = ((0x2E4, steer(0)[1], 0),)
    car.hold(60, 20)
    car.rest(130)


ACTS: tuple[Callable[[Toyota], None], ...] = (
    *(_torque_rate, _most_torque, _motor_error, _motor_lets_go, _motor_samples, _realtime, _request_cut),
    *(_acceleration, _other_commands, _brake, _brake_at_standstill, _lost_messages, _bad_sums, _stock_command),
)


def make_events(seed: int, acts: tuple[Callable[[Toyota], None], ...] = ACTS) -> list[bytes]:
    """The log: carParams, then the drive. Engages after half a second; the last act breaks the relay."""
    car = Toyota(seed, cruise=False)
    car.rest(50)
    _disengaged(car)
    car.engage()
    for act in acts:
        act(car)
        if act is not _stock_command:
            car.engage()
    config = {"safetyModel": "toyota", "safetyParam": EPS_FACTOR + ALTERNATIVE_BRAKE}
    params = encode_event("carParams", START_NS - 1, {"brand": "toyota", "safetyConfigs": [config]})
    return [params, *car.events]


def write_toyota(path: Path, seed: int = 1) -> Path:
    """The whole drive as a log."""
    write_log(path, make_events(seed))
    return path
