"""Safety recordings and the replay command, for the tests of this package."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fixtures.safety import write_script
from fixtures.safety_script import Script
from harness.replay.__main__ import main
from harness.trace import Trace, load_trace

Replay = Callable[..., Trace]


@pytest.fixture
def replay(tmp_path: Path) -> Replay:
    """Replays a script with rules, and a machine, by the command; the trace, or the error when it fails."""

    def run(
        script: Script,
        rules: str = "format: 1\nbase: 0.11.2\n",
        *,
        mode: str | None = None,
        machine: str | None = None,
        old: bool = False,
        extra: Mapping[str, Path] | None = None,
        code: int = 0,
    ) -> Any:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        write_script(folder / "rlog.zst", script, old=old)
        (folder / "rules.yaml").write_text(rules)
        model = {"rules.yaml": "rules.yaml", **{name: str(path) for name, path in (extra or {}).items()}}
        if machine is not None:
            (folder / "machine.py").write_text(machine)
            model["machine.py"] = "machine.py"
        job = {
            "format": 1,
            "segment": str(script.segment),
            "replayer": "selfdrive_state",
            "options": {} if mode is None else {"mode": mode},
            "recording": {"rlog.zst": "rlog.zst"},
            "replays": [{"job": "a", "model": model}],
            "output_folder": "out",
            "cache_folder": None,
        }
        (folder / "job.json").write_text(json.dumps(job))
        assert main([str(folder / "job.json")]) == code
        result = json.loads((folder / "out" / "result.json").read_text())["replays"]["a"]
        return result["error"] if code else load_trace(folder / "out" / "a.trace")

    return run
