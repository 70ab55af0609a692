"""Cap'n Proto pointers followed for many messages at once, with every bound checked.

The wire format is Cap'n Proto's published encoding. A pointer is known by the word it stands at (`place`, negative
where there is none), the message it belongs to (`row`) and the segment it stands in. Far pointers and double-far
pointers are followed, so messages of several segments need no other path.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.recording.log_frames import Frames, Int64s, Words

Bools = npt.NDArray[np.bool_]

_STRUCT, _LIST, _FAR = 0, 1, 2
POINTERS, COMPOSITE = 6, 7  # size codes of lists whose elements have pointers
# Bits an element of a list takes, by its size code; 7 (composite) counts words and is handled apart.
ELEMENT_BITS = np.array([0, 1, 8, 16, 32, 64, 64, 0], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Structs:
    """Structs (n,): word of the first data word, sizes of both sections. An absent one has both sizes 0."""

    rows: Int64s
    segments: Int64s
    bases: Int64s
    data_words: Int64s
    pointer_counts: Int64s

    def pointer_places(self, index: int) -> Int64s:
        """Where each struct's pointer number `index` stands, −1 where the struct ends before it."""
        return np.where(index < self.pointer_counts, self.bases + self.data_words + index, -1)


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists (n,): word of the first element, size code, number of elements (0 where absent).

    `data_words` and `pointer_counts` are of each element: of composite lists as their tag says, of lists of pointers
    0 and 1, of others 0.
    """

    rows: Int64s
    segments: Int64s
    bases: Int64s
    codes: Int64s
    counts: Int64s
    data_words: Int64s
    pointer_counts: Int64s


@dataclass(frozen=True, slots=True)
class _Landing:
    """Pointers after far hops: the word that describes the object, and where the object starts."""

    words: Words
    bases: Int64s
    segments: Int64s
    sound: Bools


def follow_structs(frames: Frames, places: Int64s, rows: Int64s, segments: Int64s) -> tuple[Structs, Bools]:
    """The structs that pointers lead to, and which pointers were sound; an unsound one is given as absent."""
    landing = _land(frames, places, rows, segments)
    here = landing.words
    present = here != 0
    data_words = (here >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64)
    pointer_counts = (here >> np.uint64(48)).astype(np.int64)
    sound = landing.sound & ((here & np.uint64(3)) == _STRUCT)
    sound &= ~present | _inside(frames, landing.bases, data_words + pointer_counts, rows, landing.segments)
    usable = sound & present
    return (
        Structs(
            rows,
            landing.segments,
            np.where(usable, landing.bases, 0),
            np.where(usable, data_words, 0),
            np.where(usable, pointer_counts, 0),
        ),
        sound,
    )


def follow_lists(frames: Frames, places: Int64s, rows: Int64s, segments: Int64s) -> tuple[Lists, Bools]:
    """The lists that pointers lead to, and which pointers were sound; an unsound one is given as absent."""
    landing = _land(frames, places, rows, segments)
    here = landing.words
    present = here != 0
    codes = (here >> np.uint64(32) & np.uint64(7)).astype(np.int64)
    sizes = (here >> np.uint64(35)).astype(np.int64)
    composite = codes == COMPOSITE
    length = np.where(composite, sizes + 1, (sizes * ELEMENT_BITS[codes] + 63) >> 6)
    sound = landing.sound & (~present | ((here & np.uint64(3)) == _LIST))
    sound &= ~present | _inside(frames, landing.bases, length, rows, landing.segments)
    usable = sound & present
    tagged = usable & composite
    tags = frames.words[np.where(tagged, landing.bases, 0)] if len(frames.words) else here
    tag_counts = (tags & np.uint64(0xFFFFFFFF)).astype(np.int64) >> 2
    tag_data = (tags >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64)
    tag_pointers = (tags >> np.uint64(48)).astype(np.int64)
    sound &= ~tagged | (((tags & np.uint64(3)) == _STRUCT) & (tag_counts * (tag_data + tag_pointers) <= sizes))
    usable &= sound
    return (
        Lists(
            rows,
            landing.segments,
            np.where(usable, landing.bases + composite, 0),
            codes,
            np.where(usable, np.where(composite, tag_counts, sizes), 0),
            np.where(usable & composite, tag_data, 0),
            np.where(usable & composite, tag_pointers, (usable & (codes == POINTERS)).astype(np.int64)),
        ),
        sound,
    )


def list_structs(lists: Lists, owners: Int64s, places: Int64s) -> Structs:
    """The structs at `places` of the lists numbered `owners`; a place behind the end gives an absent one."""
    there = places < lists.counts[owners]
    step = (lists.data_words + lists.pointer_counts)[owners]
    return Structs(
        lists.rows[owners],
        lists.segments[owners],
        np.where(there, lists.bases[owners] + places * step, 0),
        np.where(there, lists.data_words[owners], 0),
        np.where(there, lists.pointer_counts[owners], 0),
    )


def without(structs: Structs, gone: Bools) -> Structs:
    """The same structs, with those that are `gone` as absent."""
    return Structs(
        structs.rows,
        structs.segments,
        structs.bases,
        np.where(gone, 0, structs.data_words),
        np.where(gone, 0, structs.pointer_counts),
    )


def read_bits(frames: Frames, structs: Structs, offset: int, size: int) -> Words:
    """`size` bits at bit `offset` of the data section of each struct (n,); zero where the section ends before them."""
    word = offset // 64
    if not len(frames.words):
        return np.zeros(len(structs.bases), np.uint64)
    there = word < structs.data_words
    words = frames.words[np.where(there, structs.bases + word, 0)]
    if not there.all():
        words[~there] = 0
    if size == 64:
        return words
    return (words >> np.uint64(offset % 64)) & np.uint64((1 << size) - 1)


def sane_total(frames: Frames, counts: Int64s) -> bool:
    """False when lists have so many elements together that they must share their bytes, as no real log does."""
    return int(counts.sum()) <= max(1 << 16, 2 * len(frames.words))


def _land(frames: Frames, places: Int64s, rows: Int64s, segments: Int64s) -> _Landing:
    absent = places < 0
    if not len(frames.words):
        nothing = np.zeros(len(places), np.uint64)
        return _Landing(nothing, np.zeros_like(places), segments, np.ones(len(places), np.bool_))
    words = np.where(absent, np.uint64(0), frames.words[np.where(absent, 0, places)])
    bases = places + 1 + _signed_offset(words)
    sound = np.ones(len(places), np.bool_)
    far = np.flatnonzero((words & np.uint64(3)) == _FAR)
    if far.size:
        segments = segments.copy()
        _hop_far(frames, far, rows, words, bases, segments, sound)
    return _Landing(words, bases, segments, sound)


def _hop_far(
    frames: Frames, far: Int64s, rows: Int64s, words: Words, bases: Int64s, segments: Int64s, sound: Bools
) -> None:
    """Follow the pointers numbered `far` through their landing pads, in place."""
    pads, pad_segments, reachable = _far_target(frames, words[far], rows[far], 1)
    double = (words[far] & np.uint64(4)) != 0
    in_pad = frames.words[np.where(reachable, pads, 0)]
    # One hop: the pad is an ordinary pointer, relative to where it stands.
    found_words, found_bases, found_segments = in_pad.copy(), pads + 1 + _signed_offset(in_pad), pad_segments.copy()
    if double.any():
        # Two hops: the pad is a far pointer to the object itself, and the word after it describes the object.
        reachable &= ~double | _far_target(frames, words[far], rows[far], 2)[2]
        objects, object_segments, object_reachable = _far_target(frames, in_pad, rows[far], 0)
        reachable &= ~double | (object_reachable & ((in_pad & np.uint64(7)) == _FAR))
        described = frames.words[np.where(reachable & double, pads + 1, 0)]
        found_words[double] = described[double]
        found_bases[double] = objects[double]
        found_segments[double] = object_segments[double]
    reachable &= (found_words & np.uint64(3)) != _FAR
    sound[far] = reachable
    words[far] = np.where(reachable, found_words, np.uint64(0))
    bases[far] = np.where(reachable, found_bases, 0)
    segments[far] = np.where(reachable, found_segments, 0)


def _far_target(frames: Frames, words: Words, rows: Int64s, length: int) -> tuple[Int64s, Int64s, Bools]:
    """Word and segment that far pointers name, and whether `length` words lie there."""
    segments = (words >> np.uint64(32)).astype(np.int64)
    known = segments < frames.segment_counts[rows]
    segments = np.where(known, segments, 0)
    entries = _segment_entries(frames, rows, segments)
    targets = frames.segment_starts[entries] + ((words & np.uint64(0xFFFFFFFF)) >> np.uint64(3)).astype(np.int64)
    return targets, segments, known & (targets + length <= frames.segment_stops[entries])


def _inside(frames: Frames, bases: Int64s, lengths: Int64s, rows: Int64s, segments: Int64s) -> Bools:
    entries = _segment_entries(frames, rows, segments)
    return (bases >= frames.segment_starts[entries]) & (bases + lengths <= frames.segment_stops[entries])


def _segment_entries(frames: Frames, rows: Int64s, segments: Int64s) -> Int64s:
    return np.where(segments == 0, rows, frames.later_segments[rows] + segments - 1)


def _signed_offset(words: Words) -> Int64s:
    """The 30-bit signed offset of struct and list pointers."""
    return words.astype(np.uint32).view(np.int32).astype(np.int64) >> 2
