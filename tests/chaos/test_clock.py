"""A clock that jumps does so while the process runs, and only the one that people set."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.clock import clock_library, fake_clock, jump

SAYS = """
import datetime, json, sys, threading, time
for _ in sys.stdin:
    threading.Event().wait(0.001)
    print(json.dumps([time.time(), time.time_ns() / 1e9, datetime.datetime.now().timestamp(), time.monotonic(),
                      time.clock_gettime(time.CLOCK_BOOTTIME)]), flush=True)
"""


@pytest.mark.parametrize("hour", [-3600.0, 3600.0])
def test_only_the_time_of_day_jumps(tmp_path: Path, hour: float) -> None:
    if clock_library() is None:
        pytest.skip("nothing here compiles C: clocks that jump are not tested")
    environment = dict(fake_clock(tmp_path / "clock"))
    command = [sys.executable, "-c", SAYS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for off in (0.0, hour, 0.0):
            jump(tmp_path / "clock", off)
            process.stdin.write("now\n")
            *day, monotonic, boot = json.loads(process.stdout.readline())
            assert all(abs(said - time.time() - off) < 60 for said in day)
            assert abs(monotonic - time.monotonic()) < 60
            assert abs(boot - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60
        process.stdin.close()
