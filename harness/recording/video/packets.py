"""The coded pictures of a file without decoding them: which container, where each lies, where decoding may start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from harness.errors import DataError
from harness.recording.video.annexb import AccessUnits, parse_access_units

DEVICE_FPS = 20.0
"""Frame rate of every camera of a device; a bare HEVC file does not say it."""

VideoPacket: TypeAlias = "av.Packet[Any]"

_TS_PACKET_BYTES = 188
_TS_SYNC = 0x47
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
_HEVC_FIRST_TYPES = frozenset({*range(22), 32, 33, 34, 35, 39})
_COPY_AGAIN = "copy the file again"
_REMULTIPLEX = "write it anew: ffmpeg -i FILE -c copy NEW.mp4"


class Container(StrEnum):
    """How the pictures are wrapped. The value is the suffix of such a file."""

    HEVC = "hevc"
    TS = "ts"
    MP4 = "mp4"


@dataclass(frozen=True, slots=True)
class Packets:
    """The coded pictures of a file in the order they are stored.

    `ranks` (n,): each packet's place in presentation order, -1 for what the container wants decoded but not shown;
    `sizes` (n,) bytes. `starts` (k,): stored positions where decoding may begin, and `start_ranks` (k,) the first
    picture that is whole from there on. `headers` are the decoder's parameter sets. `units` are the byte ranges of a
    bare stream, None for a container that has an index of its own.
    """

    codec: str
    fps: float
    ranks: NDArray[np.int64]
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    start_ranks: NDArray[np.int64]
    headers: bytes
    units: AccessUnits | None


def detect_container(path: Path, *, name: str = "") -> Container:
    """Tell the container by the first bytes; DataError when it is none of ours."""
    shown = name or str(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(_TS_PACKET_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=shown) from error
    if not head:
        raise DataError("is empty", where=shown, remedy=_COPY_AGAIN)
    if head[0] == _TS_SYNC and head[_TS_PACKET_BYTES:] == bytes([_TS_SYNC]):
        return Container.TS
    if head[4:8] in _MP4_BOXES:
        return Container.MP4
    zeros = len(head) - len(head.lstrip(b"\x00"))
    code, after = head[zeros : zeros + 1], head[zeros + 1 : zeros + 3]
    # H.265, 7.3.1.2: forbidden zero bit, six bits of type, layer 0, temporal id 0 (stored as 1).
    if zeros >= 2 and code == b"\x01" and len(after) == 2 and after[0] >> 1 in _HEVC_FIRST_TYPES and after[1] == 1:
        return Container.HEVC
    raise DataError(
        "is not a video we read: neither bare HEVC, MPEG-TS nor MP4",
        where=shown,
        remedy="put other formats into one of these: ffmpeg -i FILE -c copy NEW.mp4",
    )


def load_packets(path: Path, container: Container, name: str) -> Packets:
    """Index every picture of the file, in bounded memory."""
    packets = _load_bare(path, name) if container is Container.HEVC else _load_contained(path, container, name)
    if not np.any(packets.ranks >= 0):
        raise DataError(
            "holds no pictures", where=name, remedy="it was cut off before its first picture; copy it again"
        )
    return packets


def read_packets(path: Path, container: Container, packets: Packets, begin: int, end: int) -> Iterator[VideoPacket]:
    """Stored packets `begin` up to `end`; the decoder's parameter sets come with the first."""
    if packets.units is None:
        # Walking to the first packet instead of seeking: exact in every file, and cheap beside decoding.
        with _opened(path, container, str(path)) as opened:
            for position, packet in enumerate(_demuxed(opened)):
                if position >= end:
                    return
                if position >= begin:
                    yield packet
        return
    units = packets.units
    with path.open("rb", buffering=0) as stream:
        for position in range(begin, end):
            stream.seek(int(units.offsets[position]))
            data = stream.read(int(units.sizes[position]))
            if len(data) != units.sizes[position]:
                raise DataError("became shorter while it was read", where=str(path))
            if position == begin and not units.own_headers[position]:
                data = packets.headers + data
            # A packet over Python's bytes needs the interpreter's lock to be freed, and a decoder that is closed while
            # its threads hold such packets waits for them with the lock taken: for ever. So it owns its memory.
            owned: VideoPacket = av.Packet(len(data))
            owned.update(data)
            yield owned


def _load_bare(path: Path, name: str) -> Packets:
    try:
        with path.open("rb") as stream:
            units = parse_access_units(stream)
            stream.seek(int(units.offsets[0]) if len(units.offsets) else 0)
            headers = stream.read(units.header_bytes)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=name) from error
    order = np.arange(len(units.offsets), dtype=np.int64)
    starts = order[units.keyframes]
    return Packets("hevc", DEVICE_FPS, order, units.sizes, starts, starts, headers, units)


def _load_contained(path: Path, container: Container, name: str) -> Packets:
    times: list[int] = []
    sizes: list[int] = []
    keyframes: list[bool] = []
    shown: list[bool] = []
    with _opened(path, container, name) as opened:
        stream = opened.streams.video[0]
        codec, headers = stream.codec_context.name, stream.codec_context.extradata or b""
        rate = stream.average_rate or stream.guessed_rate
        for packet in _demuxed(opened):
            position = len(times)
            if packet.pts is None:
                raise DataError(f"packet {position} has no timestamp", where=name, remedy=_REMULTIPLEX)
            if packet.is_corrupt:
                raise DataError(f"packet {position} is cut short", where=name, remedy=_COPY_AGAIN)
            times.append(packet.pts)
            sizes.append(packet.size)
            keyframes.append(packet.is_keyframe)
            shown.append(not packet.is_discard)
    pts = np.array(times, np.int64)
    visible = np.flatnonzero(np.array(shown, np.bool_))
    ordered = np.sort(pts[visible])
    if np.any(ordered[1:] == ordered[:-1]):
        raise DataError("two pictures have the same timestamp", where=name, remedy=_REMULTIPLEX)
    ranks = np.full(len(pts), -1, np.int64)
    ranks[visible[np.argsort(pts[visible])]] = np.arange(len(visible))
    starts = np.flatnonzero(np.array(keyframes, np.bool_))
    start_ranks = np.searchsorted(ordered, pts[starts]).astype(np.int64)
    fps = float(rate) if rate else DEVICE_FPS
    return Packets(codec, fps, ranks, np.array(sizes, np.int64), starts, start_ranks, headers, None)


@contextmanager
def _opened(path: Path, container: Container, name: str) -> Iterator[InputContainer]:
    """The demultiplexer over the file, known to have a video stream; its complaints as DataError."""
    try:
        with av.open(str(path), format="mpegts" if container is Container.TS else "mp4") as opened:
            if not opened.streams.video:
                raise DataError("has no video stream", where=name)
            yield opened
    except FFmpegError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=name, remedy=_COPY_AGAIN) from error


def _demuxed(opened: InputContainer) -> Iterator[VideoPacket]:
    """Every packet of the first video stream, in stored order, without the empty one that ends the stream."""
    return (packet for packet in opened.demux(opened.streams.video[0]) if packet.size)
