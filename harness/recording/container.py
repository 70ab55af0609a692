"""The compression around a log: known by its magic, undone in bounded memory, kept as far as it goes."""

from __future__ import annotations

import bz2
import io
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import zstandard

from harness.errors import DataError
from harness.files import atomic_writer

DEFAULT_LIMIT_BYTES = 1 << 30
_ZSTD_LEVEL = 10  # loggerd's
_CHUNK_BYTES = 1 << 20
_ZSTD_WINDOW_BYTES = 1 << 27  # what a stream may ask a reader to hold; zstd's own default bound
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BZ2_MAGIC = b"BZh"


class Container(StrEnum):
    """How a log is compressed."""

    ZST = "zst"
    BZ2 = "bz2"
    BARE = "bare"


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The bytes inside. `cut_off` says why they end before the stream's own end, and is empty when they do not."""

    container: Container
    content: bytes | bytearray
    cut_off: str


def container_of(head: bytes) -> Container:
    """The container by its first bytes; whatever has no known magic is bare."""
    if head.startswith(_ZSTD_MAGIC):
        return Container.ZST
    return Container.BZ2 if head.startswith(_BZ2_MAGIC) else Container.BARE


def unpack(packed: bytes, *, where: str, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Unpacked:
    """Undo the compression; DataError naming `where` once the content passes `limit_bytes`."""
    content, cut_off = _unpack_upto(packed, limit_bytes + 1)
    if len(content) > limit_bytes:
        raise DataError(
            f"holds more than {limit_bytes} bytes uncompressed, the most that is read ({len(packed)} bytes on disk)",
            where=where,
            remedy="a minute of driving is about 100 MB; is this a log?",
        )
    return Unpacked(container_of(packed), content, cut_off)


def unpack_head(packed: bytes, size_bytes: int) -> bytes:
    """At most the first `size_bytes` of the content."""
    return bytes(_unpack_upto(packed, size_bytes)[0])


def write_packed(path: Path, content: bytes) -> None:
    """Write `content` compressed as the suffix of `path` says (.zst level 10, .bz2, else bare), atomically."""
    if path.suffix == ".zst":
        content = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(content)
    elif path.suffix == ".bz2":
        content = bz2.compress(content)
    with atomic_writer(path) as stream:
        stream.write(content)


def _unpack_upto(packed: bytes, size_bytes: int) -> tuple[bytes | bytearray, str]:
    match container_of(packed):
        case Container.ZST:
            return _unpack_zstd(packed, size_bytes)
        case Container.BZ2:
            return _unpack_bz2(packed, size_bytes)
        case Container.BARE:
            return packed[:size_bytes], ""


def _unpack_zstd(packed: bytes, size_bytes: int) -> tuple[bytearray, str]:
    content = bytearray()
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    try:
        with decompressor.stream_reader(io.BytesIO(packed), read_across_frames=True) as reader:
            while len(content) < size_bytes:
                chunk = reader.read(min(_CHUNK_BYTES, size_bytes - len(content)))
                if not chunk:
                    break
                content += chunk
    except zstandard.ZstdError as error:
        return content, f"the zstd stream is corrupt ({error})"
    whole = len(content) >= size_bytes or _ends_on_zstd_frame(packed)
    return content, "" if whole else "the zstd stream ends in the middle of a frame"


def _ends_on_zstd_frame(packed: bytes) -> bool:
    """True when the last frame is complete. A reader gives what it can and does not say that more was to come.

    Hops over frame headers and block headers (RFC 8878) without decoding anything.
    """
    position = 0
    while position < len(packed):
        if packed[position : position + 4] != _ZSTD_MAGIC:
            if int.from_bytes(packed[position : position + 4], "little") & ~0xF != 0x184D2A50:
                return False
            position += 8 + int.from_bytes(packed[position + 4 : position + 8], "little")  # a skippable frame
            continue
        try:
            parameters = zstandard.get_frame_parameters(packed[position : position + 18])
            position += zstandard.frame_header_size(packed[position : position + 18])
        except zstandard.ZstdError:
            return False
        last = False
        while not last:
            if position + 3 > len(packed):
                return False
            block = int.from_bytes(packed[position : position + 3], "little")
            last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
            position += 3 + (1 if kind == 1 else size)  # a run-length block stores one byte
        position += 4 if parameters.has_checksum else 0
    return position == len(packed)


def _unpack_bz2(packed: bytes, size_bytes: int) -> tuple[bytearray, str]:
    content = bytearray()
    rest = packed
    while rest.startswith(_BZ2_MAGIC):
        decompressor = bz2.BZ2Decompressor()
        feed = rest
        try:
            while not decompressor.eof and len(content) < size_bytes:
                content += decompressor.decompress(feed, min(_CHUNK_BYTES, size_bytes - len(content)))
                if decompressor.needs_input and not decompressor.eof:
                    return content, "the bz2 stream ends before its end mark"
                feed = b""
        except OSError as error:
            return content, f"the bz2 stream is corrupt ({error})"
        if len(content) >= size_bytes:
            return content, ""
        rest = decompressor.unused_data
    return content, "other bytes follow the bz2 stream" if rest else ""
