from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.recording import corpus as corpus_module
from harness.recording.corpus import Corpus
from harness.recording.corpus_coverage import measure_coverage, render_coverage_svg, render_coverage_table
from harness.recording.corpus_query import parse_query
from harness.recording.corpus_readers import read_logs
from harness.recording.corpus_rows import load_row
from harness.recording.log_writer import write_log
from tests.disks import fill, small_disk
from tests.recording.made_drives import WALL_NS, drive, segment, write_drive

SOFT_STATES = {0.0: "enabled", 4.0: "softDisabling", 5.0: "enabled"}
SOFT_EVENTS = [(4.0, 5.0, "steerTempUnavailable", ["softDisable", "noEntry"])]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "home" / "corpus.db"


def test_a_row_says_what_was_driven(tmp_path: Path):
    path = write_drive(
        tmp_path,
        states=SOFT_STATES,
        events=SOFT_EVENTS,
        standstill_until_s=1.0,
        left_blinker=(2.0, 3.5),
        curvature=0.01,
    )
    row = load_row(path)
    expected = {
        "length_s": 9.99, "engaged_s": 9.99, "brand": "toyota", "car": "TOYOTA_RAV4", "device": "tici",
        "version": "0.11.2", "branch": "release", "max_speed_mps": 20.0, "mean_speed_mps": 18.0, "standstill_s": 1.0,
        "left_blinker_s": 1.5, "right_blinker_s": 0.0, "soft_disables": 1, "immediate_disables": 0,
        "soft_disable_events": " steerTempUnavailable ", "wall_time": "2026-01-02T03:04:05Z", "damage": "",
    }  # fmt: skip
    assert {name: row.values[name] for name in expected} == expected
    assert row.values["engaged_m"] == row.values["distance_m"] == pytest.approx(179.8)
    assert row.values["max_curvature"] == pytest.approx(0.01, abs=1e-5)
    assert row.values["max_lateral_mps2"] == pytest.approx(4.0, abs=1e-3)
    (disabling,) = row.disablings
    assert (disabling.type, disabling.name, disabling.start_s, disabling.end_s) == (
        *("softDisable", "steerTempUnavailable"),
        *(4.0, 5.0),
    )
    assert (disabling.engaged, disabling.outcome) == (True, "recovered")


def test_an_old_log_of_the_same_drive_is_the_same_row(tmp_path: Path):
    said = {"states": SOFT_STATES, "events": SOFT_EVENTS, "curvature": 0.01}
    new, old = (load_row(write_drive(tmp_path / str(old), old=old, **said)) for old in (False, True))
    assert old == new


def test_events_of_old_names_have_the_new_ones(tmp_path: Path):
    events = [(4.0, 5.0, "paramsdTemporaryError", ["softDisable"]), (2.0, 3.0, "driverDistracted", ["softDisable"])]
    row = load_row(write_drive(tmp_path, old=True, events=events))
    assert {entry.name for entry in row.disablings} == {"paramsdTemporaryError", "driverDistracted3"}


def test_what_comes_while_disengaged_does_not_count_but_is_kept(tmp_path: Path):
    row = load_row(write_drive(tmp_path, states={0.0: "disabled"}, events=SOFT_EVENTS))
    assert (row.values["soft_disables"], row.values["soft_disables_any"], row.values["engaged_s"]) == (0, 1, 0.0)
    assert [(entry.engaged, entry.outcome) for entry in row.disablings] == [(False, "")]


def test_a_disable_that_ends_the_engagement_counts_though_the_state_is_off_at_once(tmp_path: Path):
    events = [(6.0, 6.5, "accFaulted", ["immediateDisable"]), (7.0, 7.5, "pedalPressed", ["userDisable"])]
    row = load_row(write_drive(tmp_path, states={0.0: "enabled", 6.0: "disabled"}, events=events))
    assert (row.values["immediate_disables"], row.values["user_disables"]) == (1, 0)
    assert row.disablings[0].outcome == "disengaged"
    assert row.values["engaged_s"] == 6.0


def test_several_events_at_once_are_one_soft_disable(tmp_path: Path):
    events = [(4.0, 5.0, "commIssue", ["softDisable"]), (4.5, 5.5, "doorOpen", ["softDisable"])]
    row = load_row(write_drive(tmp_path, states=SOFT_STATES, events=events))
    assert row.values["soft_disables"] == 1
    assert row.values["soft_disable_events"] == " commIssue doorOpen "


@pytest.mark.parametrize(
    ("hour", "place", "night", "by"),
    [
        (3, None, 1, "clock"),
        (12, None, 0, "clock"),
        (23, None, 1, "clock"),
        (3, (52.5, 13.4), 1, "sun"),  # Berlin at four in the morning, January
        (12, (52.5, 13.4), 0, "sun"),
        (3, (37.8, -122.4), 1, "sun"),  # San Francisco at seven in the evening
        (20, (37.8, -122.4), 0, "sun"),  # and at noon, which the clock would call night
    ],
)
def test_night_is_told_by_the_sun_or_the_clock(tmp_path: Path, hour: int, place: object, night: int, by: str):
    wall_ns = WALL_NS + (hour - 3) * 3_600_000_000_000
    row = load_row(write_drive(tmp_path, wall_ns=wall_ns, place=place))
    assert (row.values["night"], row.values["night_by"]) == (night, by)


def test_an_unset_clock_tells_nothing(tmp_path: Path):
    row = load_row(write_drive(tmp_path, wall_ns=None))
    assert "night" not in row.values
    assert row.values["wall_time"] == ""


def test_a_later_segment_began_later_though_init_data_has_the_time_of_the_drive(tmp_path: Path):
    row = load_row(write_drive(tmp_path, 3, drive_began_s=180.0))
    assert row.values["wall_time"] == "2026-01-02T03:07:05Z"


def test_a_log_of_little_is_a_row(tmp_path: Path):
    path = tmp_path / "rlog"
    write_log(path, drive(seconds=1.0)[:1])
    row = load_row(path)
    assert row.values["soft_disables"] == 0
    assert "max_speed_mps" not in row.values


def test_indexing_walks_every_layout_however_deep_and_keeps_broken_logs(tmp_path: Path, db: Path):
    write_drive(tmp_path / "in", 0, states=SOFT_STATES, events=SOFT_EVENTS)
    write_drive(tmp_path / "in" / "deep" / "er", 1)
    broken = write_drive(tmp_path / "in", 2)
    broken.write_bytes(b"not a log at all")
    cut = write_drive(tmp_path / "in", 3)
    cut.write_bytes(cut.read_bytes()[:-2000])
    only_video = tmp_path / "in" / segment(4).folder_name
    only_video.mkdir()
    (only_video / "fcamera.hevc").write_bytes(b"")
    nameless = tmp_path / "in" / "device" / "00000001--aaaaaaaaaa--0"
    nameless.mkdir(parents=True)
    (nameless / "rlog.zst").write_bytes(b"rubbish")
    with Corpus(db) as corpus:
        report = corpus.index([tmp_path / "in"], workers=2)
        rows = {str(row["segment"]).rsplit("/", 1)[-1]: row for row in corpus.find()}
    assert (report.segments, report.read, report.removed) == (6, 6, 0)
    assert set(rows) == {"0", "1", "2", "3", "4", "00000001--aaaaaaaaaa--0"}
    assert len(report.broken) == 3
    assert (rows["0"]["error"], rows["1"]["error"], rows["0"]["soft_disables"]) == ("", "", 1)
    assert "not an openpilot log" in str(rows["2"]["error"])
    assert rows["2"]["soft_disables"] is None
    assert (rows["3"]["error"], bool(rows["3"]["damage"])) == ("", True)
    assert rows["4"]["error"] == corpus_module.NO_LOG
    assert "which device" in str(rows["00000001--aaaaaaaaaa--0"]["error"])


def test_only_what_changed_is_read_again(tmp_path: Path, db: Path):
    folder = tmp_path / "in"
    paths = [write_drive(folder, number, seconds=2.0) for number in range(3)]
    with Corpus(db) as corpus:
        assert corpus.index([folder]).read == 3
        assert corpus.index([folder]).read == 0
        os.utime(paths[0], ns=(1, 1))
        assert corpus.index([folder]).read == 1
        write_drive(folder, 1, seconds=2.0, brand="honda")
        (paths[2].parent / "fcamera.hevc").write_bytes(b"")
        report = corpus.index([folder])
        assert (report.read, report.unchanged) == (1, 2)
        assert [row["brand"] for row in corpus.find(columns=["brand"])] == ["toyota", "honda", "toyota"]
        assert corpus.find(parse_query("files like '% fcamera %'"), ["number"]) == [{"number": 2}]
        shutil.rmtree(paths[0].parent)
        assert (corpus.index([folder]).removed, corpus.count()) == (1, 2)
        assert corpus.find(parse_query("number = 0")) == []


def test_another_folder_leaves_the_rest_as_it_is(tmp_path: Path, db: Path):
    for name in ("a", "ab"):
        write_drive(tmp_path / name, seconds=1.0, brand=name)
    with Corpus(db) as corpus:
        corpus.index([tmp_path / "a", tmp_path / "ab"])
        shutil.rmtree(tmp_path / "a")
        (tmp_path / "a").mkdir()
        assert corpus.index([tmp_path / "a"]).removed == 1
        assert [row["brand"] for row in corpus.find()] == ["ab"]
        query = parse_query("length_s > 0")
        assert corpus.select(tmp_path / "ab", query)[0] == {str(segment(0))}
        assert corpus.select(tmp_path / "a", query)[0] == set()


def test_disabling_events_go_with_their_row(tmp_path: Path, db: Path):
    path = write_drive(tmp_path / "in", states=SOFT_STATES, events=SOFT_EVENTS)
    query = parse_query('event = "steerTempUnavailable"')
    with Corpus(db) as corpus:
        corpus.index([tmp_path / "in"])
        ((_, events),) = corpus.disablings(query).items()
        assert [(entry["name"], entry["start_s"], entry["outcome"]) for entry in events] == [
            ("steerTempUnavailable", 4.0, "recovered")
        ]
        write_drive(tmp_path / "in")
        assert path.is_file()
        corpus.index([tmp_path / "in"])
        assert (corpus.disablings(query), corpus.find(query)) == ({}, [])


def test_a_damaged_or_older_index_is_begun_anew(tmp_path: Path, db: Path):
    write_drive(tmp_path / "in", seconds=1.0)
    db.parent.mkdir()
    db.write_bytes(b"this is no database, but it is long enough to look at" * 100)
    with Corpus(db) as corpus:
        assert corpus.index([tmp_path / "in"]).read == 1
        corpus._connection.execute("UPDATE about SET made = 'older'")
        corpus._connection.commit()
    assert db.with_name("corpus.db.damaged").is_file()
    with Corpus(db) as corpus:
        assert (corpus.count(), corpus.index([tmp_path / "in"]).read) == (0, 1)


def test_progress_is_told_and_a_stopped_walk_keeps_what_it_read(tmp_path: Path, db: Path):
    for number in range(4):
        write_drive(tmp_path / "in", number, seconds=0.5)

    def stop_after_two(done: int, total: int) -> None:
        assert total == 4
        if done == 2:
            raise KeyboardInterrupt

    with Corpus(db) as corpus:
        with pytest.raises(KeyboardInterrupt):
            corpus.index([tmp_path / "in"], workers=1, progress=stop_after_two)
        assert corpus.count() == 2
        assert corpus.index([tmp_path / "in"]).read == 2


def test_a_full_disk_is_told_as_one_and_the_index_goes_on_when_there_is_room(tmp_path: Path):
    drives, disk = tmp_path / "in", tmp_path / "disk"
    write_drive(drives, seconds=0.5)
    with small_disk(disk, 16):
        with Corpus(disk / "corpus.db") as corpus:
            corpus.index([drives])
            full = fill(disk)
            rows = corpus.find()
            long = [(rows[0] | {"segment": f"s{n}", "car": "x" * 100_000}, ()) for n in range(20)]
            with pytest.raises(OSError, match="No space left on device") as told:
                corpus.add(long)
            assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(corpus.path))
            full.unlink()
            corpus.add(long)
            assert corpus.count() == 21
        full = fill(disk)
        with pytest.raises(OSError, match="No space left on device"), Corpus(disk / "new" / "corpus.db") as corpus:
            corpus.index([drives])
        full.unlink()
        with Corpus(disk / "new" / "corpus.db") as corpus:
            assert corpus.index([drives]).segments == 1


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path: Path, db: Path):
    with Corpus(db) as corpus, pytest.raises(ConfigError):
        corpus.index([tmp_path / "nowhere"])


def test_a_reader_that_dies_or_hangs_costs_its_log_only(tmp_path: Path):
    good = write_drive(tmp_path, seconds=0.5)
    pipe = tmp_path / "rlog"
    os.mkfifo(pipe)
    answers = dict(read_logs([good, pipe, good], 1, deadline_s=6.0))
    assert "error" not in answers[0]
    assert "error" not in answers[2]
    assert "more than 6 s" in answers[1]["error"]


def test_coverage_is_cars_by_devices_by_events(tmp_path: Path, db: Path):
    write_drive(tmp_path / "in", 0, states=SOFT_STATES, events=SOFT_EVENTS)
    write_drive(tmp_path / "in", 1, states=SOFT_STATES, events=SOFT_EVENTS)
    write_drive(tmp_path / "in", 2, brand="honda", car="HONDA <CIVIC>", device="mici")
    with Corpus(db) as corpus:
        corpus.index([tmp_path / "in"])
        coverage = measure_coverage(corpus, ["TOYOTA_RAV4", "KIA_EV6", "HONDA <CIVIC>", "AUDI_A3"])
    assert [(row.car, row.device, row.segments) for row in coverage.rows] == [
        ("HONDA <CIVIC>", "mici", 1),
        ("TOYOTA_RAV4", "tici", 2),
    ]
    assert coverage.rows[1].events == {("softDisable", "steerTempUnavailable"): 2}
    assert coverage.missing == ("AUDI_A3", "KIA_EV6")
    table = render_coverage_table(coverage)
    assert "2 cars with routes; 2 known cars have none" in table
    assert len({line.index("segments") + 8 for line in table.splitlines()[:1]}) == 1
    picture = render_coverage_svg(coverage)
    assert "HONDA &lt;CIVIC&gt;" in picture
    assert ">2</text>" in picture
    empty = measure_coverage_of_nothing(tmp_path)
    assert render_coverage_svg(empty).startswith("<svg")


def measure_coverage_of_nothing(tmp_path: Path):
    with Corpus(tmp_path / "empty.db") as corpus:
        return measure_coverage(corpus, [])
