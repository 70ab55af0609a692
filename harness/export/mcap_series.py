"""Messages for the channels of a trace: Foxglove has no schema for plain values, and JSON has no NaN.

A message has `timestamp`, `frame_id`, and `value` for one value a frame or `values` for several, row by row. Which of
six types it is follows from the channel: double, uint64, int64, bool and string, so that nothing is rounded.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

from harness.trace import Array

_PACKAGE = "testing_closet"
_FIELD = descriptor_pb2.FieldDescriptorProto
# The kinds of numpy's types, as names and protobuf types.
_KINDS = {
    "f": ("Float", _FIELD.TYPE_DOUBLE),
    "u": ("Unsigned", _FIELD.TYPE_UINT64),
    "i": ("Integer", _FIELD.TYPE_INT64),
    "b": ("Bool", _FIELD.TYPE_BOOL),
    "U": ("Text", _FIELD.TYPE_STRING),
}


def series_type(values: Array) -> Any:
    """The class of messages for a channel's values (n, …)."""
    return _message_type(values.dtype.kind, values.ndim > 1)


def series_message(kind: Any, values: Array, row: int, frame: int, timestamp: timestamp_pb2.Timestamp) -> Any:
    """One frame of a channel. A float32 comes as the double that equals it."""
    if values.ndim > 1:
        return kind(timestamp=timestamp, frame_id=frame, values=np.ravel(values[row]).tolist())
    return kind(timestamp=timestamp, frame_id=frame, value=values[row].item())


@cache
def _message_type(kind: str, several: bool) -> Any:
    name, field_type = _KINDS[kind]
    name += "s" if several else ""
    value = _FIELD(
        name="values" if several else "value",
        number=3,
        type=field_type,
        label=_FIELD.LABEL_REPEATED if several else _FIELD.LABEL_OPTIONAL,
    )
    stamp = _FIELD(
        name="timestamp",
        number=1,
        type=_FIELD.TYPE_MESSAGE,
        type_name=".google.protobuf.Timestamp",
        label=_FIELD.LABEL_OPTIONAL,
    )
    frame = _FIELD(name="frame_id", number=2, type=_FIELD.TYPE_INT64, label=_FIELD.LABEL_OPTIONAL)
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}/{name}.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[timestamp_pb2.DESCRIPTOR.name],
        message_type=[descriptor_pb2.DescriptorProto(name=name, field=[stamp, frame, value])],
    )
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
