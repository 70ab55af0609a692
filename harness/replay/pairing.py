"""Which frames are looked at together, and how many were dropped: openpilot modeld's rules, on the log's indexes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PAIR_WITHIN_NS = 25_000_000

_DROP_CAP = 10
_FILTER_RC_S = 10.0
_FRAME_S = 0.05
_ALPHA = _FRAME_S / (_FILTER_RC_S + _FRAME_S)
_SILENT_RUNS = 10


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """One encoded frame of one camera: `row` is its picture in the video file."""

    frame_id: int
    row: int
    sof_ns: int
    eof_ns: int


@dataclass(frozen=True, slots=True)
class FramePair:
    """What the model sees at once; `wide` is None where there is one camera."""

    narrow: CameraFrame
    wide: CameraFrame | None


def pair_frames(narrow: Sequence[CameraFrame], wide: Sequence[CameraFrame] | None) -> tuple[FramePair, ...]:
    """Pairs in order, as the model process receives them.

    A narrow frame is taken once it is at least 25 ms after the wide one last used; then wide frames are taken until
    one is less than 25 ms behind it. So a gap in one camera skips frames of the other and never shifts them.
    """
    if wide is None:
        return tuple(FramePair(frame, None) for frame in narrow)
    pairs: list[FramePair] = []
    rest = iter(wide)
    last_wide_ns: int | None = None
    for frame in narrow:
        if last_wide_ns is not None and frame.sof_ns < last_wide_ns + PAIR_WITHIN_NS:
            continue
        match = next((other for other in rest if frame.sof_ns < other.sof_ns + PAIR_WITHIN_NS), None)
        if match is None:
            break
        pairs.append(FramePair(frame, match))
        last_wide_ns = match.sof_ns
    return tuple(pairs)


def frame_drop_percent(frame_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """(n,) frameDropPerc of each run from the gaps in `frame_ids` (n,): a first-order filter, silent for ten runs."""
    percent = np.zeros(len(frame_ids), np.float32)
    level = 0.0
    for i, gap in enumerate(np.diff(frame_ids, prepend=frame_ids[:1])):
        dropped = min(_DROP_CAP, max(0, int(gap) - 1))
        level = 0.0 if i < _SILENT_RUNS else (1.0 - _ALPHA) * level + _ALPHA * dropped
        percent[i] = 100.0 * level / (1.0 + level)
    return percent
