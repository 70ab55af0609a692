"""Coded pictures as a player takes them: it may begin at every keyframe, and sees what the file has."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from harness.errors import DataError
from harness.recording.video import encode_h264_ts, encode_hevc, open_video
from harness.recording.video.coded import CodedPicture, coded_pictures
from tests.recording.test_video import HEIGHT, WIDTH, moving_pictures

GOP, COUNT = 5, 13


def decoded(codec: str, pictures: list[CodedPicture]) -> list[np.ndarray]:
    decoder = av.CodecContext.create(codec, "r")
    packets = [*(av.Packet(picture.data) for picture in pictures), None]
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    return [frame.to_ndarray(format="yuv420p")[: frame.height] for frame in frames]


def test_a_player_may_begin_at_every_keyframe(tmp_path: Path) -> None:
    path = tmp_path / "fcamera.hevc"
    encode_hevc(path, moving_pictures(COUNT), width=WIDTH, height=HEIGHT, gop=GOP, bitrate=400_000)
    codec, coded = coded_pictures(path)
    pictures = list(coded)
    assert codec == "hevc"
    assert [picture.row for picture in pictures] == [*range(COUNT)]
    keyframes = [picture.row for picture in pictures if picture.is_keyframe]
    assert keyframes == [0, 5, 10]
    expected = [picture.y.copy() for picture in open_video(path).pictures()]
    for begin in keyframes:
        seen = decoded(codec, pictures[begin:])
        assert len(seen) == COUNT - begin
        for ours, theirs in zip(seen, expected[begin:], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_preview_is_a_stream_too_and_an_mp4_is_none(tmp_path: Path) -> None:
    path = tmp_path / "qcamera.ts"
    encode_h264_ts(path, moving_pictures(COUNT), width=WIDTH, height=HEIGHT)
    codec, coded = coded_pictures(path)
    assert (codec, len(decoded(codec, list(coded)))) == ("h264", COUNT)
    with av.open(str(path)) as source, av.open(str(tmp_path / "a.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(DataError, match="is no plain stream of pictures in order"):
        coded_pictures(tmp_path / "a.mp4", name="a.mp4")
