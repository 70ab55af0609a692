"""Raw CAN frames as openpilot reads them: which car, how long each frame was, and carState decoded by opendbc."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opendbc.can.dbc import DBC
from opendbc.car import Bus, gen_empty_fingerprint
from opendbc.car.car_helpers import interfaces
from opendbc.car.carlog import carlog
from opendbc.car.toyota.values import ToyotaSafetyFlags
from opendbc.car.values import PLATFORMS

from harness.errors import ConfigError, DataError

SENT_SOURCE = 128
"""A frame openpilot sent comes back from the panda with this added to its bus."""

_NEVER_SEEN = frozenset[int]()


@dataclass(frozen=True, slots=True)
class CanFrames:
    """Frames in time order: `t_ns`, `address`, `source` (n,) int64; `data` (n,8) uint8, zero past `length` (n,)."""

    t_ns: NDArray[np.int64]
    address: NDArray[np.int64]
    source: NDArray[np.int64]
    data: NDArray[np.uint8]
    length: NDArray[np.int64]

    def addresses(self, source: int) -> frozenset[int]:
        """Addresses that were seen from this source."""
        return frozenset(np.unique(self.address[self.source == source]).tolist())


@dataclass(frozen=True, slots=True)
class Batch:
    """The frames that arrived until `t_ns`, as (address, data, source)."""

    t_ns: int
    frames: tuple[tuple[int, bytes, int], ...]


@dataclass(frozen=True, slots=True)
class Car:
    """A car opendbc knows, and the reason to think it is this one."""

    platform: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Signature:
    """Addresses on bus 0 that tell a platform: all of `present`, none of `absent`."""

    platform: str
    present: frozenset[int]
    absent: frozenset[int]
    reason: str


# Platforms of opendbc that share one DBC are told apart by messages only one of them sends: from the message lists
# by which openpilot of 2018 recognised its cars.
_SIGNATURES = (
    _Signature(
        "TOYOTA_RAV4",
        frozenset({0x224, 0x1D2, 0x2C1, 0x3BC, 0x232, 0x2D5, 0x396, 0x3F0}),
        frozenset({0x226, 0x127, 0x3E0}),
        "brake message 0x224 (a Toyota before the hybrids' 0x226), gear 0x3bc and no hybrid gear 0x127; of those cars "
        "the RAV4 alone sends 0x232, 0x2d5, 0x396 and 0x3f0, and the Corolla's 0x3e0 is absent",
    ),
    _Signature(
        "TOYOTA_COROLLA",
        frozenset({0x224, 0x1D2, 0x2C1, 0x3BC, 0x3E0}),
        frozenset({0x226, 0x127, 0x232, 0x2D5}),
        "brake message 0x224 (a Toyota before the hybrids' 0x226), gear 0x3bc and no hybrid gear 0x127; of those cars "
        "the Corolla alone sends 0x3e0, and the RAV4's 0x232 and 0x2d5 are absent",
    ),
)

_TOYOTA_ACC_CONTROL = 0x343
# Lengths that no DBC gives: what the panda lets openpilot send in place of a disconnected Toyota driving support unit
# (opendbc safety, modes/toyota.h), as (source, address): bytes.
_SENT_LENGTHS = {(128, 0x366): 7, (128, 0x4CB): 8, (129, 0x128): 6, (129, 0x141): 4, (129, 0x160): 8, (129, 0x161): 7}


def find_car(frames: CanFrames, *, platform: str = "", where: str = "") -> Car:
    """The car these frames come from, by the addresses on bus 0; `platform` says it instead."""
    if platform:
        if platform not in PLATFORMS:
            raise ConfigError(f"opendbc knows no platform {platform!r}", remedy="its names are like TOYOTA_RAV4")
        return Car(platform, "named by the person who imported it")
    seen = frames.addresses(0)
    for signature in _SIGNATURES:
        if signature.present <= seen and not signature.absent & seen:
            return Car(signature.platform, signature.reason)
    brakes = ", ".join(f"0x{address:x}" for address in sorted(seen & {0x224, 0x226, 0x1BE, 0x1D0, 0x127}))
    raise DataError(
        f"the car is not recognised by its {len(seen)} addresses on bus 0 (of the telling ones: {brakes or 'none'})",
        where=where,
        remedy="name opendbc's platform, as in TOYOTA_RAV4",
    )


def restore_lengths(frames: CanFrames, car: Car) -> tuple[CanFrames, tuple[str, ...]]:
    """Frames with the lengths they had on the wire, where the storage lost trailing zero bytes; and notes on how.

    The DBC of the bus knows a message's length; the sent ones of a disconnected unit have known lengths; for the rest
    the longest one seen is the best guess.
    """
    buses = PLATFORMS[car.platform].config.dbc_dict
    by_bus = {0: DBC(buses[Bus.pt]), 1: DBC(buses[Bus.radar]) if Bus.radar in buses else None}
    lengths = frames.length.copy()
    guessed = 0
    for source in np.unique(frames.source).tolist():
        dbc = by_bus.get(source % SENT_SOURCE)
        for address in frames.addresses(source):
            chosen = (frames.source == source) & (frames.address == address)
            longest = int(frames.length[chosen].max())
            message = dbc.addr_to_msg.get(address) if dbc else None
            known = message.size if message else _SENT_LENGTHS.get((source, address), 0)
            guessed += known < longest or not known
            lengths[chosen] = max(known, longest)
    note = (
        f"lengths of CAN frames restored from {', '.join(sorted({d.name for d in by_bus.values() if d}))}; "
        f"{guessed} messages it does not know are as long as the longest seen"
    )
    return replace(frames, length=lengths), (note,)


def batches(frames: CanFrames, period_ns: int) -> tuple[Batch, ...]:
    """All frames in batches of one period, as openpilot's pandad hands them on; empty periods are kept."""
    begin = int(frames.t_ns[0]) // period_ns
    period = frames.t_ns // period_ns - begin
    count = int(period[-1]) + 1
    edges = np.searchsorted(period, np.arange(count + 1))
    raw = frames.data.tobytes()
    entries = [
        (address, raw[8 * row : 8 * row + length], source)
        for row, (address, length, source) in enumerate(
            zip(frames.address.tolist(), frames.length.tolist(), frames.source.tolist(), strict=True)
        )
    ]
    return tuple(
        Batch((begin + index + 1) * period_ns, tuple(entries[edges[index] : edges[index + 1]]))
        for index in range(count)
    )


def car_params(car: Car, frames: CanFrames) -> Any:
    """CarParams as opendbc makes them from this car's addresses; openpilot has the cruise if it sent commands."""
    fingerprint = gen_empty_fingerprint()
    for bus in (0, 1):
        chosen = frames.source == bus
        fingerprint[bus] = dict(zip(frames.address[chosen].tolist(), frames.length[chosen].tolist(), strict=True))
    params = interfaces[car.platform].get_params(car.platform, fingerprint, [], False, False, False)
    if params.brand == "toyota" and _TOYOTA_ACC_CONTROL in frames.addresses(SENT_SOURCE):
        params.openpilotLongitudinalControl = True
        params.safetyConfigs[0].safetyParam &= ~ToyotaSafetyFlags.STOCK_LONGITUDINAL.value
    params.fingerprintSource = "can"
    return params


def decode_car_states(params: Any, frames: CanFrames, received: Sequence[Batch]) -> Iterator[dict[str, Any]]:
    """The carState after each batch, by opendbc's own interface for the car.

    What a disconnected unit would have said, openpilot said in its place: its echoes with an address that the bus
    itself never carried are shown to the decoder as if from that bus, and, for cars whose camera has a bus of its own
    now and had none then, as if from the camera. So carState is valid exactly when the wires carried all of it.
    """
    interface = interfaces[params.carFingerprint](params)
    stand_ins = {
        source: frames.addresses(source) - frames.addresses(source - SENT_SOURCE)
        for source in np.unique(frames.source).tolist()
        if source >= SENT_SOURCE
    }
    camera = interface.can_parsers.get(Bus.cam)
    camera_bus = int(camera.bus) if camera and not frames.addresses(camera.bus) else None
    for batch in received:
        heard = []
        for address, data, source in batch.frames:
            if source < SENT_SOURCE:
                heard.append((address, data, source))
            elif address in stand_ins.get(source, _NEVER_SEEN):
                heard.append((address, data, source - SENT_SOURCE))
                if camera_bus is not None and source == SENT_SOURCE:
                    heard.append((address, data, camera_bus))
        with _quiet():
            state = interface.update([(batch.t_ns, heard)])
        yield state.to_dict()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without opendbc's warnings about messages that did not come yet: carState.canValid says the same."""
    level = carlog.level
    carlog.setLevel(logging.ERROR)
    try:
        yield
    finally:
        carlog.setLevel(level)
