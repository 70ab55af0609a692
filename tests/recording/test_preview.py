"""The film of a segment: as many pictures as were asked for, each near the source, steppable and playable at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from harness.errors import DataError
from harness.recording.video import (
    can_repack,
    cut_preview,
    encode_h264_ts,
    encode_hevc,
    film_size,
    open_video,
    repack_preview,
)

WIDTH, HEIGHT, COUNT = 964, 604, 45


def _pictures(width: int, height: int, count: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A soft scene with a bright bar that moves every picture: a film one picture off is far from its source."""
    v, u = np.mgrid[0:height, 0:width]
    ground = 60 + 40 * np.sin(u / 60.0) + 40 * np.sin(v / 45.0)
    flat = np.full(((height + 1) // 2, (width + 1) // 2), 120, np.uint8)
    for index in range(count):
        y = ground.copy()
        left = 20 + 9 * index
        y[:, left : left + 30] = 230
        yield y.astype(np.uint8), flat, flat + np.uint8(index)


@pytest.fixture(scope="module")
def road_camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "fcamera.hevc"
    encode_hevc(path, _pictures(WIDTH, HEIGHT, COUNT), width=WIDTH, height=HEIGHT, lossless=True)
    return path


def _decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as opened:
        return [frame.to_ndarray()[: frame.height] for frame in opened.decode(video=0)]


def _times(path: Path) -> list[float]:
    with av.open(str(path)) as opened:
        return [float(frame.time) for frame in opened.decode(video=0)]


def _boxes(path: Path) -> list[str]:
    content, at, names = path.read_bytes(), 0, []
    while at < len(content):
        size = int.from_bytes(content[at : at + 4])
        names.append(content[at + 4 : at + 8].decode())
        at += size
    return names


def test_a_film_holds_the_pictures_asked_for_in_order_near_their_source(road_camera: Path, tmp_path: Path) -> None:
    rows = range(5, COUNT)
    film = cut_preview(tmp_path / "film.mp4", open_video(road_camera), rows)
    decoded = _decoded(tmp_path / "film.mp4")
    assert (film.pictures, len(decoded)) == (len(rows), len(rows))
    assert (film.width, film.height) == film_size(open_video(road_camera)) == (526, 330)
    sources = list(_pictures(WIDTH, HEIGHT, COUNT))
    for row, picture in zip(rows, decoded, strict=True):
        left, right = ((20 + 9 * row) * film.width // WIDTH, (50 + 9 * row) * film.width // WIDTH)
        assert picture[100, left + 4 : right - 4].min() > 200, row
        # Where the scene is soft, its nearest pixel is all one needs to know what the smaller picture must look like.
        v, u = np.meshgrid(np.arange(film.height), np.arange(film.width), indexing="ij")
        source = sources[row][0][v * HEIGHT // film.height, u * WIDTH // film.width]
        assert np.abs(picture.astype(int) - source.astype(int)).mean() < 4.0, row


def test_a_film_steps_by_frame_and_plays_from_its_first_bytes(road_camera: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    cut_preview(path, open_video(road_camera), range(COUNT))
    assert _times(path) == pytest.approx([index / 20 for index in range(COUNT)], abs=1e-6)
    boxes = _boxes(path)
    assert boxes.index("moov") < boxes.index("mdat")
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        keyframes = [index for index, packet in enumerate(opened.demux(stream)) if packet.size and packet.is_keyframe]
    assert keyframes == [0, 20, 40]


def test_pictures_that_nobody_asked_for_are_left_out(road_camera: Path, tmp_path: Path) -> None:
    assert cut_preview(tmp_path / "film.mp4", open_video(road_camera), (2, 3, 9)).pictures == 3
    for row, picture in zip((2, 3, 9), _decoded(tmp_path / "film.mp4"), strict=True):
        assert picture[100, (24 + 9 * row) * 526 // WIDTH : (46 + 9 * row) * 526 // WIDTH].min() > 180, row


def test_equal_pictures_give_equal_bytes_and_nothing_is_left_behind(road_camera: Path, tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        cut_preview(tmp_path / name, open_video(road_camera), range(12), threads=2)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.mp4", "two.mp4"]


def test_a_preview_is_repacked_picture_for_picture(tmp_path: Path) -> None:
    source = tmp_path / "qcamera.ts"
    encode_h264_ts(source, _pictures(526, 330, COUNT))
    video = open_video(source)
    assert can_repack(video)
    film = repack_preview(tmp_path / "film.mp4", video)
    assert (film.pictures, film.width, film.height) == (COUNT, 526, 330)
    for ours, theirs in zip(_decoded(tmp_path / "film.mp4"), video.pictures(), strict=True):
        assert np.array_equal(ours, theirs.y)
    assert _times(tmp_path / "film.mp4") == pytest.approx([index / 20 for index in range(COUNT)], abs=1e-6)
    assert _boxes(tmp_path / "film.mp4").index("moov") < _boxes(tmp_path / "film.mp4").index("mdat")


@pytest.mark.parametrize("gop", [45, 15])
def test_what_one_cannot_step_through_is_not_repacked(tmp_path: Path, gop: int) -> None:
    source = tmp_path / "qcamera.ts"
    encode_h264_ts(source, _pictures(526, 330, COUNT), gop=gop)
    assert can_repack(open_video(source)) is (gop == 15)


def test_a_bare_stream_is_cut_and_never_repacked(road_camera: Path, tmp_path: Path) -> None:
    video = open_video(road_camera)
    assert not can_repack(video)
    with pytest.raises(DataError, match="as they are"):
        repack_preview(tmp_path / "film.mp4", video)
    with pytest.raises(DataError, match="no pictures"):
        cut_preview(tmp_path / "film.mp4", video, ())
    with pytest.raises(DataError, match="45"):
        cut_preview(tmp_path / "film.mp4", video, range(COUNT + 1))
    assert not (tmp_path / "film.mp4").exists()
