"""Camera files as what models see: decoded once, warped once, whoever looks at them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.recording.video import Picture, Video
from harness.replay.threads import run_ahead
from harness.replay.warp import PACKED_SHAPE, WarpTable, picture_digest, warp

Bytes: TypeAlias = npt.NDArray[np.uint8]
Tensor: TypeAlias = npt.NDArray[Any]

_AHEAD = 8  # pictures a camera's thread may be in front: 200 KB each


@dataclass(slots=True)
class StageTimes:
    """Processor time one stream has spent, by its own thread's clock."""

    decode_s: float = 0.0
    warp_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture made ready: its tensor and the digest of that tensor."""

    picture: Tensor
    digest: int


@dataclass(frozen=True, slots=True)
class SeenPair:
    """Both cameras' pictures of one model frame; `index` counts frames of the replay."""

    index: int
    narrow: Seen
    wide: Seen


@dataclass(slots=True)
class Cameras:
    """What to read: each video with the rows wanted and the tables to warp by.

    `wide` None: one camera, whose pictures are warped by both tables.
    """

    narrow: Video
    narrow_rows: Sequence[int]
    narrow_table: WarpTable
    wide: Video | None
    wide_rows: Sequence[int]
    wide_table: WarpTable
    times: list[StageTimes] = field(default_factory=list)


def rows_of(
    video: Video, rows: Sequence[int], make: Callable[[Picture], Sequence[Seen]], times: StageTimes
) -> Generator[Sequence[Seen], None, None]:
    """`make` of each wanted picture of `video`, in order; `rows` rise."""
    if not rows:
        return
    wanted = iter(rows)
    next_row = next(wanted)
    pictures = video.pictures(rows[0], rows[-1] + 1)
    begin_s = time.thread_time()
    for picture in pictures:
        decoded_s = time.thread_time()
        times.decode_s += decoded_s - begin_s
        begin_s = decoded_s
        if picture.index != next_row:
            continue
        made = make(picture)
        begin_s = time.thread_time()
        times.warp_s += begin_s - decoded_s
        yield made
        next_row = next(wanted, -1)
        begin_s = time.thread_time()


def see(cameras: Cameras, threads: int) -> Iterator[SeenPair]:
    """Both cameras' warped pictures, frame by frame; with more threads each camera has one of its own."""
    narrow_tables = (cameras.narrow_table,) if cameras.wide else (cameras.narrow_table, cameras.wide_table)
    narrow = _stream(cameras, cameras.narrow, cameras.narrow_rows, narrow_tables, threads, "narrow")
    try:
        if cameras.wide is None:
            for i, (first, second) in enumerate(narrow):
                yield SeenPair(i, first, second)
            return
        wide = _stream(cameras, cameras.wide, cameras.wide_rows, (cameras.wide_table,), threads, "wide")
        try:
            for i, (seen, seen_wide) in enumerate(zip(narrow, wide, strict=True)):
                yield SeenPair(i, seen[0], seen_wide[0])
        finally:
            wide.close()
    finally:
        narrow.close()


def _stream(
    cameras: Cameras, video: Video, rows: Sequence[int], tables: Sequence[WarpTable], threads: int, name: str
) -> Generator[Sequence[Seen], None, None]:
    times = StageTimes()
    cameras.times.append(times)
    stream = rows_of(video, rows, lambda picture: [_warped(table, picture) for table in tables], times)
    return run_ahead(stream, _AHEAD, f"pictures {name}") if threads > 1 else stream


def _warped(table: WarpTable, picture: Picture) -> Seen:
    packed = warp(table, picture.y, picture.u, picture.v)
    return Seen(packed, picture_digest(packed))


class Lookback:
    """Pairs every picture with the one `skip` frames before, zero before the start: a model's two-frame input."""

    def __init__(self, longest_skip: int) -> None:
        black = Seen(np.zeros(PACKED_SHAPE, np.uint8), 0)
        self._past: deque[SeenPair] = deque([SeenPair(-1, black, black)] * longest_skip, maxlen=longest_skip + 1)

    def push(self, pair: SeenPair) -> None:
        """Make `pair` the newest."""
        self._past.append(pair)

    def inputs(self, skip: int) -> dict[str, tuple[Tensor, Tensor]]:
        """(older, newer) packed pictures of the newest frame, by input name."""
        older, newer = self._past[-1 - skip], self._past[-1]
        return {
            "img": (older.narrow.picture, newer.narrow.picture),
            "big_img": (older.wide.picture, newer.wide.picture),
        }
