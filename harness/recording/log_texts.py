"""Looking for text without its end mark before pycapnp does.

Text ends in a zero byte on the wire. Where a corrupt log has another byte there, pycapnp puts that byte into the
message of its exception, and when it is not UTF-8 the process dies instead (seen with pycapnp 2.1.0). So the end marks
of all texts of the messages asked for are looked at first, for all messages at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from harness.recording.log_frames import Frames, Int64s, spread
from harness.recording.log_index import LogIndex
from harness.recording.log_pointers import (
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
from harness.recording.log_schema import NOT_IN_UNION, CapnpSchema, PayloadKind, payload_kinds, payload_schema
from harness.recording.services import EVENT_NAMES

_BYTES = 2


@dataclass(frozen=True, slots=True)
class _Branch:
    """A field with text in or below it: `text`, `texts`, `struct`, `structs`, or `group` (which has no offset)."""

    kind: str
    offset: int
    tag: int
    tag_offset: int
    below: tuple[_Branch, ...] = ()


def unsafe_rows(index: LogIndex, rows: Int64s, ordinal: int) -> Int64s:
    """Those of `rows`, all of the kind `ordinal`, that have a text without end mark."""
    kind = payload_kinds()[ordinal] if ordinal < len(EVENT_NAMES) else PayloadKind.UNREAD
    bad = np.zeros(len(index.frames.starts), np.bool_)
    places, segments = index.roots.pointer_places(0)[rows], index.roots.segments[rows]
    if kind is PayloadKind.TEXT:
        _mark_texts(index.frames, places, rows, segments, bad)
    elif kind is PayloadKind.STRUCT and (branches := _payload_branches(ordinal)):
        _mark(index.frames, follow_structs(index.frames, places, rows, segments)[0], branches, bad)
    elif kind is PayloadKind.LIST and (branches := _payload_branches(ordinal)):
        _mark_structs(index.frames, follow_lists(index.frames, places, rows, segments)[0], branches, bad)
    return rows[bad[rows]]


@cache
def _payload_branches(ordinal: int) -> tuple[_Branch, ...]:
    schema = payload_schema(ordinal)
    return _branches(getattr(schema, "elementType", schema))


def _branches(schema: CapnpSchema) -> tuple[_Branch, ...]:
    tag_offset = schema.node.struct.discriminantOffset * 16
    found = (_branch(field, tag_offset) for field in schema.fields_list)
    return tuple(branch for branch in found if branch is not None)


def _branch(field: Any, tag_offset: int) -> _Branch | None:
    tag = field.proto.discriminantValue
    if field.proto.which() == "group":
        below = _branches(field.schema)
        return _Branch("group", 0, tag, tag_offset, below) if below else None
    slot = field.proto.slot
    kind = str(slot.type.which())
    if kind == "text":
        return _Branch("text", slot.offset, tag, tag_offset)
    element = str(slot.type.list.elementType.which()) if kind == "list" else ""
    if element == "text":
        return _Branch("texts", slot.offset, tag, tag_offset)
    if kind != "struct" and element != "struct":
        return None
    below = _branches(field.schema.elementType if element else field.schema)
    return _Branch("structs" if element else "struct", slot.offset, tag, tag_offset, below) if below else None


def _mark(frames: Frames, structs: Structs, branches: tuple[_Branch, ...], bad: Bools) -> None:
    for branch in branches:
        here = structs
        if branch.tag != NOT_IN_UNION:
            here = without(structs, read_bits(frames, structs, branch.tag_offset, 16) != branch.tag)
        places = here.pointer_places(branch.offset)
        match branch.kind:
            case "group":
                _mark(frames, here, branch.below, bad)
            case "text":
                _mark_texts(frames, places, here.rows, here.segments, bad)
            case "struct":
                _mark(frames, follow_structs(frames, places, here.rows, here.segments)[0], branch.below, bad)
            case "structs":
                _mark_structs(frames, follow_lists(frames, places, here.rows, here.segments)[0], branch.below, bad)
            case _:
                lists, _ = follow_lists(frames, places, here.rows, here.segments)
                texts = list_structs(lists, *_spread(frames, lists, bad))
                _mark_texts(frames, texts.pointer_places(0), texts.rows, texts.segments, bad)


def _mark_structs(frames: Frames, lists: Lists, branches: tuple[_Branch, ...], bad: Bools) -> None:
    _mark(frames, list_structs(lists, *_spread(frames, lists, bad)), branches, bad)


def _mark_texts(frames: Frames, places: Int64s, rows: Int64s, segments: Int64s, bad: Bools) -> None:
    """Mark the messages of texts that do not end in a zero byte; what is no text at all pycapnp refuses by itself."""
    lists, _ = follow_lists(frames, places, rows, segments)
    texts = (lists.counts > 0) & (lists.codes == _BYTES)
    ends = np.where(texts, lists.bases * 8 + lists.counts - 1, 0)
    last = frames.words.view(np.uint8)[ends]
    bad[lists.rows[texts & (last != 0)]] = True


def _spread(frames: Frames, lists: Lists, bad: Bools) -> tuple[Int64s, Int64s]:
    """The elements of lists that can hold pointers; where they are too many to be real, none, and all are marked."""
    counts = np.where(lists.pointer_counts > 0, lists.counts, 0)
    if not sane_total(frames, counts):
        bad[lists.rows] = True
        counts = np.zeros_like(counts)
    return spread(counts)
