"""A segment gathered for its page: what is shown is what was judged, and what is missing is told."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.make import Demo
from harness.errors import ConfigError, DataError
from harness.pipeline.page import ALL, CHANGED, choose_segments, write_page
from harness.pipeline.page_road import film_of
from harness.pipeline.page_segment import Gathered, gather_segment
from harness.pipeline.page_sources import load_sources
from harness.pipeline.request import Request, render_request
from harness.pipeline.runs import REQUEST, load_run, write_run
from harness.recording.log import load_log
from harness.recording.log_writer import encode_event
from harness.recording.video import encode_h264_ts, open_video
from harness.report.page.values import SegmentView, Side
from harness.store import Store
from harness.trace import Trace
from tests.report.page.made_run import BACK_AGAIN, FIRST_WRONG, HEIGHT_M, OTHER, PASSED, MadeRun, make_run


@pytest.fixture(scope="module")
def made(tiny_demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("made"), tiny_demo)


def _gather(made: MadeRun, folder: Path | None = None, *, films: bool = False) -> Gathered:
    folder = folder or made.folder
    with Store(made.home) as store:
        return gather_segment(
            load_run(folder),
            made.segment,
            load_sources(folder, store),
            store,
            explained=None,
            run_folder="last",
            films=films,
            film_name="video/film.mp4",
        )


@pytest.fixture(scope="module")
def view(made: MadeRun) -> SegmentView:
    return _gather(made).view


def test_charts_begin_with_what_closed_the_gate_and_have_its_tolerance(made: MadeRun, view: SegmentView) -> None:
    charts = {chart.name: chart for chart in view.trials[0].charts}
    first = view.trials[0].charts[0]
    assert (first.name, first.first_frame, first.blocks) == ("action.desiredCurvature", made.wrong_frame, True)
    assert first.limit is not None
    assert set(first.limit) == {0.001}
    beyond = np.abs(first.candidate - first.baseline) > first.limit
    assert np.flatnonzero(beyond).tolist() == list(range(FIRST_WRONG, BACK_AGAIN))
    assert "within 0.001" in first.note
    assert first.driven is not None
    ahead = charts["position.y at 2 s"]
    assert ahead.candidate[FIRST_WRONG] - ahead.baseline[FIRST_WRONG] == pytest.approx(0.4, abs=0.01)
    assert charts["vEgo"].note == "not judged"


def test_lanes_tell_findings_states_and_events_of_both_sides(made: MadeRun, view: SegmentView) -> None:
    driving, state = view.trials
    found = driving.lanes[0]
    assert (found.title, found.spans[0].frame) == ("closes the gate", made.wrong_frame)
    assert found.spans[0].start_s == pytest.approx(FIRST_WRONG / 20)
    lanes = {(lane.title, lane.side): lane for lane in state.lanes}
    states = lanes["state", Side.CANDIDATE.value].spans
    assert [span.words.split(",")[0] for span in states] == ["enabled", "softDisabling", "enabled"]
    assert (states[1].start_s, states[1].end_s) == pytest.approx((2.0, 2.5))
    assert len(lanes["state", Side.BASELINE.value].spans) == 1
    event = lanes["steerSaturated · softDisable", Side.CANDIDATE.value]
    assert event.differs
    assert "recovered" in event.spans[0].words
    assert lanes["steerSaturated · softDisable", Side.BASELINE.value].spans == ()
    assert view.drive is not None
    assert "engaged" in [lane.title for lane in view.drive.lanes]


def test_the_road_is_seen_by_the_calibration_of_the_replay(view: SegmentView, tiny_demo: Demo) -> None:
    camera = view.view
    assert camera is not None
    assert camera.rpy == pytest.approx(tiny_demo.recorded[0][0].mounting.rpy_rad)
    assert camera.height_m == pytest.approx(HEIGHT_M)
    assert camera.focal_x_px == pytest.approx(1141.5 * camera.width / 1344)
    sides = {ground.side: ground for ground in view.trials[0].grounds}
    at_2_s = int(np.searchsorted(camera.plan_t_s, 2.5))
    apart = sides[Side.CANDIDATE].plan[:, at_2_s, 1] - sides[Side.BASELINE].plan[:, at_2_s, 1]
    assert np.flatnonzero(apart > 0.3).tolist() == list(range(FIRST_WRONG, BACK_AGAIN))
    lines = sides[Side.BASELINE].lines
    assert lines is not None
    assert lines[0, :, 0].tolist() == pytest.approx([-5.4, -1.8, 1.8, 5.4])
    assert lines.shape == (80, 4, len(camera.stations_m))


def test_metrics_and_the_driven_path_come_with_it(view: SegmentView) -> None:
    rows = {row.name: row for row in view.measurements}
    assert rows["lateral_error_2s"].candidate != rows["lateral_error_2s"].baseline
    assert view.drive is not None
    known = np.isfinite(view.drive.path[0, :, 0])
    assert known[:5].all()
    assert not known[-1], "ten seconds ahead the four of this drive are over"


def test_a_film_is_made_once(made: MadeRun, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(made.home, home)
    mine = replace(made, home=home)
    first = _gather(mine, films=True)
    assert first.view.footage is not None
    assert first.view.footage.pictures.tolist() == list(range(80))
    with Store(home) as store:
        film = store.path(first.film_sha256)
    film.write_bytes(b"nobody cuts it again")
    assert _gather(mine, films=True).film_sha256 == first.film_sha256
    assert film.read_bytes() == b"nobody cuts it again"


def test_a_recording_that_is_gone_or_another_is_told_and_not_shown(made: MadeRun, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "run")
    record = load_run(made.folder)
    other = [replace(each, provenance=each.provenance | {"recording rlog.zst": "0" * 64}) for each in record.results]
    write_run(tmp_path / "run", replace(record, results=tuple(other)))
    changed = _gather(made, tmp_path / "run", films=True).view
    assert changed.footage is None
    assert changed.drive is None
    assert any("not the one that was replayed" in note for note in changed.notes)
    assert changed.trials[0].charts, "what is in the store is shown all the same"
    (tmp_path / "run" / REQUEST).write_text(render_request(Request(tmp_path / "no-suite.yaml")))
    gone = _gather(made, tmp_path / "run", films=True).view
    assert any("recording is not where" in note for note in gone.notes)
    assert gone.trials[0].charts[0].limit is None


def test_a_band_of_other_checks_is_never_shown(made: MadeRun, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "run")
    record = load_run(made.folder)
    other = [replace(each, provenance=each.provenance | {"checks": "of another day"}) for each in record.results]
    write_run(tmp_path / "run", replace(record, results=tuple(other)))
    trial = _gather(made, tmp_path / "run").view.trials[0]
    assert all(chart.limit is None for chart in trial.charts)
    assert any("changed since" in note for note in trial.notes)


def test_traces_that_were_let_go_of_leave_the_words(made: MadeRun, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "run")
    record = load_run(made.folder)
    lost = [replace(each, candidate_trace="0" * 64 if each.candidate_trace else "") for each in record.results]
    write_run(tmp_path / "run", replace(record, results=tuple(lost)))
    trial = _gather(made, tmp_path / "run").view.trials[0]
    assert trial.charts == ()
    assert trial.lanes[0].title == "closes the gate"
    assert "not in the store any more" in trial.notes[0]


def test_which_segments_get_pages(made: MadeRun) -> None:
    record = load_run(made.folder)
    assert choose_segments(record, (CHANGED,)) == (made.segment, OTHER)
    assert choose_segments(record, (ALL,)) == (made.segment, OTHER, PASSED)
    assert choose_segments(record, ("*/1",)) == (PASSED,)
    with pytest.raises(ConfigError, match="no segment of"):
        choose_segments(record, ("nowhere",))


def test_writing_again_takes_the_old_away_and_nothing_of_others(made: MadeRun, tmp_path: Path) -> None:
    with Store(made.home) as store:
        write_page(made.folder, store, tmp_path / "page", segments=(ALL,), films=False, workers=1)
        written = write_page(made.folder, store, tmp_path / "page", segments=("*/1",), films=False, workers=1)
        assert (written.segments, written.films) == (1, 0)
        assert [path.name for path in (tmp_path / "page" / "segments").glob("*.html")] == [
            "aaaaaaaaaaaaaaaa_00000001--0123456789--1.html"
        ]
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("years of work")
        with pytest.raises(ConfigError, match="something else"):
            write_page(made.folder, store, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_pages_of_several_processes_are_those_of_one(made: MadeRun, tmp_path: Path) -> None:
    record = load_run(made.folder)
    more = [
        replace(each, segment=f"{each.segment[:-1]}{number}", name=f"{number}")
        for number in range(3)
        for each in record.results[2:3]
    ]
    shutil.copytree(made.folder, tmp_path / "run")
    write_run(tmp_path / "run", replace(record, results=(*record.results[:2], *more)))
    with Store(made.home) as store:
        for name, workers in (("one", 1), ("two", 2)):
            write_page(tmp_path / "run", store, tmp_path / name, segments=(ALL,), films=False, workers=workers)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path


def _previewed(folder: Path, count: int, listed: int) -> tuple[dict[str, Path], Trace]:
    """A preview of `count` pictures, a log that lists `listed` of them from frame 100 on, and a trace over those."""
    grey = [
        (np.full((330, 526), 40 + index, np.uint8), *[np.full((165, 263), 128, np.uint8)] * 2) for index in range(count)
    ]
    encode_h264_ts(folder / "qcamera.ts", grey)
    ids, t_ns = np.arange(100, 100 + listed), np.arange(listed) * 50_000_000 + 1_000
    events = [
        encode_event(
            "qNarrowRoadEncodeIdx",
            int(at),
            {"frameId": int(frame), "segmentId": row, "segmentNum": 0, "timestampEof": int(at), "len": 0},
        )
        for row, (frame, at) in enumerate(zip(ids, t_ns, strict=True))
    ]
    (folder / "rlog").write_bytes(b"".join(events))
    files = {"qcamera": folder / "qcamera.ts", "rlog": folder / "rlog"}
    return files, Trace("driving_model", "a/b/0", ids[5:], t_ns[5:], {}, {})


def test_the_recordings_own_preview_is_the_film_where_it_holds_every_frame(tmp_path: Path) -> None:
    files, trace = _previewed(tmp_path, 30, 30)
    with Store(tmp_path / "home") as store:
        film = film_of(trace, files, load_log(files["rlog"]), store)
        content = store.path(film.sha256)
    assert (film.width, film.height) == (526, 330)
    assert film.pictures.tolist() == list(range(5, 30))
    ours, theirs = open_video(content), open_video(files["qcamera"])
    assert np.array_equal(ours.picture(7).copy().y, theirs.picture(7).copy().y), "not coded again"


def test_a_preview_that_lacks_frames_is_passed_over_and_told_where_nothing_else_is(tmp_path: Path) -> None:
    files, trace = _previewed(tmp_path, 20, 30)
    with Store(tmp_path / "home") as store, pytest.raises(DataError, match="no road camera"):
        film_of(trace, files, load_log(files["rlog"]), store)
