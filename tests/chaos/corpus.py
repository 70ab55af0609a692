"""Short drives, a proposal under which half of them regress, and what each must come to: the answers of a quiet day."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from fixtures.make import sources_digest
from fixtures.safety import SCRIPTS, write_safety_routes
from harness.verdict import Verdict

# Under a proposal that disables 1 s after a soft disable instead of 3 s, and takes braking over 3 m/s² for excessive.
# Worked out from the scripts, not from a run: those that regress are soft disables that last longer than a second.
EXPECTED: dict[str, Verdict] = {
    "actuation: nobody drives": Verdict.PASS,
    "gap of 2 frames": Verdict.PASS,
    "steering gone just late enough": Verdict.PASS,
    "a drive begins": Verdict.PASS,
    "a dashcam": Verdict.PASS,
    "actuation: accelerates over the limit": Verdict.FAIL,
    "actuation: brakes over the limit": Verdict.FAIL,
    "actuation: over the limit for 26 frames": Verdict.FAIL,
    "actuation: turns over the limit": Verdict.FAIL,
    "actuation: turns the other way over the limit": Verdict.FAIL,
}
_PROPOSAL = """\
format: 1
base: 0.11.2
thresholds:
  longitudinal_accel_min: -3.0 m/s²
soft_disable_time_s: 1.0
"""
_SUITE = """\
suite: chaos
routes: [routes]
replayers:
  selfdrive_state:
    candidate: proposal.yaml
    baseline: rules.yaml
    options: {{mode: derived}}
    checks:
      disengagements: {{events: {{types: [softDisable, immediateDisable, userDisable], collar_s: 0.2}}}}
      states: {{events: {{types: [], states: ["*"], severities: {{NEW: BLOCK}}}}}}
devices: {{kinds: [emulated]}}
deadline_s: {deadline_s}
"""
_STAMP = "chaos.json"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Suites, recordings and rule sets in `folder`; `expected` holds a segment's only right verdict, in order."""

    folder: Path
    expected: dict[str, Verdict]

    @property
    def segments(self) -> tuple[str, ...]:
        """Names of the segments, as records have them."""
        return tuple(self.expected)

    def suite(self, deadline_s: float) -> Path:
        """A suite whose jobs may take so long."""
        return self.folder / f"suite-{deadline_s:g}.yaml"

    def blobs(self) -> list[Path]:
        """Every file that a worker is sent, the program apart."""
        return [*self.folder.glob("routes/*/rlog.zst"), self.folder / "proposal.yaml", self.folder / "rules.yaml"]


DEADLINES_S = (20.0, 120.0)  # where a job is to hang, which is waited for, and elsewhere: more than a busy one needs


def build_corpus(folder: Path) -> Corpus:
    """The corpus in `folder`, made there unless it is; several processes may call at once."""
    scripts = {script.name: script for script in SCRIPTS}
    chosen = [scripts[name] for name in EXPECTED]
    stamp = hashlib.sha256((sources_digest() + Path(__file__).read_text()).encode()).hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / _STAMP).exists() or json.loads((folder / _STAMP).read_text()) != stamp:
            shutil.rmtree(folder, ignore_errors=True)
            part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
            write_safety_routes(part / "routes", chosen)
            for qlog in part.glob("routes/*/qlog.zst"):
                qlog.unlink()
            (part / "proposal.yaml").write_text(_PROPOSAL)
            (part / "rules.yaml").write_text("format: 1\nbase: 0.11.2\n")
            for deadline_s in DEADLINES_S:
                (part / f"suite-{deadline_s:g}.yaml").write_text(_SUITE.format(deadline_s=deadline_s))
            (part / _STAMP).write_text(json.dumps(stamp))
            part.rename(folder)
    return Corpus(folder, {str(script.segment): EXPECTED[script.name] for script in chosen})
