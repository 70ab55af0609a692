"""An orchestrator as a person starts it: `closet run` or `closet resume` in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import ExitCode
from harness.pipeline.runs import RECORD, load_run
from harness.verdict import RunRecord
from tests.chaos.nursery import ROOT, Child, Nursery


@dataclass(slots=True)
class Orchestrator:
    """One run in `folder`. It may be killed and resumed; what it says goes to `folder/../<name>.err`."""

    home: Path
    folder: Path
    suite: Path
    devices: Path
    only: Sequence[str]
    nursery: Nursery
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | Child | None = None
    kills: int = 0
    exit_codes: list[int] = field(default_factory=list)

    @property
    def said(self) -> Path:
        """Its standard error."""
        return self.folder.with_suffix(".err")

    @property
    def running(self) -> bool:
        """Whether it is at work."""
        return self.process is not None and self.process.poll() is None

    def run(self) -> None:
        """Start it."""
        only = [word for segment in self.only for word in ("--only", segment)]
        self._start(["run", str(self.suite), "--devices", str(self.devices), "--run-dir", str(self.folder), *only])

    def resume(self) -> None:
        """Go on with what was cut off; begin anew if that was before there was anything to go on with."""
        if (self.folder / RECORD).exists():
            self._start(["resume", str(self.folder)])
        else:
            self.run()

    def kill(self) -> None:
        """No goodbye."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def wait(self) -> int:
        """Its exit code, once it ended by itself."""
        assert self.process is not None
        code = self.process.wait()
        self.exit_codes.append(code)
        return code

    def stacks(self) -> str:
        """What each of its threads was doing, by ending it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGABRT)
        self.process.wait()
        return self.said.read_text(errors="replace")[-20000:]

    def verdicts_told(self) -> int:
        """How many lines of its output are a verdict."""
        try:
            text = self.said.read_text(errors="replace")
        except OSError:
            return 0
        return sum(line.startswith(("PASS ", "FAIL ", "ERROR ")) for line in text.splitlines())

    @property
    def refused(self) -> bool:
        """Whether it ended before it began, or went on, since its database did not answer: its last words say so."""
        last = self.said.read_text(errors="replace").strip().rpartition("\n")[2]
        said = last.startswith("closet: ") and "the shelf's database does not answer" in last
        return self.exit_codes[-1:] == [ExitCode.NO_VERDICT] and said

    @property
    def recorded(self) -> bool:
        """Whether it has put a record on disk."""
        return (self.folder / RECORD).exists()

    def told_of_the_shelf(self) -> bool:
        """Whether it said that its database does not answer."""
        return "has not answered since" in self.said.read_text(errors="replace")

    def record(self) -> RunRecord:
        """What it put on disk."""
        return load_run(self.folder)

    def _start(self, arguments: list[str]) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        environment = {**_inherited(), **self.environment, "CLOSET_HOME": str(self.home), "PYTHONPATH": str(ROOT)}
        if "LD_PRELOAD" not in self.environment:
            self.process = self.nursery.start(arguments, environment, self.folder.parent, self.said)
            return
        with self.said.open("ab") as said:  # what is preloaded can only be given to a new program
            self.process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", "harness", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.folder.parent,
                env=environment,
                start_new_session=True,
            )


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("CLOSET_", "PYTEST_"))}
