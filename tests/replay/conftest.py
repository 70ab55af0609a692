"""Recordings, models and jobs, shared by this package's tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.replay.makers import SEGMENT, RecordingMaker, write_split


@pytest.fixture(scope="session")
def make_recording(tmp_path_factory: pytest.TempPathFactory) -> RecordingMaker:
    return RecordingMaker(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="session")
def recording(make_recording: RecordingMaker) -> dict[str, Path]:
    return make_recording("plain")


@pytest.fixture(scope="session")
def split_model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_split(tmp_path_factory.mktemp("split"))


JobWriter = Callable[..., Path]


@pytest.fixture
def write_job(tmp_path: Path) -> JobWriter:
    def write(
        recording: Mapping[str, Path],
        models: Mapping[str, Mapping[str, Path]],
        *,
        replayer: str = "driving_model",
        options: Mapping[str, Any] | None = None,
        cache: Path | None = None,
        name: str = "job",
        **extra: Any,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        job = {
            "format": 1,
            "segment": SEGMENT,
            "replayer": replayer,
            "options": dict(options or {}),
            "recording": {key: str(path) for key, path in recording.items()},
            "replays": [
                {"job": key, "model": {file: str(path) for file, path in model.items()}, "provenance": {"side": "x"}}
                for key, model in models.items()
            ],
            "output_folder": "out",
            "cache_folder": str(cache) if cache else None,
        }
        path = folder / "job.json"
        path.write_text(json.dumps(job | extra))
        return path

    return write


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = Path(os.environ.get("CLOSET_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is not here: {folder}")
    return folder
