"""The schema of log messages, loaded once: our own subset, with car.capnp from the installed `opendbc` package."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import capnp
import numpy as np
import numpy.typing as npt

from harness.errors import ClosetError
from harness.recording.services import EVENT_NAMES, VALID_ORDINAL

# pycapnp carries no types: its readers, builders and schemas are `Any` wherever they appear.
CapnpModule: TypeAlias = Any
CapnpReader: TypeAlias = Any
CapnpBuilder: TypeAlias = Any
CapnpSchema: TypeAlias = Any

NOT_IN_UNION = 0xFFFF


class PayloadKind(IntEnum):
    """How the payload of a union member stands on the wire."""

    UNREAD = 0  # Void in our schema: the slot is known, its layout is not
    STRUCT = 1
    LIST = 2
    TEXT = 3
    DATA = 4


@cache
def event_type() -> CapnpModule:
    """The Event struct of our schema."""
    spec = find_spec("opendbc")
    if spec is None or not spec.submodule_search_locations:
        raise ClosetError(
            "the package opendbc is not installed, the log schema needs its car.capnp",
            remedy="python -m pip install opendbc==0.3.1",
        )
    folder = Path(__file__).parent / "schema"
    module = _parser().load(str(folder / "event.capnp"), imports=[str(spec.submodule_search_locations[0])])
    return module.Event


@cache
def _parser() -> CapnpModule:
    """One of our own: opendbc loads car.capnp into pycapnp's shared one, and a second copy there ends the process."""
    return capnp.SchemaParser()


@cache
def payload_kinds() -> tuple[PayloadKind, ...]:
    """The kind of each Event ordinal's payload; places outside the union are UNREAD."""
    kinds = {"struct": PayloadKind.STRUCT, "list": PayloadKind.LIST, "text": PayloadKind.TEXT, "data": PayloadKind.DATA}
    fields = event_type().schema.fields
    return tuple(
        kinds.get(str(fields[name].proto.slot.type.which()), PayloadKind.UNREAD)
        if ordinal not in (0, VALID_ORDINAL)
        else PayloadKind.UNREAD
        for ordinal, name in enumerate(EVENT_NAMES)
    )


@cache
def payload_schema(ordinal: int) -> CapnpSchema:
    """The struct schema of a STRUCT payload, or the list schema of a LIST payload."""
    return event_type().schema.fields[EVENT_NAMES[ordinal]].schema


@cache
def pointer_kinds() -> npt.NDArray[np.int8]:
    """By ordinal, the kind of pointer its payload must be (0 struct, 1 list), −1 where any will do.

    There is one entry more than there are ordinals: it stands for all that are newer.
    """
    wanted = {PayloadKind.UNREAD: -1, PayloadKind.STRUCT: 0}
    return np.array([*(wanted.get(kind, 1) for kind in payload_kinds()), -1], dtype=np.int8)


def discriminant_of(ordinal: int) -> int:
    """The union tag on the wire: @0 and @67 stand outside the union, so later members move down."""
    return ordinal - 1 if ordinal < VALID_ORDINAL else ordinal - 2


def ordinals_of(discriminants: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """The inverse of `discriminant_of` over an array (n,)."""
    return discriminants + np.uint16(1) + (discriminants >= VALID_ORDINAL - 1)
