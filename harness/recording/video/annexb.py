"""Access units of a bare HEVC stream (ITU-T H.265 Annex B): where each picture lies, without decoding any.

A device writes its pictures one after the other with the parameter sets once, at the very start. So a picture in the
middle is reached by decoding from the last keyframe before it, with those parameter sets put in front.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_READ_BYTES = 4 << 20
_START_CODE = re.compile(rb"\x00\x00\x01")
_HEADER_BYTES = 6
"""Start code, the two bytes of the NAL unit header, and the first byte of the payload."""

_FIRST_NON_PICTURE_TYPE = 32
_FIRST_KEYFRAME_TYPE, _LAST_KEYFRAME_TYPE = 16, 21
_SPS_TYPE = 33
_OPENING_TYPES = frozenset({32, 33, 34, 35, 39, *range(41, 45), *range(48, 56)})
"""NAL unit types that open a new access unit when they follow a picture (H.265, 7.4.2.4.4)."""


@dataclass(frozen=True, slots=True)
class AccessUnits:
    """Byte ranges of the pictures of a stream, in stream order.

    `offsets` and `sizes` (n,) int64, `keyframes` (n,) bool: decoding can start here; `own_headers` (n,) bool: the
    parameter sets are inside. `header_bytes` is the length of what precedes the first picture's own data.
    """

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    keyframes: NDArray[np.bool_]
    own_headers: NDArray[np.bool_]
    header_bytes: int


def parse_access_units(stream: BinaryIO) -> AccessUnits:
    """Find every picture of the stream in one pass over its bytes, in bounded memory."""
    offsets: list[int] = []
    keyframes: list[bool] = []
    own_headers: list[bool] = []
    header_bytes = 0
    opened_at: int | None = None
    has_headers = False
    for position, kind, opens_picture in _nal_units(stream):
        if kind >= _FIRST_NON_PICTURE_TYPE:
            if kind in _OPENING_TYPES and opened_at is None:
                opened_at = position
            has_headers = has_headers or kind == _SPS_TYPE
        elif opens_picture:
            if not offsets:
                header_bytes = position - (position if opened_at is None else opened_at)
            offsets.append(position if opened_at is None else opened_at)
            keyframes.append(_FIRST_KEYFRAME_TYPE <= kind <= _LAST_KEYFRAME_TYPE)
            own_headers.append(has_headers)
            opened_at, has_headers = None, False
    end = stream.tell()
    starts = np.array(offsets, np.int64)
    return AccessUnits(
        offsets=starts,
        sizes=np.diff(starts, append=end),
        keyframes=np.array(keyframes, np.bool_),
        own_headers=np.array(own_headers, np.bool_),
        header_bytes=header_bytes,
    )


def _nal_units(stream: BinaryIO) -> list[tuple[int, int, bool]]:
    """Offset, type and "is the first slice of a picture" of every NAL unit whose header is whole."""
    units: list[tuple[int, int, bool]] = []
    kept = b""
    base = 0
    searched = 0
    while chunk := stream.read(_READ_BYTES):
        window = kept + chunk
        # A start code whose header is not here yet is left for the next window.
        limit = max(len(window) - _HEADER_BYTES + 1, searched)
        for match in _START_CODE.finditer(window, searched):
            at = match.start()
            if at >= limit:
                break
            long_code = at > 0 and window[at - 1] == 0
            units.append((base + at - long_code, window[at + 3] >> 1 & 0x3F, window[at + 5] >= 0x80))
        # One byte that was searched is kept, to see the zero in front of a four-byte start code.
        keep_from = max(limit - 1, 0)
        kept, base, searched = window[keep_from:], base + keep_from, limit - keep_from
    return units
