"""Camera files: what goes in losslessly comes out bit for bit, and damage is named, never papered over."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import DataError
from harness.files import file_sha256
from harness.recording.video import (
    Container,
    Picture,
    detect_container,
    encode_h264_ts,
    encode_hevc,
    open_video,
)
from harness.recording.video import annexb as annexb_module
from harness.recording.video.annexb import parse_access_units
from harness.recording.video.decoder import _planes

WIDTH, HEIGHT, COUNT, GOP = 322, 182, 70, 30

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]


def moving_pictures(count: int = COUNT, *, width: int = WIDTH, height: int = HEIGHT) -> Iterator[Planes]:
    """A textured scene that shifts every picture, so that no two are equal and every one needs the one before it."""
    random = np.random.default_rng(5)
    scene = random.integers(0, 255, (height // 8 + 2, width // 8 + 2), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    for index in range(count):
        y = np.roll(scene, (index, 2 * index), (0, 1))[:height, :width]
        u = np.roll(scene, index, 1)[: height // 2, : width // 2]
        yield y, u, 255 - u


@pytest.fixture(scope="module")
def lossless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "fcamera.hevc"
    assert encode_hevc(path, moving_pictures(), width=WIDTH, height=HEIGHT, lossless=True) == COUNT
    return path


def encoded(target: Path, container: str, *, codec: str, pixels: str = "yuv420p", b_frames: int = 2) -> Path:
    """A foreign file, with B frames unless told otherwise, made by the library alone."""
    with av.open(str(target), "w", format=container) as writer:
        stream = writer.add_stream(
            codec, rate=20, options={"bf": str(b_frames), "g": "15", "x265-params": "log-level=none"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        for index, (y, _, _) in enumerate(moving_pictures(40)):
            frame = av.VideoFrame.from_ndarray(np.repeat(y[:, :, None], 3, 2), "rgb24").reformat(format=pixels)
            frame.pts = index
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    return target


def oracle(path: Path, container: str) -> list[np.ndarray]:
    """Flat YUV 4:2:0 pictures as the library's own high-level reader gives them."""
    with av.open(str(path), format=container) as reader:
        return [frame.to_ndarray(format="yuv420p").reshape(-1) for frame in reader.decode(video=0)]


def flat(picture: Picture) -> np.ndarray:
    return np.concatenate([picture.y.reshape(-1), picture.u.reshape(-1), picture.v.reshape(-1)])


def access_units(path: Path) -> list[bytes]:
    data = path.read_bytes()
    units = parse_access_units(io.BytesIO(data))
    return [data[at : at + size] for at, size in zip(units.offsets, units.sizes, strict=True)]


def test_lossless_round_trip_is_bit_identical(lossless: Path) -> None:
    video = open_video(lossless)
    assert (video.width, video.height, video.frame_count, video.fps) == (WIDTH, HEIGHT, COUNT, 20.0)
    assert video.container is Container.HEVC
    assert video.keyframes == (0, 30, 60)
    for picture, planes in zip(video.pictures(), moving_pictures(), strict=True):
        for seen, meant in zip((picture.y, picture.u, picture.v), planes, strict=True):
            assert np.array_equal(seen, meant)


def test_planes_are_views_and_stay_whole_when_copied(lossless: Path) -> None:
    pictures = open_video(lossless).pictures()
    first = next(pictures)
    assert not first.y.flags.owndata
    assert first.y.strides[0] >= WIDTH
    kept = first.copy()
    next(pictures)
    assert kept.y.flags.c_contiguous
    assert np.array_equal(kept.y, next(moving_pictures(1))[0])


@pytest.mark.parametrize("index", [0, 1, 29, 30, 31, 59, 60, COUNT - 1])
def test_random_access_is_frame_accurate(lossless: Path, index: int) -> None:
    picture = open_video(lossless).picture(index)
    assert picture.index == index
    assert np.array_equal(picture.y, list(moving_pictures())[index][0])


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_do_not_change_the_pictures(lossless: Path, threads: int) -> None:
    video = open_video(lossless)
    one = [(picture.index, flat(picture)) for picture in video.pictures(20, 65)]
    many = [(picture.index, flat(picture)) for picture in video.pictures(20, 65, threads=threads)]
    assert [index for index, _ in one] == list(range(20, 65)) == [index for index, _ in many]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one, many, strict=True))


def test_empty_range_and_ranges_outside(lossless: Path) -> None:
    video = open_video(lossless)
    assert list(video.pictures(5, 5)) == []
    for first, stop in ((-1, 3), (0, COUNT + 1), (8, 7)):
        with pytest.raises(DataError, match="were asked for, it has 70"):
            video.pictures(first, stop)
    with pytest.raises(DataError, match="were asked for"):
        video.picture(COUNT)


def test_encoding_is_deterministic_whatever_the_threads(tmp_path: Path) -> None:
    digests = set()
    for threads in (1, 2, 1):
        path = tmp_path / f"{threads}.hevc"
        encode_hevc(path, moving_pictures(35), width=WIDTH, height=HEIGHT, bitrate=400_000, threads=threads)
        digests.add(file_sha256(path))
    assert len(digests) == 1


def test_encoded_stream_is_shaped_like_a_devices(lossless: Path) -> None:
    units = parse_access_units(io.BytesIO(lossless.read_bytes()))
    assert units.header_bytes > 0
    assert units.own_headers.tolist() == [True] + [False] * (COUNT - 1)
    assert int(units.sizes.sum()) == lossless.stat().st_size
    with av.open(str(lossless), format="hevc") as reader:
        kinds = [PictureType(frame.pict_type) for frame in reader.decode(video=0)]
    assert set(kinds) == {PictureType.I, PictureType.P}
    assert [index for index, kind in enumerate(kinds) if kind == PictureType.I] == [0, 30, 60]


def test_a_failed_encoding_leaves_no_file(tmp_path: Path) -> None:
    def breaks_off() -> Iterator[Planes]:
        yield from moving_pictures(3)
        raise DataError("the scene ended")

    for pictures, problem in (
        (breaks_off(), "the scene ended"),
        (iter(()), "no pictures"),
        (moving_pictures(1), "plane"),
    ):
        height = HEIGHT + 2 if problem == "plane" else HEIGHT
        with pytest.raises(DataError, match=problem):
            encode_hevc(tmp_path / "x.hevc", pictures, width=WIDTH, height=height)
    assert list(tmp_path.iterdir()) == []


def test_packet_sizes_are_those_of_the_stored_pictures(lossless: Path) -> None:
    assert open_video(lossless).packet_sizes.tolist() == [len(unit) for unit in access_units(lossless)]


@pytest.mark.parametrize("container", ["mp4", "mpegts"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_foreign_containers_with_b_frames(tmp_path: Path, container: str, codec: str) -> None:
    path = encoded(tmp_path / "blob", container, codec=codec)
    video = open_video(path)
    expected = oracle(path, container)
    assert video.container is (Container.MP4 if container == "mp4" else Container.TS)
    assert (video.frame_count, video.fps, video.width) == (40, 20.0, WIDTH)
    assert all(np.array_equal(flat(p), e) for p, e in zip(video.pictures(threads=2), expected, strict=True))
    for index in (39, 0, 16, 14, 31):
        assert np.array_equal(flat(video.picture(index)), expected[index])


def test_preview_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "qcamera.ts"
    assert encode_h264_ts(path, moving_pictures(40, width=526, height=330)) == 40
    video = open_video(path)
    assert (video.container, video.frame_count, video.width, video.height) == (Container.TS, 40, 526, 330)
    assert video.keyframes == (0, 15, 30)
    assert len(list(video.pictures())) == 40
    again = tmp_path / "again.ts"
    encode_h264_ts(again, moving_pictures(40, width=526, height=330))
    assert file_sha256(again) == file_sha256(path)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("lost", "named"), [(40, 40), (30, 30), (1, 1)])
def test_a_missing_picture_is_named_at_the_first_one_it_breaks(
    lossless: Path, tmp_path: Path, threads: int, lost: int, named: int
) -> None:
    units = access_units(lossless)
    path = tmp_path / "holed.hevc"
    path.write_bytes(b"".join(units[:lost] + units[lost + 1 :]))
    seen = []
    with pytest.raises(DataError, match=rf"picture {named} of 69 cannot be decoded") as raised:
        seen.extend(picture.index for picture in open_video(path).pictures(threads=threads))
    assert seen == list(range(named))
    assert raised.value.where == str(path)
    assert "copy it again" in raised.value.remedy


def test_stopping_early_with_threads_under_way_does_not_hang(lossless: Path) -> None:
    for count in range(1, 60):
        pictures = open_video(lossless).pictures(threads=4)
        assert [next(pictures).index for _ in range(count)] == list(range(count))
        del pictures


def test_pictures_after_the_hole_are_reached_from_the_next_keyframe(lossless: Path, tmp_path: Path) -> None:
    units = access_units(lossless)
    path = tmp_path / "holed.hevc"
    path.write_bytes(b"".join(units[:40] + units[41:]))
    assert np.array_equal(open_video(path).picture(60).y, list(moving_pictures())[61][0])


def test_a_file_that_lost_its_start_is_refused(lossless: Path, tmp_path: Path) -> None:
    path = tmp_path / "tail.hevc"
    path.write_bytes(b"".join(access_units(lossless)[10:]))
    with pytest.raises(DataError, match="picture 0 of 60 cannot be decoded: no keyframe comes before it"):
        open_video(path)


def test_b_frames_in_a_bare_stream_are_refused(tmp_path: Path) -> None:
    path = encoded(tmp_path / "b.hevc", "hevc", codec="libx265")
    with pytest.raises(DataError, match="out of order"):
        list(open_video(path).pictures())


def test_a_cut_mp4_is_refused(tmp_path: Path) -> None:
    whole = encoded(tmp_path / "whole.mp4", "mp4", codec="libx264").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        open_video(tmp_path / "cut.mp4")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"not a video at all" * 50, "is not a video we read"),
        (b"\x00\x00\x00\x01", "is not a video we read"),
        (b"\x00\x00\x00\x01\x67\x42\x00\x0a" * 9, "is not a video we read"),
        (b"\x00\x00\x00\x01\x40\x01\x0c\x01\xff\xff", "holds no pictures"),
        (b"\x00\x00\x00\x01\x26\x01\xaf\x09" + bytes(range(1, 90)), "picture 0 of 1 cannot be decoded"),
        (b"\x00\x00\x00\x18ftypisom" + b"\x00" * 400, "cannot be read"),
        ((b"\x47" + b"\x1f" * 187) * 9, "cannot be read|no video stream"),
    ],
)
def test_what_is_not_a_video_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "0a1b2c"
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as raised:
        open_video(path, name="route/0/fcamera.hevc")
    assert raised.value.where == "route/0/fcamera.hevc"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        open_video(tmp_path / "fcamera.hevc")


def test_other_pixel_formats_are_refused_and_full_range_is_taken(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"its pixel format is yuv444p"):
        open_video(encoded(tmp_path / "a.mp4", "mp4", codec="libx264", pixels="yuv444p"))
    full_range = encoded(tmp_path / "b.mp4", "mp4", codec="libx264", pixels="yuvj420p")
    assert open_video(full_range).frame_count == 40


def test_interleaved_chroma_is_taken_apart() -> None:
    y, u, v = next(moving_pictures(1))
    frame = av.VideoFrame(WIDTH, HEIGHT, "nv12")
    luma = np.frombuffer(memoryview(frame.planes[0]), np.uint8).reshape(-1, frame.planes[0].line_size)
    chroma = np.frombuffer(memoryview(frame.planes[1]), np.uint8).reshape(-1, frame.planes[1].line_size)
    luma[:HEIGHT, :WIDTH] = y
    chroma[: HEIGHT // 2, 0:WIDTH:2], chroma[: HEIGHT // 2, 1:WIDTH:2] = u, v
    assert all(np.array_equal(seen, meant) for seen, meant in zip(_planes(frame, "x"), (y, u, v), strict=True))


def test_container_is_found_by_content_not_by_name(lossless: Path, tmp_path: Path) -> None:
    shutil.copy(lossless, tmp_path / "something.mp4")
    assert detect_container(tmp_path / "something.mp4") is Container.HEVC


@settings(deadline=None, max_examples=60)
@given(chunk=st.integers(1, 40))
def test_index_does_not_depend_on_how_the_file_is_read(lossless: Path, chunk: int) -> None:
    # Pictures shortened, so that many start codes meet the seams between chunks.
    data = b"".join(unit[: 100 + 7 * index] for index, unit in enumerate(access_units(lossless)[:20]))
    whole = parse_access_units(io.BytesIO(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annexb_module, "_READ_BYTES", chunk)
        parts = parse_access_units(io.BytesIO(data))
    assert len(whole.offsets) == 20
    assert parts.offsets.tolist() == whole.offsets.tolist()
    assert parts.keyframes.tolist() == whole.keyframes.tolist()
    assert parts.sizes.tolist() == whole.sizes.tolist()
    assert parts.header_bytes == whole.header_bytes


def test_index_agrees_with_the_librarys_own_parser(lossless: Path) -> None:
    with av.open(str(lossless), format="hevc") as reader:
        packets = [bytes(packet) for packet in reader.demux(video=0) if packet.size]
    assert access_units(lossless) == packets


def test_the_real_highway_minute_is_read_whole(shared_data: Path) -> None:
    path = shared_data / "commavq" / "decode_0.mp4"
    video = open_video(path)
    assert (video.width, video.height, video.frame_count, video.fps) == (256, 128, 1200, 20.0)
    expected = oracle(path, "mp4")
    assert all(np.array_equal(flat(p), e) for p, e in zip(video.pictures(), expected, strict=True))
    for index in (0, 1, 169, 170, 171, 899, 1199):
        assert np.array_equal(flat(video.picture(index)), expected[index])
