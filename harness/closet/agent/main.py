"""The agent's command line: `serve` over the control channel, `files` over one that moves bytes, and the upkeep.

Each way loads its own modules alone: a device starts one that moves bytes for every job.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

_PRIVATE = 0o077  # what a device's other users may not do with anything of ours


def main() -> None:
    """Run until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", help="serve, files, build, verify or remove")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--cache-bytes", type=int, default=1 << 50)
    parser.add_argument("--silence-s", type=float, default=30.0)
    options = parser.parse_args()
    os.umask(_PRIVATE)
    root = options.root.expanduser().absolute()
    if options.what == "serve":
        from harness.closet.agent.server import Server  # noqa: PLC0415

        Server(root, options.cache_bytes, options.silence_s).run()
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    if options.what == "files":
        from harness.closet.agent.files import move_files  # noqa: PLC0415

        move_files(root)
    else:
        from harness.closet.agent.upkeep import answer  # noqa: PLC0415

        answer(root, options.what)
