"""Several processes that read logs side by side, each watched: one that dies or hangs costs its log, not the walk."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

DEADLINE_S = 300.0  # for one log: far more than the largest takes

Answer: TypeAlias = Mapping[str, Any]  # {"values", "disablings"}, or {"error"}

_PACKAGES = Path(__file__).parents[2]


def read_logs(paths: Sequence[Path], workers: int, *, deadline_s: float = DEADLINE_S) -> Iterator[tuple[int, Answer]]:
    """The answer for each path with its place in `paths`, in the order they are ready.

    When the iteration ends, however it does, the processes are gone.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for place in range(len(paths)):
        todo.put(place)
    done: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()
    readers = [_Reader(paths, todo, done, deadline_s) for _ in range(min(workers, len(paths)))]
    try:
        for reader in readers:
            reader.start()
        for _ in paths:
            yield done.get()
    finally:
        for reader in readers:
            reader.stop()


class _Reader(threading.Thread):
    """Takes places from `todo` and has them read by a process, which is started again when it is lost."""

    def __init__(
        self,
        paths: Sequence[Path],
        todo: queue.SimpleQueue[int],
        done: queue.SimpleQueue[tuple[int, Answer]],
        deadline_s: float,
    ) -> None:
        super().__init__(daemon=True)
        self._paths, self._todo, self._done, self._deadline_s = paths, todo, done, deadline_s
        self._lock = threading.Lock()
        self._stopped = False
        self._process: subprocess.Popen[str] | None = None

    def run(self) -> None:
        """Read until nothing is left or `stop` is called."""
        while True:
            try:
                place = self._todo.get_nowait()
            except queue.Empty:
                break
            try:
                self._done.put((place, self._read(self._paths[place])))
            except OSError as error:
                self._done.put((place, {"error": f"no process to read it with: {error.strerror}"}))
            if self._stopped:
                break
        self._end()

    def stop(self) -> None:
        """End the process, and wait until the thread has seen it."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()
        if self.is_alive():
            self.join()

    def _read(self, path: Path) -> Answer:
        with self._lock:
            if self._stopped:
                return {"error": "stopped"}
            if self._process is None:
                self._process = _start()
            process = self._process
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._deadline_s, give_up)
        timer.start()
        try:
            _pipe(process.stdin).write(json.dumps(str(path)) + "\n")
            _pipe(process.stdin).flush()
            line = _pipe(process.stdout).readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if line.endswith("\n"):
            answer: Answer = json.loads(line)
            return answer
        self._end()
        if late.is_set():
            return {"error": f"reading it took more than {self._deadline_s:g} s"}
        return {"error": f"the process that read it ended: {_end_words(process.returncode)}"}

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                try:
                    _pipe(pipe).close()
                except BrokenPipeError:
                    continue


def _start() -> subprocess.Popen[str]:
    """A process of its own session: Ctrl-C is for who started the walk, and that one ends it."""
    known = os.environ.get("PYTHONPATH", "")
    return subprocess.Popen(
        [sys.executable, "-m", "harness.recording.corpus_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": f"{_PACKAGES}{os.pathsep}{known}" if known else str(_PACKAGES)},
    )


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None  # noqa: S101 all processes are started with pipes
    return pipe


def _end_words(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
