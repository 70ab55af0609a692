"""Bench recordings are recordings like others: read back by the readers a replay uses."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from harness.bench import Workbench
from harness.bench.drive_log import drive_log
from harness.bench.drives import segment, segment_id
from harness.bench.video import write_groups, write_segment
from harness.recording.log import parse_log
from harness.recording.log_schema import event_type
from harness.recording.names import parse_segment
from harness.recording.video import open_video


def test_a_log_has_the_messages_asked_for_in_time_order() -> None:
    content = drive_log(6.0, 10_000, seed=3)
    log = parse_log(content, where="bench")
    assert log.damage is None
    assert len(log.index) == 10_000
    assert (np.diff(log.index.t_ns) >= 0).all()
    # As on a device: about 0.9 KB a message.
    assert 0.7e3 < len(content) / 10_000 < 1.2e3
    assert content == drive_log(6.0, 10_000, seed=3)
    assert content != drive_log(6.0, 10_000, seed=4)


def test_stamped_messages_are_what_pycapnp_reads() -> None:
    content = drive_log(1.5, 2000, seed=3)
    columns = parse_log(content, where="bench").columns("carState", ("aEgo", "vEgo", "wheelSpeeds.fl"))
    read = [event.carState for event in event_type().read_multiple_bytes(content) if event.which() == "carState"]
    assert len(read) == 150
    assert [state.aEgo for state in read] == columns["aEgo"].tolist()
    assert [state.wheelSpeeds.fl for state in read] == columns["wheelSpeeds.fl"].tolist()
    assert len(set(columns["aEgo"].tolist())) > 50
    assert set(columns["vEgo"].tolist()) == {20.0}
    assert np.abs(columns["aEgo"] - 1.0).max() < 0.1


def test_camera_frames_count_up_in_the_log() -> None:
    log = parse_log(drive_log(3.0, 4000, seed=3), where="bench")
    for service in ("narrowRoadEncodeIdx", "wideRoadEncodeIdx"):
        columns = log.columns(service, ("frameId", "segmentId", "timestampEof"))
        assert columns["segmentId"].tolist() == list(range(60))
        assert set(np.diff(columns["frameId"]).tolist()) == {1}
        assert set(np.diff(columns["timestampEof"]).tolist()) == {50_000_000}


def test_groups_in_any_order_are_a_video(tmp_path: Path) -> None:
    groups = write_groups(tmp_path, 1, 3, 482, 302, threads=1)
    digests = set()
    for seed in (0, 1, 3):
        path = tmp_path / f"{seed}.hevc"
        write_segment(path, groups, 6, seed)
        video = open_video(path)
        assert video.frame_count == 180
        assert video.keyframes == tuple(range(0, 180, 30))
        assert sum(1 for _ in video.pictures()) == 180
        # Every group twice, whatever the order: the same work.
        assert path.stat().st_size == 2 * sum(group.stat().st_size for group in groups)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 3


def test_pictures_move(tmp_path: Path) -> None:
    (group,) = write_groups(tmp_path, 1, 1, 482, 302, threads=1)
    video = open_video(group)
    first, later = video.picture(0).copy(), video.picture(20).copy()
    assert np.mean(first.y != later.y) > 0.5
    assert first.y.std() > 5


def test_what_was_made_is_kept(tiny_bench: Workbench, said: list[str]) -> None:
    made = segment(tiny_bench, 0)
    before = {name: path.stat().st_mtime_ns for name, path in made.items()}
    told = len(said)
    again = Workbench(tiny_bench.folder, tiny_bench.kept, tiny_bench.scale, said.append)
    assert {name: path.stat().st_mtime_ns for name, path in segment(again, 0).items()} == before
    assert len(said) == told
    assert set(made) == {"rlog.zst", "fcamera.hevc", "ecamera.hevc"}


def test_bench_segments_have_names_like_others() -> None:
    assert parse_segment(str(segment_id(3))) == segment_id(3)
