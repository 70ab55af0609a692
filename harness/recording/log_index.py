"""What each message of a log is and when, from the framing alone: nothing is decoded.

Every message has the same root struct, so time, kind and validity stand at fixed places behind the root pointer and
are read for all messages at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.recording.log_frames import USUAL_ROOT, WORD_BYTES, Frames, Int64s, scan_frames
from harness.recording.log_pointers import Bools, Structs, follow_structs
from harness.recording.log_schema import ordinals_of, pointer_kinds
from harness.recording.services import EVENT_NAMES

_FAR = 2


@dataclass(frozen=True, slots=True)
class Damage:
    """The tail of a log that could not be used, from `offset_bytes` of the uncompressed log on."""

    offset_bytes: int
    messages_kept: int
    reason: str


@dataclass(frozen=True, slots=True)
class LogIndex:
    """One row a message, in file order.

    `offsets`, `sizes` (n,) bytes of the uncompressed log, framing included; `t_ns` (n,); `ordinals` (n,) the schema's
    @n; `valid` (n,). `frames` and `roots` are what reading columns starts from; they may be longer than n.
    """

    offsets: Int64s
    sizes: Int64s
    t_ns: Int64s
    ordinals: npt.NDArray[np.uint16]
    valid: npt.NDArray[np.bool_]
    frames: Frames
    roots: Structs

    def __len__(self) -> int:
        return len(self.offsets)


def index_log(content: bytes | bytearray) -> tuple[LogIndex, Damage | None]:
    """Index a log; what does not parse from some message on becomes Damage, and what was before it stays."""
    frames = scan_frames(content)
    count = len(frames.starts)
    roots, sound = _roots(frames)
    first = roots.bases
    t_ns = frames.words[first].view(np.int64)
    tags = frames.words[first + 1]
    ordinals = ordinals_of(tags.astype(np.uint16))
    valid = (tags & np.uint64(1 << 16)) == 0
    sound &= _payloads_fit(frames, roots, ordinals)

    end, reason = frames.end, frames.reason
    broken = np.flatnonzero(~sound)
    if broken.size:
        count = int(broken[0])
        end, reason = int(frames.starts[count]), "a message is not an openpilot event"
    damage = Damage(end * WORD_BYTES, count, reason) if reason else None
    starts, stops = frames.starts[:count], frames.stops[:count]
    return (
        LogIndex(
            starts * WORD_BYTES,
            (stops - starts) * WORD_BYTES,
            t_ns[:count],
            ordinals[:count],
            valid[:count],
            frames,
            roots,
        ),
        damage,
    )


def _roots(frames: Frames) -> tuple[Structs, Bools]:
    """The Event of each message, and whether there is one. The usual form is seen at a glance, others are followed."""
    count = len(frames.starts)
    rows = np.arange(count)
    places = frames.segment_starts[:count]
    segments = np.zeros(count, np.int64)
    bases, data_words, pointer_counts = places + 1, np.full(count, 2), np.ones(count, np.int64)
    sound = np.ones(count, np.bool_)
    room = frames.segment_stops[:count] - places
    others = np.flatnonzero((frames.words[places] != USUAL_ROOT) | (room < 1 + 3))
    if others.size:
        found, good = follow_structs(frames, places[others], others, segments[others])
        good &= (found.data_words >= 2) & (found.pointer_counts >= 1) & (room[others] > 0)
        sound[others] = good
        segments[others] = found.segments
        bases[others] = np.where(good, found.bases, 0)
        data_words[others], pointer_counts[others] = found.data_words, found.pointer_counts
    return Structs(rows, segments, bases, data_words, pointer_counts), sound


def _payloads_fit(frames: Frames, roots: Structs, ordinals: npt.NDArray[np.uint16]) -> Bools:
    """Whether the payload is a struct or a list as the schema has it: what tells our logs from other messages."""
    pointers = frames.words[roots.bases + roots.data_words]
    kinds = (pointers & np.uint64(3)).astype(np.int8)
    wanted = pointer_kinds()[np.minimum(ordinals, len(EVENT_NAMES))]
    fit: Bools = (kinds == wanted) | (wanted < 0) | (kinds == _FAR) | (pointers == 0)
    return fit
