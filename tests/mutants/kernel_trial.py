"""A kernel on trial: its trace by the replay command, held against the unchanged one's by the harness's own verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.compare import compare_traces
from harness.domain import Check
from harness.replay.__main__ import main
from harness.trace import Trace, load_trace
from harness.verdict import CheckResult, Verdict, judge
from tests.mutants.kernel_mutants import KernelMutant

SEGMENT = "0123456789abcdef/0000002a--a1b2c3d4e5/3"
CHECKS = (
    Check("engagement", ("controlsAllowed", "relayMalfunction", "*Pressed", "vehicleMoving")),
    Check("received", ("rxInvalid", "tickInvalid", "forwardBlocked")),
    Check("sent", ("sent", "passed", "blocked.*")),
    Check("limits", ("limit.*",)),
)


@dataclass(frozen=True)
class Shop:
    """Where kernels are compiled and logs replayed; `folder` keeps everything."""

    folder: Path
    log: Path

    def replay(self, mutant: KernelMutant | None = None) -> Trace:
        """The trace of the installed kernel, changed or not."""
        name = "base" if mutant is None else mutant.name.replace(" ", "-").replace("'", "")
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        spec: dict[str, object] = {"format": 1, "opendbc": "installed"}
        if mutant is not None:
            spec["overrides"] = [{"file": mutant.file, "find": mutant.find, "replace": mutant.replace}]
        (folder / "kernel.yaml").write_text(json.dumps(spec))  # JSON is YAML
        job = {
            "format": 1,
            "segment": SEGMENT,
            "replayer": "panda_safety",
            "options": {},
            "recording": {f"rlog{self.log.suffix}": str(self.log)},
            "replays": [{"job": name, "model": {"kernel.yaml": "kernel.yaml"}}],
            "output_folder": "out",
            "cache_folder": str(self.folder / "cache"),
        }
        (folder / "job.json").write_text(json.dumps(job))
        code = main([str(folder / "job.json")])
        assert code == 0, (folder / "out" / "result.json").read_text()
        return load_trace(folder / "out" / f"{name}.trace")


def verdict_of(expected: Trace, observed: Trace) -> tuple[Verdict, tuple[CheckResult, ...]]:
    """What the harness says of two traces."""
    results = compare_traces(expected, observed, CHECKS)
    return judge(results, None), results
