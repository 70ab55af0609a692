"""The drive that goes to every limit, and jobs over it, shared by this package's tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.replay.panda.toyota import SEGMENT, write_toyota

Replayed = tuple[int, dict[str, Any], Path]


@pytest.fixture(scope="session")
def toyota_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toyota(tmp_path_factory.mktemp("toyota") / "rlog.zst")


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernel-cache")


@pytest.fixture
def installed_kernel(tmp_path: Path) -> Path:
    path = tmp_path / "installed" / "kernel.yaml"
    path.parent.mkdir()
    path.write_text("format: 1\nopendbc: installed\n")
    return path


@pytest.fixture
def replay(tmp_path: Path, kernel_cache: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Replayed]:
    """Run a job by the replay command: exit code, entries of result.json, output folder."""

    def run(
        log: Path,
        models: Mapping[str, Mapping[str, Path]],
        options: Mapping[str, Any] | None = None,
        cache: Path | None = kernel_cache,
    ) -> Replayed:
        from harness.replay.__main__ import main  # noqa: PLC0415

        folder = tmp_path / f"job-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        job = {
            "format": 1,
            "segment": SEGMENT,
            "replayer": "panda_safety",
            "options": dict(options or {}),
            "recording": {f"rlog{log.suffix if log.suffix == '.zst' else ''}": str(log)},
            "replays": [
                {"job": name, "model": {file: str(path) for file, path in model.items()}}
                for name, model in models.items()
            ],
            "output_folder": "out",
            "cache_folder": str(cache) if cache else None,
        }
        (folder / "job.json").write_text(json.dumps(job))
        code = main([str(folder / "job.json")])
        capsys.readouterr()
        return code, json.loads((folder / "out" / "result.json").read_bytes())["replays"], folder / "out"

    return run
