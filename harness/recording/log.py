"""Reading logs: index first, then decode only what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import capnp
import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.recording.container import DEFAULT_LIMIT_BYTES, Container, unpack
from harness.recording.log_columns import Columns, Elements, read_columns, read_elements
from harness.recording.log_index import Damage, LogIndex, index_log
from harness.recording.log_schema import PayloadKind, event_type, payload_kinds
from harness.recording.log_texts import unsafe_rows
from harness.recording.services import EVENT_NAMES, name_of_ordinal, ordinal_of

__all__ = ["Columns", "Damage", "Elements", "Log", "LogIndex", "Message", "load_log", "parse_log"]

# How many words pycapnp may follow in a message: each of its own this often, and some. Bounds what a corrupt one costs.
_TRAVERSALS = 64
_TRAVERSAL_WORDS = 1 << 20

_REMEDY = "is this an rlog or qlog? `closet log info FILE` shows what a file holds"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `payload` is pycapnp's reader of the struct or list, str for text, bytes for data.

    A kind of message whose layout is not known comes as the bytes of the whole event.
    """

    t_ns: int
    valid: bool
    service: str
    payload: Any


@dataclass(frozen=True, slots=True)
class Log:
    """A log held in memory, uncompressed. Services are known by any of their names, and named by the newest."""

    where: str
    container: Container
    damage: Damage | None
    index: LogIndex
    content: bytes | bytearray

    def counts(self) -> dict[str, int]:
        """How many messages of each service there are, by name; `unknown@N` for what is newer than the schema."""
        ordinals, counts = np.unique(self.index.ordinals, return_counts=True)
        named = {name_of_ordinal(int(o)): int(n) for o, n in zip(ordinals, counts, strict=True)}
        return dict(sorted(named.items()))

    def rows(self, service: str | None = None) -> npt.NDArray[np.int64]:
        """Rows of the index (n,) of one service or of all, in time order; equal times stay in file order."""
        if service is None:
            return np.argsort(self.index.t_ns, kind="stable")
        rows = np.flatnonzero(self.index.ordinals == ordinal_of(service))
        order: npt.NDArray[np.int64] = rows[np.argsort(self.index.t_ns[rows], kind="stable")]
        return order

    def event_bytes(self, row: int) -> bytes:
        """The message at a row of the index as it stands in the log, framing included."""
        start = int(self.index.offsets[row])
        return bytes(self.content[start : start + int(self.index.sizes[row])])

    def message(self, row: int) -> Message:
        """Decode the message at a row of the index."""
        return next(self._decode(np.array([row], np.int64)))

    def messages(self, service: str | None = None) -> Iterator[Message]:
        """Decode the messages of one service, or all, in time order."""
        return self._decode(self.rows(service))

    def columns(self, service: str, fields: Sequence[str]) -> Columns:
        """Numeric fields of a service as arrays over its messages, in time order. See `log_columns`."""
        return read_columns(self.index, self.rows(service), ordinal_of(service), fields, self.where)

    def elements(self, service: str, fields: Sequence[str], *, of: str = "") -> Elements:
        """Numeric fields of list elements, one row an element: of a list service (`can`), or of the list field `of`."""
        return read_elements(self.index, self.rows(service), ordinal_of(service), fields, self.where, of)

    def _decode(self, rows: npt.NDArray[np.int64]) -> Iterator[Message]:
        ordinals = self.index.ordinals[rows]
        unsafe: set[int] = set()
        for ordinal in np.unique(ordinals).tolist():
            unsafe.update(unsafe_rows(self.index, rows[ordinals == ordinal], ordinal).tolist())
        for row, ordinal in zip(rows.tolist(), ordinals.tolist(), strict=True):
            if row in unsafe:
                raise self._corrupt(row, "a text has no end")
            raw = self.event_bytes(row)
            payload = raw if _is_unread(ordinal) else self._payload(raw, ordinal, row)
            yield Message(int(self.index.t_ns[row]), bool(self.index.valid[row]), name_of_ordinal(ordinal), payload)

    def _payload(self, raw: bytes, ordinal: int, row: int) -> Any:
        limit_words = _TRAVERSAL_WORDS + _TRAVERSALS * len(raw) // 8
        try:
            event = next(iter(event_type().read_multiple_bytes(raw, traversal_limit_in_words=limit_words)))
            return getattr(event, EVENT_NAMES[ordinal])
        except UnicodeDecodeError as error:
            return error.object.decode(errors="replace")
        except (capnp.KjException, StopIteration) as error:
            raise self._corrupt(row, str(error).split("\n", 1)[0]) from error

    def _corrupt(self, row: int, problem: str) -> DataError:
        name = name_of_ordinal(int(self.index.ordinals[row]))
        problem = f"message {row} ({name}) cannot be decoded: {problem}"
        return DataError(problem, where=self.where, remedy="the log is corrupt there")


def load_log(path: Path, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Log:
    """Read a log file, however it is compressed; never more than `limit_bytes` uncompressed."""
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    return parse_log(packed, where=str(path), limit_bytes=limit_bytes)


def parse_log(data: bytes, *, where: str, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Log:
    """Read a log from its bytes. A damaged tail is left out and described; a log without any message is an error."""
    if not data:
        raise DataError("the log is empty (0 bytes)", where=where, remedy="fetch it again")
    unpacked = unpack(data, where=where, limit_bytes=limit_bytes)
    index, damage = index_log(unpacked.content)
    if unpacked.cut_off:
        offset = damage.offset_bytes if damage else len(unpacked.content)
        damage = Damage(offset, len(index), unpacked.cut_off)
    if not len(index):
        reason = damage.reason if damage else "there is no message in it"
        raise DataError(f"not an openpilot log ({unpacked.container}): {reason}", where=where, remedy=_REMEDY)
    if bool(np.all(index.ordinals >= len(EVENT_NAMES))):
        raise DataError("not an openpilot log: no message is of a known kind", where=where, remedy=_REMEDY)
    return Log(where, unpacked.container, damage, index, unpacked.content)


def _is_unread(ordinal: int) -> bool:
    return ordinal >= len(EVENT_NAMES) or payload_kinds()[ordinal] is PayloadKind.UNREAD
