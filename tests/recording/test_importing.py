"""Importing: the kind of a source is found out, segments appear whole or not at all, and nothing is overwritten."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError, DataError
from harness.files import file_sha256
from harness.recording import importing
from harness.recording.importing import SourceKind, detect_source, import_recordings
from harness.recording.layout import find_recordings, open_recording
from harness.recording.log import load_log
from harness.recording.log_writer import encode_event, write_log
from harness.recording.names import parse_route
from harness.recording.video import encode_hevc, open_video
from tests.recording.made_minute import write_minute

SIZE = {"width": 64, "height": 48}
DONGLE, LOG_ID = "a2a0ccea32023010", "0000010a--a51155e496"


def write_video(path: Path, count: int) -> Path:
    random = np.random.default_rng(2)
    shapes = ((48, 64), (24, 32), (24, 32))
    encode_hevc(path, (tuple(random.integers(0, 255, s, dtype=np.uint8) for s in shapes) for _ in range(count)), **SIZE)
    return path


def write_openpilot_segment(folder: Path, *, messages: int = 40) -> Path:
    """A segment in the device's layout, with an rlog and a road camera."""
    segment = folder / f"{LOG_ID}--2"
    segment.mkdir(parents=True)
    events = [
        encode_event("initData", 1, {"dongleId": DONGLE}),
        encode_event("sentinel", 1, {"type": "startOfSegment"}),
        *(encode_event("carState", 10 + index, {"vEgo": index}) for index in range(messages)),
        encode_event("sentinel", 999, {"type": "endOfSegment"}),
    ]
    write_log(segment / "rlog.bz2", events)
    write_video(segment / "fcamera.hevc", 5)
    return segment


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_sha256(path) for path in folder.rglob("*") if path.is_file()}


def test_kinds_are_found_out(tmp_path: Path) -> None:
    video = write_video(tmp_path / "some name", 3)
    minute = write_minute(tmp_path / "data", seconds=0.2)
    device = write_openpilot_segment(tmp_path / "realdata")
    assert detect_source(video) is SourceKind.VIDEO
    for folder in (minute, minute.parent, minute.parent.parent):
        assert detect_source(folder) is SourceKind.COMMA2K19
    for folder in (device, device.parent):
        assert detect_source(folder) is SourceKind.OPENPILOT


def test_what_cannot_be_imported_says_what_can(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    for path, problem in (
        (tmp_path / "note.txt", "not a video"),
        (tmp_path / "empty", "neither openpilot recordings nor comma2k19"),
        (tmp_path / "nowhere", "no such file or folder"),
    ):
        with pytest.raises(ConfigError, match=problem) as raised:
            import_recordings(path, tmp_path / "to")
        assert str(path) in raised.value.where
    with pytest.raises(ConfigError, match="no camera 'xcamera'"):
        import_recordings(tmp_path / "note.txt", tmp_path / "to", camera="xcamera")
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("camera", "index_service"),
    [("fcamera", "narrowRoadEncodeIdx"), ("dcamera", "cabinEncodeIdx"), ("ecamera", "wideRoadEncodeIdx")],
)
def test_a_bare_video_becomes_a_recording(tmp_path: Path, camera: str, index_service: str) -> None:
    video = write_video(tmp_path / "clip.bin", 35)
    (imported,) = import_recordings(video, tmp_path / "to", camera=camera)
    recording = open_recording(tmp_path / "to", imported.segment)
    assert imported.fresh
    assert imported.folder == tmp_path / "to" / imported.segment.folder_name
    assert set(recording.files) == {"rlog", "qlog", camera}
    assert recording.files[camera].name == f"{camera}.hevc"
    assert recording.files[camera].read_bytes() == video.read_bytes()
    digest = file_sha256(video)
    assert str(parse_route(str(imported.segment.route))) == f"{digest[:16]}/{digest[16:24]}--{digest[24:34]}"
    log = load_log(recording.files["rlog"])
    services = [message.service for message in log.messages()]
    assert (services[:2], services[-1]) == (["initData", "sentinel"], "sentinel")
    index = log.columns(index_service, ["frameId", "segmentId", "timestampEof", "len"])
    assert index["frameId"].tolist() == index["segmentId"].tolist() == list(range(35))
    assert set(np.diff(index["timestampEof"].astype(np.int64)).tolist()) == {50_000_000}
    assert index["len"].tolist() == open_video(video).packet_sizes.tolist()
    assert log.columns("extrinsicsCalibration", ["rpyCalib"])["rpyCalib"].tolist() == [[0, 0, 0]]


def test_an_equal_import_changes_nothing_and_a_different_one_is_refused(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.hevc", 5)
    to = tmp_path / "to"
    (first,) = import_recordings(video, to)
    before = contents(to)
    (second,) = import_recordings(video, to)
    assert (first.fresh, second.fresh) == (True, False)
    assert contents(to) == before
    with pytest.raises(ConfigError, match=r"is there already, dcamera.hevc, fcamera.hevc, .* differ") as raised:
        import_recordings(video, to, camera="dcamera")
    assert "move it away" in raised.value.remedy
    assert contents(to) == before


def test_a_segment_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "clip.hevc", 5)

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(source))

    monkeypatch.setattr(importing, "_copy", full)
    with pytest.raises(DataError, match=r"cannot be written: No space left on device.*make room"):
        import_recordings(video, tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


def test_openpilot_recordings_are_kept_bit_for_bit_and_get_their_qlog(tmp_path: Path) -> None:
    segment = write_openpilot_segment(tmp_path / "realdata")
    told: list[str] = []
    (imported,) = import_recordings(tmp_path / "realdata", tmp_path / "to", progress=told.append)
    assert str(imported.segment) == f"{DONGLE}/{LOG_ID}/2"
    assert told == [f"1/1 {imported.segment}"]
    files = find_recordings(tmp_path / "to")[0].files
    assert {path.name for path in files.values()} == {"rlog.bz2", "qlog.zst", "fcamera.hevc"}
    for name in ("rlog.bz2", "fcamera.hevc"):
        assert (imported.folder / name).read_bytes() == (segment / name).read_bytes()
    # Every tenth carState goes to the qlog, and all that marks the segment.
    assert load_log(files["qlog"]).counts() == {"carState": 4, "initData": 1, "sentinel": 2}
    assert imported.notes == ("qlog made from the rlog",)
    (again,) = import_recordings(tmp_path / "to", tmp_path / "elsewhere")
    assert again.notes == ()
    assert contents(imported.folder) == contents(again.folder)


def test_a_damaged_rlog_is_imported_and_said_to_be(tmp_path: Path) -> None:
    segment = write_openpilot_segment(tmp_path / "realdata")
    # A bare log that lost its end tells no dongle id: the folder's name does.
    (segment / "rlog.bz2").unlink()
    segment = segment.rename(segment.parent / f"{DONGLE}_{LOG_ID}--2")
    rlog = segment / "rlog"
    write_log(rlog, [encode_event("carState", index, {"vEgo": 1}) for index in range(5)])
    rlog.write_bytes(rlog.read_bytes()[:-7])
    (imported,) = import_recordings(tmp_path / "realdata", tmp_path / "to")
    assert "rlog is damaged at byte" in imported.notes[0]
    assert (imported.folder / "rlog").read_bytes() == rlog.read_bytes()


def test_a_broken_camera_file_stops_the_import_of_its_segment(tmp_path: Path) -> None:
    segment = write_openpilot_segment(tmp_path / "realdata")
    (segment / "fcamera.hevc").write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        import_recordings(segment, tmp_path / "to")
    assert find_recordings(tmp_path / "to") == ()


def test_comma2k19_with_its_video(tmp_path: Path) -> None:
    folder = write_minute(tmp_path / "data", seconds=1.0)
    video = write_video(folder / "video.hevc", 20)
    (imported,) = import_recordings(tmp_path / "data", tmp_path / "to")
    files = open_recording(tmp_path / "to", imported.segment).files
    assert set(files) == {"rlog", "qlog", "fcamera"}
    assert files["fcamera"].read_bytes() == video.read_bytes()
    log = load_log(files["rlog"])
    assert log.columns("narrowRoadEncodeIdx", ["len"])["len"].tolist() == open_video(video).packet_sizes.tolist()
    write_video(folder / "video.hevc", 19)
    with pytest.raises(DataError, match="has 19 pictures, its poses are of 20 frames"):
        import_recordings(tmp_path / "data", tmp_path / "other")


def test_a_tree_of_minutes(tmp_path: Path) -> None:
    for number in (0, 1):
        write_minute(tmp_path / "data", seconds=0.3, number=number)
    imported = import_recordings(tmp_path / "data", tmp_path / "to")
    assert [entry.segment.number for entry in imported] == [0, 1]
    assert all("no video in this copy" in entry.notes[-1] for entry in imported)
    first_ids = [
        load_log(entry.folder / "rlog.zst").columns("narrowRoadEncodeIdx", ["frameId"])["frameId"][0]
        for entry in imported
    ]
    assert first_ids == [0, 1200]


def test_the_highway_clip_imports_as_a_cabin_camera(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "commavq" / "decode_0.mp4"
    (imported,) = import_recordings(source, tmp_path, camera="dcamera")
    files = open_recording(tmp_path, imported.segment).files
    assert files["dcamera"].name == "dcamera.mp4"
    assert file_sha256(files["dcamera"]) == file_sha256(source)
    assert load_log(files["rlog"]).counts()["cabinEncodeIdx"] == 1200


def test_the_real_minute_imports_the_same_twice(shared_data: Path, tmp_path: Path) -> None:
    (imported,) = import_recordings(shared_data / "comma2k19", tmp_path)
    assert str(imported.segment) == "b0c9d2329ad1606b/2018-08-02--08-34-47/40"
    assert any("TOYOTA_RAV4" in note for note in imported.notes)
    (again,) = import_recordings(shared_data / "comma2k19", tmp_path)
    assert not again.fresh
