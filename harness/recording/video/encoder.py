"""Pictures into camera files as a device writes them: HEVC at 20 fps without B frames, and the small H.264 preview.

Equal pictures and parameters give equal bytes: one frame at a time in the encoder, threads only inside a frame, no
version strings and no clock in the stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from harness.errors import DataError
from harness.files import atomic_writer

Planes: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Y (h, w), U and V (⌈h/2⌉, ⌈w/2⌉) of one picture."""

DEVICE_GOP = 30
_SMALL_SENSOR_WIDTH = 1344
_SMALL_SENSOR_BITS_PER_S = 5_000_000
_LARGE_SENSOR_BITS_PER_S = 10_000_000
_PREVIEW_GOP = 15
_PREVIEW_BITS_PER_S = 256_000


def encode_hevc(
    path: Path,
    pictures: Iterable[Planes],
    *,
    width: int,
    height: int,
    fps: float = 20,
    gop: int = DEVICE_GOP,
    bitrate: int | None = None,
    crf: float | None = None,
    lossless: bool = False,
    preset: str = "ultrafast",
    threads: int = 1,
) -> int:
    """Write a bare HEVC file and return how many pictures it holds.

    Parameter sets once at the start, a closed GOP every `gop` pictures. `bitrate` in bit/s, or a constant quality
    `crf`, or `lossless`; by default the device's bit rate for that width. More threads are faster, the bytes are equal.
    """
    if lossless:
        quality = "lossless=1"
    elif crf is not None:
        quality = f"crf={crf:g}"
    else:
        device = _SMALL_SENSOR_BITS_PER_S if width <= _SMALL_SENSOR_WIDTH else _LARGE_SENSOR_BITS_PER_S
        rate_kbps = (bitrate or device) // 1000
        quality = f"bitrate={rate_kbps}:vbv-maxrate={rate_kbps}:vbv-bufsize={2 * rate_kbps}"
    parameters = (
        f"log-level=none:info=0:{quality}:keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes=0:b-adapt=0"
        f":rc-lookahead=0:frame-threads=1:wpp=1:pools={threads}"
    )
    encoder = _open_encoder("libx265", width, height, fps, {"preset": preset, "x265-params": parameters})
    encoder.flags |= Flags.global_header
    with atomic_writer(path) as stream:
        encoder.open()
        stream.write(encoder.extradata or b"")
        count = 0
        for frame in _frames(pictures, width, height, fps):
            stream.writelines(bytes(packet) for packet in encoder.encode(frame))
            count += 1
        if not count:
            raise DataError("no pictures to encode", where=str(path))
        stream.writelines(bytes(packet) for packet in encoder.encode(None))
    return count


def encode_h264_ts(
    path: Path,
    pictures: Iterable[Planes],
    *,
    width: int = 526,
    height: int = 330,
    fps: float = 20,
    gop: int = _PREVIEW_GOP,
    bitrate: int = _PREVIEW_BITS_PER_S,
    preset: str = "ultrafast",
) -> int:
    """Write the preview (`qcamera.ts`): H.264 in MPEG-TS, and return how many pictures it holds."""
    options = {
        "preset": preset,
        "g": str(gop),
        "keyint_min": str(gop),
        "sc_threshold": "0",
        "bf": "0",
        "b": str(bitrate),
        "flags": "+bitexact",
        "x264-params": "threads=1:lookahead-threads=1:rc-lookahead=0:sliced-threads=0",
    }
    with atomic_writer(path) as target, av.open(target, "w", format="mpegts", options={"fflags": "+bitexact"}) as muxer:
        stream = muxer.add_stream("libx264", rate=_rational(fps), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        count = 0
        for frame in _frames(pictures, width, height, fps):
            muxer.mux(stream.encode(frame))
            count += 1
        if not count:
            raise DataError("no pictures to encode", where=str(path))
        muxer.mux(stream.encode(None))
    return count


def _open_encoder(codec: str, width: int, height: int, fps: float, options: dict[str, str]) -> VideoCodecContext:
    encoder = CodecContext.create(codec, "w")
    if not isinstance(encoder, VideoCodecContext):
        raise DataError(f"{codec} is not a video codec")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate = _rational(fps)
    encoder.time_base = 1 / _rational(fps)
    encoder.options = options
    return encoder


def _frames(pictures: Iterable[Planes], width: int, height: int, fps: float) -> Iterator[av.VideoFrame]:
    """Each picture in a frame of the encoder's own, its shapes checked."""
    chroma = (height + 1) // 2, (width + 1) // 2
    for index, planes in enumerate(pictures):
        frame = av.VideoFrame(width, height, "yuv420p")
        for target, source, shape in zip(frame.planes, planes, ((height, width), chroma, chroma), strict=True):
            if source.shape != shape or source.dtype != np.uint8:
                raise DataError(f"picture {index}: a plane is {source.dtype} {source.shape}, not uint8 {shape}")
            rows = np.frombuffer(memoryview(target), np.uint8).reshape(-1, target.line_size)
            rows[: shape[0], : shape[1]] = source
        frame.pts = index
        frame.time_base = 1 / _rational(fps)
        yield frame


def _rational(fps: float) -> Fraction:
    return Fraction(fps).limit_denominator(1001)
