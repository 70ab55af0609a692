"""The small film of a segment that a browser plays: H.264 in MP4, every 20 Hz frame, so that a page can step by frame.

Picture i is shown from i/20 s on, whatever the source said of time. One keyframe a second keeps a jump to any frame
short; the index comes first in the file, so that it plays from the first bytes on. Equal pictures give equal bytes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from harness.errors import DataError
from harness.recording.video.decoder import Picture, Video
from harness.recording.video.packets import DEVICE_FPS, Container

PREVIEW_VERSION = 1  # goes up when the same pictures would give another film
PREVIEW_WIDTH = 526  # qcamera's
PREVIEW_GOP = 20

_QUALITY = 25
_STEP = Fraction(1, int(DEVICE_FPS))
_OPTIONS = {
    "preset": "superfast",
    "crf": str(_QUALITY),
    "g": str(PREVIEW_GOP),
    "keyint_min": str(PREVIEW_GOP),
    "sc_threshold": "0",
    "bf": "0",
    "profile": "main",
    "flags": "+bitexact",
    "x264-params": "threads=1:lookahead-threads=1:sliced-threads=0",
}


@dataclass(frozen=True, slots=True)
class Film:
    """What was written: pictures and their size."""

    pictures: int
    width: int
    height: int


def film_size(video: Video, width: int = PREVIEW_WIDTH) -> tuple[int, int]:
    """Width and height of the film of a video: as wide as a qcamera, its shape kept, both even."""
    width = min(width, video.width // 2 * 2)
    return width, max(round(video.height * width / video.width / 2), 1) * 2


def cut_preview(path: Path, video: Video, rows: Sequence[int], *, threads: int = 1) -> Film:
    """Decode the pictures `rows` (rising) of `video`, scale them down and write them to `path` as a film.

    DataError naming the first picture that cannot be decoded, or when there is none to write.
    """
    if not rows:
        raise DataError("no pictures to cut a film from", where=video.name)
    width, height = film_size(video)
    wanted = frozenset(rows)
    shrunk = (
        _shrink(picture, video.width, video.height, width, height)
        for picture in video.pictures(rows[0], rows[-1] + 1, threads)
        if picture.index in wanted
    )
    count = _written(path, lambda target: _encode(target, shrunk, width, height))
    return Film(count, width, height)


def can_repack(video: Video) -> bool:
    """Whether a file's own pictures can stand in a film as they are: H.264 with a keyframe a second and no B frames."""
    if video.packets.codec != "h264" or video.container is Container.HEVC or not len(video.packets.starts):
        return False
    apart = np.diff(np.append(video.packets.start_ranks, video.frame_count))
    in_order = np.array_equal(video.packets.ranks, np.arange(len(video.packets.ranks)))
    return bool(in_order and video.packets.start_ranks[0] == 0 and apart.max() <= 2 * PREVIEW_GOP)


def repack_preview(path: Path, video: Video) -> Film:
    """Write the pictures of a `qcamera` to `path` as a film without coding them again; see `can_repack`."""
    if not can_repack(video):
        raise DataError("its pictures cannot stand in a film as they are", where=video.name, remedy="cut a film of it")
    count = _written(path, lambda target: _repack(target, video))
    return Film(count, video.width, video.height)


def _written(path: Path, write: Callable[[Path], int]) -> int:
    """What `write` puts at a path becomes `path` when it is whole: putting the index first needs a real file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".part", dir=path.parent) as folder:
        target = Path(folder) / path.name
        count = write(target)
        with target.open("rb+") as stream:
            os.fsync(stream.fileno())
        target.chmod(0o644)
        target.replace(path)
    return count


def _shrink(picture: Picture, width: int, height: int, to_width: int, to_height: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for target, source in zip(frame.planes, (picture.y, picture.u, picture.v), strict=True):
        rows = np.frombuffer(memoryview(target), np.uint8).reshape(-1, target.line_size)
        rows[: source.shape[0], : source.shape[1]] = source
    return frame.reformat(to_width, to_height, "yuv420p", interpolation=Interpolation.AREA)


def _encode(target: Path, frames: Iterable[av.VideoFrame], width: int, height: int) -> int:
    count = 0
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as muxer:
        stream = muxer.add_stream("libx264", rate=int(DEVICE_FPS), options=_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            frame.pts, frame.time_base = count, _STEP
            muxer.mux(stream.encode(frame))
            count += 1
        muxer.mux(stream.encode(None))
    return count


def _repack(target: Path, video: Video) -> int:
    count = 0
    form = "mpegts" if video.container is Container.TS else "mp4"
    try:
        with (
            av.open(str(video.path), format=form) as source,
            av.open(str(target), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as muxer,
        ):
            stream = muxer.add_stream_from_template(source.streams.video[0])
            if not isinstance(stream, VideoStream):
                raise DataError("has no video stream", where=video.name)
            stream.time_base = _STEP
            for packet in source.demux(source.streams.video[0]):
                if not packet.size:
                    continue
                packet.stream, packet.time_base = stream, _STEP
                packet.pts = packet.dts = count
                packet.duration = 1
                muxer.mux(packet)
                count += 1
    except FFmpegError as error:
        raise DataError(f"cannot be put into a film: {error.strerror}", where=video.name) from error
    return count
