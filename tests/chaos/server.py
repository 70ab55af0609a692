"""A PostgreSQL server of a floor's own, behind a link, that can be frozen, killed and started again."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.chaos.link import Link, Loop, open_link
from tests.chaos.processes import tell
from tests.postgres import OWNER, binaries, create_database, init_data, server_processes, start, wait_until_ready

_START_S = 60.0


class DatabaseServer:
    """Data below `folder`, whose parent its user has to be able to pass. `start` it before use."""

    def __init__(self, folder: Path, loop: Loop) -> None:
        programs = binaries()
        assert programs is not None, "ask `databases_possible` first"
        self._folder, self._programs, self._loop = folder, programs, loop
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []
        folder.parent.chmod(0o711)
        init_data(folder, programs)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port: int = listener.getsockname()[1]
        self.link: Link = open_link(loop, ("127.0.0.1", self._port))

    def start(self) -> None:
        """Switch on, unless it is, and wait until it answers."""
        if self._process is None or self._process.poll() is not None:
            settings = ("listen_addresses=127.0.0.1", f"port={self._port}")
            self._process = start(self._folder, self._programs, *settings)
            wait_until_ready(self._folder, self._process, self._port)

    def new_shelf(self) -> str:
        """The address of a database that nobody has used, by way of the link."""
        name = create_database(self._folder, self._port).split("/")[3].partition("?")[0]
        return f"postgresql://{OWNER}@127.0.0.1:{self.link.port}/{name}"

    def freeze(self) -> None:
        """Nothing of it runs on, its connections stay."""
        self._frozen = self._everything()
        tell(self._frozen, signal.SIGSTOP)

    def thaw(self) -> None:
        """All of it runs again; what was stopped is remembered, since a list of children may leave one out."""
        tell({*self._frozen, *self._everything()}, signal.SIGCONT)
        self._frozen = []

    def kill(self) -> None:
        """Every process gone at once."""
        pids = self._everything()
        tell(pids, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        until = time.monotonic() + _START_S
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
            time.sleep(0.01)

    def close(self) -> None:
        """For good."""
        self.kill()
        self._loop.call(self.link.close())

    def _everything(self) -> list[int]:
        if self._process is None or self._process.poll() is not None:
            return []
        with suppress(OSError, ValueError):
            return server_processes(self._folder)
        return [self._process.pid]


def databases_possible() -> str:
    """Why no PostgreSQL server can be had here; "" when one can."""
    return "" if binaries() is not None else "no PostgreSQL server here"
