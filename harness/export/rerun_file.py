"""A Rerun recording: the car's space with the camera's video in it, and every channel of every side over time.

Two timelines, `frame` and `time` (the log's clock). Rerun gives its chunks ids of chance, so equal segments are equal
recordings, but not equal bytes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import rerun as rr

from harness.domain import json_digest
from harness.export.scene import COLOURS, DEVICE_HEIGHT_M, Rgba, leads_of, lines_of
from harness.export.segment import Camera, Int64s, Pictures, Segment
from harness.recording.video.coded import coded_pictures
from harness.trace import Channel, Trace
from harness.verdict import Finding, Severity

APPLICATION = "testing-closet"
_CAR, _CAMERA = "car", "car/road_camera"
_CODECS = {"hevc": rr.VideoCodec.H265, "h264": rr.VideoCodec.H264}
_PATH_M, _LINE_M, _LEAD_M = 0.15, 0.04, 0.75
_PICTURES_AT_ONCE = 20
# What a double does not hold. In Rerun a name is of one type wherever it is used.
_OWN_TYPES = {"U": "text", "i": "integer", "u": "unsigned"}


def write(segment: Segment, stream: BinaryIO, progress: Callable[[int, int], None]) -> None:
    """Write a segment, part by part."""
    rr.set_strict_mode(True)  # else it warns of what it leaves out
    recording = rr.RecordingStream(APPLICATION, recording_id=_recording_id(segment))
    parts: list[Callable[[], None]] = [
        *(partial(_scene, recording, side, trace) for side, trace in segment.sides.items()),
        partial(_findings, recording, segment),
        *(
            partial(_series, recording, side, trace, channel)
            for side, trace in segment.sides.items()
            for channel in trace.channels.values()
        ),
    ]
    total = len(parts) + 1
    last = max((int(trace.frame_ids[-1]) for trace in segment.sides.values() if len(trace.frame_ids)), default=-1)
    # It writes files by their name, with an index at the end that counts the bytes before it.
    with tempfile.TemporaryDirectory(prefix="closet-") as folder:
        path = Path(folder) / "segment.rrd"
        recording.save(path)
        _still(recording, segment)
        _video(recording, segment.pictures, last)
        progress(1, total)
        for number, part in enumerate(parts, 2):
            part()
            progress(number, total)
        rr.disconnect(recording)
        with path.open("rb") as written:
            shutil.copyfileobj(written, stream)


def _recording_id(segment: Segment) -> str:
    """The same for the same export, so that opening it twice does not show it twice."""
    return json_digest(segment.metadata())[:32]


def _still(recording: rr.RecordingStream, segment: Segment) -> None:
    """What does not change: axes, camera, and how it all came to be."""
    recording.send_recording_name(f"{segment.name} · {segment.replayer}")
    recording.log(_CAR, rr.ViewCoordinates.FRD, static=True)
    facts = "\n".join(f"- **{name}** `{value}`" for name, value in segment.metadata().items())
    recording.log("provenance", rr.TextDocument(facts, media_type="text/markdown"), static=True)
    for name, value in segment.metadata().items():
        recording.send_property(name.replace(" ", "_"), rr.AnyValues(fact=value))
    if (camera := segment.camera) is not None:
        _camera(recording, camera)


def _camera(recording: rr.RecordingStream, camera: Camera) -> None:
    recording.log(_CAMERA, rr.Transform3D(mat3x3=camera.car_from_view), static=True)
    lens = rr.Pinhole(
        image_from_camera=camera.matrix, resolution=[camera.width, camera.height], camera_xyz=rr.ViewCoordinates.RDF
    )
    recording.log(_CAMERA, lens, static=True)


def _video(recording: rr.RecordingStream, pictures: Pictures | None, last_frame: int) -> None:
    """The road camera's pictures as they were coded, some at a time."""
    if pictures is None:
        return
    codec, coded = coded_pictures(pictures.path)
    recording.log(f"{_CAMERA}/video", rr.VideoStream(codec=_CODECS[codec]), static=True)
    index = {int(row): place for place, row in enumerate(pictures.rows)}
    waiting: list[tuple[int, bytes]] = []

    def send() -> None:
        places = np.array([place for place, _ in waiting])
        recording.send_columns(
            f"{_CAMERA}/video",
            _times(pictures.frame_ids[places], pictures.t_ns[places]),
            rr.VideoStream.columns(sample=[data for _, data in waiting]),
        )
        waiting.clear()

    for picture in coded:
        place = index.get(picture.row)
        if place is None:
            continue
        if pictures.frame_ids[place] > last_frame:
            break
        waiting.append((place, picture.data))
        if len(waiting) == _PICTURES_AT_ONCE:
            send()
    if waiting:
        send()


def _scene(recording: rr.RecordingStream, side: str, trace: Trace) -> None:
    """Lines and leads of one side, each over all frames; a frame in which one is not drawn clears it."""
    colour = COLOURS.get(side, COLOURS["driven"])
    strips: dict[str, list[Any]] = {}
    sure: dict[str, list[float]] = {}
    places: dict[str, list[Any]] = {}
    count = len(trace.frame_ids)
    for row in range(count):
        for line in lines_of(trace, row):
            strips.setdefault(line.name, [None] * count)[row] = line.points
            sure.setdefault(line.name, [0.0] * count)[row] = line.probability
        for lead in leads_of(trace, row):
            places.setdefault(lead.name, [None] * count)[row] = [*lead.place[:2], DEVICE_HEIGHT_M / 2]
    times = _times(trace.frame_ids, trace.t_ns)
    for name, lines in strips.items():
        entity = f"{_CAR}/{side}/{name.replace(' ', '_')}"
        radius = _PATH_M if name == "path" else _LINE_M
        recording.log(entity, rr.LineStrips3D.from_fields(radii=radius), static=True)
        shown = [line for line in lines if line is not None]
        colours = [_bytes(colour, sure[name][row]) for row, line in enumerate(lines) if line is not None]
        lengths = [0 if line is None else 1 for line in lines]
        recording.send_columns(entity, times, rr.LineStrips3D.columns(strips=shown, colors=colours).partition(lengths))
    for name, each in places.items():
        entity = f"{_CAR}/{side}/{name.replace(' ', '_')}"
        recording.log(entity, rr.Points3D.from_fields(radii=_LEAD_M, colors=_bytes(colour, 1.0)), static=True)
        shown = [place for place in each if place is not None]
        lengths = [0 if place is None else 1 for place in each]
        recording.send_columns(entity, times, rr.Points3D.columns(positions=shown).partition(lengths))


def _series(recording: rr.RecordingStream, side: str, trace: Trace, channel: Channel) -> None:
    """A channel as scalars where a double holds its values, else as values of its own type."""
    entity = f"series/{side}/{channel.name}"
    unit = f" ({channel.unit})" if channel.unit else ""
    facts = rr.AnyValues(unit=channel.unit or "none", exactness=channel.exactness.value)
    recording.log(entity, facts, static=True)
    values = channel.values.reshape(len(channel.values), -1)
    width = values.shape[1]
    times = _times(trace.frame_ids, trace.t_ns)
    kind = channel.values.dtype.kind
    if kind == "U" or (kind in "iu" and channel.values.dtype.itemsize == 8):
        recording.send_columns(
            entity,
            times,
            rr.AnyValues.columns(drop_untyped_nones=True, **{_OWN_TYPES[kind]: values.flatten()}).partition(
                [width] * len(values)
            ),
        )
        return
    names = [f"{side} {channel.name}{_element(channel, place)}{unit}" for place in range(width)]
    recording.log(entity, rr.SeriesLines(names=names, colors=[_bytes(COLOURS[side], 1.0)] * width), static=True)
    scalars = rr.Scalars.columns(scalars=values.astype(np.float64, copy=True).ravel())
    recording.send_columns(entity, times, scalars.partition([width] * len(values)))


def _element(channel: Channel, place: int) -> str:
    if channel.values.ndim == 1:
        return ""
    return "".join(f"[{part}]" for part in np.unravel_index(place, channel.values.shape[1:]))


def _findings(recording: rr.RecordingStream, segment: Segment) -> None:
    """What was found, at the frame where it begins."""
    reference = next(iter(segment.sides.values()))
    begin_ns = int(reference.t_ns[0]) if len(reference.t_ns) else 0
    begin_frame = int(reference.frame_ids[0]) if len(reference.frame_ids) else 0
    found = sorted(segment.findings, key=lambda each: each.first_s or 0.0)
    if not found:
        return
    frames = [begin_frame if each.first_frame is None else each.first_frame for each in found]
    times = [begin_ns + round((each.first_s or 0.0) * 1e9) for each in found]
    recording.send_columns(
        "findings",
        _times(np.array(frames, np.int64), np.array(times, np.int64)),
        rr.TextLog.columns(text=[_words(each) for each in found], level=[_level(each) for each in found]),
    )


def _words(found: Finding) -> str:
    return f"{found.channel or found.kind.value} {found.words}"


def _level(found: Finding) -> str:
    return "ERROR" if found.severity is Severity.BLOCK else "INFO"


def _times(frame_ids: Int64s, t_ns: Int64s) -> list[rr.TimeColumn]:
    # Copies: arrays of a trace lie where its file has them, and Rerun ends the program over one that is not aligned.
    return [
        rr.TimeColumn("frame", sequence=frame_ids.copy()),
        rr.TimeColumn("time", duration=t_ns.astype("timedelta64[ns]", copy=True)),
    ]


def _bytes(rgba: Rgba, share: float) -> list[int]:
    return [round(255 * part) for part in (*rgba[:3], rgba[3] * share)]
