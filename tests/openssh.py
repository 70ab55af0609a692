"""Debian's OpenSSH server for tests: one that needs nothing of the machine that somebody else could take away.

A shell that sshd starts reads ~/.bashrc, whose owner may have put anything there: a version manager that takes a lock
in the home folder, say. A worker that is killed in that moment leaves the lock, and from then on every login of that
user, on any server of the machine, waits for a minute. So sessions have another home.

As root sshd looks at /run/sshd for every connection, and closes it without a word when that folder is missing or
anybody may write there: all servers of a machine fall silent at once. So each gets a /run of its own where that can be
had. What a server says is kept, and `why_silent` tells it with everything else that makes one silent.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

SSHD = Path("/usr/sbin/sshd")
RUN_FOLDER = Path("/run/sshd")
# Arguments, never part of the line: what follows is run where /run is a fresh one.
_OWN_RUN = 'mount -t tmpfs -o mode=755 closet /run && mkdir -m 755 /run/sshd && exec "$@"'


def server_command(config: Path) -> list[str]:
    """Starts the server that `config` describes, in the foreground, with its log on standard error."""
    return [*_own_run(), str(SSHD), "-D", "-e", "-f", str(config)]


def own_home(folder: Path) -> str:
    """For a server's configuration: its sessions take `folder` for their home."""
    return f"SetEnv HOME={folder}\n"


def banner(host: str, port: int, seconds: float = 2.0) -> str:
    """What the server says first; "" when it says nothing."""
    try:
        with socket.create_connection((host, port), timeout=seconds) as stream:
            return stream.recv(255).decode(errors="replace").strip()
    except OSError:
        return ""


def why_silent(host: str, port: int, log: Path) -> str:
    """Everything that is known about a server, in words for a failed test."""
    said = banner(host, port)
    told = [f"sshd at {host}:{port} says {said!r}" if said else f"sshd at {host}:{port} closes without a banner"]
    try:
        state = RUN_FOLDER.stat()
        told.append(f"{RUN_FOLDER} has mode {stat.S_IMODE(state.st_mode):o} and owner {state.st_uid} here")
    except OSError as error:
        told.append(f"{RUN_FOLDER}: {error.strerror}")
    told.append("own /run" if _own_run() else "/run shared with everybody")
    try:
        told.append(f"its log ends with:\n{log.read_text(errors='replace')[-3000:]}")
    except OSError as error:
        told.append(f"no log: {error}")
    return "\n".join(told)


@functools.cache
def _own_run() -> Sequence[str]:
    """What to put before a command so that it has its own /run; nothing where that cannot be had, or is not needed."""
    if os.geteuid() != 0:
        return ()  # sshd separates no privileges then
    words = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _OWN_RUN, "sshd")
    hidden = Path(tempfile.gettempdir()).resolve().is_relative_to("/run")
    tried = [*words, "true"]
    if (
        not hidden
        and shutil.which("unshare")
        and subprocess.run(tried, check=False, capture_output=True).returncode == 0
    ):
        return words
    RUN_FOLDER.mkdir(mode=0o755, exist_ok=True)
    return ()
