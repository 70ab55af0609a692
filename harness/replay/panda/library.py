"""The compiled kernel called from Python: arrays in, arrays out, one call for a whole log."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from harness.errors import ConfigError, DataError, DeviceUnhealthyError
from harness.recording.can_frames import CanTable
from harness.replay.panda.kernel import Kernel

_API = 1
_MAX_CHECKS = 64
_CHECK_FIELDS = 6
_FLAG_ROWS = ("controls_allowed", "relay_malfunction", "tick_invalid", "gas_pressed", "brake_pressed", "vehicle_moving")
_COUNT_ROWS = ("rx_invalid", "forward_blocked", "sent", "passed", "malformed")

# One refused message, as the shim writes it: numbers of message, row and frame, then what the kernel saw.
RECORD = np.dtype(
    [
        (name, "<i4")
        for name in (
            *("message", "row", "frame", "service", "why", "allowed", "kind", "desired", "last", "low", "high"),
            *("measured_min", "measured_max", "window"),
        )
    ]
)

Records = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class SafetySetup:
    """What the panda is told before a drive, and how the replay begins.

    `seeds`: begin where the first steering command shows the drive was. `echoes_sent`: what was sent is taken from the
    echoes (source 128 and more) among the received frames.
    """

    mode: int
    param: int
    alternative_experience: int
    seeds: bool
    echoes_sent: bool


@dataclass(frozen=True, slots=True)
class Traffic:
    """A log's CAN in time order: message i is of `received` or (`sends`) of `sent`, and holds a run of its frames."""

    received: CanTable
    sent: CanTable
    t_us: npt.NDArray[np.uint64]
    sends: npt.NDArray[np.uint8]
    first: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RxCheck:
    """A message the kernel wants to hear: where, how often, whether it ever came, at how many ticks it was late."""

    address: int
    bus: int
    length: int
    frequency_hz: int
    seen: bool
    lagging_ticks: int


@dataclass(frozen=True, slots=True)
class KernelRun:
    """What came of a replay. Rows (n,) are received messages, each with what was sent until the next one.

    `flags` bool and `counts` uint16 by name, (n,); `frame_invalid` (m,) bool, one a received frame; `records` (k,) of
    RECORD, one a refused message. `disagreements` counts commands that the kernel refused without a reason the
    explanation knows, or the other way round.
    """

    flags: dict[str, npt.NDArray[np.bool_]]
    counts: dict[str, npt.NDArray[np.uint16]]
    frame_invalid: npt.NDArray[np.bool_]
    records: Records
    checks: tuple[RxCheck, ...]
    disagreements: int
    explains: bool
    seeded_by: str
    seed: int


class _Frames(ctypes.Structure):
    _fields_: ClassVar = [
        ("content", ctypes.c_void_p), ("content_bytes", ctypes.c_int64), ("count", ctypes.c_int64),
        ("address", ctypes.c_void_p), ("source", ctypes.c_void_p), ("start", ctypes.c_void_p),
        ("length", ctypes.c_void_p),
    ]  # fmt: skip


class _Messages(ctypes.Structure):
    _fields_: ClassVar = [
        ("count", ctypes.c_int64), ("t_us", ctypes.c_void_p), ("sends", ctypes.c_void_p), ("first", ctypes.c_void_p),
        ("frames", ctypes.c_void_p),
    ]  # fmt: skip


class _Setup(ctypes.Structure):
    _fields_: ClassVar = [
        ("mode", ctypes.c_uint16), ("param", ctypes.c_uint16), ("alternative_experience", ctypes.c_int32),
        ("seeds", ctypes.c_uint8), ("echoes_sent", ctypes.c_uint8),
    ]  # fmt: skip


class _Result(ctypes.Structure):
    _fields_: ClassVar = [
        ("rows", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in (*_FLAG_ROWS, *_COUNT_ROWS)),
        ("frame_invalid", ctypes.c_void_p), ("records", ctypes.c_void_p), ("record_count", ctypes.c_int64),
        ("checks", ctypes.c_void_p), ("check_count", ctypes.c_int64), ("disagreements", ctypes.c_int64),
        ("seeded", ctypes.c_int32), ("seed_value", ctypes.c_int32),
    ]  # fmt: skip


def run_kernel(kernel: Kernel, setup: SafetySetup, traffic: Traffic) -> KernelRun:
    """The whole of `traffic` through a fresh copy of the kernel. ConfigError when it does not know the safety mode."""
    library = _open_fresh(kernel)
    rows = int(np.count_nonzero(traffic.sends == 0))
    flags = {name: np.zeros(rows, np.uint8) for name in _FLAG_ROWS}
    counts = {name: np.zeros(rows, np.uint16) for name in _COUNT_ROWS}
    room = len(traffic.sent) + (int(np.count_nonzero(traffic.received.source >= 128)) if setup.echoes_sent else 0)
    records = np.zeros(room, RECORD)
    invalid = np.zeros(len(traffic.received), np.uint8)
    checks = np.zeros((_MAX_CHECKS, _CHECK_FIELDS), np.int32)
    result = _Result(
        rows,
        *(flags[name].ctypes.data for name in _FLAG_ROWS),
        *(counts[name].ctypes.data for name in _COUNT_ROWS),
        invalid.ctypes.data,
        records.ctypes.data,
        0,
        checks.ctypes.data,
    )
    messages = _Messages(
        len(traffic.t_us),
        traffic.t_us.ctypes.data,
        traffic.sends.ctypes.data,
        traffic.first.ctypes.data,
        traffic.counts.ctypes.data,
    )
    told = _Setup(setup.mode, setup.param, setup.alternative_experience, setup.seeds, setup.echoes_sent)
    received, sent = _frames(traffic.received), _frames(traffic.sent)
    status = library.closet_replay(
        *(ctypes.byref(value) for value in (told, received, sent, messages, result)),
    )
    if status != 0:
        raise ConfigError(
            f"the kernel has no safety mode {setup.mode}",
            where="safety_model",
            remedy="modes are numbers of opendbc's SafetyModel, as 2 for toyota",
        )
    return KernelRun(
        {name: values.astype(np.bool_) for name, values in flags.items()},
        counts,
        invalid.astype(np.bool_),
        records[: result.record_count].copy(),
        tuple(
            RxCheck(row[0], row[1], row[2], row[3], bool(row[4]), row[5])
            for row in checks[: result.check_count].tolist()
        ),
        int(result.disagreements),
        bool(library.closet_explains()),
        ("", "torque", "angle")[result.seeded],
        int(result.seed_value),
    )


def _frames(table: CanTable) -> _Frames:
    return _Frames(
        table.content.ctypes.data,
        len(table.content),
        len(table),
        table.address.ctypes.data,
        table.source.ctypes.data,
        table.start.ctypes.data,
        table.length.ctypes.data,
    )


def _open_fresh(kernel: Kernel) -> ctypes.CDLL:
    """A copy of the library of its own: the kernel keeps its state in globals, and not all of it is ever reset."""
    with tempfile.TemporaryDirectory(prefix="closet-kernel-") as name:
        copy = Path(shutil.copyfile(kernel.path, Path(name) / "kernel.so"))
        try:
            library = ctypes.CDLL(str(copy))
            library.closet_api.restype = ctypes.c_uint32
            library.closet_sources.restype = ctypes.c_char_p
            api, sources = library.closet_api(), library.closet_sources().decode()
        except (OSError, AttributeError) as error:
            raise DeviceUnhealthyError(
                f"the safety kernel cannot be loaded: {error}",
                where=kernel.path.name,
                remedy="it was built for another machine: take it out of prebuilt, and it is compiled here",
            ) from error
    if api != _API or sources != kernel.sources.digest:
        raise DataError(
            "the prebuilt kernel was built from other headers, or by another version of the harness",
            where=kernel.path.name,
            remedy="python -m harness.replay.panda KERNEL builds it again",
        )
    return library
