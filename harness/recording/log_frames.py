"""The outer form of a log: Cap'n Proto messages end to end, each behind a table of its segments.

The table holds the number of segments − 1 and the size of each in words (8 bytes), as 32-bit numbers, padded to a
whole word. Everything here counts words of the uncompressed log.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

WORD_BYTES = 8
USUAL_ROOT = np.uint64(0x0001_0002_0000_0000)  # a struct right behind, of two data words and one pointer: Event
_LEAST_WORDS = 4  # that pointer and the struct itself
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
    """Find every message; what cannot be followed ends the scan with a reason, never with an exception."""
    words = np.frombuffer(content, dtype="<u8", count=len(content) // WORD_BYTES)
    starts, several, end, reason = _find_messages(words)
    rest = len(content) % WORD_BYTES
    if not reason and rest:
        reason = f"{rest} bytes are left over at the end"
    stops = np.append(starts[1:], end) if starts.size else starts
    return _frames_of(words, starts, stops, several, end, reason)


def _find_messages(words: Words) -> tuple[Int64s, dict[int, tuple[int, ...]], int, str]:
    """The first word of every message, the segment sizes of those with several, the word after the last, and why there.

    Nearly every message is one segment with the usual root pointer in front. All places that look like the beginning
    of one are found at once, and those that each lead to the next form runs. Between runs it goes message by message.
    """
    total = len(words)
    looks = np.flatnonzero(words[1:] == USUAL_ROOT)
    heads = words[looks]
    ends = looks + 1 + (heads >> np.uint64(32)).astype(np.int64)
    usual = ((heads & np.uint64(0xFFFFFFFF)) == 0) & (ends <= total) & (ends - looks > _LEAST_WORDS)
    looks, ends = looks[usual], ends[usual]
    run_stops = np.flatnonzero(np.append(ends[:-1] != looks[1:], True)[: len(looks)])

    runs: list[Int64s] = []
    several: dict[int, tuple[int, ...]] = {}
    count = position = 0
    reason = ""
    while position < total:
        look = int(np.searchsorted(looks, position))
        if look < len(looks) and looks[look] == position:
            last = int(run_stops[np.searchsorted(run_stops, look)])
            run, following = looks[look : last + 1], int(ends[last])
        else:
            sizes = _segment_sizes(words, position)
            following = position + len(sizes) // 2 + 1 + sum(sizes)
            if sum(sizes) < _LEAST_WORDS:
                reason = "the segment table makes no sense"
                break
            if following > total:
                reason = "the last message is cut off"
                break
            if len(sizes) > 1:
                several[count] = sizes
            run = np.array([position], np.int64)
        runs.append(run)
        count += len(run)
        position = following
    return np.concatenate([np.empty(0, np.int64), *runs]), several, position, reason


def _segment_sizes(words: Words, position: int) -> tuple[int, ...]:
    """The sizes of a message's segments; empty when there are too many or the table is cut off."""
    count = int(words[position] & np.uint64(0xFFFFFFFF)) + 1
    table_words = count // 2 + 1
    if count > _MAX_SEGMENTS or position + table_words > len(words):
        return ()
    table = words[position : position + table_words].view("<u4")
    return tuple(table[1 : count + 1].tolist())


def _frames_of(
    words: Words, starts: Int64s, stops: Int64s, several: dict[int, tuple[int, ...]], end: int, reason: str
) -> Frames:
    count = len(starts)
    segment_counts = np.ones(count, np.int64)
    later_segments = np.zeros(count, np.int64)
    if not several:
        return Frames(words, starts, stops, segment_counts, later_segments, starts + 1, stops, end, reason)
    first_starts, first_stops = starts + 1, stops.copy()
    more: list[tuple[int, int]] = []
    for row, sizes in several.items():
        begin = int(starts[row]) + len(sizes) // 2 + 1
        segment_counts[row] = len(sizes)
        later_segments[row] = count + len(more)
        first_starts[row], first_stops[row] = begin, begin + sizes[0]
        begin += sizes[0]
        for size in sizes[1:]:
            more.append((begin, begin + size))
            begin += size
    later = np.array(more, np.int64)
    return Frames(
        words,
        starts,
        stops,
        segment_counts,
        later_segments,
        np.concatenate([first_starts, later[:, 0]]),
        np.concatenate([first_stops, later[:, 1]]),
        end,
        reason,
    )
