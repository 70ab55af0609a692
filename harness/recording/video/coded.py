"""The coded pictures of a file as a player takes them: one at a time, with the parameter sets at every keyframe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import DataError
from harness.recording.video.packets import Container, detect_container, load_packets, read_packets


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One picture in Annex B: its place in the file, whether a player may begin here, its bytes."""

    row: int
    is_keyframe: bool
    data: bytes


def coded_pictures(path: Path, *, name: str = "") -> tuple[str, Iterator[CodedPicture]]:
    """The codec (`hevc`, `h264`), and every picture in order, undecoded.

    DataError for an MP4, which is not Annex B, and where pictures are not stored in the order they are shown in: the
    tools that take coded pictures know neither.
    """
    container = detect_container(path, name=name)
    packets = load_packets(path, container, name or str(path))
    if container is Container.MP4 or not np.array_equal(packets.ranks, np.arange(len(packets.ranks))):
        raise DataError("is no plain stream of pictures in order", where=name or str(path))
    starts = frozenset(packets.starts.tolist())

    def pictures() -> Iterator[CodedPicture]:
        for row, packet in enumerate(read_packets(path, container, packets, 0, len(packets.ranks))):
            data = bytes(packet)
            is_keyframe = row in starts
            if is_keyframe and row > 0 and packets.units is not None and not packets.units.own_headers[row]:
                data = packets.headers + data
            yield CodedPicture(row, is_keyframe, data)

    return packets.codec, pictures()
