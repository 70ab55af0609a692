"""Figures of the dashboard: how soon a page is there, with years of runs in the database and viewers who watch live."""

from __future__ import annotations

import http.client
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from harness.bench.figure import Better, Figure
from harness.bench.workbench import Workbench
from harness.domain import DeviceKind, json_digest
from harness.errors import DataError
from harness.shelf import ENDED, ClaimEntry, Counts, RunEntry, Shelf, TrialEntry

_DATABASE = "shelf.db"
_DAY_S = 86_400.0
_METRICS = 6
_SUITES = ("nightly", "pr", "release", "safety")
_START_S = 120.0
_GOALS_MS = 100.0


def dashboard(bench: Workbench) -> float:
    """Milliseconds within which 95 of 100 requests of the slowest page are answered, on SQLite."""
    scale = bench.scale
    folder = bench.made("dashboard", lambda into: _fill(into, scale.dashboard_runs, scale.dashboard_jobs))
    return measure_pages(bench, str(folder / _DATABASE))


def _fill(folder: Path, runs: int, jobs: int) -> None:
    with Shelf(folder / _DATABASE) as shelf:
        fill_archive(shelf, runs, jobs)


def measure_pages(bench: Workbench, address: str) -> float:
    """The same for a filled shelf at any address; tells each page's median and p95."""
    slowest = 0.0
    with _served(bench.fresh("dashboard"), address) as place, _viewers(place, bench.scale.dashboard_viewers):
        for page, took_ms in _pages(place, bench.scale.dashboard_goes).items():
            p95 = _quantile(took_ms, 0.95)
            bench.tell(f"{page}: median {_quantile(took_ms, 0.5):.0f} ms, p95 {p95:.0f} ms")
            slowest = max(slowest, p95)
    return slowest


def fill_archive(shelf: Shelf, runs: int, jobs: int) -> None:
    """Runs of four suites up to now, `jobs` trials and six claims each; and some devices with a past."""
    dice = random.Random(11)  # noqa: S311 the same runs every time
    names = [f"{dice.getrandbits(64):016x}/{n:08x}--{dice.getrandbits(40):010x}/{n % 9}" for n in range(jobs * 2)]
    now_s = time.time()
    for number in range(runs):
        shelf.archive.write_run(_entry(dice, names, number, now_s - (runs - number) * 7200.0, jobs))
    for number in range(min(runs, 2000)):
        device, ended_s = f"mici-{number % 24:02d}", now_s - number * 900.0
        shelf.record_attempt(
            run=f"run-{runs - 1 - number // 8:06d}",
            device=device,
            kind=DeviceKind.MICI,
            cost_key=names[number % len(names)],
            started_s=ended_s - 60.0,
            ended_s=ended_s,
            error_kind="DeviceTimeoutError" if dice.random() < 0.03 else "",
            canary=False,
        )


def _entry(dice: random.Random, names: Sequence[str], number: int, began_s: float, jobs: int) -> RunEntry:
    first = dice.randrange(len(names) - jobs)
    trials = tuple(_trial(dice, name, number) for name in names[first : first + jobs])
    verdicts = [trial.verdict for trial in trials]
    counts = Counts(jobs, verdicts.count("PASS"), verdicts.count("FAIL"), verdicts.count("ERROR"))
    return RunEntry(
        host="bench",
        folder=f"/runs/{number:06d}",
        name=f"run-{number:06d}",
        suite=_SUITES[number % len(_SUITES)],
        candidate=f"models/change-{number // 3:05d}",
        baseline="models/release",
        started_s=began_s,
        duration_s=900.0 + dice.random() * 300.0,
        state=ENDED,
        exit_code=1 if counts.failed else 0,
        reason=f"{counts.failed} regressions" if counts.failed else f"{counts.passed} jobs passed",
        counts=counts,
        devices=24,
        seen="",
        trials=trials,
        claims=tuple(_claim(dice, metric) for metric in range(_METRICS)),
    )


def _trial(dice: random.Random, name: str, number: int) -> TrialEntry:
    luck = dice.random()
    verdict = "FAIL" if luck > 0.99 else "ERROR" if luck < 0.004 else "PASS"
    words = "action.desiredCurvature leaves at frame 412 (20.60 s), peak 431" if verdict == "FAIL" else "exact"
    job = json_digest([name, number // 40])[:16]
    return TrialEntry(name, "driving_model", "mici", verdict, f"mici-{dice.randrange(24):02d}", words, "", "", job, job)


def _claim(dice: random.Random, metric: int) -> ClaimEntry:
    value = 0.2 + 0.01 * metric + dice.gauss(0, 0.005)
    return ClaimEntry(
        intent="steady",
        name=f"error {metric}",
        metric=f"error {metric}",
        condition="all",
        unit="m",
        expect="unchanged",
        answer="PROVED equivalent",
        standing="holds",
        words="within the margin",
        segments=24,
        candidate=value,
        baseline=0.2,
        effect=value - 0.2,
        low=-0.01,
        high=0.02,
    )


@contextmanager
def _served(home: Path, address: str) -> Iterator[str]:
    """The address of `closet serve` in a process of its own."""
    command = [sys.executable, "-m", "harness", "serve", "--port", "0", "--json"]
    environment = os.environ | {"CLOSET_HOME": str(home), "CLOSET_SHELF": address}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 asked for
            line = process.stdout.readline()
            if not line:
                raise DataError("the dashboard did not start", where=address)
            yield str(json.loads(line)["address"])
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_START_S)


@contextmanager
def _viewers(place: str, count: int) -> Iterator[None]:
    """So many browsers that watch live, each with its stream open."""
    host, port = urlsplit(place).hostname, urlsplit(place).port
    request = f"GET /events HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(count):
            viewer = stack.enter_context(socket.create_connection((host, port), timeout=_START_S))
            viewer.sendall(request)
            if b"200 OK" not in viewer.recv(4096):
                raise DataError("the dashboard refuses a viewer", where=place)
        yield


def _pages(place: str, goes: int) -> Mapping[str, list[float]]:
    """How long every page took, each time, in milliseconds; the pages take turns."""
    address = urlsplit(place)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=_START_S)
    first = json.loads(_get(connection, "/api/runs?limit=2"))
    newest, earlier = (run["slug"] for run in first["runs"])
    deep = json.loads(_get(connection, "/api/runs?limit=500"))["before"]
    addresses = {
        "now": "/",
        "runs": "/runs",
        "runs, further back": f"/runs?before={quote(deep)}",
        "runs that fit a text": "/runs?gate=closed&text=change-000",
        "run": f"/runs/{newest}",
        "its failures": f"/runs/{newest}?verdict=FAIL",
        "job": f"/runs/{newest}/trials/0",
        "compare": f"/compare?before={earlier}&after={newest}",
        "trends": "/trends?suite=nightly",
        "one metric": "/trends/1",
        "devices": "/devices",
        "device": "/devices/mici-01",
        "unsteady": "/flaky",
        "coverage": "/coverage",
        "quarantine": "/quarantine",
        "audit": "/audit",
        "metrics": "/metrics",
        "API: runs": "/api/runs",
        "API: jobs": f"/api/runs/{newest}/trials",
    }
    for each in addresses.values():  # what is made at the first time is no figure of the page
        _get(connection, each)
    took: dict[str, list[float]] = {name: [] for name in addresses}
    for _ in range(goes):
        for name, each in addresses.items():
            began_s = time.perf_counter()
            _get(connection, each)
            took[name].append(1e3 * (time.perf_counter() - began_s))
    connection.close()
    return took


def _get(connection: http.client.HTTPConnection, address: str) -> bytes:
    connection.request("GET", address, headers={"Accept": "text/html"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        raise DataError(f"{address} answers {answer.status}", remedy="see the dashboard's terminal")
    return body


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(math.ceil(share * len(values)), len(values)) - 1]


FIGURES = (Figure("dashboard, slowest page, p95", "ms", _GOALS_MS, Better.LOWER, dashboard),)
