from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from fixtures.make import TINY, Demo, recorded_drives
from fixtures.messages import FIRST_FRAME_ID
from fixtures.record import RecordedDrive, segment_folder, write_logs, write_route
from harness.files import file_sha256
from harness.recording.layout import find_recordings, open_recording
from harness.recording.log import load_log
from harness.recording.video import open_video


def _short(seconds: float) -> RecordedDrive:
    return recorded_drives(replace(TINY, seconds=seconds))[0]


def test_writing_a_route_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_route(tmp_path / name, _short(0.2))
    one, two = ({p.name: file_sha256(p) for p in (tmp_path / n).rglob("*.*") if p.is_file()} for n in ("one", "two"))
    assert sorted(one) == ["ecamera.hevc", "fcamera.hevc", "qlog.zst", "rlog.zst"]
    assert one == two


def test_the_recording_is_found_and_its_log_fits_its_video(tiny_demo: Demo) -> None:
    segment = tiny_demo.segments[0]
    assert [found.segment for found in find_recordings(tiny_demo.routes_folder)] == list(tiny_demo.segments)
    recording = open_recording(tiny_demo.routes_folder, segment)
    log = load_log(recording.files["rlog"])
    for camera, service in (("fcamera", "narrowRoadEncodeIdx"), ("ecamera", "wideRoadEncodeIdx")):
        video = open_video(recording.files[camera])
        index = log.columns(service, ("frameId", "segmentId", "len", "timestampSof", "timestampEof"))
        assert video.frame_count == len(index.t_ns) == 80
        assert index["frameId"].tolist() == list(range(FIRST_FRAME_ID, FIRST_FRAME_ID + 80))
        assert index["len"].tolist() == video.packet_sizes.tolist()
        assert video.keyframes == (0, 30, 60)
        assert (np.diff(index["timestampEof"].astype(np.int64)) == 50_000_000).all()
    counts = log.counts()
    assert (counts["carState"], counts["can"], counts["deviceMotion"], counts["extrinsicsCalibration"]) == (
        400,
        400,
        80,
        16,
    )


def test_the_log_opens_and_closes_as_loggerd_does(tiny_demo: Demo) -> None:
    log = load_log(segment_folder(tiny_demo.routes_folder, tiny_demo.segments[0]) / "rlog.zst")
    services = [message.service for message in log.messages(None)]
    assert services[:2] == ["initData", "sentinel"]
    assert services[-1] == "sentinel"
    kinds = [str(message.payload.type) for message in log.messages("sentinel")]
    assert kinds == ["startOfRoute", "endOfRoute"]


def test_car_state_is_the_drive(tiny_demo: Demo) -> None:
    drive, _part = tiny_demo.recorded[0]
    log = load_log(segment_folder(tiny_demo.routes_folder, tiny_demo.segments[0]) / "rlog.zst")
    car = log.columns("carState", ("vEgo", "leftBlinker", "steeringPressed", "steeringTorque"))
    np.testing.assert_allclose(car["vEgo"], drive.drive.speed_mps, rtol=1e-6)
    assert car["leftBlinker"].any()
    assert (car["steeringTorque"][car["steeringPressed"].astype(bool)] > 0).all()


def test_segments_of_a_route_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    recorded = recorded_drives(replace(TINY, seconds=0.4, segments=2, cameras=("fcamera",)))[0]
    write_route(tmp_path, recorded)
    write_logs(tmp_path, recorded)
    logs = [load_log(segment_folder(tmp_path, part.segment) / "rlog.zst") for part in recorded.parts]
    ids = [log.columns("narrowRoadEncodeIdx", ("frameId", "segmentId", "segmentNum")) for log in logs]
    assert np.concatenate([column["frameId"] for column in ids]).tolist() == list(range(240, 256))
    assert [column["segmentNum"].tolist() for column in ids] == [[0] * 8, [1] * 8]
    assert [str(m.payload.type) for log in logs for m in log.messages("sentinel")] == [
        "startOfRoute", "endOfSegment", "startOfSegment", "endOfRoute",
    ]  # fmt: skip
