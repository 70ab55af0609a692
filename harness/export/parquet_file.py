"""Parquet: one row a frame of any side, a column a channel and side. Units and provenance stand in the metadata."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.export.segment import Segment
from harness.trace import Array, Channel

_ROWS_AT_ONCE = 256
_FORMAT = "testing-closet segment 1"


def write(segment: Segment, stream: BinaryIO, progress: Callable[[int, int], None]) -> None:
    """Write a segment. A frame that a side has not is null in its columns; NaN stays NaN.

    A channel with several values a frame is a fixed-size list; the field's `shape` says how they stand in it.
    """
    moments = list(segment.moments())
    schema = _schema(segment)
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for begin in range(0, len(moments), _ROWS_AT_ONCE):
            part = moments[begin : begin + _ROWS_AT_ONCE]
            columns = [
                pa.array([entry[0] for entry in part], pa.int64()),
                pa.array([entry[1] for entry in part], pa.int64()),
            ]
            for side, trace in segment.sides.items():
                rows = np.array([entry[2].get(side, -1) for entry in part])
                columns += [_column(channel.values, rows) for channel in trace.channels.values()]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            progress(begin + len(part), len(moments))


def _schema(segment: Segment) -> Any:
    fields = [
        pa.field("frame_id", pa.int64(), nullable=False),
        pa.field("t_ns", pa.int64(), nullable=False, metadata={"unit": "ns", "clock": "the log's"}),
    ]
    for side, trace in segment.sides.items():
        fields += [
            pa.field(f"{side}.{name}", _type(channel.values), metadata=_facts(channel))
            for name, channel in trace.channels.items()
        ]
    return pa.schema(fields, metadata={"format": _FORMAT, **segment.metadata()})


def _facts(channel: Channel) -> dict[str, str]:
    shape = json.dumps([*channel.values.shape[1:]])
    return {"unit": channel.unit, "exactness": channel.exactness.value, "shape": shape}


def _type(values: Array) -> Any:
    element = pa.string() if values.dtype.kind == "U" else pa.from_numpy_dtype(values.dtype)
    return element if values.ndim == 1 else pa.list_(element, int(np.prod(values.shape[1:])))


def _column(values: Array, rows: Array) -> Any:
    """The rows of a channel, null where the row is -1."""
    missing = rows < 0
    taken = (
        values[np.where(missing, 0, rows)] if len(values) else np.zeros((len(rows), *values.shape[1:]), values.dtype)
    )
    flat = pa.array(taken.ravel(), _type(values[:, ...].reshape(-1)))  # from a numpy array, so NaN is a value
    if values.ndim == 1:
        return pa.array(taken, type=_type(values), mask=missing)
    return pa.FixedSizeListArray.from_arrays(flat, type=_type(values), mask=pa.array(missing))
