"""The messages every imported segment has: start of the run, sentinels, and one camera's frames and encode indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.domain import SegmentId
from harness.recording.log_writer import encode_event

SEGMENT_FRAMES = 1200
"""Frames of a minute at 20 Hz; frame ids of imported segments go on counting over a route."""

CAMERA_SERVICES = {
    "fcamera": ("narrowRoadCameraState", "narrowRoadEncodeIdx"),
    "ecamera": ("wideRoadCameraState", "wideRoadEncodeIdx"),
    "dcamera": ("cabinCameraState", "cabinEncodeIdx"),
}

_EXPOSURE_NS = 18_000_000
"""From start to end of a frame, where a log does not say (process_replay's migration)."""
_STATE_DELAY_NS = 2_000_000
_ENCODE_DELAY_NS = 12_000_000


def camera_events(
    stem: str,
    segment_number: int,
    end_t_ns: NDArray[np.int64],
    packet_sizes: NDArray[np.int64] | None = None,
) -> Iterator[tuple[int, bytes]]:
    """State and encode index of each frame, given when it ended and, where there is a video, its coded sizes."""
    state_service, index_service = CAMERA_SERVICES[stem]
    first_id = segment_number * SEGMENT_FRAMES
    sizes = np.zeros(len(end_t_ns), np.int64) if packet_sizes is None else packet_sizes
    for index, (end, size) in enumerate(zip(end_t_ns.tolist(), sizes.tolist(), strict=True)):
        frame = {"frameId": first_id + index, "timestampSof": max(end - _EXPOSURE_NS, 0), "timestampEof": end}
        state = {**frame, "encodeId": first_id + index, "frameIdSensor": first_id + index}
        encoded = {
            **frame,
            "type": "fullHEVC",
            "encodeId": first_id + index,
            "segmentNum": segment_number,
            "segmentId": index,
            "segmentIdEncode": index,
            "len": size,
        }
        yield end + _STATE_DELAY_NS, encode_event(state_service, end + _STATE_DELAY_NS, state)
        yield end + _ENCODE_DELAY_NS, encode_event(index_service, end + _ENCODE_DELAY_NS, encoded)


def mark_events(
    segment: SegmentId,
    *,
    first_t_ns: int,
    last_t_ns: int,
    wall_t_ns: int,
    device_type: str,
    version: str,
    notes: Sequence[str],
) -> tuple[tuple[bytes, bytes], tuple[bytes]]:
    """What a log begins with (initData, sentinel) and ends with; `notes` stand in its params as `ImportNotes`."""
    start = {
        "dongleId": segment.route.dongle_id,
        "deviceType": device_type,
        "version": version,
        "wallTimeNanos": wall_t_ns,
        "params": {"entries": [{"key": "ImportNotes", "value": "\n".join(notes).encode()}]},
    }
    opening = "startOfSegment" if segment.number else "startOfRoute"
    return (
        (
            encode_event("initData", first_t_ns, start),
            encode_event("sentinel", first_t_ns, {"type": opening}),
        ),
        (encode_event("sentinel", last_t_ns, {"type": "endOfSegment"}),),
    )
