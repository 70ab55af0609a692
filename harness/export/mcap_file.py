"""MCAP with Foxglove's own schemas: video, calibration, scenes, logs; and a series a channel and side.

The time of every message is the log's clock. Equal segments are equal bytes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.Color_pb2 import Color
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from foxglove_schemas_protobuf.LinePrimitive_pb2 import LinePrimitive
from foxglove_schemas_protobuf.Log_pb2 import Log
from foxglove_schemas_protobuf.Point3_pb2 import Point3
from foxglove_schemas_protobuf.Pose_pb2 import Pose
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from foxglove_schemas_protobuf.SceneEntity_pb2 import SceneEntity
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from foxglove_schemas_protobuf.SpherePrimitive_pb2 import SpherePrimitive
from foxglove_schemas_protobuf.Vector3_pb2 import Vector3
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from mcap.well_known import MessageEncoding
from mcap.writer import Writer
from mcap_protobuf.schema import register_schema

from harness.export.mcap_series import series_message, series_type
from harness.export.scene import COLOURS, Rgba, leads_of, lines_of
from harness.export.segment import Camera, Floats, Pictures, Segment
from harness.recording.video.coded import coded_pictures
from harness.trace import Trace
from harness.verdict import Finding, Severity

_CAR, _CAMERA = "car", "road_camera"
_CODECS = {"hevc": "h265", "h264": "h264"}
_LIFETIME_NS = 100_000_000  # two frames: what a side has no frame for goes away
_LINE_M, _PATH_M, _LEAD_M = 0.08, 0.35, 1.5
# Foxglove's axes (x forward, y left, z up) of the trace's (x forward, y right, z down).
_UPWARD = np.array([1.0, -1.0, -1.0])


class _Message(NamedTuple):
    """What is written at a time, and under which topic. `number` keeps messages of one time in their order."""

    t_ns: int
    number: int
    topic: str
    message: Any


def write(segment: Segment, stream: BinaryIO, progress: Callable[[int, int], None]) -> None:
    """Write a segment, message by message in the order of time."""
    writer = Writer(stream)
    writer.start(profile="", library="testing-closet")
    channels = _Channels(writer, segment)
    moments = list(segment.moments())
    begin_ns = moments[0][1] if moments else 0
    done = 0
    merged = heapq.merge(
        _findings(segment.findings, segment.replayer, begin_ns),
        _calibration(segment.camera, [moment[1] for moment in moments]),
        _video(segment.pictures, moments[-1][0] if moments else -1),
        _sides(segment, moments),
        key=lambda each: (each.t_ns, each.number),
    )
    for t_ns, number, topic, message in merged:
        writer.add_message(channels.find(topic, message), t_ns, message.SerializeToString(deterministic=True), t_ns)
        if number >= _SIDES:
            done += 1
            progress(done, channels.total * max(len(moments), 1))
    writer.add_metadata("testing-closet", segment.metadata())
    writer.finish()  # type: ignore[no-untyped-call]  # it has no types
    progress(1, 1)


_FIRST, _SIDES = 0, 10  # numbers of messages: what stands still, then pictures, then what the sides say


class _Channels:
    """The topics of a file; units stand in the metadata of a topic."""

    def __init__(self, writer: Writer, segment: Segment) -> None:
        self._writer = writer
        self._schemas: dict[str, int] = {}
        self._known: dict[str, int] = {}
        self._facts = {
            series_topic(side, name): {"unit": channel.unit, "exactness": channel.exactness.value}
            for side, trace in segment.sides.items()
            for name, channel in trace.channels.items()
        }
        self.total = sum(len(trace.channels) + 1 for trace in segment.sides.values())

    def find(self, topic: str, message: Any) -> int:
        """The number of a topic, registered at its first message."""
        if topic not in self._known:
            name = message.DESCRIPTOR.full_name
            if name not in self._schemas:
                self._schemas[name] = register_schema(self._writer, type(message))
            self._known[topic] = self._writer.register_channel(
                topic, MessageEncoding.Protobuf, self._schemas[name], self._facts.get(topic, {})
            )
        return self._known[topic]


def series_topic(side: str, channel: str) -> str:
    """`/candidate/action/desiredCurvature`: a path without dots, which Foxglove would take for a field."""
    return f"/{side}/{channel.replace('.', '/')}"


def _sides(segment: Segment, moments: list[tuple[int, int, dict[str, int]]]) -> Iterator[_Message]:
    for frame, t_ns, rows in moments:
        number = _SIDES
        for side, row in rows.items():
            trace = segment.sides[side]
            yield _Message(t_ns, number, f"/{side}/scene", _scene(trace, row, side, t_ns))
            for name, channel in trace.channels.items():
                number += 1
                kind = series_type(channel.values)
                message = series_message(kind, channel.values, row, frame, _timestamp(t_ns))
                yield _Message(t_ns, number, series_topic(side, name), message)
            number += 1


def _scene(trace: Trace, row: int, side: str, t_ns: int) -> SceneUpdate:
    colour = COLOURS.get(side, COLOURS["driven"])
    entities = [
        SceneEntity(
            timestamp=_timestamp(t_ns),
            frame_id=_CAR,
            id=line.name,
            lifetime=Duration(nanos=_LIFETIME_NS),
            lines=[
                LinePrimitive(
                    type=LinePrimitive.LINE_STRIP,
                    pose=_still(),
                    thickness=_PATH_M if line.name == "path" else _LINE_M,
                    points=[_point(point) for point in line.points],
                    color=_colour(colour, line.probability),
                )
            ],
        )
        for line in lines_of(trace, row)
    ]
    entities += [
        SceneEntity(
            timestamp=_timestamp(t_ns),
            frame_id=_CAR,
            id=lead.name,
            lifetime=Duration(nanos=_LIFETIME_NS),
            spheres=[
                SpherePrimitive(
                    pose=Pose(position=_vector(lead.place), orientation=Quaternion(w=1.0)),
                    size=Vector3(x=_LEAD_M, y=_LEAD_M, z=_LEAD_M),
                    color=_colour(colour, 1.0),
                )
            ],
        )
        for lead in leads_of(trace, row)
    ]
    return SceneUpdate(entities=entities)


def _calibration(camera: Camera | None, times_ns: list[int]) -> Iterator[_Message]:
    """Where the camera is and what its lens does, again at each frame: wherever a player begins it is known."""
    if camera is None:
        return
    matrix = camera.matrix
    turn = _quaternion(np.diag(_UPWARD) @ camera.car_from_view)
    for t_ns in times_ns:
        calibration = CameraCalibration(
            timestamp=_timestamp(t_ns),
            frame_id=_CAMERA,
            width=camera.width,
            height=camera.height,
            K=matrix.ravel().tolist(),
            R=np.eye(3).ravel().tolist(),
            P=np.hstack([matrix, np.zeros((3, 1))]).ravel().tolist(),
        )
        transform = FrameTransform(
            timestamp=_timestamp(t_ns),
            parent_frame_id=_CAR,
            child_frame_id=_CAMERA,
            translation=Vector3(),
            rotation=turn,
        )
        yield _Message(t_ns, _FIRST, "/tf", transform)
        yield _Message(t_ns, _FIRST + 1, "/road_camera/calibration", calibration)


def _video(pictures: Pictures | None, last_frame: int) -> Iterator[_Message]:
    """The road camera's pictures as they were coded, from the first one to the last frame of any trace."""
    if pictures is None:
        return
    frames = {int(row): index for index, row in enumerate(pictures.rows)}
    codec, coded = coded_pictures(pictures.path)
    for picture in coded:
        index = frames.get(picture.row)
        if index is None:
            continue
        if pictures.frame_ids[index] > last_frame:
            return
        t_ns = int(pictures.t_ns[index])
        message = CompressedVideo(
            timestamp=_timestamp(t_ns), frame_id=_CAMERA, data=picture.data, format=_CODECS.get(codec, codec)
        )
        yield _Message(t_ns, _FIRST + 2, "/road_camera/video", message)


def _findings(findings: tuple[Finding, ...], replayer: str, begin_ns: int) -> Iterator[_Message]:
    """What was found, where it begins; what has no frame at the beginning."""
    for found in sorted(findings, key=lambda each: each.first_s or 0.0):
        t_ns = begin_ns + round((found.first_s or 0.0) * 1e9)
        level = Log.ERROR if found.severity is Severity.BLOCK else Log.INFO
        words = f"{found.channel or found.kind.value} {found.words}"
        yield _Message(
            t_ns, _FIRST + 3, "/findings", Log(timestamp=_timestamp(t_ns), level=level, message=words, name=replayer)
        )


def _timestamp(t_ns: int) -> Timestamp:
    seconds, nanos = divmod(t_ns, 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)


def _point(point: Floats) -> Point3:
    x, y, z = (point * _UPWARD).tolist()
    return Point3(x=x, y=y, z=z)


def _vector(place: Floats) -> Vector3:
    x, y, z = (place * _UPWARD).tolist()
    return Vector3(x=x, y=y, z=z)


def _still() -> Pose:
    return Pose(position=Vector3(), orientation=Quaternion(w=1.0))


def _colour(rgba: Rgba, share: float) -> Color:
    return Color(r=rgba[0], g=rgba[1], b=rgba[2], a=rgba[3] * share)


def _quaternion(rotation: Floats) -> Quaternion:
    """A (3, 3) rotation as a unit quaternion: the eigenvector that belongs to 1 of the symmetric form (Bar-Itzhack)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation.tolist()
    form = np.array(
        [
            [xx - yy - zz, yx + xy, zx + xz, zy - yz],
            [yx + xy, yy - xx - zz, zy + yz, xz - zx],
            [zx + xz, zy + yz, zz - xx - yy, yx - xy],
            [zy - yz, xz - zx, yx - xy, xx + yy + zz],
        ]
    )
    x, y, z, w = np.linalg.eigh(form)[1][:, -1].tolist()
    sign = -1.0 if w < 0 else 1.0
    return Quaternion(x=sign * x, y=sign * y, z=sign * z, w=sign * w)
