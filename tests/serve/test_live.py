"""Server-sent events, and how a dashboard ends while they are open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from fixtures.dashboard import Seeded
from harness.domain import Health
from harness.shelf import Shelf
from tests.serve.conftest import TOKEN, Dashboard, running, settings_of


def events(answer: httpx.Response) -> Iterator[tuple[str, str]]:
    """(name, data) of each event of a stream."""
    name, data = "", []
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif not line and name:
            yield name, "\n".join(data)
            name, data = "", []


def test_a_change_is_told_to_everybody(dashboard: Dashboard, shelf: Shelf) -> None:
    with dashboard.client() as client, client.stream("GET", "/events") as one, client.stream("GET", "/events") as other:
        assert one.headers["content-type"].startswith("text/event-stream")
        streams = events(one), events(other)
        for stream in streams:
            first = dict(next(stream) for _ in range(4))
            assert set(first) == {"running", "queue", "devices", "latest"}
            assert "<li>x" not in first["devices"]
        shelf.set_health("tizi-01", Health.SUSPECT, reason="<li>x", by="test", by_person=True)
        for stream in streams:
            # What an earlier test changed may come first; each event tells one thing that changed.
            name = next(name for name, data in stream if "&lt;li&gt;x" in data)
            assert name == "devices", "and only what changed"
    shelf.canary_passed("tizi-01", "onnxruntime 1.22, av 15.0")


def test_it_ends_while_streams_are_open(seeded: Seeded) -> None:
    with running(settings_of(seeded)) as shown, shown.client() as client, client.stream("GET", "/events") as answer:
        stream = events(answer)
        next(stream)
        began_s = time.monotonic()
        shown.stop.set()
        names = [name for name, _ in stream]
        assert names[-1] == "ended"
        assert time.monotonic() - began_s < 20


def test_ctrl_c_ends_the_command_cleanly(seeded: Seeded, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    command = [sys.executable, "-m", "harness", "serve", "--port", "0", "--token-file", "token"]
    environment = os.environ | {"CLOSET_HOME": str(seeded.home), "PYTHONPATH": str(Path(__file__).parents[2])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
        address = process.stdout.readline().removeprefix("closet serve: ").strip()
        with httpx.stream("GET", f"{address}/events", timeout=60) as answer:
            stream = events(answer)
            next(stream)
            process.send_signal(signal.SIGINT)
            assert [name for name, _ in stream][-1] == "ended"
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert TOKEN not in said
