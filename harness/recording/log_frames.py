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
_USUAL_TABLES = (1, 2, 3)  # words of a table: of one segment, of two or three, of four or five
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
    starts, end, reason = _find_messages(words)
    rest = len(content) % WORD_BYTES
    if not reason and rest:
        reason = f"{rest} bytes are left over at the end"
    stops = np.append(starts[1:], end) if starts.size else starts
    return _with_segments(words, starts, stops, end, reason)


def spread(counts: Int64s) -> tuple[Int64s, Int64s]:
    """For every element of lists of `counts` (n,) elements, end to end: which list it is of, and its place there."""
    owners = np.repeat(np.arange(len(counts)), counts)
    return owners, np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)


def _find_messages(words: Words) -> tuple[Int64s, int, str]:
    """The first word of every message, the word after the last, and why it ends there.

    All places that look like the beginning of a message are found at once, and those that each lead to the next form
    runs. What stands between runs is looked at message by message.
    """
    total = len(words)
    looks, ends = _usual_looks(words)
    run_stops = np.flatnonzero(np.append(ends[:-1] != looks[1:], True)[: len(looks)])
    runs: list[Int64s] = []
    position = 0
    reason = ""
    while position < total:
        look = int(np.searchsorted(looks, position))
        if look < len(looks) and looks[look] == position:
            last = int(run_stops[np.searchsorted(run_stops, look)])
            runs.append(looks[look : last + 1])
            position = int(ends[last])
            continue
        sizes = _segment_sizes(words, position)
        following = position + len(sizes) // 2 + 1 + sum(sizes)
        if sum(sizes) < _LEAST_WORDS:
            reason = "the segment table makes no sense"
            break
        if following > total:
            reason = "the last message is cut off"
            break
        runs.append(np.array([position], np.int64))
        position = following
    return np.concatenate([np.empty(0, np.int64), *runs]), position, reason


def _usual_looks(words: Words) -> tuple[Int64s, Int64s]:
    """Where messages seem to begin, and where each would end: a table of segments, then the usual root pointer."""
    halves = words.view("<u4")
    roots = np.flatnonzero(words == USUAL_ROOT)
    found_looks, found_ends = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for table_words in _USUAL_TABLES:
        roots = roots[np.searchsorted(roots, table_words) :]
        looks = roots - table_words
        counts = halves[2 * looks].astype(np.int64) + 1
        fits = counts // 2 + 1 == table_words
        looks, counts, roots = looks[fits], counts[fits], roots[~fits]
        ends = looks + table_words
        for place in range(2 * table_words - 1):
            ends += np.where(place < counts, halves[2 * looks + 1 + place], 0)
        usual = (ends <= len(words)) & (ends - looks - table_words >= _LEAST_WORDS)
        found_looks.append(looks[usual])
        found_ends.append(ends[usual])
    looks, ends = np.concatenate(found_looks), np.concatenate(found_ends)
    order = np.argsort(looks, kind="stable")
    return looks[order], ends[order]


def _segment_sizes(words: Words, position: int) -> tuple[int, ...]:
    """The sizes of a message's segments; empty when there are too many or the table is cut off."""
    count = int(words[position] & np.uint64(0xFFFFFFFF)) + 1
    table_words = count // 2 + 1
    if count > _MAX_SEGMENTS or position + table_words > len(words):
        return ()
    table = words[position : position + table_words].view("<u4")
    return tuple(table[1 : count + 1].tolist())


def _with_segments(words: Words, starts: Int64s, stops: Int64s, end: int, reason: str) -> Frames:
    """The frames of messages whose extent is known: all tables are sound, and are read together."""
    halves = words.view("<u4")
    counts = halves[2 * starts].astype(np.int64) + 1
    several = np.flatnonzero(counts > 1)
    if not several.size:
        return Frames(words, starts, stops, counts, np.zeros_like(counts), starts + 1, stops, end, reason)
    owners, places = spread(counts[several])
    sizes = halves[2 * starts[several][owners] + 1 + places].astype(np.int64)
    before = np.cumsum(sizes) - sizes  # words of all segments in front, of all messages
    firsts = np.flatnonzero(places == 0)
    begins = (starts + counts // 2 + 1)[several][owners] + before - before[firsts][owners]
    segment_starts, segment_stops = starts + 1, stops.copy()
    segment_starts[several] = begins[firsts]
    segment_stops[several] = (begins + sizes)[firsts]
    later = places > 0
    later_segments = np.zeros_like(counts)
    extra = counts[several] - 1
    later_segments[several] = len(starts) + np.cumsum(extra) - extra
    return Frames(
        words,
        starts,
        stops,
        counts,
        later_segments,
        np.concatenate([segment_starts, begins[later]]),
        np.concatenate([segment_stops, (begins + sizes)[later]]),
        end,
        reason,
    )
