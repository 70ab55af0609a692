"""Starts orchestrators quickly: a process that has everything imported, and forks one for each command.

`python -m tests.chaos.nursery` answers JSON lines on its input. What it starts is a process of its own like any
`closet`, with its own arguments, environment, folder and output; it only did not have to import all that again.
"""

from __future__ import annotations

import faulthandler
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Nursery:
    """The process and a conversation with it; a context manager."""

    def __enter__(self) -> Nursery:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, said: Path) -> Child:
        """Run `closet ARGUMENTS` in `folder`; what it says is added to `said`."""
        told = {"start": list(arguments), "environment": dict(environment), "folder": str(folder), "said": str(said)}
        return Child(self, int(self.ask(told)))

    def ask(self, question: Mapping[str, Any]) -> Any:
        """One line there, one line back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class Child:
    """A process that the nursery started. It stays a zombie until it was asked for, so its number is its own."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery, self.pid = nursery, pid
        self._ends = os.pidfd_open(pid)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None and select.select([self._ends], [], [], 0.0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        """The same, once it has ended."""
        if self.returncode is None:
            self.returncode = int(self._nursery.ask({"wait": self.pid}))
            os.close(self._ends)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """If it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """No goodbye."""
        self.send_signal(signal.SIGKILL)


def _serve() -> None:
    import harness.__main__  # noqa: PLC0415 - only in this process, which is there to have it
    import harness.cli.nightly  # noqa: PLC0415
    import harness.cli.suites  # noqa: PLC0415
    import harness.closet.pool  # noqa: PLC0415
    import harness.shelf  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:  # a database that is made brings the migrations in
        harness.shelf.Shelf(Path(folder, "shelf.db")).close()
    living: set[int] = set()
    while line := sys.stdin.buffer.readline():
        question = json.loads(line)
        if "start" in question:
            pid = os.fork()
            if pid == 0:
                _become(question)
                harness.__main__.script()
                os._exit(0)
            living.add(pid)
            answer = pid
        else:
            ended, status = os.waitpid(question["wait"], 0)
            living.discard(ended)
            answer = os.waitstatus_to_exitcode(status)
        os.write(1, json.dumps(answer).encode() + b"\n")
    for pid in living:  # whoever wanted them is gone
        os.kill(pid, signal.SIGKILL)


def _become(question: Mapping[str, Any]) -> None:
    os.setsid()
    os.chdir(question["folder"])
    os.environ.clear()
    os.environ.update(question["environment"])
    said = os.open(question["said"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for descriptor, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, said), (2, said)):
        os.dup2(source, descriptor)
    sys.argv = ["closet", *question["start"]]
    faulthandler.enable(all_threads=True)


if __name__ == "__main__":
    _serve()
