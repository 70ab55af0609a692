"""Pictures out of a camera file: any range, each exactly once and faithfully, or an error that says which one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from harness.errors import DataError
from harness.recording.video.packets import (
    Container,
    Packets,
    VideoPacket,
    detect_container,
    load_packets,
    read_packets,
)

Plane = NDArray[np.uint8]

_PLANAR_FORMATS = ("yuv420p", "yuvj420p")
_SEMIPLANAR_FORMAT = "nv12"


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture, YUV 4:2:0: `y` (h, w), `u` and `v` (⌈h/2⌉, ⌈w/2⌉) uint8.

    The planes are views over the decoder's memory (rows lie a line size apart), valid until the next picture is asked
    for; `copy` to keep them.
    """

    index: int
    y: Plane
    u: Plane
    v: Plane

    def copy(self) -> Picture:
        """The same picture in memory of its own, rows side by side."""
        return Picture(self.index, self.y.copy(), self.u.copy(), self.v.copy())


@dataclass(frozen=True, slots=True)
class Video:
    """A camera file, indexed. It holds no open file: many threads may read it at once."""

    path: Path
    name: str
    container: Container
    width: int
    height: int
    packets: Packets

    @property
    def frame_count(self) -> int:
        """Pictures in the file."""
        return int(np.count_nonzero(self.packets.ranks >= 0))

    @property
    def fps(self) -> float:
        """Pictures a second: the container's, or the device's 20 where a bare stream does not say."""
        return self.packets.fps

    @property
    def keyframes(self) -> tuple[int, ...]:
        """Indices of the pictures that decoding can start from."""
        return tuple(int(rank) for rank in self.packets.start_ranks)

    @property
    def packet_sizes(self) -> NDArray[np.int64]:
        """(frame_count,) coded bytes of each picture; what an EncodeIdx message calls `len`."""
        shown = self.packets.ranks >= 0
        sizes = np.zeros(self.frame_count, np.int64)
        sizes[self.packets.ranks[shown]] = self.packets.sizes[shown]
        return sizes

    def picture(self, index: int) -> Picture:
        """The picture with that index, decoded from the keyframe before it."""
        return next(self.pictures(index, index + 1))

    def pictures(self, first: int = 0, stop: int | None = None, threads: int = 1) -> Iterator[Picture]:
        """Pictures `first` up to, not including, `stop`, in order.

        Several threads decode several pictures at once; the pictures are the same. Memory does not grow with the file.
        """
        end = self.frame_count if stop is None else stop
        if not 0 <= first <= end <= self.frame_count:
            raise DataError(f"pictures {first} to {end} were asked for, it has {self.frame_count}", where=self.name)
        return self._pictures(first, end, threads)

    def _pictures(self, first: int, end: int, threads: int) -> Iterator[Picture]:
        expected = first
        for frame in self._frames(first, end, threads) if first < end else ():
            if isinstance(frame, str):
                raise self._undecodable(expected, frame)
            if frame.pts != expected:
                raise self._undecodable(expected, self._out_of_order())
            if frame.is_corrupt:
                raise self._undecodable(expected, "the decoder marks it as damaged")
            if (frame.width, frame.height) != (self.width, self.height):
                raise self._undecodable(expected, f"it is {frame.width}×{frame.height}, not {self.width}×{self.height}")
            yield Picture(expected, *_planes(frame, self.name))
            expected += 1
        if expected != end:
            raise self._undecodable(expected, "the decoder did not deliver it")

    def _frames(self, first: int, end: int, threads: int) -> Iterator[av.VideoFrame | str]:
        """Decoded frames from `first` on, timestamped with their index, then the decoder's complaint if it had one.

        A complaint comes in its turn, after every picture of the packets before it, so with any number of threads the
        error stands at the same picture.
        """
        usable = np.flatnonzero(self.packets.start_ranks <= first)
        if not usable.size:
            yield "no keyframe comes before it, the start of the file is missing"
            return
        begin = int(self.packets.starts[usable[-1]])
        whole_from = int(self.packets.start_ranks[usable[-1]])
        ranks = self.packets.ranks
        stop = int(np.flatnonzero((ranks >= 0) & (ranks < end))[-1]) + 1
        decoder = open_decoder(self.packets, threads)
        stored = read_packets(self.path, self.container, self.packets, begin, stop)
        for position, packet in enumerate(stored, begin):
            if 0 <= ranks[position] < whole_from:
                continue
            packet.pts, packet.dts = int(ranks[position]), None
            yield from self._fed(decoder, packet, first, end)
        yield from self._fed(decoder, None, first, end)

    @staticmethod
    def _fed(
        decoder: VideoCodecContext, packet: VideoPacket | None, first: int, end: int
    ) -> Iterator[av.VideoFrame | str]:
        try:
            frames = decoder.decode(packet)
        except FFmpegError as error:
            yield error.strerror or type(error).__name__
            return
        yield from (frame for frame in frames if frame.pts is not None and first <= frame.pts < end)

    def _out_of_order(self) -> str:
        if self.container is Container.HEVC:
            return "pictures are stored out of order (B frames) and a bare stream has no timestamps"
        return "the decoder did not deliver it"

    def _undecodable(self, index: int, reason: str) -> DataError:
        return DataError(
            f"picture {index} of {self.frame_count} cannot be decoded: {reason}",
            where=self.name,
            remedy="bytes of the recording are missing or changed just before or at this picture; copy it again",
        )


def open_video(path: Path, *, name: str = "") -> Video:
    """Index the video at `path` and decode its first picture.

    `name` is what errors call it when the path is a digest.
    """
    shown = name or str(path)
    container = detect_container(path, name=shown)
    packets = load_packets(path, container, shown)
    unsized = Video(path, shown, container, 0, 0, packets)
    for frame in unsized._frames(0, 1, 1):
        if isinstance(frame, str):
            raise unsized._undecodable(0, frame)
        _planes(frame, shown)
        return Video(path, shown, container, frame.width, frame.height, packets)
    raise unsized._undecodable(0, "the decoder did not deliver it")


def open_decoder(packets: Packets, threads: int) -> VideoCodecContext:
    """A decoder that refuses what it cannot decode faithfully instead of patching it up."""
    decoder = CodecContext.create(packets.codec, "r")
    if not isinstance(decoder, VideoCodecContext):
        raise DataError(f"{packets.codec} is not a video codec")
    if packets.units is None:
        decoder.extradata = packets.headers or None
    decoder.thread_count = threads
    decoder.thread_type = "FRAME" if threads > 1 else "NONE"
    decoder.options = {"err_detect": "explode"}
    return decoder


def _planes(frame: av.VideoFrame, name: str) -> tuple[Plane, Plane, Plane]:
    """Y, U and V of a decoded frame as views by line size; interleaved chroma is taken apart, which is a copy."""
    chroma = (frame.height + 1) // 2, (frame.width + 1) // 2
    if frame.format.name in _PLANAR_FORMATS:
        return (
            _rows(frame, 0, frame.height, frame.width),
            _rows(frame, 1, *chroma),
            _rows(frame, 2, *chroma),
        )
    if frame.format.name == _SEMIPLANAR_FORMAT:
        pairs = _rows(frame, 1, chroma[0], 2 * chroma[1])
        return _rows(frame, 0, frame.height, frame.width), pairs[:, 0::2].copy(), pairs[:, 1::2].copy()
    raise DataError(
        f"its pixel format is {frame.format.name}, not 8-bit YUV 4:2:0",
        where=name,
        remedy="convert it: ffmpeg -i FILE -pix_fmt yuv420p NEW.mp4",
    )


def _rows(frame: av.VideoFrame, plane: int, height: int, width: int) -> Plane:
    """(height, width) view of one plane; numpy keeps the frame's memory alive as long as the view lives."""
    source = frame.planes[plane]
    return np.frombuffer(memoryview(source), np.uint8).reshape(-1, source.line_size)[:height, :width]
