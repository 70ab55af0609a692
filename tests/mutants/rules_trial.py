"""Rules on trial: traces of all safety recordings by the replay command, and the harness's verdict on them."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import harness
from fixtures.safety import SCRIPTS, write_script
from harness.compare import compare_traces
from harness.domain import Check
from harness.replay.selfdrive import machine
from harness.trace import Trace, load_trace
from harness.verdict import Verdict, judge
from tests.mutants.rules_mutants import MACHINE, RULES, RuleMutant

BASE_RULES = "format: 1\nbase: 0.11.2\n"
CHECKS = (
    Check("state", ("state", "enabled", "active", "softDisableTimer", "alertTypes")),
    Check("events", ("event*",)),
)
_RUN = "import sys\nfrom harness.replay.__main__ import main\nsys.exit(max([main([job]) for job in sys.argv[1:]]))\n"


@dataclass(frozen=True)
class Closet:
    """The recordings, and where they are replayed."""

    folder: Path

    def write(self) -> None:
        """Every recording once, for all trials."""
        for number, script in enumerate(SCRIPTS):
            write_script(self.folder / f"{number}.zst", script)

    def replay(self, name: str, mutant: RuleMutant | None, mode: str) -> list[Trace]:
        """The trace of every recording, with one thing changed."""
        folder = self.folder / name
        folder.mkdir()
        rules, model = BASE_RULES, {RULES: RULES}
        code = Path(harness.__file__).parent.parent
        if mutant is not None and mutant.file == RULES:
            rules = _changed(rules, mutant.find, mutant.replace) if mutant.find else f"{rules}{mutant.replace}\n"
        elif mutant is not None and mutant.file == MACHINE:
            model[MACHINE] = MACHINE
            (folder / MACHINE).write_text(_changed(inspect.getsource(machine), mutant.find, mutant.replace))
        elif mutant is not None:
            code = folder / "code"
            shutil.copytree(
                Path(harness.__file__).parent, code / "harness", ignore=shutil.ignore_patterns("bench", "cli")
            )
            path = code / "harness" / "replay" / "selfdrive" / mutant.file
            path.write_text(_changed(path.read_text(), mutant.find, mutant.replace))
        (folder / RULES).write_text(rules)
        jobs = []
        for number, script in enumerate(SCRIPTS):
            job = {
                "format": 1, "segment": str(script.segment), "replayer": "selfdrive_state", "options": {"mode": mode},
                "recording": {"rlog.zst": f"../{number}.zst"}, "replays": [{"job": str(number), "model": model}],
                "output_folder": f"out{number}",
            }  # fmt: skip
            jobs.append(folder / f"{number}.json")
            jobs[-1].write_text(json.dumps(job))
        environment = os.environ | {"PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", _RUN, *map(str, jobs)]
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, done.stderr
        return [load_trace(folder / f"out{number}" / f"{number}.trace") for number in range(len(SCRIPTS))]


def caught_by(expected: list[Trace], observed: list[Trace]) -> list[str]:
    """The scripts over which the harness says FAIL."""
    return [
        script.name
        for script, e, o in zip(SCRIPTS, expected, observed, strict=True)
        if judge(compare_traces(e, o, CHECKS), None) is Verdict.FAIL
    ]


def _changed(text: str, find: str, replace: str) -> str:
    assert text.count(find) == 1, f"{find!r} stands {text.count(find)} times"
    return text.replace(find, replace)
