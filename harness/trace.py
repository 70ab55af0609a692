"""The output of one replayer on one segment: channels over frames, each with unit and exactness, plus provenance.

A trace file is a zip of plain `.npy` members (never pickled) and one `manifest.json`. Equal traces are equal bytes:
members are stored in name order, uncompressed, with a fixed date, and nothing in them depends on the clock or host.
"""

from __future__ import annotations

import io
import json
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
    """Read a trace file; raises DataError naming the file when it is not a whole, well-formed trace."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
            if manifest["format"] != FORMAT:
                raise DataError(
                    f"trace format {manifest['format']}, this program reads {FORMAT}",
                    where=str(path),
                    remedy="replay the segment again",
                )
            frame_ids = _load_member(archive, _FRAME_IDS).astype(np.int64, copy=False)
            t_ns = _load_member(archive, _TIMES).astype(np.int64, copy=False)
            channels = {
                name: Channel(
                    name, entry["unit"], _load_member(archive, f"channel/{name}"), Exactness(entry["exactness"])
                )
                for name, entry in manifest["channels"].items()
            }
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"not a readable trace: {error}", where=str(path), remedy="replay the segment again") from error
    for channel in channels.values():
        if channel.values.ndim == 0 or len(channel.values) != len(frame_ids):
            raise DataError(
                f"channel {channel.name} has shape {channel.values.shape} for {len(frame_ids)} frames",
                where=str(path),
                remedy="replay the segment again",
            )
    return Trace(manifest["replayer"], manifest["segment"], frame_ids, t_ns, channels, manifest["provenance"])


def _load_member(archive: zipfile.ZipFile, name: str) -> Array:
    member = io.BytesIO(archive.read(f"{name}.npy"))
    array: Array = np.lib.format.read_array(member, allow_pickle=False)
    return array
