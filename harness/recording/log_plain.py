"""Payloads as plain JSON values.

Structs become objects with every field, lists become lists, enums their names (or the number where the schema has no
name for it), data hexadecimal text, and the floats JSON cannot say the strings "NaN", "Infinity" and "-Infinity". A
struct that is absent is null; of a union only the member that is set is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import capnp

from harness.domain import Json
from harness.recording.log_schema import CapnpReader, CapnpSchema, PayloadKind, payload_kinds, payload_schema

_Convert: TypeAlias = Callable[[Any], Json]


def plain_payload(ordinal: int, payload: Any) -> Json:
    """The payload of a message of the kind `ordinal`, as `Log.message` gives it."""
    return payload.hex() if isinstance(payload, bytes) else _converter(ordinal)(payload)


@cache
def _converter(ordinal: int) -> _Convert:
    match payload_kinds()[ordinal]:
        case PayloadKind.STRUCT:
            return _struct(payload_schema(ordinal))
        case PayloadKind.LIST:
            return _list(_struct(payload_schema(ordinal).elementType))
        case _:
            return _same


def _struct(schema: CapnpSchema) -> _Convert:
    """What turns a reader of `schema` into an object. Built once a schema: asking pycapnp each time is slow."""
    fixed = {name: convert for name in schema.non_union_fields if (convert := _field(schema.fields[name]))}
    members = {name: _field(schema.fields[name]) for name in schema.union_fields}

    def convert_struct(reader: CapnpReader) -> Json:
        plain = {name: convert(_get(reader, name)) for name, convert in fixed.items()}
        if members:
            name = _member_set(reader)
            member = members.get(name)
            if member is not None:
                plain[name] = member(_get(reader, name))
        return plain

    return convert_struct


def _field(field: Any) -> _Convert | None:
    """What converts a field's value; None for a field whose layout is not known."""
    if field.proto.which() == "group":
        return _struct(field.schema)
    return _typed(field.proto.slot.type, lambda: field.schema)


def _typed(kind: Any, schema: Callable[[], Any]) -> _Convert | None:
    """What converts a value of a type. `schema` gives the type's own, which only structs, enums and lists have."""
    match str(kind.which()):
        case "struct":
            return _or_null(_struct(schema()))
        case "list":
            element = _typed(kind.list.elementType, lambda: schema().elementType)
            return None if element is None else _list(element)
        case "enum":
            return _enum({number: name for name, number in schema().enumerants.items()})
        case "float32" | "float64":
            return _float
        case "text":
            return lambda value: value or ""
        case "data":
            return lambda value: (value or b"").hex()
        case "void" | "anyPointer":
            return None
        case _:
            return _same


def _get(reader: CapnpReader, name: str) -> Any:
    """A field's value; None for a struct, list, text or data that is absent."""
    try:
        return getattr(reader, name) if reader._has(name) else None
    except UnicodeDecodeError as error:
        return error.object.decode(errors="replace")


def _member_set(reader: CapnpReader) -> str:
    """The name of the union member that is set; empty when it is newer than the schema."""
    try:
        return str(reader.which())
    except capnp.KjException:
        return ""


def _list(element: _Convert) -> _Convert:
    return lambda values: [element(value) for value in values or ()]


def _or_null(convert: _Convert) -> _Convert:
    return lambda value: None if value is None else convert(value)


def _enum(names: dict[int, str]) -> _Convert:
    return lambda value: names.get(value.raw, value.raw)


def _float(value: float) -> Json:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _same(value: Json) -> Json:
    return value
