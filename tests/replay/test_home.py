"""A replay keeps to its own folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def test_nothing_is_written_into_the_home_folder(
    tmp_path: Path, recording: dict[str, Path], split_model: dict[str, Path], write_job: Any
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    job = write_job(recording, {"a": split_model}, options={"frames": 3})
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    environment |= {"HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "harness.replay", str(job)], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []
