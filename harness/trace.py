"""The output of one replayer on one segment: channels over frames, each with unit and exactness, plus provenance.

A trace file is a zip of plain `.npy` members (never pickled) and one `manifest.json`. Equal traces are equal bytes:
members are stored in name order, uncompressed, with a fixed date, and nothing in them depends on the clock or host.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.domain import Json, canonical_json
from harness.errors import DataError
from harness.files import atomic_writer

Array: TypeAlias = npt.NDArray[Any]

FORMAT = 1
_MANIFEST = "manifest.json"
_FRAME_IDS = "frame_ids"
_TIMES = "t_ns"


class Exactness(StrEnum):
    """How two runs of the same software may differ in a channel."""

    EXACT = "exact"  # digests, ids, states: any difference is a difference
    NUMERIC = "numeric"  # floating-point results: a tolerance may apply
    INFORMATIVE = "informative"  # shown, never judged


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity over frames: `values` has shape (n_frames, …); row i belongs to `Trace.frame_ids[i]`."""

    name: str
    unit: str
    values: Array
    exactness: Exactness = Exactness.NUMERIC


@dataclass(frozen=True, slots=True)
class Trace:
    """Channels over the frames of one segment.

    `frame_ids` (n,) int64, strictly rising camera frame ids; `t_ns` (n,) int64, the log's clock at end of exposure;
    `provenance` says what made it: replayer and version, digests of every input, runtime.
    """

    replayer: str
    segment: str
    frame_ids: npt.NDArray[np.int64]
    t_ns: npt.NDArray[np.int64]
    channels: Mapping[str, Channel]
    provenance: Mapping[str, Json]


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
        with zipfile.ZipFile(path) as archive:
            trace = _parse_archive(archive)
    except Exception as error:  # zipfile, json and numpy raise a dozen unrelated kinds on damaged bytes
        raise DataError(f"not a readable trace: {error}", where=str(path), remedy="replay the segment again") from error
    return trace


def _parse_archive(archive: zipfile.ZipFile) -> Trace:
    manifest = json.loads(_read_member(archive, _MANIFEST))
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


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A stored member's bytes. We never compress, so a member is never larger than the file: no zip bombs."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    return archive.read(info)


def _load_array(archive: zipfile.ZipFile, name: str) -> Array:
    """An `.npy` member, over its own bytes: what its header claims must be exactly what is there."""
    content = _read_member(archive, f"{name}.npy")
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"{name} has an array header of version {version}")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject or fortran_order or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError(f"{name} is not the plain array its header claims")
    array: Array = np.frombuffer(content, dtype, math.prod(shape), stream.tell()).reshape(shape)
    return array
