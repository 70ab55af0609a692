"""What a metric is, and one segment's values of all of them: a table of metrics × conditions, small enough to keep."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from harness.domain import canonical_json
from harness.errors import DataError

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

ALL = "all"
"""The condition that every frame fulfils."""

_FORMAT = 1
_COLUMNS = 4
_LARGEST_BYTES = 64 << 20
_REMEDY = "it is worked out again from the traces when it is deleted"


class Direction(StrEnum):
    """Which way a metric gets better; NONE where neither way is (a signed difference, a distance to the baseline)."""

    LOWER = "lower"
    HIGHER = "higher"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Metric:
    """One quantity a segment is judged by.

    `practical_size` is the smallest change, in `unit`, that matters to a person when nobody says otherwise. `family`
    groups metrics that are shown together. `headline` ones are judged when a suite names none. `of_pair` ones say how
    far a candidate is from its baseline: they have one value for both sides, zero where nothing changed.
    """

    name: str
    unit: str
    direction: Direction
    practical_size: float
    words: str
    source: str
    family: str
    headline: bool = False
    of_pair: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """One metric under one condition: the segment's number over `frames` of its frames.

    `human` is what the recorded drive itself scores (NaN where that makes no sense). `excused` counts frames in which
    the candidate failed a check that the recorded drive failed too: they do not count against it.
    """

    value: float
    frames: int
    human: float = float("nan")
    excused: int = 0


@dataclass(frozen=True, slots=True)
class SegmentMetrics:
    """Every value of one trace of one segment.

    `table` (metrics, conditions, 4) float64: value, frames, human, excused, as in `Value`; a value is NaN where it has
    no frames. `notes` say what could not be answered, and why.
    """

    segment: str
    replayer: str
    metrics: tuple[str, ...]
    conditions: tuple[str, ...]
    table: Floats
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> Mapping[tuple[str, str], Value]:
        """By metric and condition, those that have frames."""
        return dict(self._items())

    def get(self, metric: str, condition: str = ALL) -> Value | None:
        """One value; None where it has no frames."""
        if metric not in self.metrics or condition not in self.conditions:
            return None
        return _value(self.table[self.metrics.index(metric), self.conditions.index(condition)])

    def _items(self) -> Iterator[tuple[tuple[str, str], Value]]:
        for row, metric in enumerate(self.metrics):
            for column, condition in enumerate(self.conditions):
                value = _value(self.table[row, column])
                if value is not None:
                    yield (metric, condition), value


def _value(cell: Floats) -> Value | None:
    value, frames, human, excused = cell.tolist()
    return Value(value, int(frames), human, int(excused)) if frames > 0 else None


def merge_metrics(first: SegmentMetrics, second: SegmentMetrics) -> SegmentMetrics:
    """Both tables as one; they must be of one segment and of the same conditions."""
    if (first.segment, first.conditions) != (second.segment, second.conditions):
        raise DataError("metrics of different segments or conditions", where=first.segment, remedy=_REMEDY)
    return replace(
        first,
        metrics=first.metrics + second.metrics,
        table=np.concatenate([first.table, second.table]),
        notes=first.notes + second.notes,
    )


def encode_metrics(metrics: SegmentMetrics) -> bytes:
    """The bytes a segment's values are kept as: one line of JSON, then the table, little-endian, compressed."""
    head = {
        "format": _FORMAT,
        "segment": metrics.segment,
        "replayer": metrics.replayer,
        "metrics": metrics.metrics,
        "conditions": metrics.conditions,
        "notes": metrics.notes,
    }
    return zlib.compress(canonical_json(head).encode() + b"\n" + metrics.table.astype("<f8").tobytes(), 1)


def decode_metrics(content: bytes, *, where: str = "metrics") -> SegmentMetrics:
    """The values in `content`; DataError when it is not a whole table of this format."""
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(content, _LARGEST_BYTES)
        if not unpacker.eof:
            raise ValueError("it is cut off or too large")
        line, _, rest = plain.partition(b"\n")
        head = json.loads(line)
        if head["format"] != _FORMAT:
            raise ValueError(f"format {head['format']}, this program reads {_FORMAT}")
        names, conditions, notes = (tuple(map(str, head[key])) for key in ("metrics", "conditions", "notes"))
        table = np.frombuffer(rest, "<f8").reshape(len(names), len(conditions), _COLUMNS)
        return SegmentMetrics(str(head["segment"]), str(head["replayer"]), names, conditions, table, notes)
    except (ValueError, KeyError, TypeError, zlib.error, RecursionError) as error:
        raise DataError(f"not readable as a segment's metrics: {error}", where=where, remedy=_REMEDY) from error
