"""Reading one field of many structs at once: where it lies is asked of the schema, then all are read together.

The rules of what comes out where structs differ are those of `log_columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ConfigError, DataError
from harness.recording.log_frames import Frames, Int64s, spread
from harness.recording.log_pointers import (
    COMPOSITE,
    ELEMENT_BITS,
    POINTERS,
    Bools,
    Lists,
    Structs,
    follow_lists,
    follow_structs,
    list_structs,
    read_bits,
    sane_total,
    without,
)
from harness.recording.log_schema import NOT_IN_UNION, CapnpSchema

Array = npt.NDArray[Any]

_DTYPES = {
    "bool": "?",
    "int8": "i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "float32": "<f4",
    "float64": "<f8",
    "enum": "<u2",
}


@dataclass(frozen=True, slots=True)
class Walk:
    """Reading fields of many structs of one kind. `label` is always the field as it was asked for."""

    frames: Frames
    service: str
    where: str

    def structs(self, places: Int64s, rows: Int64s, segments: Int64s) -> Structs:
        structs, sound = follow_structs(self.frames, places, rows, segments)
        self._insist(sound, rows, "a pointer leads nowhere")
        return structs

    def lists(self, places: Int64s, rows: Int64s, segments: Int64s) -> Lists:
        lists, sound = follow_lists(self.frames, places, rows, segments)
        self._insist(sound, rows, "a pointer leads nowhere")
        return lists

    def field(self, structs: Structs, schema: CapnpSchema, parts: Sequence[str], label: str) -> Array:
        """A field (n, …) of structs (n,); `parts` is the rest of its dotted name."""
        field = self._field_of(schema, parts[0], label)
        tag = field.proto.discriminantValue
        if tag == NOT_IN_UNION:
            return self._plain_field(structs, field, parts[1:], label)
        tags = read_bits(self.frames, structs, schema.node.struct.discriminantOffset * 16, 16)
        other = tags != tag
        values = self._plain_field(without(structs, other), field, parts[1:], label)
        return self._blanked(values, other, f"{label} is not the member of its union that is set", structs.rows)

    def struct_list(self, lists: Lists, schema: CapnpSchema, parts: Sequence[str], label: str) -> Array:
        """A field (n, k, …) of the structs in lists (n,) of k."""
        length = self._length(lists, label)
        structs, _ = self.all_elements(lists, label, length)
        inner = self.field(structs, schema, parts, label)
        values = inner.reshape(len(lists.counts), length, *inner.shape[1:])
        return self._blank_empty(values, lists, length, label)

    def list_at(self, structs: Structs, schema: CapnpSchema, name: str) -> tuple[Lists, CapnpSchema]:
        """The lists of structs at the dotted `name`, and the schema of their elements."""
        *way, last = name.split(".")
        for part in way:
            field = self._field_of(schema, part, name)
            if field.proto.which() == "slot":
                if str(field.proto.slot.type.which()) != "struct":
                    raise ConfigError(f"{self.service}.{name} does not exist", where=self.where)
                place = structs.pointer_places(field.proto.slot.offset)
                structs = self.structs(place, structs.rows, structs.segments)
            schema = field.schema
        field = self._field_of(schema, last, name)
        kind = field.proto.slot.type if field.proto.which() == "slot" else None
        if kind is None or str(kind.which()) != "list" or str(kind.list.elementType.which()) != "struct":
            raise ConfigError(f"{self.service}.{name} is not a list of structs", where=self.where)
        lists = self.lists(structs.pointer_places(field.proto.slot.offset), structs.rows, structs.segments)
        return lists, field.schema.elementType

    def all_elements(self, lists: Lists, label: str, length: int | None = None) -> tuple[Structs, Int64s]:
        """The structs in lists (n,), end to end, and which list each is of; padded to `length` each where given."""
        self._insist((lists.counts == 0) | (lists.codes == COMPOSITE), lists.rows, f"{label} is not a list of structs")
        owners, places = self._spread(lists, length, label)
        return list_structs(lists, owners, places), owners

    def _plain_field(self, structs: Structs, field: Any, rest: Sequence[str], label: str) -> Array:
        """A field (n, …) of structs (n,), as if every struct had it set; `rest` is what follows in its dotted name."""
        if field.proto.which() == "group":
            return self.field(structs, field.schema, self._more(rest, label), label)
        slot = field.proto.slot
        kind = str(slot.type.which())
        if kind == "struct":
            below = self.structs(structs.pointer_places(slot.offset), structs.rows, structs.segments)
            return self.field(below, field.schema, self._more(rest, label), label)
        if kind == "list":
            lists = self.lists(structs.pointer_places(slot.offset), structs.rows, structs.segments)
            return self._list(lists, slot.type.list.elementType, lambda: field.schema.elementType, rest, label)
        self._end(rest, label)
        return _scalars(self.frames, structs, slot, self._dtype(kind, label))

    def _list(self, lists: Lists, element: Any, schema: Callable[[], Any], rest: Sequence[str], label: str) -> Array:
        """Lists (n,) of `element` as (n, k, …). `schema` gives the schema of elements that are structs or lists."""
        kind = str(element.which())
        if kind == "struct":
            return self.struct_list(lists, schema(), self._more(rest, label), label)
        length = self._length(lists, label)
        if kind == "list":
            self._insist((lists.counts == 0) | (lists.codes == POINTERS), lists.rows, f"{label} is not a list of lists")
            owners, places = self._spread(lists, length, label)
            spots = np.where(places < lists.counts[owners], lists.bases[owners] + places, -1)
            below = self.lists(spots, lists.rows[owners], lists.segments[owners])
            inner = self._list(below, element.list.elementType, lambda: schema().elementType, rest, label)
            values = inner.reshape(len(lists.counts), length, *inner.shape[1:])
            return self._blank_empty(values, lists, length, label)
        self._end(rest, label)
        dtype = self._dtype(kind, label)
        bits = 1 if kind == "bool" else dtype.itemsize * 8
        fits = (lists.counts == 0) | ((ELEMENT_BITS[lists.codes] == bits) & (lists.codes < POINTERS))
        self._insist(fits, lists.rows, f"the elements of {label} are not of {bits} bits")
        self._check_total(np.full(len(lists.counts), length), label)
        places = np.arange(length)
        there = places < lists.counts[:, np.newaxis]
        bases = lists.bases[:, np.newaxis]
        if kind == "bool":
            words = self.frames.words[np.where(there, bases + (places >> 6), 0)]
            values = (words >> (places & 63).astype(np.uint64) & np.uint64(1)).astype(np.bool_)
        else:
            values = self.frames.words.view(dtype)[np.where(there, bases * (8 // dtype.itemsize) + places, 0)]
        return self._blank_empty(values, lists, length, label)

    def _spread(self, lists: Lists, length: int | None, label: str) -> tuple[Int64s, Int64s]:
        """For every element of lists (n,): which list it is of, and its place there."""
        counts = lists.counts if length is None else np.full(len(lists.counts), length, np.int64)
        self._check_total(counts, label)
        return spread(counts)

    def _check_total(self, counts: Int64s, label: str) -> None:
        if not sane_total(self.frames, counts):
            problem = f"{self.service}.{label} claims {int(counts.sum())} elements"
            raise DataError(problem, where=self.where, remedy="the log is corrupt there")

    def _length(self, lists: Lists, label: str) -> int:
        """The one length that all lists have that are not empty."""
        lengths = np.unique(lists.counts[lists.counts > 0])
        if len(lengths) > 1:
            raise DataError(
                f"{self.service}.{label} has lists of {lengths[0]} to {lengths[-1]} elements, not of one length",
                where=self.where,
                remedy="read them with Log.elements, or message by message",
            )
        return int(lengths[0]) if len(lengths) else 0

    def _blank_empty(self, values: Array, lists: Lists, length: int, label: str) -> Array:
        """Values (n, k, …) with the rows of empty lists blank."""
        missing = (lists.counts == 0) & (length > 0)
        return self._blanked(values, missing, f"{label} is empty in some messages", lists.rows)

    def _blanked(self, values: Array, missing: Bools, problem: str, rows: Int64s) -> Array:
        if not missing.any():
            return values
        self._insist(~missing if values.dtype.kind != "f" else np.ones_like(missing), rows, problem)
        values = values.copy()
        values[missing] = np.nan
        return values

    def _field_of(self, schema: CapnpSchema, name: str, label: str) -> Any:
        if name not in schema.fieldnames:
            near = get_close_matches(name, schema.fieldnames, n=3)
            raise ConfigError(
                f"{self.service}.{label} does not exist: there is no {name!r}",
                where=self.where,
                remedy=f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(schema.fieldnames)}",
            )
        return schema.fields[name]

    def _more(self, rest: Sequence[str], label: str) -> Sequence[str]:
        if not rest:
            raise ConfigError(f"{self.service}.{label} is not a number: name a field of it", where=self.where)
        return rest

    def _end(self, rest: Sequence[str], label: str) -> None:
        if rest:
            raise ConfigError(f"{self.service}.{label} does not exist: {rest[0]!r} is below a number", where=self.where)

    def _dtype(self, kind: str, label: str) -> np.dtype[Any]:
        if kind not in _DTYPES:
            raise ConfigError(f"{self.service}.{label} is {kind}, not a number", where=self.where)
        return np.dtype(_DTYPES[kind])

    def _insist(self, good: Bools, rows: Int64s, problem: str) -> None:
        bad = np.flatnonzero(~good)
        if bad.size:
            raise DataError(f"message {int(rows[bad[0]])} ({self.service}): {problem}", where=self.where)


def _scalars(frames: Frames, structs: Structs, slot: Any, dtype: np.dtype[Any]) -> Array:
    """A scalar (n,): defaults are XORed into what is stored, and an end of the struct before it means the default."""
    kind = str(slot.type.which())
    if kind == "bool":
        stored = read_bits(frames, structs, slot.offset, 1)
        flags: Array = (stored != 0) ^ bool(slot.defaultValue.bool)
        return flags
    size = dtype.itemsize * 8
    stored = read_bits(frames, structs, slot.offset * size, size).astype(f"<u{dtype.itemsize}")
    if slot.hadExplicitDefault:
        default = np.array(getattr(slot.defaultValue, kind), dtype=dtype).view(stored.dtype)
        stored ^= default
    return stored.view(dtype)
