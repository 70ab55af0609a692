"""The output of one replayer on one segment: channels over frames, each with unit and exactness, plus provenance.

A trace file is a zip of plain `.npy` members (never pickled) and one `manifest.json`. Equal traces are equal bytes:
members are stored in name order, uncompressed, with a fixed date, and nothing in them depends on the clock or host.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.array_header import read_array_header
from harness.domain import Json, canonical_json
from harness.errors import DataError
from harness.files import atomic_writer

Array: TypeAlias = npt.NDArray[Any]

FORMAT = 1
_MANIFEST = "manifest.json"
_FRAME_IDS = "frame_ids"
_TIMES = "t_ns"

# The fixed part of a zip file's local header, and where the lengths of its name and extra fields stand in it (APPNOTE).
_LOCAL_HEADER_BYTES, _LOCAL_LENGTHS_AT, _LOCAL_LENGTHS = 30, 26, struct.Struct("<HH")
_ENCRYPTED = 1


class Exactness(StrEnum):
    """How two runs of the same software may differ in a channel."""

    EXACT = "exact"  # digests, ids, states: any difference is a difference
    NUMERIC = "numeric"  # floating-point results: a tolerance may apply
    INFORMATIVE = "informative"  # shown, never judged


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One quantity over frames: `values` has shape (n_frames, …); row i belongs to `Trace.frame_ids[i]`.

    Channels are equal when they say the same of every frame. NaN equals NaN and nothing else.
    """

    name: str
    unit: str
    values: Array
    exactness: Exactness = Exactness.NUMERIC

    def __eq__(self, other: object) -> bool:
        """Whether both are of one name, unit, exactness and type, and every value is equal."""
        if not isinstance(other, Channel):
            return NotImplemented
        ours, theirs = ((side.name, side.unit, side.exactness, side.values.dtype) for side in (self, other))
        return ours == theirs and np.array_equal(self.values, other.values, equal_nan=self.values.dtype.kind in "fc")

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Channels over the frames of one segment.

    `frame_ids` (n,) int64, strictly rising camera frame ids; `t_ns` (n,) int64, the log's clock at end of exposure;
    `provenance` says what made it: replayer and version, digests of every input, runtime. Traces are equal when they
    say the same of the same frames, whatever made them.
    """

    replayer: str
    segment: str
    frame_ids: npt.NDArray[np.int64]
    t_ns: npt.NDArray[np.int64]
    channels: Mapping[str, Channel]
    provenance: Mapping[str, Json]

    def __eq__(self, other: object) -> bool:
        """Whether both are of one replayer and segment, over the same frames and times, with equal channels."""
        if not isinstance(other, Trace):
            return NotImplemented
        return (
            (self.replayer, self.segment) == (other.replayer, other.segment)
            and np.array_equal(self.frame_ids, other.frame_ids)
            and np.array_equal(self.t_ns, other.t_ns)
            and dict(self.channels) == dict(other.channels)
        )

    __hash__ = None  # type: ignore[assignment]


def write_trace(path: Path, trace: Trace) -> None:
    """Write `trace` to `path`, atomically and reproducibly."""
    manifest = {
        "format": FORMAT,
        "replayer": trace.replayer,
        "segment": trace.segment,
        "provenance": dict(trace.provenance),
        "channels": {
            name: {"unit": channel.unit, "exactness": channel.exactness.value}
            for name, channel in trace.channels.items()
        },
    }
    arrays: dict[str, Array] = {_FRAME_IDS: trace.frame_ids, _TIMES: trace.t_ns}
    arrays |= {f"channel/{name}": channel.values for name, channel in trace.channels.items()}
    with atomic_writer(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_MANIFEST), canonical_json(manifest))
        for name in sorted(arrays):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), allow_pickle=False)


def load_trace(path: Path) -> Trace:
    """Read a trace file; raises DataError naming the file when it is not a whole, well-formed trace.

    The file may come from anywhere: memory is bounded by its size, and nothing in it is executed. Arrays are read-only.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"not a readable trace: {error.strerror}", where=str(path), remedy="replay the segment again"
        ) from error
    return parse_trace(content, where=str(path))


def parse_trace(content: bytes, *, where: str, digest_checked: bool = False) -> Trace:
    """The trace in `content`; raises DataError naming `where` when it is not a whole, well-formed trace.

    With `digest_checked` the archive's own checksums are not computed again. Arrays are read-only views of `content`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            trace = _parse_archive(_Members(content, archive, digest_checked))
    except Exception as error:  # zipfile, json and numpy raise a dozen unrelated kinds on damaged bytes
        raise DataError(f"not a readable trace: {error}", where=where, remedy="replay the segment again") from error
    return trace


@dataclass(frozen=True, slots=True)
class _Members:
    """The members of an archive as views of its bytes. We never compress, so none is larger than the file."""

    content: bytes
    archive: zipfile.ZipFile
    digest_checked: bool

    def read(self, name: str) -> memoryview:
        """A stored member's bytes, its checksum compared unless the whole was checked already."""
        info = self.archive.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED:
            raise ValueError(f"{name} is compressed or encrypted")
        # The local header repeats the name and may carry other extra fields than the directory's.
        name_bytes, extra_bytes = _LOCAL_LENGTHS.unpack_from(self.content, info.header_offset + _LOCAL_LENGTHS_AT)
        begin = info.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
        member = memoryview(self.content)[begin : begin + info.file_size]
        if len(member) != info.file_size or info.compress_size != info.file_size:
            raise ValueError(f"{name} is cut off")
        if not self.digest_checked and zlib.crc32(member) != info.CRC:
            raise ValueError(f"{name} is damaged")
        return member


def _parse_archive(archive: _Members) -> Trace:
    manifest = json.loads(bytes(archive.read(_MANIFEST)))
    if manifest["format"] != FORMAT:
        raise ValueError(f"format {manifest['format']}, this program reads {FORMAT}")
    channels = {
        name: Channel(name, str(entry["unit"]), _load_array(archive, f"channel/{name}"), Exactness(entry["exactness"]))
        for name, entry in manifest["channels"].items()
    }
    arrays = {name: _load_array(archive, name) for name in (_FRAME_IDS, _TIMES)}
    for name, array in arrays.items():
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}")
    count = len(arrays[_FRAME_IDS])
    for name, array in (arrays | {name: channel.values for name, channel in channels.items()}).items():
        if array.ndim == 0 or len(array) != count:
            raise ValueError(f"{name} has shape {array.shape} for {count} frames")
    return Trace(
        str(manifest["replayer"]),
        str(manifest["segment"]),
        arrays[_FRAME_IDS].astype(np.int64, copy=False),
        arrays[_TIMES].astype(np.int64, copy=False),
        channels,
        dict(manifest["provenance"].items()),
    )


def _load_array(archive: _Members, name: str) -> Array:
    """An `.npy` member, over its own bytes: what its header claims must be exactly what is there."""
    content = archive.read(f"{name}.npy")
    shape, dtype, begin = read_array_header(content)
    if math.prod(shape) * dtype.itemsize != len(content) - begin:
        raise ValueError(f"{name} is not the plain array its header claims")
    array: Array = np.frombuffer(content, dtype, math.prod(shape), begin).reshape(shape)
    return array
