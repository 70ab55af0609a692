"""The outer form of a log: Cap'n Proto messages end to end, each behind a table of its segments.

The table holds the number of segments − 1 and the size of each in words (8 bytes), as 32-bit numbers, padded to a
whole word. Everything here counts words of the uncompressed log.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

WORD_BYTES = 8
_MAX_SEGMENTS = 512  # as in Cap'n Proto's own reader


@dataclass(frozen=True, slots=True)
class Frames:
    """Messages (n,) by their extent: row i spans words [`starts[i]`, `stops[i]`), table included.

    Segment k of message i spans words [`segment_starts`, `segment_stops`) at entry i for k = 0, and at entry
    `later_segments[i]` + k − 1 for the others, of which most messages have none; `segment_counts` (n,).
    `reason` says why the log could not be followed beyond `end`, and is empty when it could.
    """

    words: Words
    starts: Int64s
    stops: Int64s
    segment_counts: Int64s
    later_segments: Int64s
    segment_starts: Int64s
    segment_stops: Int64s
    end: int
    reason: str


def scan_frames(content: bytes | bytearray) -> Frames:
    """Hop from message to message; what cannot be followed ends the scan with a reason, never with an exception."""
    words = np.frombuffer(content, dtype="<u8", count=len(content) // WORD_BYTES)
    heads: array[int] = array("q")
    several: dict[int, tuple[int, ...]] = {}
    end, reason = _hop(content, heads, several)
    starts = np.array(heads, dtype=np.int64)
    stops = np.append(starts[1:], end) if starts.size else starts
    return _frames_of(words, starts, stops, several, end, reason)


def _hop(content: bytes | bytearray, heads: array[int], several: dict[int, tuple[int, ...]]) -> tuple[int, str]:
    """Append the first word of every message to `heads`; the segment sizes of those with several go to `several`.

    One look at one word a message: this loop is what the speed of the index hangs on.
    """
    total = len(content) // WORD_BYTES
    position = 0
    append = heads.append
    with memoryview(content) as everything, everything[: total * WORD_BYTES].cast("Q") as words:
        while position < total:
            head = words[position]
            if not head & 0xFFFFFFFF:
                following = position + 1 + (head >> 32)
            else:
                sizes = _segment_sizes(words, position)
                if not sizes:
                    return position, "the segment table makes no sense"
                several[len(heads)] = sizes
                following = position + len(sizes) // 2 + 1 + sum(sizes)
            if following > total:
                several.pop(len(heads), None)
                return position, "the last message is cut off"
            append(position)
            position = following
    rest = len(content) - total * WORD_BYTES
    return position, f"{rest} bytes are left over at the end" if rest else ""


def _segment_sizes(words: memoryview[int], position: int) -> tuple[int, ...]:
    """The sizes of a message's segments; empty when there are too many or the table is cut off."""
    count = (words[position] & 0xFFFFFFFF) + 1
    table_words = count // 2 + 1
    if count > _MAX_SEGMENTS or position + table_words > len(words):
        return ()
    table = words[position : position + table_words].tobytes()
    return tuple(int.from_bytes(table[4 * i : 4 * i + 4], "little") for i in range(1, count + 1))


def _frames_of(
    words: Words, starts: Int64s, stops: Int64s, several: dict[int, tuple[int, ...]], end: int, reason: str
) -> Frames:
    count = len(starts)
    segment_counts = np.ones(count, np.int64)
    later_segments = np.zeros(count, np.int64)
    first_starts, first_stops = starts + 1, stops.copy()
    more_starts: list[int] = []
    more_stops: list[int] = []
    for row, sizes in several.items():
        begin = int(starts[row]) + len(sizes) // 2 + 1
        segment_counts[row] = len(sizes)
        later_segments[row] = count + len(more_starts)
        first_starts[row], first_stops[row] = begin, begin + sizes[0]
        begin += sizes[0]
        for size in sizes[1:]:
            more_starts.append(begin)
            more_stops.append(begin + size)
            begin += size
    return Frames(
        words,
        starts,
        stops,
        segment_counts,
        later_segments,
        np.concatenate([first_starts, np.array(more_starts, np.int64)]),
        np.concatenate([first_stops, np.array(more_stops, np.int64)]),
        end,
        reason,
    )
