"""Compression around a log: by magic, in bounded memory, cut-off streams as far as they go."""

from __future__ import annotations

import bz2
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DataError
from harness.recording.container import Container, unpack, unpack_head, write_packed

CONTENT = np.random.default_rng(7).integers(0, 40, 300_000).astype(np.uint8).tobytes()


def zst(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=10, write_checksum=True).compress(content)


def streamed(content: bytes) -> bytes:
    """As the device writes it: blocks flushed as they come, no size in the frame's header."""
    compressor = zstandard.ZstdCompressor(level=10).compressobj()
    half = len(content) // 2
    return b"".join(
        [
            compressor.compress(content[:half]),
            compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
            compressor.compress(content[half:]),
            compressor.flush(),
        ]
    )


PACKERS: dict[str, tuple[Container, Callable[[bytes], bytes]]] = {
    "zst": (Container.ZST, zst),
    "zst streamed": (Container.ZST, streamed),
    "bz2": (Container.BZ2, bz2.compress),
    "bare": (Container.BARE, bytes),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_whole_streams_come_back_whole(packer: str) -> None:
    container, pack = PACKERS[packer]
    unpacked = unpack(pack(CONTENT), where="x")
    assert (unpacked.container, bytes(unpacked.content), unpacked.cut_off) == (container, CONTENT, "")


@pytest.mark.parametrize("pack", [zst, streamed, bz2.compress])
def test_streams_end_to_end_are_one(pack: Callable[[bytes], bytes]) -> None:
    unpacked = unpack(pack(CONTENT) + pack(b"more") + pack(b""), where="x")
    assert bytes(unpacked.content) == CONTENT + b"more"
    assert not unpacked.cut_off


def test_a_skippable_frame_is_skipped() -> None:
    skippable = (0x184D2A53).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"12345"
    unpacked = unpack(zst(b"one") + skippable + zst(b"two"), where="x")
    assert (bytes(unpacked.content), unpacked.cut_off) == (b"onetwo", "")


@given(st.integers(5, len(zst(CONTENT)) - 1))
def test_a_cut_zstd_stream_keeps_its_beginning_and_says_so(length: int) -> None:
    unpacked = unpack(zst(CONTENT)[:length], where="x")
    assert CONTENT.startswith(bytes(unpacked.content))
    assert "zstd" in unpacked.cut_off


@pytest.mark.parametrize("share", [0.2, 0.7, 0.999])
def test_a_cut_bz2_stream_keeps_its_beginning_and_says_so(share: float) -> None:
    packed = bz2.compress(CONTENT, 1)
    unpacked = unpack(packed[: int(share * len(packed))], where="x")
    assert CONTENT.startswith(bytes(unpacked.content))
    assert "bz2" in unpacked.cut_off


def test_most_of_a_cut_streamed_file_is_there() -> None:
    packed = streamed(CONTENT)
    assert len(unpack(packed[:-10], where="x").content) >= len(CONTENT) // 2


def test_a_corrupt_stream_says_so() -> None:
    packed = bytearray(zst(CONTENT))
    packed[-2] ^= 0xFF  # in the checksum
    assert "corrupt" in unpack(bytes(packed), where="x").cut_off
    packed = bytearray(bz2.compress(CONTENT))
    packed[len(packed) // 2] ^= 0xFF
    assert "corrupt" in unpack(bytes(packed), where="x").cut_off


@pytest.mark.parametrize("pack", [zst, bz2.compress])
def test_a_bomb_is_refused_in_bounded_memory(pack: Callable[[bytes], bytes]) -> None:
    limit = 4 << 20
    bomb = pack(bytes(256 << 20))
    assert len(bomb) < 100_000
    tracemalloc.start()
    with pytest.raises(DataError, match=r"drive/rlog.* more than 4194304 bytes"):
        unpack(bomb, where="drive/rlog", limit_bytes=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * limit


@pytest.mark.parametrize("packer", PACKERS)
def test_the_limit_is_the_last_size_that_passes(packer: str) -> None:
    packed = PACKERS[packer][1](CONTENT)
    assert len(unpack(packed, where="x", limit_bytes=len(CONTENT)).content) == len(CONTENT)
    with pytest.raises(DataError, match="more than"):
        unpack(packed, where="x", limit_bytes=len(CONTENT) - 1)


@pytest.mark.parametrize("packer", PACKERS)
def test_a_head_is_the_beginning(packer: str) -> None:
    assert unpack_head(PACKERS[packer][1](CONTENT), 1000) == CONTENT[:1000]


@pytest.mark.parametrize(
    ("name", "magic"), [("rlog.zst", b"\x28\xb5\x2f\xfd"), ("rlog.bz2", b"BZh"), ("rlog", CONTENT[:4])]
)
def test_suffixes_say_how_to_write(tmp_path: Path, name: str, magic: bytes) -> None:
    for attempt in ("first", "again"):
        path = tmp_path / attempt / name
        write_packed(path, CONTENT)
        assert path.read_bytes().startswith(magic)
        assert bytes(unpack(path.read_bytes(), where=name).content) == CONTENT
    assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
