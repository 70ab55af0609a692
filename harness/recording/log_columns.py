"""Numeric fields of many messages as numpy arrays, read straight from the bytes of the log.

Where a field lies is asked of the schema; the pointers on the way to it are followed for all messages at once. What
comes out is what pycapnp would say, field by field, with these rules where messages differ:

- A field of a struct that is absent has its default, as Cap'n Proto has it.
- A list gives one more axis, a list of structs too (`laneLines.y` is (n, 4, 33)). Lists of unequal lengths are an
  error, except that an empty list among others of one length is a row of NaN for floats (an error for integers).
- A member of a union that is not the one set is NaN for floats; for other types it is an error unless all have it set.
- Enums are their numbers, so one that is newer than the schema does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import ConfigError
from harness.recording.log_frames import Int64s
from harness.recording.log_index import LogIndex
from harness.recording.log_pointers import Bools
from harness.recording.log_schema import PayloadKind, payload_kinds, payload_schema
from harness.recording.log_walk import Array, Walk
from harness.recording.services import EVENT_NAMES, name_of_ordinal


@dataclass(frozen=True, slots=True)
class Columns:
    """Fields of one service: `t_ns`, `valid` (n,), and each field's array (n, …) by its dotted name."""

    service: str
    t_ns: Int64s
    valid: Bools
    values: Mapping[str, Array]

    def __getitem__(self, field: str) -> Array:
        return self.values[field]

    def __len__(self) -> int:
        return len(self.t_ns)


@dataclass(frozen=True, slots=True)
class Elements:
    """Fields of the elements of a list, one row an element, in the order of the messages and of the list.

    `t_ns`, `valid` (m,) are the message's; `messages` (m,) says which message of the service it is, counted in time
    order; `counts` (n,) how many elements each message has.
    """

    service: str
    t_ns: Int64s
    valid: Bools
    messages: Int64s
    counts: Int64s
    values: Mapping[str, Array]

    def __getitem__(self, field: str) -> Array:
        return self.values[field]

    def __len__(self) -> int:
        return len(self.t_ns)


def read_columns(index: LogIndex, rows: Int64s, ordinal: int, fields: Sequence[str], where: str) -> Columns:
    """The `fields` of the messages at `rows`, all of the kind `ordinal`."""
    walk = Walk(index.frames, name_of_ordinal(ordinal), where)
    kind = payload_kinds()[ordinal] if ordinal < len(EVENT_NAMES) else PayloadKind.UNREAD
    values: dict[str, Array] = {}
    if fields and kind is PayloadKind.STRUCT:
        structs = walk.structs(*_payload_places(index, rows))
        values = {field: walk.field(structs, payload_schema(ordinal), field.split("."), field) for field in fields}
    elif fields and kind is PayloadKind.LIST:
        lists = walk.lists(*_payload_places(index, rows))
        schema = payload_schema(ordinal).elementType
        values = {field: walk.struct_list(lists, schema, field.split("."), field) for field in fields}
    elif fields:
        raise ConfigError(f"{walk.service} has no numeric fields", where=where)
    return Columns(walk.service, index.t_ns[rows], index.valid[rows], values)


def read_elements(
    index: LogIndex, rows: Int64s, ordinal: int, fields: Sequence[str], where: str, of: str = ""
) -> Elements:
    """The `fields` of the elements of the list field `of`, or of the payload itself where it is a list."""
    walk = Walk(index.frames, name_of_ordinal(ordinal), where)
    kind = payload_kinds()[ordinal] if ordinal < len(EVENT_NAMES) else PayloadKind.UNREAD
    if kind is PayloadKind.LIST and not of:
        lists = walk.lists(*_payload_places(index, rows))
        schema = payload_schema(ordinal).elementType
    elif kind is PayloadKind.STRUCT and of:
        lists, schema = walk.list_at(walk.structs(*_payload_places(index, rows)), payload_schema(ordinal), of)
    else:
        raise ConfigError(f"{walk.service} is not a list; name the list field with `of`", where=where)
    structs, messages = walk.all_elements(lists, of or walk.service)
    values = {field: walk.field(structs, schema, field.split("."), field) for field in fields}
    return Elements(
        walk.service, index.t_ns[rows][messages], index.valid[rows][messages], messages, lists.counts, values
    )


def _payload_places(index: LogIndex, rows: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    return index.roots.pointer_places(0)[rows], rows, index.roots.segments[rows]
