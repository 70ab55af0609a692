"""Whoever dies without a goodbye leaves nothing: a process that outlives it, ends what it had started, and tidies up.

`with watched_folder() as folder:` everything that is started carries the folder's name in its arguments or its
environment, or lives in a namespace whose first process does. When the block's process is gone, be it by SIGKILL,
all of that is killed (also what stands still), and the folder removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.closet.agent.scratch import clear_scratch
from harness.closet.agent.selfcheck import scratch_prefix
from tests.chaos.processes import families, mentioning, tell

_ROOT = Path(__file__).parents[2]
_PREFIX = "closet-chaos-"
_PATIENCE_S = 30.0


@contextmanager
def watched_folder() -> Iterator[Path]:
    """A new folder for what a part of the suite starts and writes; it goes with the block, or with its process."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        watcher = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.watcher"],
            stdin=subprocess.PIPE,
            cwd=_ROOT,
            env={"PYTHONPATH": str(_ROOT)},
            start_new_session=True,  # what ends this process, Ctrl-C too, must not end that one
            text=True,
        )
        assert watcher.stdin is not None
        watcher.stdin.write(f"{name}\n")
        watcher.stdin.flush()
        try:
            yield Path(name)
        finally:
            watcher.stdin.close()
            watcher.wait()


def tidy_up(folder: str) -> list[int]:
    """Kill what mentions the folder until nothing does; remove it, and what its workers' jobs left. Those processes."""
    found: list[int] = []
    until = time.monotonic() + _PATIENCE_S
    while (left := families(mentioning(f"{folder}/"))) and time.monotonic() < until:
        found += [pid for pid in left if pid not in found]
        tell(left, signal.SIGKILL)
        time.sleep(0.05)
    for disk in Path(folder).glob("*/disk"):  # a worker's, whose jobs may have left temporary files elsewhere
        clear_scratch(scratch_prefix(disk / "closet"))
    shutil.rmtree(folder, ignore_errors=True)
    return found


def main() -> None:
    """Wait for the other end of the input to go; the folder's name comes first."""
    folder = sys.stdin.readline().rstrip("\n")
    sys.stdin.read()
    if Path(folder).name.startswith(_PREFIX) and Path(folder).is_absolute():
        tidy_up(folder)
    os._exit(0)


if __name__ == "__main__":
    main()
