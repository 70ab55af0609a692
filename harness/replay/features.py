"""Vision outputs kept by digest: a change of the policy alone replays without a picture decoded.

One file an entry: a line with the digest of the rest, the key, then plain arrays. What does not match its digest is
not used and is made again.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from harness.domain import Json, canonical_json, json_digest
from harness.files import atomic_writer

_MAGIC = b"closet-features 1 "
_DIGEST_SIZE = 64


@dataclass(frozen=True, slots=True)
class VisionRecord:
    """What one vision model saw on one segment: flat outputs (n, width), digests (n,) uint64 of the pictures."""

    outputs: npt.NDArray[Any]
    narrow_digests: npt.NDArray[np.uint64]
    wide_digests: npt.NDArray[np.uint64]


class FeatureCache:
    """Entries in one folder; without a folder nothing is kept. A key is everything the outputs depend on."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self, key: Mapping[str, Json]) -> VisionRecord | None:
        """The entry of `key`, None when it is not there or not whole."""
        if self._folder is None:
            return None
        try:
            with self._path(key).open("rb") as stream:
                return _read(stream, canonical_json(key))
        except (OSError, ValueError):
            return None

    def save(self, key: Mapping[str, Json], record: VisionRecord) -> None:
        """Keep `record`; a full disk loses the entry, not the replay."""
        if self._folder is None:
            return
        payload = io.BytesIO()
        payload.write(canonical_json(key).encode() + b"\n")
        for array in (record.outputs, record.narrow_digests, record.wide_digests):
            np.lib.format.write_array(payload, np.ascontiguousarray(array), allow_pickle=False)
        content = payload.getbuffer()
        try:
            with atomic_writer(self._path(key)) as stream:
                stream.write(_MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n")
                stream.write(content)
        except OSError:
            return

    def _path(self, key: Mapping[str, Json]) -> Path:
        if self._folder is None:
            raise ValueError("this cache has no folder")
        return self._folder / f"{json_digest(key)}.features"


def _read(stream: BinaryIO, key: str) -> VisionRecord:
    """Raises ValueError for anything but a whole entry of `key`."""
    head = stream.read(len(_MAGIC) + _DIGEST_SIZE + 1)
    content = stream.read()
    if head != _MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n":
        raise ValueError("not the bytes that were written")
    payload = io.BytesIO(content)
    if json.loads(payload.readline()) != json.loads(key):
        raise ValueError("another key")
    outputs, narrow, wide = (np.lib.format.read_array(payload, allow_pickle=False) for _ in range(3))
    return VisionRecord(outputs, narrow, wide)
