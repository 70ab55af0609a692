"""Finding the files of segments in every layout there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.domain import Route, SegmentId
from harness.errors import ConfigError, DataError
from harness.recording.layout import UNREGISTERED_DONGLE, find_recordings, open_recording
from harness.recording.log_writer import encode_event, write_log

ROUTE = Route("5beb9b58bd12b691", "0000010a--a51155e496")
OLD = Route("a2a0ccea32023010", "2023-07-27--13-01-19")


def put_log(path: Path, dongle_id: str = ROUTE.dongle_id) -> None:
    """A log large enough that only its head need be read."""
    events = [encode_event("initData", 1, {"dongleId": dongle_id}), encode_event("sentinel", 2, {})]
    write_log(path, [*events, *(encode_event("ubloxRaw", t, bytes(5000)) for t in range(3, 8))])


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


LAYOUTS = {
    "device": "{log_id}--{n}/{file}",
    "segment folders": "{dongle}_{log_id}--{n}/{file}",
    "segment folders with a bar": "{dongle}|{log_id}--{n}/{file}",
    "explorer": "{dongle}_{log_id}--{n}--{file}",
    "route folders": "{dongle}_{log_id}/{n}/{file}",
    "two folders": "{dongle}/{log_id}/{n}/{file}",
    "dongle folder": "{dongle}/{log_id}--{n}/{file}",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found(tmp_path: Path, layout: str) -> None:
    expected = {}
    for route in (ROUTE, OLD):
        for n in (0, 2, 12):  # as text 12 would come before 2
            files = {}
            for stem, name in (
                ("rlog", "rlog.zst"),
                ("qlog", "qlog.bz2"),
                ("fcamera", "fcamera.hevc"),
                ("qcamera", "qcamera.ts"),
            ):
                path = tmp_path / LAYOUTS[layout].format(dongle=route.dongle_id, log_id=route.log_id, n=n, file=name)
                if stem.endswith("log"):
                    put_log(path, route.dongle_id)
                else:
                    put(path)
                files[stem] = path
            put(path.parent / "rlog.lock")
            put(path.parent / "notes.txt")
            expected[SegmentId(route, n)] = files
    found = find_recordings(tmp_path)
    assert {recording.segment: dict(recording.files) for recording in found} == expected
    assert [recording.segment for recording in found] == sorted(expected)


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"explorer"}))
def test_a_segments_own_folder_will_do(tmp_path: Path, layout: str) -> None:
    path = tmp_path / LAYOUTS[layout].format(dongle=ROUTE.dongle_id, log_id=ROUTE.log_id, n=3, file="rlog")
    put_log(path)
    (recording,) = find_recordings(path.parent)
    assert (recording.segment, recording.files) == (SegmentId(ROUTE, 3), {"rlog": path})


@pytest.mark.parametrize("layout", ["route folders", "two folders", "dongle folder"])
def test_a_routes_own_folder_will_do(tmp_path: Path, layout: str) -> None:
    path = tmp_path / LAYOUTS[layout].format(dongle=ROUTE.dongle_id, log_id=ROUTE.log_id, n=3, file="rlog")
    put_log(path)
    inside = path.parent if layout == "dongle folder" else path.parent.parent
    assert [recording.segment for recording in find_recordings(inside)] == [SegmentId(ROUTE, 3)]


def test_logs_are_only_read_for_the_dongle(tmp_path: Path) -> None:
    put(tmp_path / SegmentId(ROUTE, 0).folder_name / "rlog.zst")
    assert [recording.segment for recording in find_recordings(tmp_path)] == [SegmentId(ROUTE, 0)]


def test_another_segment_of_the_route_may_tell_the_dongle(tmp_path: Path) -> None:
    put(tmp_path / f"{ROUTE.log_id}--0" / "fcamera.hevc")
    put(tmp_path / f"{ROUTE.log_id}--1" / "rlog.zst")
    put_log(tmp_path / f"{ROUTE.log_id}--2" / "rlog.zst")
    assert [str(recording.segment) for recording in find_recordings(tmp_path)] == [f"{ROUTE}/{n}" for n in range(3)]


def test_a_folder_nobody_can_name_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    put(tmp_path / f"{ROUTE.log_id}--7" / "fcamera.hevc")
    with pytest.raises(
        DataError, match=rf"{ROUTE.log_id}--7: no log .*rename the folder to <dongle>_{ROUTE.log_id}--7"
    ):
        find_recordings(tmp_path)


def test_a_device_that_was_never_registered(tmp_path: Path) -> None:
    put_log(tmp_path / f"{ROUTE.log_id}--0" / "rlog.zst", "UnregisteredDevice")
    (recording,) = find_recordings(tmp_path)
    assert recording.segment.route.dongle_id == UNREGISTERED_DONGLE


def test_zst_is_preferred_to_bz2_and_bare(tmp_path: Path) -> None:
    folder = tmp_path / SegmentId(ROUTE, 0).folder_name
    for name in ("rlog", "rlog.bz2", "rlog.zst", "qlog", "qlog.bz2", "dcamera.mp4", "dcamera.hevc", "ecamera.ts"):
        put(folder / name)
    (recording,) = find_recordings(tmp_path)
    names = {stem: path.name for stem, path in recording.files.items()}
    assert names == {"rlog": "rlog.zst", "qlog": "qlog.bz2", "ecamera": "ecamera.ts", "dcamera": "dcamera.hevc"}
    assert list(names) == ["rlog", "qlog", "ecamera", "dcamera"]


def test_opening_one_segment(tmp_path: Path) -> None:
    for n in (0, 2):
        put(tmp_path / SegmentId(ROUTE, n).folder_name / "rlog.zst")
    assert open_recording(tmp_path, SegmentId(ROUTE, 2)).files["rlog"].parent.name.endswith("--2")
    with pytest.raises(DataError, match=r"/1 is not there \(of its route there is 0, 2\)"):
        open_recording(tmp_path, SegmentId(ROUTE, 1))
    with pytest.raises(DataError, match="2 other segments"):
        open_recording(tmp_path, SegmentId(OLD, 0))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        find_recordings(tmp_path / "drives")
    assert find_recordings(tmp_path) == ()
