"""Many scenarios: processes that each have a floor of their own, fed with seeds, and what came of them all together."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.corpus import build_corpus
from tests.chaos.faults import scenario
from tests.chaos.nursery import ROOT
from tests.chaos.scenario import Floor
from tests.chaos.watcher import watched_folder

CORPUS = ROOT / ".closet" / "fixtures" / "chaos"


@dataclass(slots=True)
class Tally:
    """What came of many scenarios. `harmless` ones, in which nothing went wrong after all, are not among them."""

    scenarios: int = 0
    harmless: int = 0
    runs: int = 0
    jobs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    swept_later: int = 0
    violations: list[tuple[int, str]] = field(default_factory=list)

    def add(self, seed: int, told: dict[str, Any]) -> None:
        """One more."""
        self.scenarios += bool(told["fired"])
        self.harmless += not told["fired"]
        self.runs += told["runs"]
        self.jobs += told["jobs"]
        self.faults.update(told["fired"])
        self.skipped.update(list(told["skipped"]))
        self.verdicts.update(told["verdicts"])
        self.swept_later += told["swept_later"]
        self.violations += [(seed, violation) for violation in told["violations"]]

    def count(self, words: str) -> int:
        """How many complaints say that."""
        return sum(words in violation for _, violation in self.violations)


def play_one(seed: int) -> dict[str, Any]:
    """One scenario in this process."""
    with _floor() as floor:
        return _told(floor, seed)


def tally_of(played: Mapping[int, dict[str, Any]]) -> Tally:
    """What came of all these."""
    tally = Tally()
    for seed, told in sorted(played.items()):
        tally.add(seed, told)
    return tally


def play_many(seeds: Iterator[int], jobs: int, until_s: float, on_end: Callable[[int, dict[str, Any]], None]) -> None:
    """Play seeds, so many at a time, until there are none, or the time is over (on the monotonic clock).

    Each process has a floor of its own: folder, namespaces, addresses, store, shelf. `on_end` is called one at a time.
    """
    build_corpus(CORPUS)
    lock = threading.Lock()

    def feed() -> None:
        process: subprocess.Popen[str] | None = None
        while time.monotonic() < until_s:
            with lock:
                seed = next(seeds, None)
            if seed is None:
                break
            if process is None:
                process = _start()
            told = _ask(process, seed)
            if told is None:
                process = None
                told = {**_nothing(), "violations": ["the process that played it died"]}
            with lock:
                on_end(seed, told)
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

    threads = [threading.Thread(target=feed) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def serve() -> None:
    """Play the seeds that come on the input, one after the other; a JSON line for each."""
    seeds: queue.SimpleQueue[str] = queue.SimpleQueue()
    playing = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            seeds.put(line)
        if playing.is_set():  # nobody is left who wants to know: what was started is the watcher's
            os.kill(os.getpid(), signal.SIGKILL)
        seeds.put("")

    with _floor() as floor:
        threading.Thread(target=listen, name="seeds", daemon=True).start()
        while line := seeds.get():
            playing.set()
            told = _told(floor, int(line))
            playing.clear()
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


@contextmanager
def _floor() -> Iterator[Floor]:
    with watched_folder() as folder, Floor(folder, build_corpus(CORPUS)) as floor:
        yield floor


def _told(floor: Floor, seed: int) -> dict[str, Any]:
    result = floor.play(scenario(seed))
    told = {name: value for name, value in asdict(result).items() if name != "scenario"}
    return {**told, "verdicts": {str(verdict): count for verdict, count in result.verdicts.items()}}


def _nothing() -> dict[str, Any]:
    return {"runs": 0, "jobs": 0, "fired": [], "skipped": {}, "verdicts": {}, "swept_later": 0, "said": ""}


def _start() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.chaos", "serve"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True, bufsize=1)


def _ask(process: subprocess.Popen[str], seed: int) -> dict[str, Any] | None:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{seed}\n")
        process.stdin.flush()
        told: dict[str, Any] = json.loads(process.stdout.readline())
    except (OSError, ValueError):
        process.kill()
        process.wait()
        return None
    return told
