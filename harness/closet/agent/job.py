"""One command in a session of its own, from its start until its folder is gone."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.closet.agent.bounds import MOST_PROCESSES, Bounds
from harness.closet.agent.processes import end_processes, members
from harness.closet.agent.refusal import Refused, described
from harness.closet.agent.scratch import clear_scratch
from harness.closet.agent.selfcheck import scratch_prefix

_SINGLE_THREADED = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_PASSED = ("PATH", "HOME", "LD_LIBRARY_PATH")
_WITHHELD = ("CLOSET_SHELF", "CLOSET_BASELINES")  # addresses, which may hold a password
_TAIL_BYTES = 64 * 1024
OUT_FILES, OUT_BYTES = 1000, 1 << 30
_LINES_BURST, _LINES_PER_S = 100.0, 20.0
_GRACE_S = 1.0
_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: `name` is the job's folder, `code` the digest of the unpacked program."""

    name: str
    job_text: str
    arguments: tuple[str, ...]
    code: str
    threads: str
    deadline_s: float


class Job:
    """A started command. `lock` is the held slot, freed with the folder; `say` sends a line to the orchestrator."""

    def __init__(self, root: Path, command: Command, lock: IO[bytes], say: Callable[[dict[str, Any]], None]) -> None:
        self._root, self._command, self._lock, self._say = root, command, lock, say
        self._folder = root / "jobs" / command.name
        self._marker = f"CLOSET_JOB={self._folder}"
        self._killed = False
        self._stopped: Refused | None = None
        self._too_many = 0
        self._ended = threading.Event()
        self._tail = bytearray()
        try:
            (self._folder / "out").mkdir(parents=True)
            (self._folder / "tmp").mkdir()
            (self._folder / "job.json").write_text(command.job_text)
            self._process = subprocess.Popen(
                [sys.executable, *command.arguments],
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._bounds = Bounds(f"{scratch_prefix(root)}{command.name}", self._process.pid)
        self._started = time.monotonic()

    @property
    def pid(self) -> int:
        """The leader of the job's session."""
        return self._process.pid

    def watch(self) -> None:
        """Begin to read and to wait: once the start was answered, so that the answer comes first."""
        threading.Thread(target=self._watch, daemon=True).start()

    def kill(self, grace_s: float) -> list[int]:
        """End the session; returns the processes that survived."""
        if self._ended.is_set():
            return []
        self._killed = True
        return end_processes(self.pid, self._marker, grace_s)[1]

    def stop(self, why: Refused) -> None:
        """End the session because the device is needed otherwise: that is what the job's end then says. Once."""
        if self._stopped is not None or self._ended.is_set():
            return
        self._stopped = why
        end_processes(self.pid, self._marker, 0.0)

    def remove(self) -> None:
        """Delete what it left and free the slot. The folder goes last: by it whoever is next knows of the rest."""
        clear_scratch(f"{scratch_prefix(self._root)}{self._command.name}-")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._bounds.release()
        self._lock.close()

    def _environment(self) -> dict[str, str]:
        command = self._command
        return {
            **{name: value for name, value in os.environ.items() if _is_passed(name)},
            **dict.fromkeys(_SINGLE_THREADED, "1"),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._folder / "tmp"),
            "PYTHONPATH": str(self._root / "code" / command.code),
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONHASHSEED": "0",
            "CLOSET_THREADS": command.threads,
            "CLOSET_JOB": str(self._folder),
            # How it names what it makes in /dev/shm, so that it can be told from anybody else's and cleared away.
            "CLOSET_SCRATCH": f"{scratch_prefix(self._root)}{command.name}-",
        }

    def _watch(self) -> None:
        readers = [threading.Thread(target=read, daemon=True) for read in (self._read_stdout, self._read_stderr)]
        for reader in readers:
            reader.start()
        timed_out = not self._ends_in_time()
        elapsed_s = time.monotonic() - self._started
        left_behind, survivors = end_processes(self.pid, self._marker, _GRACE_S)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        for reader in readers:
            reader.join(2.0)
        ended: dict[str, Any] = {
            "exit": self._process.returncode,
            "elapsed_s": elapsed_s,
            "timed_out": timed_out,
            "killed": self._killed,
            "too_many": self._too_many,
            "left_behind": left_behind,
            "survivors": survivors,
            "stderr": bytes(self._tail).decode(errors="replace"),
            "files": [],
        }
        try:
            if self._stopped is not None:
                raise self._stopped
            ended["files"] = result_files(self._folder / "out")
        except (OSError, Refused) as error:
            ended["error"] = described(error, self._root)
        self._ended.set()
        self._say({"job": self._command.name, "ended": ended})

    def _ends_in_time(self) -> bool:
        """Wait for the deadline; a family that grows too large is ended before it."""
        until = self._started + self._command.deadline_s
        while (left_s := until - time.monotonic()) > 0:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(min(left_s, _LOOK_S))
                return True
            if self._bounds.worth_counting():
                count = len(members(self.pid, self._marker))
                if count > MOST_PROCESSES:
                    self._too_many = count
                    return True
        return False

    def _read_stdout(self) -> None:
        """Lines that are JSON objects are progress; a flood is thinned out."""
        stream = self._process.stdout
        budget, spent_at = _LINES_BURST, time.monotonic()
        while stream is not None and (line := stream.readline(65536)):
            now = time.monotonic()
            budget, spent_at = min(_LINES_BURST, budget + (now - spent_at) * _LINES_PER_S), now
            with suppress(ValueError):
                progress = json.loads(line)
                if isinstance(progress, dict) and budget >= 1.0:
                    budget -= 1.0
                    self._say({"job": self._command.name, "progress": progress})

    def _read_stderr(self) -> None:
        descriptor = self._process.stderr.fileno() if self._process.stderr else -1
        with suppress(OSError):
            while piece := os.read(descriptor, 65536):
                self._tail += piece
                del self._tail[:-_TAIL_BYTES]


def _is_passed(name: str) -> bool:
    """Whether the software under test gets a variable: few of them, and none with a secret in it."""
    return name in _PASSED or (name.startswith("CLOSET_") and name not in _WITHHELD)


def result_files(folder: Path) -> list[tuple[str, int, str]]:
    """(name, size, sha256) of every plain file below `folder`; links and devices are not results."""
    found: list[tuple[str, int, str]] = []
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.is_symlink() or not path.is_file():
                continue
            size = path.stat().st_size
            total += size
            if len(found) >= OUT_FILES or total > OUT_BYTES:
                problem = f"the job left more than {OUT_FILES} files or {OUT_BYTES >> 30} GiB in out/"
                raise Refused("DataError", problem, "see what the job writes")
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found.append((path.relative_to(folder).as_posix(), size, digest))
    return sorted(found)
