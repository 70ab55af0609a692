"""The command: jobs that are wrong, results that are always there, an end that comes when asked for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import ConfigError, DataError
from harness.replay import OPTIONAL_INPUTS, REPLAYERS, inputs_needed
from harness.replay.__main__ import main
from harness.replay.job import ProgressLines, load_job
from harness.replay.models import find_model
from harness.replay.runtime import peak_rss_mb, runtime_key, thread_count
from harness.trace import load_trace
from tests.replay.makers import layout, result_of, write_layout

REPOSITORY = Path(__file__).parents[2]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "harness.replay", *map(str, arguments)]


def environment(**extra: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY)} | extra


def test_the_command_from_outside(recording, split_model, write_job):
    job = write_job(recording, {"a": split_model}, options={"frames": 10})
    done = subprocess.run(command(job), env=environment(CLOSET_THREADS="2"), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["stage"] == "reading"
    assert lines[-1] == {"frames_done": 10, "frames_total": 10, "stage": "replaying"}
    assert all(line.keys() == {"frames_done", "frames_total", "stage"} for line in lines)
    assert sorted(path.name for path in (job.parent / "out").iterdir()) == ["a.trace", "result.json"]


def test_a_job_chooses_its_runtime(recording, split_model, write_job, tmp_path):
    """Another number of threads is another runtime, whatever comes out; the time it took is measured, not traced."""
    made = {}
    for name, runtime in (("usual", {}), ("two", {"runtime": {"threads": 2}})):
        job = write_job(recording, {"a": split_model}, options={"frames": 5}, name=name, **runtime)
        subprocess.run(command(job), env=environment(), capture_output=True, check=True)
        made[name] = load_trace(job.parent / "out" / "a.trace")
        measured = result_of(job)["a"]["measurements"]
        assert measured["model_execution_max_ms"] >= measured["model_execution_mean_ms"] > 0
    assert made["usual"].provenance["runtime"] == runtime_key()
    assert made["two"].provenance["runtime"] == f"{runtime_key()} threads=2"
    job = write_job(
        recording, {"a": split_model}, options={"frames": 5}, name="none", runtime={"provider": "CUDAExecutionProvider"}
    )
    subprocess.run(command(job), env=environment(), capture_output=True, check=False)
    error = result_of(job)["a"]["error"]
    assert "has no CUDAExecutionProvider here" in error["problem"]
    assert "CPUExecutionProvider" in error["remedy"]
    for wrong in ({"threads": 0}, {"threads": "2"}, {"cores": 2}, [], {"provider": 3}):
        job = write_job(recording, {"a": split_model}, name=f"wrong {len(list(tmp_path.iterdir()))}", runtime=wrong)
        with pytest.raises(ConfigError, match="runtime"):
            load_job(job)


def test_help_shows_a_job_that_is_understood(tmp_path):
    text = subprocess.run(command("--help"), env=environment(), capture_output=True, text=True, check=True).stdout
    example = json.loads(text[text.index('{"format"') : text.index("Paths are relative")])
    for path in [*example["recording"].values(), *example["replays"][0]["model"].values()]:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    job = tmp_path / "JOB.json"
    job.write_text(json.dumps(example))
    loaded = load_job(job)
    assert loaded.replays[0].job == "candidate"
    assert inputs_needed(loaded.replayer, loaded.options) == ("rlog", "fcamera", "ecamera")


def test_sigterm_ends_it_soon_and_leaves_a_result(recording, split_model, write_job):
    job = write_job(recording, {"a": split_model})
    for threads in ("1", "2"):
        process = subprocess.Popen(
            command(job), env=environment(CLOSET_THREADS=threads), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 143
        error = result_of(job)["a"]["error"]
        assert error["kind"] == "DeviceError"
        assert "stopped from outside" in error["problem"]
        assert [path.name for path in (job.parent / "out").iterdir()] == ["result.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 2}'])
def test_jobs_that_are_none(tmp_path, capsys, content):
    path = tmp_path / "JOB.json"
    path.write_text(content)
    assert main([str(path)]) == 2
    assert "JOB.json" in capsys.readouterr().err


def test_every_mistake_of_a_job_is_told_at_once(tmp_path, recording, split_model, write_job):
    path = write_job(recording, {"a": split_model}, extra=1, segment=3, output_folder=None)
    job = json.loads(path.read_text())
    job["recording"]["rlog.zst"] = "nowhere"
    job["options"] = []
    job["replays"] += [{"job": "../b", "model": {}}, {"job": "a", "model": {}}, {"model": 3, "x": 1}]
    path.write_text(json.dumps(job))
    with pytest.raises(ConfigError) as caught:
        load_job(path)
    for part in (
        "unknown key 'extra'", "segment must be text", "options must be a mapping", "output_folder must be text",
        "rlog.zst is not there", "replays[1].job must be an id", "replays[2].job", "replays[3] must be a mapping",
    ):  # fmt: skip
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("replayer", "options", "problem"),
    [
        ("driving_model", {"frame": 3}, "unknown option 'frame'"),
        ("driving_model", {"frames": 0, "start_frame": -1, "features_cache": "no"}, "frames must be a whole number"),
        ("driver_monitoring", {"camera": "rearcamera"}, "camera must be one of fcamera"),
        ("driver_monitoring", {"crop": [0, 0, 3, 4]}, "crop must be four even numbers"),
        ("driver_monitoring", {"crop": [0, 0, 4]}, "crop must be four even numbers"),
        ("driver_monitoring", {"frames": True}, "frames must be a whole number"),
        ("panda", {}, "no replayer is called 'panda'"),
    ],
)
def test_options_nobody_knows(recording, split_model, write_job, replayer, options, problem):
    with pytest.raises(ConfigError, match=problem):
        inputs_needed(replayer, options)
    job = write_job(recording, {"a": split_model}, replayer=replayer, options=options)
    assert main([str(job)]) == 2
    error = result_of(job)["a"]["error"]
    assert error["kind"] == "ConfigError"
    assert problem in error["problem"]


def test_all_mistakes_of_options_are_told_together():
    with pytest.raises(ConfigError) as caught:
        inputs_needed("driving_model", {"a": 1, "frames": 0, "start_frame": -1})
    assert all(name in str(caught.value) for name in ("'a'", "frames", "start_frame", "known options"))


def test_what_a_replayer_reads():
    assert {"driving_model", "driver_monitoring", "panda_safety"} <= set(REPLAYERS) == set(OPTIONAL_INPUTS)
    assert inputs_needed("driver_monitoring", {"camera": "fcamera"}) == ("rlog", "fcamera")


def test_files_that_are_not_what_they_are_called(recording, split_model, write_job, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    for name in ("rlog.zst", "fcamera.hevc", "ecamera.hevc"):
        job = write_job(recording | {name: empty}, {"a": split_model}, name=name)
        assert main([str(job)]) == 3
        assert result_of(job)["a"]["error"]["kind"] == "DataError"


def test_a_folder_that_cannot_be_written(recording, split_model, write_job, tmp_path, capsys):
    (tmp_path / "file").touch()
    job = write_job(recording, {"a": split_model}, options={"frames": 2}, output_folder=str(tmp_path / "file" / "out"))
    assert main([str(job)]) == 3
    assert "the traces cannot be written" in capsys.readouterr().err


def test_threads_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CLOSET_THREADS", "3")
    assert thread_count() == 3
    monkeypatch.delenv("CLOSET_THREADS")
    assert thread_count() == os.cpu_count()
    for text in ("0", "two", "-1"):
        monkeypatch.setenv("CLOSET_THREADS", text)
        with pytest.raises(ConfigError, match="CLOSET_THREADS"):
            thread_count()


def test_the_runtime_has_a_name():
    assert runtime_key() == runtime_key()
    for part in ("onnxruntime=", "numpy=", "av=", "isa="):
        assert part in runtime_key()
    assert 10 < peak_rss_mb() < 100_000


def test_progress_is_told_seldom_and_at_the_end():
    lines: list[str] = []
    progress = ProgressLines(lines.append)
    for done in range(1, 1001):
        progress("replaying", done, 1000)
    assert len(lines) < 20
    assert json.loads(lines[-1])["frames_done"] == 1000


def test_models_in_folders_and_files(tmp_path, split_model):
    folder = split_model["driving_vision.onnx"].parent
    assert [name for name, _ in find_model(folder, "driving_model")] == ["driving_vision.onnx", "driving_policy.onnx"]
    single = write_layout(tmp_path / "one" / "whatever.onnx", layout("supercombo-6504 (0.9.8)"), seed=1)
    for path in (single, single.parent):
        assert find_model(path, "driving_model") == (("driving_supercombo.onnx", single),)
        assert find_model(path, "driver_monitoring") == (("dmonitoring_model.onnx", single),)
    spec = single.with_name("whatever.interface.yaml")
    spec.touch()
    assert find_model(single, "driving_model")[1] == ("interface.yaml", spec)
    with pytest.raises(ConfigError, match="not a model for driver_monitoring"):
        find_model(folder, "driver_monitoring")
    with pytest.raises(ConfigError, match="there is no such model"):
        find_model(tmp_path / "nowhere", "driving_model")
    with pytest.raises(ConfigError, match=r"there is no \.onnx file"):
        find_model(REPOSITORY / "harness", "driving_model")
    with pytest.raises(ConfigError, match=r"not an \.onnx file"):
        find_model(spec, "driving_model")


def test_a_job_needs_its_files(recording, split_model, write_job):
    job = load_job(write_job(recording, {"a": split_model}))
    assert job.needed("fcamera")[0] == "fcamera.hevc"
    with pytest.raises(DataError, match=r"no dcamera, only ecamera\.hevc, fcamera\.hevc, rlog\.zst"):
        job.needed("dcamera")
