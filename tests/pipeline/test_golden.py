"""The golden segment: that it is whole, answers what it says, and notices what it is there to notice."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.canary import MOST_BYTES, write_canary
from harness.domain import Blob
from harness.errors import DataError
from harness.pipeline.golden import FOLDER, MANIFEST, Golden, content_digest, exact_digest, load_golden, offline_job
from harness.replay.driving_model import replay_driving_model
from harness.replay.job import Job, load_job
from harness.replay.options import parse_driving_model_options
from harness.replay.scene import load_scene
from harness.replay.warp import build_table
from harness.trace import Channel, Exactness, Trace, load_trace, write_trace

REBUILD = "python -m fixtures.canary harness/pipeline/golden_segment makes it anew"


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load_golden()


@pytest.fixture(scope="module")
def job(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Job:
    path = tmp_path_factory.mktemp("golden") / "job.json"
    path.write_text(
        offline_job(golden.segment, {entry.name: golden.paths[entry.blob.sha256] for entry in golden.files})
    )
    return load_job(path)


@pytest.fixture(scope="module")
def trace(job: Job) -> Trace:
    (outcome,) = replay_driving_model(job, 2, lambda *_: None).values()
    assert outcome.trace is not None, outcome.error
    return outcome.trace


def changed(trace: Trace, name: str, values: np.ndarray) -> Trace:
    return replace(trace, channels={**trace.channels, name: replace(trace.channels[name], values=values)})


def test_it_is_small_and_says_the_right_answer(golden: Golden, trace: Trace) -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MOST_BYTES
    assert golden.mistake(trace) == "", REBUILD
    assert len(trace.frame_ids) == 20
    assert all(np.isfinite(channel.values).all() for channel in trace.channels.values())


def test_its_answer_is_the_same_with_any_number_of_threads(job: Job, trace: Trace) -> None:
    (again,) = replay_driving_model(job, 1, lambda *_: None).values()
    assert again.trace is not None
    assert content_digest(again.trace) == content_digest(trace)


def test_it_moves_all_that_it_is_there_to_exercise(trace: Trace) -> None:
    for name in ("pictures.narrow.digest", "pictures.wide.digest"):
        assert len(np.unique(trace.channels[name].values)) == 20, "every picture is decoded"
    for name in ("features", "position.x", "action.desiredCurvature", "vEgo"):
        assert len(np.unique(trace.channels[name].values, axis=0)) > 10, name


def test_the_fixture_makes_the_same_bytes_again(tmp_path: Path) -> None:
    assert write_canary(tmp_path / "one") == write_canary(tmp_path / "two") <= MOST_BYTES
    names = sorted(path.name for path in FOLDER.iterdir())
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_its_pictures_do_not_hang_on_rounding(job: Job) -> None:
    """Another processor's last bits warp the same pixels: what is exact may be demanded of every device."""
    scene = load_scene(job, parse_driving_model_options(job.options))
    noise = np.random.default_rng(0)
    for matrix in scene.matrices:
        table = build_table(matrix, 1344, 760)
        for _ in range(4):
            other = build_table(matrix * (1 + 1e-10 * noise.uniform(-1, 1, matrix.shape)), 1344, 760)
            for part in ("y_rows", "y_columns", "c_rows", "c_columns"):
                assert (getattr(table, part) == getattr(other, part)).all()


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("pictures.wide.digest", lambda values: np.roll(values, 1), "pictures or frames"),
        (
            "features",
            lambda values: values * np.float32(1.03),
            "features is 0.30877 on average, where 0.29978 is right",
        ),
        ("position.x", lambda values: np.full_like(values, np.nan), "position.x is nan"),
    ],
)
def test_a_wrong_answer_is_noticed_without_any_other_device(
    name: str, values: object, said: str, golden: Golden, trace: Trace
) -> None:
    assert callable(values)
    wrong = changed(trace, name, values(trace.channels[name].values))
    assert said in golden.mistake(wrong)


def test_an_answer_to_something_else_is_noticed(golden: Golden, trace: Trace) -> None:
    assert "panda_safety" in golden.mistake(replace(trace, replayer="panda_safety"))
    assert golden.mistake(replace(trace, segment="0000000000000000/00000000--0000000000/1"))
    assert golden.mistake(replace(trace, frame_ids=trace.frame_ids + 1))
    without = {name: channel for name, channel in trace.channels.items() if name != "desire"}
    assert golden.mistake(replace(trace, channels=without))
    without = {name: channel for name, channel in trace.channels.items() if name != "pose.rot"}
    assert "pose.rot is nan" in golden.mistake(replace(trace, channels=without))


def test_rounding_of_another_runtime_is_no_mistake_but_another_content(golden: Golden, trace: Trace) -> None:
    other = changed(trace, "position.x", np.nextafter(trace.channels["position.x"].values, np.float32(1e9)))
    assert golden.mistake(other) == ""
    assert exact_digest(other) == exact_digest(trace)
    assert content_digest(other) != content_digest(trace)


def test_the_content_does_not_depend_on_where_or_by_whom(trace: Trace, tmp_path: Path) -> None:
    moved = replace(
        trace,
        provenance={"device": "another"},
        channels=dict(reversed(trace.channels.items()))
        | {"seconds": Channel("seconds", "s", np.zeros(20), Exactness.INFORMATIVE)},
    )
    assert content_digest(moved) == content_digest(trace)
    big = changed(trace, "features", trace.channels["features"].values.astype(">f4"))
    assert content_digest(big) == content_digest(trace)
    write_trace(tmp_path / "x.trace", trace)
    assert content_digest(load_trace(tmp_path / "x.trace")) == content_digest(trace)
    unit = {**trace.channels, "pose.rot": replace(trace.channels["pose.rot"], unit="deg")}
    assert content_digest(replace(trace, channels=unit)) != content_digest(trace)


def test_another_code_has_another_answer(golden: Golden) -> None:
    assert golden.digest("a" * 64) != golden.digest("b" * 64)
    job = json.loads(golden.job_text)
    assert job["options"] == {"features_cache": False}, "what was seen before is not taken for seeing"
    assert {path.split("/")[-1] for path in job["recording"].values()} <= {blob.sha256 for blob in golden.blobs}
    assert all(isinstance(blob, Blob) and golden.paths[blob.sha256].is_file() for blob in golden.blobs)


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest", "format", "no json"])
def test_a_damaged_installation_is_told(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    shutil.copytree(FOLDER, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    if damage == "changed":
        content = bytearray((folder / "fcamera.hevc").read_bytes())
        content[1000] ^= 1
        (folder / "fcamera.hevc").write_bytes(content)
    elif damage == "missing":
        (folder / "rlog.zst").unlink()
    elif damage == "manifest":
        (folder / MANIFEST).write_text(json.dumps({**manifest, "files": [1]}))
    elif damage == "format":
        (folder / MANIFEST).write_text(json.dumps({**manifest, "format": 2}))
    else:
        (folder / MANIFEST).write_text("{")
    with pytest.raises(DataError, match="golden segment"):
        load_golden(folder)
