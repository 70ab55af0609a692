"""All CAN frames of a log as columns: where each frame's bytes lie in the log, nothing is copied.

`can` and `sendcan` are lists of (address, data, source). Data are of any length, so what is given of them is place
and length; that is what a loop in C wants, and `padded` makes an array of them where one is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import ConfigError, DataError
from harness.recording.log import Log
from harness.recording.log_frames import WORD_BYTES, Int64s
from harness.recording.log_pointers import ELEMENT_BITS, Structs
from harness.recording.log_schema import PayloadKind, payload_kinds, payload_schema
from harness.recording.log_walk import Walk
from harness.recording.services import canonical_name, ordinal_of

MAX_DATA_BYTES = 64
"""CAN FD; a frame that claims more is none."""

_SERVICES = ("can", "sendcan")
_DATA_FIELD = "dat"


@dataclass(frozen=True, slots=True)
class CanTable:
    """Messages (n,) of one service in time order, and the frames (m,) in them, end to end.

    `rows` are the messages' rows in the log's index, `t_ns` their times; message i holds frames [`first[i]`,
    `first[i] + counts[i]`). `address` uint32, `source` uint8; frame j is bytes [`start[j]`, `start[j] + length[j]`) of
    `content` (uint8, the whole log).
    """

    rows: Int64s
    t_ns: Int64s
    first: Int64s
    counts: Int64s
    address: npt.NDArray[np.uint32]
    source: npt.NDArray[np.uint8]
    start: Int64s
    length: Int64s
    content: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.address)

    @property
    def messages(self) -> Int64s:
        """(m,) the message each frame is of."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def data(self, frame: int) -> bytes:
        """The bytes of one frame."""
        start = int(self.start[frame])
        return self.content[start : start + int(self.length[frame])].tobytes()

    def padded(self, width: int = MAX_DATA_BYTES) -> npt.NDArray[np.uint8]:
        """(m, width) the bytes of every frame, zeros behind them, cut where they are longer."""
        places = self.start[:, None] + np.arange(width)
        inside = np.arange(width) < self.length[:, None]
        if not len(self.content):
            return np.zeros((len(self), width), np.uint8)
        octets: npt.NDArray[np.uint8] = self.content[np.where(inside, places, 0)]
        octets[~inside] = 0
        return octets


def read_can(log: Log, service: str) -> CanTable:
    """The frames of `can` or `sendcan`. DataError for messages whose pointers lead nowhere."""
    name = canonical_name(service)
    ordinal = ordinal_of(name)
    if name not in _SERVICES or payload_kinds()[ordinal] is not PayloadKind.LIST:
        raise ConfigError(f"{service} holds no CAN frames", where=log.where, remedy=f"use {' or '.join(_SERVICES)}")
    rows = log.rows(name)
    index = log.index
    walk = Walk(index.frames, name, log.where)
    lists = walk.lists(index.roots.pointer_places(0)[rows], rows, index.roots.segments[rows])
    structs, _ = walk.all_elements(lists, name)
    schema = payload_schema(ordinal).elementType
    start, length = _data_places(walk, structs, schema.fields[_DATA_FIELD].proto.slot.offset)
    return CanTable(
        rows,
        index.t_ns[rows],
        np.cumsum(lists.counts) - lists.counts,
        lists.counts,
        np.ascontiguousarray(walk.field(structs, schema, ["address"], "address"), np.uint32),
        np.ascontiguousarray(walk.field(structs, schema, ["src"], "src"), np.uint8),
        start,
        length,
        np.frombuffer(log.content, np.uint8),
    )


def _data_places(walk: Walk, structs: Structs, pointer: int) -> tuple[Int64s, Int64s]:
    """First byte and number of bytes of the data each struct points to."""
    lists = walk.lists(structs.pointer_places(pointer), structs.rows, structs.segments)
    wrong = np.flatnonzero((lists.counts > 0) & (ELEMENT_BITS[lists.codes] != 8))
    if wrong.size:
        problem = f"message {int(lists.rows[wrong[0]])} ({walk.service}): {_DATA_FIELD} is not bytes"
        raise DataError(problem, where=walk.where, remedy="the log is corrupt there")
    return lists.bases * WORD_BYTES, lists.counts
