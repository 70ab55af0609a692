"""The agent's command line: `serve` over the control channel, `files` over one that moves bytes."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from harness.closet.agent.files import move_files
from harness.closet.agent.server import Server


def main() -> None:
    """Run until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("serve", "files"))
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--cache-bytes", type=int, default=1 << 50)
    parser.add_argument("--silence-s", type=float, default=30.0)
    options = parser.parse_args()
    root = options.root.expanduser().absolute()
    if options.what == "files":
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))
        move_files(root)
    else:
        Server(root, options.cache_bytes, options.silence_s).run()
